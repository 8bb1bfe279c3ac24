"""The data of the pictures, and that they draw."""

from __future__ import annotations

from pathlib import Path

import pytest

from qif_deploy.errors import InputError
from qif_deploy.plots.charts import MeshSize
from qif_deploy.plots.core_map import plot_core_map, plot_table
from qif_hardware.mapping.mapping import NetworkMapping, map_network
from qif_hardware.mapping.pictures import COLUMNS, core_cells, layer_rows, mesh_size, pictures, save_pictures, traffic_links
from qif_hardware.target import load_target
from tests.networks import chain

LAVA = load_target("loihi2-lava").cores()


@pytest.fixture(scope="module")
def mapping() -> NetworkMapping:
    return map_network(chain(), LAVA.limited(neurons=20).sized(chips=8, cores_per_chip=12))


def test_every_core_is_a_cell_in_its_place(mapping: NetworkMapping) -> None:
    cells = core_cells(mapping)
    assert mapping.placed is not None
    assert len(cells) == mapping.cores
    assert [cell.chip for cell in cells] == mapping.placed.mesh.chip.tolist()
    assert all(0 < cell.used <= 1 and cell.layers for cell in cells)
    size = mesh_size(mapping)
    assert all(cell.column < size.columns and cell.row < size.rows and cell.slot < size.slots for cell in cells)


def test_links_carry_what_the_mapping_counts(mapping: NetworkMapping) -> None:
    assert mapping.placed is not None
    links = traffic_links(mapping)
    assert sum(link.messages for link in links) == pytest.approx(mapping.placed.mesh.hops)
    assert all(abs(link.column - link.to_column) + abs(link.row - link.to_row) == 1 for link in links)


def test_the_table_has_a_row_per_layer(mapping: NetworkMapping) -> None:
    rows = layer_rows(mapping)
    assert [row[0] for row in rows] == ["image", "q1", "q2", "q3", "out"]
    assert {len(row) for row in rows} == {len(COLUMNS)}


def test_pictures_are_written_as_svg(mapping: NetworkMapping, tmp_path: Path) -> None:
    paths = save_pictures(mapping, tmp_path)
    assert [path.name for path in paths] == ["placement_layers.svg", "placement_cores.svg", "placement_traffic.svg"]
    assert all("<svg" in path.read_text()[:600] for path in paths)
    axes = pictures(mapping)["cores"].axes
    assert [one.get_title() for one in axes if one.get_title()] == [f"chip {n}" for n in range(mapping.placed.mesh.chips_used)]  # type: ignore[union-attr]


def test_without_a_placement_only_the_layers_are_drawn() -> None:
    few = map_network(chain(), LAVA.limited(neurons=10).sized(chips=1, cores_per_chip=5))
    assert not few.fits
    assert (core_cells(few), traffic_links(few)) == ([], [])
    assert set(pictures(few)) == {"layers"}
    with pytest.raises(InputError, match="no cores"):
        plot_core_map([], MeshSize(columns=8, rows=4, slots=4), title="")
    with pytest.raises(InputError, match="no rows"):
        plot_table(COLUMNS, [], title="")
