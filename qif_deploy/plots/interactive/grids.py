"""Figures made of cells: heat map, raster, core map."""

from __future__ import annotations

from math import ceil, sqrt
from typing import Any

from qif_deploy.plots.charts import CoreMap, HeatMap, Raster, core_label
from qif_deploy.plots.interactive.parts import MARGINS_PX, NAMED_COLUMNS, ROW_PX, Figure, axis, layout, names_axis, plain


def heat_map(chart: HeatMap) -> Figure:
    """A cell per row and column; with few columns every cell carries its number, else a scale stands beside."""
    few = len(chart.columns) <= NAMED_COLUMNS
    trace = {
        "type": "heatmap",
        "z": [list(row) for row in chart.values],
        "x": list(range(len(chart.columns))),
        "y": list(range(len(chart.rows))),
        "text": [list(row) for row in chart.texts],
        "texttemplate": "%{text}" if few else "",
        "showscale": not few,
        "customdata": [[plain(row)] * len(chart.columns) for row in chart.rows],
        "hovertemplate": "%{customdata}, " + chart.column_label + " %{x}: %{text}<extra></extra>",
        "colorscale": [[0, "var(--heat-0)"], [0.5, "var(--heat-1)"], [1, "var(--heat-2)"]],
        "xgap": 2,
        "ygap": 2,
        "colorbar": {"title": {"text": chart.value_label, "side": "right"}, "thickness": 12, "outlinewidth": 0, "len": 1.05},
    }
    columns: dict[str, Any] = {"tickvals": list(range(len(chart.columns))), "ticktext": list(chart.columns)} if few else {}
    height = MARGINS_PX + ROW_PX * max(len(chart.rows), 2)
    return {
        "data": [trace],
        "layout": layout(height, axis(chart.column_label, showgrid=False, zeroline=False, **columns), names_axis(chart.rows)),
    }


def raster(chart: Raster) -> Figure:
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
    columns: dict[str, Any] = {"tickvals": list(range(steps))} if steps <= NAMED_COLUMNS else {}
    names: dict[str, Any] = {"tickvals": [at for at, _ in ticks], "ticktext": [plain(name) for _, name in ticks]}
    yaxis = axis(autorange="reversed", showgrid=False, zeroline=False, **names)
    height = MARGINS_PX + min(5 * len(rows), 760)
    return {"data": [trace], "layout": layout(height, axis("step", showgrid=False, zeroline=False, **columns), yaxis)}


def core_map(chart: CoreMap) -> Figure:
    """Two pictures, one upon the other: every place of the mesh, and the cores in use by how full they are."""
    across = ceil(sqrt(chart.size.slots))
    down = ceil(chart.size.slots / across)
    columns, rows = chart.size.columns * across, chart.size.rows * down
    used: list[list[float | None]] = [[None] * columns for _ in range(rows)]
    labels = [[""] * columns for _ in range(rows)]
    told = [[""] * columns for _ in range(rows)]
    for cell in chart.cells:
        x, y = cell.column * across + cell.slot % across, cell.row * down + cell.slot // across
        used[y][x], labels[y][x] = 100 * cell.used, core_label(cell.layers, chart.names)
        layers = plain(", ".join(cell.layers))
        told[y][x] = f"router {cell.column}, {cell.row}: {layers}; {100 * cell.used:.0f} % of {plain(cell.binding)}"
    places = {
        "type": "heatmap", "z": [[0] * columns for _ in range(rows)], "colorscale": [[0, "var(--raster-0)"], [1, "var(--raster-0)"]],
        "showscale": False, "hoverinfo": "skip", "xgap": 3, "ygap": 3, "name": "places",
    }  # fmt: skip
    cores = {
        "type": "heatmap", "z": used, "zmin": 0, "zmax": 100, "text": labels, "texttemplate": "%{text}", "customdata": told,
        "hovertemplate": "%{customdata}<extra></extra>", "xgap": 3, "ygap": 3, "name": "cores",
        "colorscale": [[0, "var(--core-0)"], [1, "var(--core-1)"]],
        "colorbar": {"title": {"text": "% used", "side": "right"}, "thickness": 12, "outlinewidth": 0},
    }  # fmt: skip
    yaxis = axis(visible=False, autorange="reversed")
    return {"data": [places, cores], "layout": layout(70 + 28 * max(rows, 4), axis(visible=False), yaxis)}
