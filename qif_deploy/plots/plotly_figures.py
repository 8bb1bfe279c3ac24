"""Charts as plotly figures: plain dictionaries, drawn by plotly's JavaScript. Colours are names of CSS variables of the page.

Texts pass through ``plain``, since plotly reads a subset of HTML in them.
"""

from __future__ import annotations

from typing import Any

from typing_extensions import assert_never

from qif_deploy.plots.charts import Chart, CoreMap, Course, Curve, HeatMap, Histogram, Intervals, Ranges, Raster, StackedBars

Figure = dict[str, Any]

SERIES_COLOURS = tuple(f"var(--series-{n})" for n in range(1, 9))
PATTERNS = ("", "/", ".", "x", "-", "\\", "+", "|")
"""Fillings of stacked parts, so that none is told by its colour alone."""

ROW_PX, BAR_PX, MARGINS_PX = 30, 34, 90


def plotly_figure(chart: Chart) -> Figure:
    """Return ``{"data": [...], "layout": {...}}`` for a chart."""
    match chart:
        case HeatMap():
            return _heat_map(chart)
        case Course():
            return _course(chart)
        case Raster():
            return _raster(chart)
        case Histogram():
            return _histogram(chart)
        case StackedBars():
            return _stacked_bars(chart)
        case Ranges():
            return _ranges(chart)
        case Intervals():
            return _intervals(chart)
        case Curve():
            return _curve(chart)
        case CoreMap():
            return _core_map(chart)
        case _:
            assert_never(chart)


