"""Damaged and hostile files: one clear line, in bounded time and memory, whatever is in them."""

from __future__ import annotations

import gzip
import tracemalloc
from itertools import pairwise
from pathlib import Path

import h5py
import nir
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qif_deploy.errors import InputError
from qif_export.nir import document, hdf5
from qif_export.nir.importing.importer import read_float_nir
from qif_export.nir.read import holds_codes, read_nir
from tests.export.peers.stored import unpacked

FIXTURES = Path(__file__).parent / "fixtures"
READERS = (read_nir, read_float_nir, holds_codes)


@pytest.fixture
def net(tmp_path):
    path = tmp_path / "net.nir"
    path.write_bytes(gzip.decompress((FIXTURES / "schema-1.nir.gz").read_bytes()))
    return path


@pytest.fixture
def foreign(tmp_path):
    return unpacked("spikingjelly-residual", tmp_path)


def refusal(path: Path, *readers) -> str:
    """Every reader refuses in one line, and none takes much memory for it."""
    lines = []
    for n, reader in enumerate(readers or READERS):
        if n == 0:
            tracemalloc.start()
        with pytest.raises(InputError) as caught:
            reader(path)
        if n == 0:
            assert tracemalloc.get_traced_memory()[1] < 64 << 20
            tracemalloc.stop()
        lines.append(str(caught.value))
        assert "\n" not in lines[-1]
        assert len(lines[-1]) < 4000
        assert str(path) in lines[-1]
    return lines[-1]


def says_one_line(path: Path, reader) -> bool:
    """Whether the reader returns, or refuses in one line."""
    try:
        reader(path)
    except InputError as error:
        line = str(error)
        return "\n" not in line and len(line) < 4000
    return True


def put(path: Path, key: str, make) -> None:
    with h5py.File(path, "a") as file:
        group, _, name = f"node/{key}".rpartition("/")
        if name in file[group]:
            del file[group][name]
        make(file[group], name)


# ---------------------------------------------------------------- what HDF5 offers and no network needs


def test_link_into_another_file(net, tmp_path):
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["data"] = np.arange(3.0)
    put(net, "nodes/fc/weight", lambda g, n: g.__setitem__(n, h5py.ExternalLink(str(secret), "/data")))
    assert "ExternalLink" in refusal(net)


def test_root_that_is_a_link(tmp_path, net):
    path = tmp_path / "link.nir"
    with h5py.File(path, "w") as file:
        file["node"] = h5py.ExternalLink(str(net), "/node")
    assert "ExternalLink" in refusal(path)


def test_soft_link(net):
    put(net, "nodes/fc/weight", lambda g, n: g.__setitem__(n, h5py.SoftLink("/node/nodes/conv/weight")))
    assert "SoftLink" in refusal(net)


def test_values_from_another_file(net, tmp_path):
    (tmp_path / "raw").write_bytes(bytes(48 * 4))
    put(net, "nodes/fc/weight", lambda g, n: g.create_dataset(n, (3, 16), "f4", external=[(str(tmp_path / "raw"), 0, 192)]))
    assert "other files" in refusal(net)


def test_virtual_array(net, tmp_path):
    layout = h5py.VirtualLayout((3, 16), "f4")
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", (3, 16))
    put(net, "nodes/fc/weight", lambda g, n: g.create_virtual_dataset(n, layout))
    assert "other files" in refusal(net)


def test_filter_that_is_a_plugin(net):
    def make(group, name):
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk((3, 16))
        properties.set_filter(32015, h5py.h5z.FLAG_OPTIONAL)
        h5py.h5d.create(group.id, name.encode(), h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple((3, 16)), properties)

    put(net, "nodes/fc/weight", make)
    assert "filter 32015" in refusal(net)


def test_group_that_holds_itself(net):
    put(net, "nodes/loop", lambda g, n: g.__setitem__(n, g))
    assert "several places" in refusal(net)


def test_groups_that_hold_each_other_many_times(tmp_path):
    path = tmp_path / "x.nir"
    with h5py.File(path, "w") as file:
        at = file.create_group("node")
        for _ in range(20):
            below = at.create_group("a")
            for name in "bcdefgh":
                at[name] = below
            at = below
    assert "several places" in refusal(path)


def test_deep_groups(tmp_path):
    path = tmp_path / "x.nir"
    with h5py.File(path, "w") as file:
        at = file.create_group("node")
        for _ in range(200):
            at = at.create_group("nodes")
    assert "deeper than" in refusal(path)


def test_subgraphs_in_subgraphs(tmp_path):
    path = tmp_path / "x.nir"
    graph = nir.Linear(np.ones((2, 2)))
    for _ in range(20):
        ports = {"input": nir.Input(np.array([2])), "output": nir.Output(np.array([2]))}
        graph = nir.NIRGraph({**ports, "n": graph}, [("input", "n"), ("n", "output")], type_check=False)
    nir.write(path, graph)
    assert "deeper than" in refusal(path)


