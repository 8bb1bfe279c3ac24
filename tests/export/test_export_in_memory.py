"""``export`` takes a network that is in memory: the same file as from its own, and a clear line where it has no place to go."""

from __future__ import annotations

from pathlib import Path

import pytest

import qif_deploy
from qif_export.nir.read import read_nir
from qif_export.nir.write import write_nir
from tests.networks import residual


def test_a_network_in_memory_gives_the_file_that_its_artefact_gives(tmp_path: Path) -> None:
    network = residual()
    write_nir(network, tmp_path / "net.nir")
    told = qif_deploy.export(network, to="nir", out=tmp_path / "memory.nir").as_json()
    assert told["path"] == str(tmp_path / "memory.nir")
    assert (tmp_path / "memory.nir").read_bytes() == (tmp_path / "net.nir").read_bytes()
    assert read_nir(tmp_path / "memory.nir") == network


@pytest.mark.parametrize("kind", ["nir", "onnx", "netx", "loihi2-bundle"])
def test_a_network_in_memory_needs_a_name_for_its_file(kind: str) -> None:
    with pytest.raises(qif_deploy.QifError, match="a network in memory has no file to write beside; name the new one with out"):
        qif_deploy.export(residual(), to=kind)


def test_the_network_itself_is_not_written_over(tmp_path: Path) -> None:
    write_nir(residual(), tmp_path / "net.nir")
    with pytest.raises(qif_deploy.QifError, match="export to nir writes the file anew"):
        qif_deploy.export(tmp_path / "net.nir", to="nir")
