"""Cores of chips as squares: how full each is and by what, and how much traffic passes each router."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np
from numpy.typing import NDArray

from qif_deploy.errors import InputError
from qif_deploy.plots._matplotlib import Axes, Figure, Line2D
from qif_deploy.plots.charts import CoreCell, MeshSize

RESOURCE_COLOURS = {
    "synmem": "tab:blue", "axon_in": "tab:purple", "axon_map": "tab:brown", "axon_mem": "tab:pink", "neurons": "tab:green",
    "groups": "tab:olive", "total": "tab:gray",
}  # fmt: skip
"""Frame of a core by its fullest resource."""

PANEL_INCHES = 3.2
NAMED_CHIPS = 4
"""Up to so many chips the cores carry the number of their layer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkLoad:
    """Messages per step from one router to its neighbour on a chip."""

    chip: int
    column: int
    row: int
    to_column: int
    to_row: int
    messages: float


def plot_core_map(cells: Sequence[CoreCell], size: MeshSize, *, title: str) -> Figure:
    """Draw one panel per chip: colour is the share of the fullest resource, the frame says which one it is.

    On a few chips a core also carries the number of its layer, counted along the network, and a plus where it has more than one.

    Raises:
        InputError: no cores.
    """
    numbered = len({cell.chip for cell in cells}) <= NAMED_CHIPS
    figure, panels = _panels(sorted({cell.chip for cell in cells}), size, title + ("; numbers: layers in their order" if numbered else ""))
    names = list(dict.fromkeys(name for cell in cells for name in cell.layers))
    across = ceil(sqrt(size.slots))
    image = None
    for chip, axes in panels.items():
        shown = np.full((size.rows * across, size.columns * across), np.nan)
        for cell in (c for c in cells if c.chip == chip):
            x, y = cell.column * across + cell.slot % across, cell.row * across + cell.slot // across
            shown[y, x] = cell.used
            # A patch of its own, since the frame tells another thing than the filling.
            axes.plot(
                [x - 0.4, x + 0.4, x + 0.4, x - 0.4, x - 0.4], [y - 0.4, y - 0.4, y + 0.4, y + 0.4, y - 0.4],
                color=RESOURCE_COLOURS.get(cell.binding, "black"), linewidth=1.2,
            )  # fmt: skip
            if numbered:
                label = str(names.index(cell.layers[0])) + ("+" if len(cell.layers) > 1 else "")
                axes.text(x, y, label, ha="center", va="center", fontsize=4.5)
        image = axes.imshow(shown, vmin=0, vmax=1, cmap="Greys", alpha=0.5, aspect="equal")
    assert image is not None
    figure.colorbar(image, ax=list(panels.values()), label="share of the fullest resource", shrink=0.8)
    used = sorted({cell.binding for cell in cells})
    handles = [_handle(next(iter(panels.values())), name) for name in used]
    figure.legend(handles, used, loc="outside lower center", ncols=len(used), frameon=False, fontsize=8)
    return figure


def plot_traffic(links: Sequence[LinkLoad], chips: Sequence[int], size: MeshSize, *, title: str) -> Figure:
    """Draw one panel per chip: colour is the number of messages per step that leave each router towards others.

    Raises:
        InputError: no chips.
    """
    figure, panels = _panels(sorted(set(chips)), size, title)
    heat: dict[int, NDArray[np.float64]] = {chip: np.zeros((size.rows, size.columns)) for chip in panels}
    for link in links:
        heat[link.chip][link.row, link.column] += link.messages
    top = max(float(values.max()) for values in heat.values()) or 1.0
    image = None
    for chip, axes in panels.items():
        image = axes.imshow(heat[chip], vmin=0, vmax=top, cmap="inferno", aspect="equal")
        for link in (one for one in links if one.chip == chip):
            axes.annotate(
                "", xy=(link.to_column, link.to_row), xytext=(link.column, link.row),
                arrowprops={"arrowstyle": "->", "color": "tab:cyan", "linewidth": 0.2 + 1.8 * link.messages / top, "alpha": 0.6},
            )  # fmt: skip
    assert image is not None
    figure.colorbar(image, ax=list(panels.values()), label="messages per step that leave the router", shrink=0.8)
    return figure


def plot_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str) -> Figure:
    """Draw a table of texts.

    Raises:
        InputError: no rows.
    """
    if not rows:
        raise InputError("table plot: no rows; map a network that has a layer")
    figure = Figure(figsize=(0.75 * len(columns), 0.26 * (len(rows) + 2)), layout="constrained")
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set_title(title, fontsize=9)
    table = axes.table(cellText=[list(row) for row in rows], colLabels=list(columns), loc="center", cellLoc="right")
    table.auto_set_font_size(False)
    table.set_fontsize(7)
    table.auto_set_column_width(list(range(len(columns))))
    return figure


def _panels(chips: list[int], size: MeshSize, title: str) -> tuple[Figure, dict[int, Axes]]:
    if not chips:
        raise InputError("core map: no cores; map a network that fits its target")
    across = ceil(sqrt(len(chips)))
    down = ceil(len(chips) / across)
    figure = Figure(figsize=(PANEL_INCHES * across + 1.5, PANEL_INCHES * size.rows / size.columns * down + 1.2), layout="constrained")
    figure.suptitle(title, fontsize=10)
    panels = {}
    for number, chip in enumerate(chips, start=1):
        axes = figure.add_subplot(down, across, number)
        axes.set_title(f"chip {chip}", fontsize=8)
        axes.set_xticks([])
        axes.set_yticks([])
        panels[chip] = axes
    return figure, panels


def _handle(axes: Axes, resource: str) -> Line2D:
    (line,) = axes.plot([], [], color=RESOURCE_COLOURS.get(resource, "black"), linewidth=2)
    return line