def plain(text: str) -> str:
    """Return a text that plotly shows as it is."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _axis(title: str = "", **more: Any) -> dict[str, Any]:  # Any: plotly's own attributes
    return {
        "title": {"text": title},
        "gridcolor": "var(--grid)",
        "linecolor": "var(--grid)",
        "zerolinecolor": "var(--grid)",
        "automargin": True,
        "fixedrange": False,
    } | more


def _names(labels: tuple[str, ...], **more: Any) -> dict[str, Any]:  # Any: plotly's own attributes
    """A vertical axis of names, first at the top; positions are numbers, so that equal names stay apart."""
    ticks = {"tickvals": list(range(len(labels))), "ticktext": [plain(label) for label in labels]}
    return _axis(autorange="reversed", showgrid=False, zeroline=False, **ticks, **more)


def _layout(height: int, xaxis: dict[str, Any], yaxis: dict[str, Any], **more: Any) -> dict[str, Any]:  # Any: plotly's own attributes
    return {
        "height": height,
        "margin": {"l": 12, "r": 12, "t": 16, "b": 44},
        "paper_bgcolor": "var(--chart-ground)",
        "plot_bgcolor": "var(--chart-ground)",
        "font": {"color": "var(--ink)", "size": 13},
        "hoverlabel": {"bgcolor": "var(--ground)", "bordercolor": "var(--grid)", "font": {"color": "var(--ink)"}},
        "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": 1, "yanchor": "bottom", "traceorder": "normal"},
        "showlegend": False,
        "xaxis": xaxis,
        "yaxis": yaxis,
    } | more


def _heat_map(chart: HeatMap) -> Figure:
    trace = {
        "type": "heatmap",
        "z": [list(row) for row in chart.values],
        "x": list(range(len(chart.columns))),
        "y": list(range(len(chart.rows))),
        "text": [list(row) for row in chart.texts],
        "texttemplate": "%{text}" if len(chart.columns) <= 12 else "",
        "customdata": [[plain(row)] * len(chart.columns) for row in chart.rows],
        "hovertemplate": "%{customdata}, " + chart.column_label + " %{x}: %{text}<extra></extra>",
        "colorscale": [[0, "var(--heat-0)"], [0.5, "var(--heat-1)"], [1, "var(--heat-2)"]],
        "xgap": 2,
        "ygap": 2,
        "colorbar": {"title": {"text": chart.value_label, "side": "right"}, "thickness": 12, "outlinewidth": 0, "len": 1.05},
    }
    if len(chart.columns) <= 12:
        trace |= {"showscale": False}
    columns = {"tickvals": list(range(len(chart.columns))), "ticktext": list(chart.columns)} if len(chart.columns) <= 12 else {}
    height = MARGINS_PX + ROW_PX * max(len(chart.rows), 2)
    return {
        "data": [trace],
        "layout": _layout(height, _axis(chart.column_label, showgrid=False, zeroline=False, **columns), _names(chart.rows)),
    }


def _course(chart: Course) -> Figure:
    steps = list(range(len(chart.u_float)))
    upper = [u + b for u, b in zip(chart.u_float, chart.bound, strict=True)]
    lower = [u - b for u, b in zip(chart.u_float, chart.bound, strict=True)]
    top = max(*upper, *chart.u_integer, chart.theta)
    rise = 0.08 * ((top - min(*lower, *chart.u_integer, chart.theta)) or 1.0)
    data: list[dict[str, Any]] = [
        {
            "type": "scatter", "mode": "lines", "name": "reach of rounding", "x": [*steps, *reversed(steps)], "y": [*upper, *reversed(lower)],
            "fill": "toself", "fillcolor": "var(--band)", "line": {"width": 0}, "hoverinfo": "skip",
        },
        {
            "type": "scatter", "mode": "lines", "name": "threshold", "x": [steps[0], steps[-1]], "y": [chart.theta] * 2,
            "line": {"color": "var(--series-4)", "dash": "dot", "width": 2}, "hoverinfo": "skip",
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
    ]  # fmt: skip
    rows = (("spike, float", chart.spikes_float, "var(--series-1)", "triangle-up", 2), ("spike, integer", chart.spikes_integer,
            "var(--series-2)", "triangle-up-open", 1))  # fmt: skip
    for name, spikes, colour, symbol, row in rows:
        fired = [step for step, spike in enumerate(spikes) if spike]
        marker = {"symbol": symbol, "size": 10, "color": colour, "line": {"width": 2}}
        y = [top + row * rise] * len(fired)
        data.append({"type": "scatter", "mode": "markers", "name": name, "x": fired, "y": y, "marker": marker, "hoverinfo": "x+name"})
    ticks = {"tickvals": steps} if len(steps) <= 12 else {}
    layout = _layout(340, _axis("step", **ticks), _axis("membrane u"), showlegend=True)
    return {"data": data, "layout": layout}


def _raster(chart: Raster) -> Figure:
    """One picture, a cell per neuron and step; a gap of two rows parts the populations."""
    rows: list[list[int | None]] = []
    hover: list[str] = []
    ticks: list[tuple[float, str]] = []
    steps = len(chart.bands[0].spikes[0])
    for band in chart.bands:
        if rows:
            rows += [[None] * steps] * 2
            hover += [""] * 2
        ticks.append((len(rows) + (len(band.neurons) - 1) / 2, band.population))
        rows += [list(one) for one in band.spikes]
        hover += [f"{plain(band.population)}, neuron {neuron}" for neuron in band.neurons]
    trace = {
        "type": "heatmap",
        "z": rows,
        "x": list(range(steps)),
        "y": list(range(len(rows))),
        "customdata": [[text] * steps for text in hover],
        "hovertemplate": "%{customdata}, step %{x}: %{z}<extra></extra>",
        "zmin": 0,
        "zmax": 1,
        "colorscale": [[0, "var(--raster-0)"], [1, "var(--raster-1)"]],
        "showscale": False,
        "xgap": 2 if steps <= 40 else 0,
        "ygap": 1 if len(rows) <= 160 else 0,
    }
    columns = {"tickvals": list(range(steps))} if steps <= 12 else {}
    names = {"tickvals": [at for at, _ in ticks], "ticktext": [plain(name) for _, name in ticks]}
    yaxis = _axis(autorange="reversed", showgrid=False, zeroline=False, **names)
    height = MARGINS_PX + min(5 * len(rows), 760)
    return {"data": [trace], "layout": _layout(height, _axis("step", showgrid=False, zeroline=False, **columns), yaxis)}


def _histogram(chart: Histogram) -> Figure:
    trace = {
        "type": "bar",
        "x": list(chart.positions),
        "y": list(chart.counts),
        "text": list(chart.labels),
        "textposition": "none",
        "hovertemplate": "%{text}: %{y:,}<extra></extra>",
        "marker": {"color": "var(--series-1)"},
    }
    ticks = {"tickvals": [t.position for t in chart.ticks], "ticktext": [plain(t.label) for t in chart.ticks]} if chart.ticks else {}
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
    layout = _layout(300, _axis(chart.value_label, **ticks), _axis(chart.count_label, rangemode="tozero"), bargap=0.05)
    return {"data": [trace], "layout": layout | {"shapes": shapes, "annotations": notes, "margin": {"l": 12, "r": 16, "t": 26, "b": 44}}}


def _stacked_bars(chart: StackedBars) -> Figure:
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
                    "shape": PATTERNS[n % len(PATTERNS)], "fgcolor": "var(--ground)", "fillmode": "overlay", "size": 7, "solidity": 0.25,
                },
            },
        }
        for n, series in enumerate(chart.series)
    ]  # fmt: skip
    middle = [sum(series.values[n] for series in chart.series) for n in rows]
    data.append(_whiskers("low to high", rows, middle, chart.low, chart.high, chart.bars))
    layout = _layout(MARGINS_PX + 70 + BAR_PX * len(rows), _axis(chart.value_label, rangemode="tozero"), _names(chart.bars), barmode="stack")
    return {"data": data, "layout": layout | {"showlegend": True, "bargap": 0.35}}


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


def _points(chart: Ranges | Intervals, middle: tuple[float, ...], xaxis: dict[str, Any]) -> Figure:
    trace = _whiskers("range", list(range(len(chart.names))), list(middle), chart.low, chart.high, chart.names)
    trace["marker"] = {"color": "var(--series-1)", "size": 11, "symbol": "diamond"}
    return {"data": [trace], "layout": _layout(MARGINS_PX + BAR_PX * len(chart.names), xaxis, _names(chart.names))}


def _ranges(chart: Ranges) -> Figure:
    return _points(chart, chart.typical, _axis(chart.value_label, type="log", exponentformat="power", dtick=1))


def _intervals(chart: Intervals) -> Figure:
    return _points(chart, chart.value, _axis(chart.value_label))


def _curve(chart: Curve) -> Figure:
    trace = {
        "type": "scatter",
        "mode": "lines+markers",
        "x": list(range(1, len(chart.values) + 1)),
        "y": list(chart.values),
        "line": {"color": "var(--series-1)", "width": 2},
        "marker": {"size": 5, "color": "var(--series-1)"},
        "hovertemplate": chart.step_label + " %{x}: %{y:.4g}<extra></extra>",
    }
    return {"data": [trace], "layout": _layout(280, _axis(chart.step_label), _axis(chart.value_label, type="log", dtick=1))}


def _core_map(chart: CoreMap) -> Figure:
    across = max(1, -(-int(chart.size.slots**0.5 * 1000) // 1000))
    down = -(-chart.size.slots // across)
    marks: dict[str, list[Any]] = {"x": [], "y": [], "used": [], "label": [], "told": []}
    for cell in chart.cells:
        marks["x"].append(cell.column * across + cell.slot % across)
        marks["y"].append(cell.row * down + cell.slot // across)
        marks["used"].append(100 * cell.used)
        marks["label"].append(core_label(cell.layers, chart.names))
        layers = plain(", ".join(cell.layers))
        marks["told"].append(f"router {cell.column}, {cell.row}: {layers}; {100 * cell.used:.0f} % of {cell.binding}")
    free = {(x, y) for x in range(chart.size.columns * across) for y in range(chart.size.rows * down)}
    empty = sorted(free - set(zip(marks["x"], marks["y"], strict=True)))
    data = [
        {
            "type": "scatter", "mode": "markers", "name": "free core", "x": [x for x, _ in empty], "y": [y for _, y in empty],
            "marker": {"symbol": "square-open", "size": 18, "color": "var(--grid)"}, "hoverinfo": "skip",
        },
        {
            "type": "scatter", "mode": "markers+text", "name": "core in use", "x": marks["x"], "y": marks["y"], "text": marks["label"],
            "textfont": {"color": "var(--ink)", "size": 11}, "customdata": marks["told"], "hovertemplate": "%{customdata}<extra></extra>",
            "marker": {
                "symbol": "square", "size": 22, "color": marks["used"], "cmin": 0, "cmax": 100,
                "colorscale": [[0, "var(--core-0)"], [1, "var(--core-1)"]],
                "line": {"color": "var(--ink)", "width": 1},
                "colorbar": {"title": {"text": "% of the fullest resource", "side": "right"}, "thickness": 12, "outlinewidth": 0},
            },
        },
    ]  # fmt: skip
    last_x, last_y = chart.size.columns * across, chart.size.rows * down
    xaxis = _axis(visible=False, range=[-0.8, last_x - 0.2])
    yaxis = _axis(visible=False, range=[last_y - 0.2, -0.8])
    return {"data": data, "layout": _layout(60 + 32 * max(last_y, 3), xaxis, yaxis)}


def core_label(layers: tuple[str, ...], names: tuple[str, ...]) -> str:
    """Return the number of a core's first layer along the network, with a plus where it holds more than one."""
    return str(names.index(layers[0])) + ("+" if len(layers) > 1 else "")