@pytest.mark.parametrize(
    "make",
    [
        lambda g, n: g.create_dataset(n, data=np.zeros(3, [("a", "f4"), ("b", "i4")])),
        lambda g, n: g.create_dataset(n, data=np.zeros(3, complex)),
        lambda g, n: g.create_dataset(n, data=np.zeros(3, np.longdouble)),
        lambda g, n: g.create_dataset(n, (2,), h5py.ref_dtype),
        lambda g, n: g.create_dataset(n, (2,), h5py.vlen_dtype(np.int32)),
        lambda g, n: g.create_dataset(n, data=h5py.Empty("f4")),
        lambda g, n: g.create_dataset(n, data=np.zeros((1,) * 9)),
        lambda g, n: g.__setitem__(n, np.dtype("f4")),
        lambda g, n: g.create_dataset(n, data=["a"] * 3, dtype=h5py.string_dtype(), chunks=(3,)),
        lambda g, n: g.create_dataset(n, data=b"\xff\xfe", dtype=h5py.string_dtype("utf-8", 2)),
    ],
    ids=["compound", "complex", "longdouble", "reference", "ragged", "empty", "nine axes", "named type", "text in chunks", "not utf8"],
)
def test_kinds_of_values(net, make):
    put(net, "nodes/fc/weight", make)
    assert "'/node/nodes/fc/weight'" in refusal(net) or "cannot be read" in refusal(net)


# ---------------------------------------------------------------- sizes


def test_compression_bomb(net):
    def make(group, name):
        with_zeros = group.create_dataset(name, (1 << 31,), "f4", chunks=(1 << 22,), compression="gzip")
        with_zeros[: 1 << 22] = 0

    put(net, "nodes/fc/weight", make)
    assert "compression bomb" in refusal(net)


@pytest.mark.parametrize("shape", [(1 << 40,), (1 << 20, 1 << 20, 1 << 20)])
def test_array_of_impossible_size_that_holds_nothing(net, shape):
    put(net, "nodes/fc/weight", lambda g, n: g.create_dataset(n, shape, "f4", chunks=tuple(min(m, 64) for m in shape)))
    assert "compression bomb or damaged header" in refusal(net)


def test_many_arrays_that_are_too_much_together(net):
    with h5py.File(net, "a") as file:
        for n in range(40):
            file["node/nodes/fc"].create_dataset(f"w{n}", (1 << 21,), "f4", chunks=(1 << 16,), compression="gzip")
    with pytest.raises(InputError, match="compression bomb"):
        read_nir(net)


def test_chunk_far_larger_than_its_array(net):
    put(net, "nodes/fc/weight", lambda g, n: g.create_dataset(n, (3, 16), "f4", chunks=(1 << 14, 1 << 14), maxshape=(None, None)))
    assert "chunks of" in refusal(net)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("x/shape", [2**31, 6, 6]),
        ("x/shape", [2, 2**40, 2**40]),
        ("x/shape", [2, -6, 6]),
        ("x/shape", [2] * 100),
        ("conv1/padding", [2**40, 2**40]),
        ("conv1/stride", [0, 1]),
        ("conv1/dilation", [2**40, 1]),
        ("conv1/groups", 2**40),
        ("conv1/groups", -1),
        ("flat/start_dim", 2**40),
        ("fc/weight", np.zeros((1, 1, 1))),
        ("fc/weight", np.full((5, 144), np.inf)),
        ("sn1/v_threshold", np.zeros((4, 6, 6))),
        ("sn1/v_threshold", np.full((4, 6, 6), 1e308)),
        ("sn1/r", np.full((4, 6, 6), 1e308)),
        ("sn1/r", np.full((4, 6, 6), -1.0)),
        ("sn1/r", "ten"),
    ],
)
def test_values_that_make_no_network(foreign, key, value):
    put(foreign, f"nodes/{key}", lambda g, n: g.create_dataset(n, data=value))
    try:
        found = read_float_nir(foreign)
    except InputError:
        refusal(foreign, read_float_nir)
    else:  # large but finite numbers are for the quantiser to judge
        assert "sn1" in key
        assert found.graph.populations


def test_too_many_nodes_and_edges(foreign, monkeypatch):
    monkeypatch.setattr(document, "MAX_NODES", 5)
    assert "more than 5" in refusal(foreign, read_float_nir)
    monkeypatch.undo()
    monkeypatch.setattr(document, "MAX_EDGES", 5)
    assert "more than 5" in refusal(foreign, read_float_nir)


