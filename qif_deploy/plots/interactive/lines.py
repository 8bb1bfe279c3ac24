"""Figures made of lines: membrane courses, loss curve."""

from __future__ import annotations

from typing import Any

from qif_deploy.plots.charts import Course, Curve
from qif_deploy.plots.interactive.parts import NAMED_COLUMNS, Figure, axis, layout


def course(chart: Course) -> Figure:
    """Both courses over what is explained of their distance, the threshold, and the spikes of each in a row above."""
    steps = list(range(len(chart.u_float)))
    upper = [u + b for u, b in zip(chart.u_float, chart.bound, strict=True)]
    lower = [u - b for u, b in zip(chart.u_float, chart.bound, strict=True)]
    top = max(*upper, *chart.u_integer, chart.theta)
    rise = 0.08 * ((top - min(*lower, *chart.u_integer, chart.theta)) or 1.0)
    data: list[dict[str, Any]] = [
        {
            "type": "scatter", "mode": "lines", "name": "explained", "x": [*steps, *reversed(steps)],
            "y": [*upper, *reversed(lower)], "fill": "toself", "fillcolor": "var(--band)", "line": {"width": 0}, "hoverinfo": "skip",
        },
        {
            "type": "scatter", "mode": "lines+markers", "name": "float", "x": steps, "y": list(chart.u_float),
            "line": {"color": "var(--series-1)", "width": 2.5}, "marker": {"symbol": "circle", "size": 7, "color": "var(--series-1)"},
        },
        {
            "type": "scatter", "mode": "lines+markers", "name": "integer", "x": steps, "y": list(chart.u_integer),
            "line": {"color": "var(--series-2)", "width": 2, "dash": "dash"},
            "marker": {"symbol": "diamond-open", "size": 9, "color": "var(--series-2)", "line": {"width": 2}},
        },
        {
            "type": "scatter", "mode": "lines", "name": "threshold", "x": [steps[0], steps[-1]], "y": [chart.theta] * 2,
            "line": {"color": "var(--series-4)", "dash": "dot", "width": 2}, "hoverinfo": "skip",
        },
    ]  # fmt: skip
    rows = (
        ("spike, float", chart.spikes_float, "var(--series-1)", "triangle-up", 2),
        ("spike, integer", chart.spikes_integer, "var(--series-2)", "triangle-up-open", 1),
    )
    for name, spikes, colour, symbol, row in rows:
        fired = [step for step, spike in enumerate(spikes) if spike]
        marker = {"symbol": symbol, "size": 10, "color": colour, "line": {"width": 2}}
        y = [top + row * rise] * len(fired)
        data.append({"type": "scatter", "mode": "markers", "name": name, "x": fired, "y": y, "marker": marker, "hoverinfo": "x+name"})
    ticks: dict[str, Any] = {"tickvals": steps} if len(steps) <= NAMED_COLUMNS else {}
    return {"data": data, "layout": layout(340, axis("step", **ticks), axis("membrane u"), showlegend=True)}


def curve(chart: Curve) -> Figure:
    """One line with its points."""
    trace = {
        "type": "scatter",
        "mode": "lines+markers",
        "x": list(range(1, len(chart.values) + 1)),
        "y": list(chart.values),
        "line": {"color": "var(--series-1)", "width": 2},
        "marker": {"size": 5, "color": "var(--series-1)"},
        "hovertemplate": chart.step_label + " %{x}: %{y:.4g}<extra></extra>",
    }
    return {"data": [trace], "layout": layout(280, axis(chart.step_label), axis(chart.value_label, type="log"))}
