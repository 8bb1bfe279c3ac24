"""Files of every schema version that was ever written still read as the networks that they were. The files are frozen."""

from __future__ import annotations

import gzip
from pathlib import Path

import h5py
import numpy as np
import pytest

from qif_deploy.errors import InputError
from qif_export.nir.float_facts import float_sha256
from qif_export.nir.importing.importer import read_float_nir
from qif_export.nir.network_facts import SCHEMA
from qif_export.nir.read import read_nir
from qif_export.nir.write import write_nir

FIXTURES = Path(__file__).parent / "fixtures"
CONTENT = "ff22f0c0a9abac41dfe929c769dd5ebf9ffcb42436cbb9db7f649c31b79f19d1"
FLOAT = "86ddea2d105486ee0b3456509a67cdc1c79b024cf4a27f657781c0bac79c73fd"


def unpacked(name: str, folder: Path) -> Path:
    path = folder / f"{name}.nir"
    path.write_bytes(gzip.decompress((FIXTURES / f"{name}.nir.gz").read_bytes()))
    return path


def test_every_version_has_a_file():
    assert {f"schema-{n}.nir.gz" for n in range(1, SCHEMA + 1)} <= {path.name for path in FIXTURES.iterdir()}


@pytest.mark.parametrize("name", [*(f"schema-{n}" for n in range(1, SCHEMA + 1)), "schema-2-on-disk"])
def test_integer_networks(name, tmp_path):
    """The last one was written straight to the disk, which lays a file out differently."""
    graph = read_nir(unpacked(name, tmp_path))
    assert graph.content_hash == CONTENT
    assert dict(graph.provenance) == {"tool": "qif-deploy 0.1.0"}
    write_nir(graph, tmp_path / "again.nir")
    assert read_nir(tmp_path / "again.nir") == graph


def test_the_current_version_is_written_byte_for_byte(tmp_path):
    """Holds for h5py 3.16 with HDF5 2.0; another library may lay out the same content differently."""
    path = unpacked(f"schema-{SCHEMA}", tmp_path)
    write_nir(read_nir(path), tmp_path / "again.nir")
    if h5py.version.hdf5_version_tuple[:2] == (2, 0):
        assert (tmp_path / "again.nir").read_bytes() == path.read_bytes()


def test_float_networks(tmp_path):
    found = read_float_nir(unpacked("schema-2-float", tmp_path))
    assert float_sha256(found.graph) == FLOAT
    assert (found.facts.steps, found.facts.dataset, found.facts.encoder) == (4, "digits", "direct")


def test_migration_adds_what_the_first_version_left_out(tmp_path):
    old, new = unpacked("schema-1", tmp_path), unpacked("schema-2", tmp_path)
    with h5py.File(old, "r") as first, h5py.File(new, "r") as second:
        before, after = first["node/nodes/hidden"], second["node/nodes/hidden"]
        assert set(after) - set(before) == {"v_threshold", "v_reset"}
        assert np.array_equal(after["v_threshold"][()], before["theta"][()])


@pytest.mark.parametrize("field", ["v_threshold", "v_reset"])
def test_a_current_file_must_state_both(tmp_path, field):
    path = unpacked("schema-2", tmp_path)
    with h5py.File(path, "a") as file:
        del file[f"node/nodes/hidden/{field}"]
    with pytest.raises(InputError, match=rf"'hidden'.*'{field}'"):
        read_nir(path)


@pytest.mark.parametrize("field", ["v_threshold", "v_reset", "a0", "r"])
def test_an_equation_that_contradicts_the_codes(tmp_path, field):
    path = unpacked("schema-2", tmp_path)
    with h5py.File(path, "a") as file:
        file[f"node/nodes/hidden/{field}"][...] += 1
    with pytest.raises(InputError, match=rf"'{field}' contradicts"):
        read_nir(path)