def test_a_chain_as_long_as_allowed_is_refused_or_read_in_seconds(tmp_path):
    """As many nodes as a file may have, each summing two: branches would double with each, and are limited."""
    path, count = tmp_path / "x.nir", 300
    nodes = {f"s{n}": nir.Linear(np.ones((2, 2))) for n in range(count)}
    names = ["in", *nodes]
    edges = [*pairwise(names), *[(a, c) for a, c in zip(names, names[2:], strict=False)], (names[-1], "out")]
    graph = nir.NIRGraph({"in": nir.Input(np.array([2])), **nodes, "out": nir.Output(np.array([2]))}, edges, type_check=False)
    nir.write(path, graph)
    assert "branches meet in it" in refusal(path, read_float_nir)


def test_copies_of_a_large_layer_are_limited(tmp_path, monkeypatch):
    from qif_export.nir.importing import signals

    monkeypatch.setattr(signals, "MAX_WEIGHTS", 100)
    path = tmp_path / "x.nir"
    nodes = {"a": nir.Threshold(np.ones(20)), "b": nir.Threshold(np.ones(20)), "fc": nir.Linear(np.ones((5, 20)))}
    edges = [("in", "a"), ("in", "b"), ("a", "fc"), ("b", "fc"), ("fc", "out")]
    nir.write(path, nir.NIRGraph({"in": nir.Input(np.array([20])), **nodes, "out": nir.Output(np.array([5]))}, edges, type_check=False))
    assert "put neurons before it" in refusal(path, read_float_nir)


# ---------------------------------------------------------------- damage


@pytest.mark.parametrize("part", [0.0, 0.01, 0.2, 0.5, 0.8, 0.99])
@pytest.mark.parametrize("name", ["schema-1", "foreign"])
def test_truncated(net, foreign, name, part):
    path = net if name == "schema-1" else foreign
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    refusal(path)


@pytest.mark.parametrize("name", ["net", "foreign"])
def test_damaged_texts_end(name, request):
    """libhdf5 2.0.0 loops for ever over a heap of texts whose sizes are zero; here they are read without it."""
    path = request.getfixturevalue(name)
    data = path.read_bytes()
    for at in [i for i in range(len(data)) if data.startswith(b"GCOL", i)]:
        for change in (8, 16 + 8, 16 + 24):
            broken = bytearray(data)
            broken[at + change : at + change + 8] = bytes(8)
            path.write_bytes(broken)
            refusal(path)


BYTES = st.lists(st.tuples(st.integers(0, 2**20), st.integers(1, 255)), min_size=1, max_size=30)


def fuzzed(path: Path, reader, data: bytes, changes: list[tuple[int, int]]) -> None:
    """Change bytes that are not zero, as most zeros are padding; the reader returns or refuses in one line."""
    array = np.frombuffer(data, np.uint8).copy()
    used = np.flatnonzero(array)
    for at, change in changes:
        array[used[at % used.size]] ^= change
    path.write_bytes(array.tobytes())
    assert says_one_line(path, reader)


FUZZ = settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@FUZZ
@given(changes=BYTES)
def test_fuzzed_integer_network(changes, tmp_path):
    fuzzed(tmp_path / "x.nir", read_nir, gzip.decompress((FIXTURES / "schema-1.nir.gz").read_bytes()), changes)


@FUZZ
@given(changes=BYTES)
def test_fuzzed_foreign_network(changes, tmp_path):
    fuzzed(tmp_path / "x.nir", read_float_nir, unpacked("sinabs-if", tmp_path).read_bytes(), changes)


VALUES = st.one_of(
    st.integers(-(2**62), 2**62),
    st.floats(allow_nan=True),
    st.text(max_size=8).filter(lambda t: "\0" not in t),
    st.lists(st.integers(-5, 5), max_size=4),
    st.lists(st.floats(-5, 5), max_size=4),
)


@FUZZ
@given(data=st.data(), value=VALUES)
def test_fuzzed_fields(data, value, tmp_path):
    """A well-formed file in which any field of any node, or the edges, hold anything."""
    path = unpacked("spikingjelly-residual", tmp_path)
    with h5py.File(path, "a") as file:
        keys = ["edges", *(f"nodes/{n}/{f}" for n, node in file["node/nodes"].items() for f in node)]
        key = data.draw(st.sampled_from(keys))
        del file[f"node/{key}"]
        file[f"node/{key}"] = value
    assert says_one_line(path, read_float_nir)


def test_limits_are_above_what_networks_need():
    """ResNet-34 has some 150 nodes of up to 12 fields, nested four groups deep."""
    assert hdf5.MAX_OBJECTS > 10 * 150 * 12
    assert hdf5.MAX_DEPTH > 2 * 4
    assert document.MAX_NODES > 5 * 150
