"""Charts as matplotlib figures, in the width of a column of a paper."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_never

from qif_deploy.plots._matplotlib import Axes, Figure
from qif_deploy.plots.charts import Chart, CoreMap, Course, Curve, HeatMap, Histogram, Intervals, Ranges, Raster, StackedBars
from qif_deploy.plots.core_map import plot_core_map

WIDTH_INCHES = 5.0
HATCHES = ("", "//", "..", "xx", "--", "\\\\", "++", "||")
"""Fillings of stacked parts, so that they are told apart in print without colour."""


def paper_figure(chart: Chart) -> Figure:
    """Return a figure of a chart; ``figure.savefig(path)`` writes it."""
    if isinstance(chart, CoreMap):
        return plot_core_map(chart.cells, chart.size, title="")
    figure = Figure(figsize=(WIDTH_INCHES, _height(chart)), layout="constrained")
    axes = figure.add_subplot()
    match chart:
        case HeatMap():
            _draw_heat_map(axes, chart)
        case Course():
            _draw_course(axes, chart)
        case Raster():
            _draw_raster(axes, chart)
        case Histogram():
            _draw_histogram(axes, chart)
        case StackedBars():
            _draw_stacked_bars(axes, chart)
        case Ranges():
            _draw_points(axes, chart, chart.typical)
            axes.set_xscale("log")
        case Intervals():
            _draw_points(axes, chart, chart.value)
        case Curve():
            _draw_curve(axes, chart)
        case _:
            assert_never(chart)
    return figure


def _height(chart: Chart) -> float:
    match chart:
        case HeatMap():
            return 1.2 + 0.28 * len(chart.rows)
        case StackedBars():
            return 1.6 + 0.32 * len(chart.bars)
        case Ranges() | Intervals():
            return 1.0 + 0.32 * len(chart.names)
        case Raster():
            return 1.0 + min(0.03 * sum(len(band.neurons) for band in chart.bands), 6.0)
        case _:
            return 3.0


def _shown(text: str) -> str:
    """Return a text that matplotlib shows as it is: it reads mathematics between dollars."""
    return text.replace("$", "\\$")


def _name_rows(axes: Axes, names: tuple[str, ...]) -> None:
    axes.set_yticks(range(len(names)), [_shown(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)


def _draw_heat_map(axes: Axes, chart: HeatMap) -> None:
    values: NDArray[np.float64] = np.array([[np.nan if v is None else v for v in row] for row in chart.values], np.float64)
    image = axes.imshow(values, cmap="Blues", aspect="auto")
    axes.set_yticks(range(len(chart.rows)), [_shown(name) for name in chart.rows])
    axes.set_xlabel(chart.column_label)
    if len(chart.columns) <= 12:
        axes.set_xticks(range(len(chart.columns)), list(chart.columns))
    assert axes.figure is not None
    axes.figure.colorbar(image, ax=axes, label=_shown(chart.value_label))


def _draw_course(axes: Axes, chart: Course) -> None:
    steps = np.arange(len(chart.u_float))
    exact, bound = np.array(chart.u_float), np.array(chart.bound)
    axes.fill_between(steps, exact - bound, exact + bound, color="tab:blue", alpha=0.15, label="explained")
    axes.plot(steps, exact, "o-", color="tab:blue", label="float")
    axes.plot(steps, chart.u_integer, "D--", color="tab:orange", fillstyle="none", label="integer")
    axes.axhline(chart.theta, color="tab:red", linestyle=":", label="threshold")
    top = max(float((exact + bound).max()), *chart.u_integer, chart.theta)
    rise = 0.08 * (top - min(float((exact - bound).min()), *chart.u_integer, chart.theta) or 1.0)
    for spikes, row, colour, style in ((chart.spikes_float, 2, "tab:blue", "full"), (chart.spikes_integer, 1, "tab:orange", "none")):
        fired = np.flatnonzero(np.array(spikes))
        axes.plot(fired, np.full(fired.size, top + row * rise), "^", color=colour, fillstyle=style)
    axes.set_xlabel("step")
    axes.set_ylabel("membrane u (triangles: spikes)")
    axes.legend(fontsize="small", frameon=False)


def _draw_raster(axes: Axes, chart: Raster) -> None:
    start, middles = 0, []
    for band in chart.bands:
        rows, steps = np.nonzero(np.array(band.spikes))
        axes.plot(steps, rows + start, "s", color="black", markersize=1.5)
        middles.append(start + len(band.neurons) / 2)
        start += len(band.neurons)
        axes.axhline(start - 0.5, color="0.7", linewidth=0.6)
    axes.set_yticks(middles, [_shown(band.population) for band in chart.bands])
    axes.set_ylim(start - 0.5, -0.5)
    axes.set_xlim(-0.5, len(chart.bands[0].spikes[0]) - 0.5)
    axes.set_xlabel("step")


def _draw_histogram(axes: Axes, chart: Histogram) -> None:
    width = chart.positions[1] - chart.positions[0] if len(chart.positions) > 1 else 1.0
    axes.bar(chart.positions, chart.counts, width=0.95 * width, color="tab:blue")
    if chart.ticks:
        axes.set_xticks([tick.position for tick in chart.ticks], [_shown(tick.label) for tick in chart.ticks])
    for mark in chart.marks:
        axes.axvline(mark.position, color="tab:red", linestyle=":", label=_shown(mark.label))
    if chart.marks:
        axes.legend(fontsize="small", frameon=False)
    axes.set_xlabel(_shown(chart.value_label))
    axes.set_ylabel(chart.count_label)


def _draw_stacked_bars(axes: Axes, chart: StackedBars) -> None:
    rows, so_far = np.arange(len(chart.bars)), np.zeros(len(chart.bars))
    for number, series in enumerate(chart.series):
        axes.barh(rows, series.values, left=so_far, height=0.6, label=_shown(series.name), hatch=HATCHES[number % len(HATCHES)])
        so_far = so_far + np.array(series.values)
    _whiskers(axes, rows, so_far, chart.low, chart.high)
    _name_rows(axes, chart.bars)
    axes.set_xlabel(_shown(chart.value_label))
    axes.legend(fontsize="x-small", frameon=False, loc="best")


def _draw_points(axes: Axes, chart: Ranges | Intervals, middle: tuple[float, ...]) -> None:
    rows = np.arange(len(chart.names))
    _whiskers(axes, rows, np.array(middle), chart.low, chart.high)
    axes.plot(middle, rows, "D", color="tab:blue")
    _name_rows(axes, chart.names)
    axes.set_xlabel(_shown(chart.value_label))


def _whiskers(axes: Axes, rows: NDArray[np.int64], middle: NDArray[np.float64], low: tuple[float, ...], high: tuple[float, ...]) -> None:
    reach = np.stack([np.maximum(middle - np.array(low), 0), np.maximum(np.array(high) - middle, 0)])
    axes.errorbar(middle, rows, xerr=reach, fmt="none", ecolor="black", capsize=3, linewidth=1)


def _draw_curve(axes: Axes, chart: Curve) -> None:
    axes.plot(range(1, len(chart.values) + 1), chart.values, ".-", color="tab:blue")
    axes.set_yscale("log")
    axes.set_xlabel(chart.step_label)
    axes.set_ylabel(chart.value_label)
