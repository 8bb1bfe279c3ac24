"""What the pictures of a mapping show, as data, and the pictures themselves. Drawing needs matplotlib; the data do not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qif_deploy.atomic import atomic_path
from qif_deploy.plots.charts import CoreCell, MeshSize
from qif_hardware.mapping.mapping import NetworkMapping
from qif_hardware.mapping.memory import fullest, shares
from qif_hardware.mapping.mesh import link_loads

if TYPE_CHECKING:
    from qif_deploy.plots._matplotlib import Figure
    from qif_deploy.plots.core_map import LinkLoad

COLUMNS = (
    "layer",
    "shape c,h,w",
    "tile w,h,c",
    "cores",
    "synmem",
    "axon in",
    "axon map",
    "axon mem",
    "neurons",
    "fullest",
    "binding",
    "us/step",
)


def layer_rows(mapping: NetworkMapping) -> list[tuple[str, ...]]:
    """Return the per-layer table as texts under COLUMNS; words are those of a full tile, time is typical and of the slowest core."""
    rows: list[tuple[str, ...]] = []
    for layer in mapping.layers:
        words = layer.words
        time = f"{layer.time_ns['typical'] / 1000:.2f}" if layer.time_ns else ""
        most = fullest(layer.used)
        rows.append(
            (
                layer.layer.name,
                ",".join(map(str, layer.layer.shape)),
                ",".join(map(str, layer.tile)),
                str(layer.cores),
                str(words.synmem),
                str(words.axon_in),
                str(words.axon_map),
                str(words.axon_mem),
                str(words.neurons),
                f"{layer.used[most]:.0%} {most}",
                layer.binding,
                time,
            )
        )
    return rows


def core_cells(mapping: NetworkMapping) -> list[CoreCell]:
    """Return every core with its place, its layers and its fullest resource; empty where nothing was placed."""
    if mapping.placed is None:
        return []
    cells = []
    for number, words in enumerate(mapping.placed.logical.words):
        used = shares(words, mapping.chip.limits)
        binding = fullest(used)
        cells.append(
            CoreCell(
                chip=int(mapping.placed.mesh.chip[number]),
                column=int(mapping.placed.mesh.x[number]),
                row=int(mapping.placed.mesh.y[number]),
                slot=int(mapping.placed.mesh.slot[number]),
                layers=tuple(piece.layer for piece in mapping.placed.logical.pieces[number]),
                used=used[binding],
                binding=binding,
            )
        )
    return cells


def traffic_links(mapping: NetworkMapping) -> list[LinkLoad]:
    """Return the load of every link of the meshes; empty where nothing was placed."""
    from qif_deploy.plots.core_map import LinkLoad

    if mapping.placed is None:
        return []
    inner, _ = link_loads(mapping.placed.mesh, mapping.placed.traffic)
    return [
        LinkLoad(chip=chip, column=x, row=y, to_column=to_x, to_row=to_y, messages=messages)
        for (chip, x, y, to_x, to_y), messages in sorted(inner.items())
    ]


def mesh_size(mapping: NetworkMapping) -> MeshSize:
    """Return the mesh of one chip."""
    return MeshSize(columns=mapping.chip.columns, rows=mapping.chip.rows, slots=mapping.chip.cores_per_router)


def pictures(mapping: NetworkMapping) -> dict[str, Figure]:
    """Return the figures by name: the layers always, the core map and the traffic where the network was placed."""
    from qif_deploy.plots.core_map import plot_core_map, plot_table, plot_traffic

    found = {}
    if mapping.layers:
        found["layers"] = plot_table(COLUMNS, layer_rows(mapping), title=f"layers on {mapping.target}")
    cells = core_cells(mapping)
    if cells:
        size = mesh_size(mapping)
        found["cores"] = plot_core_map(cells, size, title=f"{mapping.cores} cores on {mapping.target}")
        chips = [cell.chip for cell in cells]
        found["traffic"] = plot_traffic(traffic_links(mapping), chips, size, title="messages per step (mean, estimated)")
    return found


def save_pictures(mapping: NetworkMapping, folder: Path) -> tuple[Path, ...]:
    """Write the figures as SVG; each appears whole or not at all."""
    paths = []
    for name, figure in pictures(mapping).items():
        path = folder / f"placement_{name}.svg"
        with atomic_path(path) as temporary:
            figure.savefig(temporary, format="svg", metadata={"Date": None})
        paths.append(path)
    return tuple(paths)
