"""Figures made of bars and of points with whiskers: histogram, stacked bars, ranges, intervals."""

from __future__ import annotations

from typing import Any

from qif_deploy.plots.charts import Histogram, Intervals, Ranges, StackedBars
from qif_deploy.plots.interactive.parts import BAR_PX, MARGINS_PX, PATTERNS, SERIES_COLOURS, Figure, axis, layout, names_axis, plain


def histogram(chart: Histogram) -> Figure:
    """Bars without gaps of note, with named lines across."""
    trace = {
        "type": "bar",
        "x": list(chart.positions),
        "y": list(chart.counts),
        "text": list(chart.labels),
        "textposition": "none",
        "hovertemplate": "%{text}: %{y:,}<extra></extra>",
        "marker": {"color": "var(--series-1)"},
    }
    ticks: dict[str, Any] = (
        {"tickvals": [t.position for t in chart.ticks], "ticktext": [plain(t.label) for t in chart.ticks]} if chart.ticks else {}
    )
    shapes = [
        {
            "type": "line", "x0": mark.position, "x1": mark.position, "y0": 0, "y1": 1, "yref": "paper",
            "line": {"color": "var(--series-4)", "width": 2, "dash": "dot"},
        }
        for mark in chart.marks
    ]  # fmt: skip
    notes = [
        {
            "x": mark.position, "y": 1, "yref": "paper", "text": plain(mark.label), "showarrow": False, "yanchor": "bottom",
            "font": {"color": "var(--ink)", "size": 12},
        }
        for mark in chart.marks
    ]  # fmt: skip
    width = chart.positions[1] - chart.positions[0] if len(chart.positions) > 1 else 1.0
    ends = [chart.positions[0] - 1.5 * width, chart.positions[-1] + 1.5 * width]
    frame = layout(300, axis(chart.value_label, range=ends, **ticks), axis(chart.count_label, rangemode="tozero"), bargap=0.05)
    return {"data": [trace], "layout": frame | {"shapes": shapes, "annotations": notes, "margin": {"l": 12, "r": 16, "t": 26, "b": 52}}}


def stacked_bars(chart: StackedBars) -> Figure:
    """Lying bars, first at the top, each with the range of its whole."""
    rows = list(range(len(chart.bars)))
    data: list[dict[str, Any]] = [
        {
            "type": "bar",
            "orientation": "h",
            "name": plain(series.name),
            "x": list(series.values),
            "y": rows,
            "customdata": [plain(bar) for bar in chart.bars],
            "hovertemplate": "%{customdata}, " + plain(series.name) + ": %{x:.4g}<extra></extra>",
            "marker": {
                "color": SERIES_COLOURS[n % len(SERIES_COLOURS)],
                "line": {"color": "var(--ground)", "width": 1},
                "pattern": {
                    "shape": PATTERNS[(n + n // len(PATTERNS)) % len(PATTERNS)], "fgcolor": "var(--ground)", "fillmode": "overlay",
                    "size": 7, "solidity": 0.25,
                },
            },
        }
        for n, series in enumerate(chart.series)
    ]  # fmt: skip
    middle = [sum(series.values[n] for series in chart.series) for n in rows]
    data.append(_whiskers("low to high", rows, middle, chart.low, chart.high, chart.bars))
    frame = layout(
        MARGINS_PX + 70 + BAR_PX * len(rows), axis(chart.value_label, rangemode="tozero"), names_axis(chart.bars), barmode="stack"
    )
    return {"data": data, "layout": frame | {"showlegend": True, "bargap": 0.35}}


def ranges(chart: Ranges) -> Figure:
    """Points in their ranges, on a logarithmic axis."""
    return _points(chart, chart.typical, axis(chart.value_label, type="log"))


def intervals(chart: Intervals) -> Figure:
    """Points in their intervals."""
    return _points(chart, chart.value, axis(chart.value_label))


def _points(chart: Ranges | Intervals, middle: tuple[float, ...], xaxis: dict[str, Any]) -> Figure:
    trace = _whiskers("range", list(range(len(chart.names))), list(middle), chart.low, chart.high, chart.names)
    trace["marker"] = {"color": "var(--series-1)", "size": 11, "symbol": "diamond"}
    return {"data": [trace], "layout": layout(MARGINS_PX + BAR_PX * len(chart.names), xaxis, names_axis(chart.names))}


def _whiskers(
    name: str, rows: list[int], middle: list[float], low: tuple[float, ...], high: tuple[float, ...], labels: tuple[str, ...]
) -> dict[str, Any]:
    """Points with the range that they lie in; the range may leave out the point, where a level is its own sum."""
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": middle,
        "y": rows,
        "customdata": [[plain(label), a, b] for label, a, b in zip(labels, low, high, strict=True)],
        "hovertemplate": "%{customdata[0]}: %{x:.4g} (%{customdata[1]:.4g} to %{customdata[2]:.4g})<extra></extra>",
        "marker": {"color": "var(--ink)", "size": 7, "symbol": "line-ns", "line": {"color": "var(--ink)", "width": 2}},
        "error_x": {
            "type": "data", "symmetric": False, "thickness": 1.6, "width": 5, "color": "var(--ink)",
            "array": [max(b - m, 0.0) for b, m in zip(high, middle, strict=True)],
            "arrayminus": [max(m - a, 0.0) for a, m in zip(low, middle, strict=True)],
        },
    }  # fmt: skip
