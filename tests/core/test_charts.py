"""Every kind of chart draws on paper and on the page, with names that mean something to matplotlib, plotly or HTML."""

from __future__ import annotations

import io
from typing import get_args

import pytest

from qif_deploy.plots.charts import (
    BarSeries,
    Chart,
    CoreCell,
    CoreMap,
    Course,
    Curve,
    HeatMap,
    Histogram,
    Intervals,
    Mark,
    MeshSize,
    Ranges,
    Raster,
    RasterBand,
    StackedBars,
)
from qif_deploy.plots.interactive.figure import plotly_figure
from qif_deploy.plots.interactive.parts import plain

NASTY = "a$b_$ <img src=x onerror=alert(1)> & %{x}"
CELL = CoreCell(chip=0, column=1, row=1, slot=3, layers=(NASTY, "b"), used=0.5, binding="synmem")

CHARTS: dict[str, Chart] = {
    "heat map": HeatMap(
        rows=(NASTY, "b"), columns=("0",), values=((0.5,), (None,)), texts=(("0.5",), ("-",)), column_label="step", value_label="%",
    ),
    "long heat map": HeatMap(
        rows=("a",), columns=tuple(map(str, range(40))), values=(tuple(range(40)),), texts=(("1",) * 40,),
        column_label="step", value_label="%",
    ),
    "course": Course(u_float=(0.0, 1.5), u_integer=(0.1, 1.4), bound=(0.2, 0.2), theta=1.0, spikes_float=(0, 1), spikes_integer=(0, 0)),
    "flat course": Course(u_float=(1.0,), u_integer=(1.0,), bound=(0.0,), theta=1.0, spikes_float=(0,), spikes_integer=(1,)),
    "raster": Raster(bands=tuple(RasterBand(population=name, neurons=(0, 5), spikes=((0, 1, 0), (1, 1, 0))) for name in (NASTY, "b"))),
    "histogram": Histogram(
        positions=(-1.0, 0.0, 1.0), counts=(1, 0, 3), labels=("-1", "0", "1"), value_label="code", count_label="weights",
        ticks=(Mark(position=0, label="0"),), marks=(Mark(position=1, label="threshold"),),
    ),
    "histogram of one": Histogram(positions=(0.0,), counts=(1,), labels=("0",), value_label="code", count_label="weights"),
    "stacked bars": StackedBars(
        bars=(NASTY, NASTY), series=tuple(BarSeries(name=f"{NASTY} {n}", values=(1.0, 2.0)) for n in range(10)), low=(0.0, 30.0),
        high=(10.0, 40.0), value_label="uJ",
    ),
    "ranges": Ranges(names=(NASTY, "b"), low=(1.0, 2.0), typical=(2.0, 3.0), high=(3.0, 30.0), value_label="uJ"),
    "intervals": Intervals(names=("float", "integer"), low=(90.0, 91.0), value=(95.0, 96.0), high=(97.0, 98.0), value_label="%"),
    "curve": Curve(values=(2.0, 1.0, 0.5), step_label="epoch", value_label="loss"),
    "core map": CoreMap(chip=0, cells=(CELL,), size=MeshSize(columns=3, rows=2, slots=4), names=(NASTY, "b")),
}  # fmt: skip


def test_every_kind_has_an_example() -> None:
    assert {type(chart) for chart in CHARTS.values()} == set(get_args(Chart))


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_draws_on_paper(name: str) -> None:
    pytest.importorskip("matplotlib")
    from qif_deploy.plots.paper_figures import paper_figure

    drawn = io.BytesIO()
    paper_figure(CHARTS[name]).savefig(drawn, format="svg")
    assert b"<svg" in drawn.getvalue()
    assert b"<img" not in drawn.getvalue()


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_is_a_valid_figure_of_plotly_once_it_has_colours(name: str) -> None:
    graph_objects = pytest.importorskip("plotly.graph_objects")
    graph_objects.Figure(coloured(plotly_figure(CHARTS[name])))


def coloured(value: object) -> object:
    """As the page's script does: a name of a CSS variable becomes its colour."""
    if isinstance(value, dict):
        return {key: coloured(one) for key, one in value.items()}
    if isinstance(value, list):
        return [coloured(one) for one in value]
    return "#123456" if isinstance(value, str) and value.startswith("var(--") else value


def test_names_are_plain_text_to_plotly() -> None:
    assert plain("<a href=x>&amp;") == "&lt;a href=x&gt;&amp;amp;"
    for chart in CHARTS.values():
        assert "<img" not in str(plotly_figure(chart))


def test_parts_of_a_bar_differ_in_more_than_colour() -> None:
    parts = plotly_figure(CHARTS["stacked bars"])["data"][:-1]
    looks = {(part["marker"]["color"], part["marker"]["pattern"]["shape"]) for part in parts}
    assert len(looks) == len(parts)
