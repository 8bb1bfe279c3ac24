"""What all figures of the page share: axes, layout, escaping. Colours are names of CSS variables of the page."""

from __future__ import annotations

from typing import Any

Figure = dict[str, Any]
"""``{"data": [...], "layout": {...}}``, with plotly's own attributes."""

SERIES_COLOURS = tuple(f"var(--series-{n})" for n in range(1, 9))
PATTERNS = ("", "/", ".", "x", "-", "\\", "+", "|")
"""Fillings of stacked parts, so that none is told by its colour alone."""

ROW_PX, BAR_PX, MARGINS_PX = 30, 34, 90
NAMED_COLUMNS = 12
"""Up to so many steps each has its own tick."""


def plain(text: str) -> str:
    """Return a text that plotly shows as it is."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def axis(title: str = "", **more: Any) -> dict[str, Any]:  # Any: plotly's own attributes
    """Return an axis."""
    return {
        "title": {"text": plain(title), "font": {"size": 13}},
        "gridcolor": "var(--grid)",
        "linecolor": "var(--grid)",
        "zerolinecolor": "var(--grid)",
        "automargin": True,
        "fixedrange": False,
    } | more


def names_axis(labels: tuple[str, ...], **more: Any) -> dict[str, Any]:  # Any: plotly's own attributes
    """A vertical axis of names, first at the top; positions are numbers, so that equal names stay apart."""
    ticks: dict[str, Any] = {"tickvals": list(range(len(labels))), "ticktext": [plain(label) for label in labels]}
    return axis(autorange="reversed", showgrid=False, zeroline=False, **ticks, **more)


def layout(height: int, xaxis: dict[str, Any], yaxis: dict[str, Any], **more: Any) -> dict[str, Any]:  # Any: plotly's own attributes
    """Return the layout of a figure of ``height`` pixels."""
    return {
        "height": height,
        "margin": {"l": 12, "r": 12, "t": 16, "b": 52},
        "paper_bgcolor": "var(--chart-ground)",
        "plot_bgcolor": "var(--chart-ground)",
        "font": {"color": "var(--ink)", "size": 13},
        "hoverlabel": {"bgcolor": "var(--ground)", "bordercolor": "var(--grid)", "font": {"color": "var(--ink)"}},
        "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": 1, "yanchor": "bottom", "traceorder": "normal"},
        "showlegend": False,
        "xaxis": xaxis,
        "yaxis": yaxis,
    } | more
