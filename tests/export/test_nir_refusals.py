"""Every file that is not what write_nir wrote is refused with one line that names the cause."""

from __future__ import annotations

import json
import shutil

import h5py
import nir
import numpy as np
import pytest

from qif_deploy.errors import InputError
from qif_export.nir.read import read_nir
from qif_export.nir.write import write_nir
from tests.networks import chain, residual


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("nir") / "net.nir"
    write_nir(chain(), path)
    return path


@pytest.fixture
def net(written, tmp_path):
    return shutil.copy(written, tmp_path / "net.nir")


def refusal(path) -> str:
    with pytest.raises(InputError) as caught:
        read_nir(path)
    line = str(caught.value)
    assert "\n" not in line
    assert str(path) in line
    return line


def replace(path, key: str, value) -> None:
    with h5py.File(path, "a") as file:
        if key in file["node"]:
            del file["node"][key]
        if value is not None:
            file["node"].create_dataset(key, data=value)


def change(path, key: str, edit) -> None:
    with h5py.File(path, "r") as file:
        value = file["node"][key][()]
    replace(path, key, edit(value))


def test_missing_file(tmp_path):
    assert "does not exist" in refusal(tmp_path / "none.nir")


def test_folder(tmp_path):
    assert "not an HDF5 file" in refusal(tmp_path)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x04\x95pickle", b"\x89HDF\r\n\x1a\n"])
def test_not_hdf5(tmp_path, content):
    (tmp_path / "x.nir").write_bytes(content)
    refusal(tmp_path / "x.nir")


def test_hdf5_but_not_nir(tmp_path):
    with h5py.File(tmp_path / "x.nir", "w") as file:
        file.create_dataset("weights", data=[1.0])
    assert "not NIR" in refusal(tmp_path / "x.nir")


@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.9, 0.999])
def test_truncated(net, part):
    data = net.read_bytes()
    net.write_bytes(data[: int(len(data) * part)])
    assert "damaged" in refusal(net) or part < 0.1


def test_damaged_bytes_are_an_error_or_change_nothing(written, tmp_path):
    data, rng = bytearray(written.read_bytes()), np.random.default_rng(0)
    expected, refused = read_nir(written), 0
    for _ in range(40):
        broken = bytearray(data)
        for position in rng.integers(0, len(data), 20):
            broken[position] ^= int(rng.integers(1, 256))
        path = tmp_path / "broken.nir"
        path.write_bytes(broken)
        try:
            assert read_nir(path) == expected
        except InputError:
            refused += 1
    assert refused > 20


def test_single_node(tmp_path):
    nir.write(tmp_path / "x.nir", nir.Threshold(np.ones(3)))
    assert "'Threshold'" in refusal(tmp_path / "x.nir")


def test_float_network_is_told_to_quantize(tmp_path):
    graph = nir.NIRGraph.from_list(nir.Input(np.array([3])), nir.Affine(np.ones((2, 3)), np.zeros(2)), nir.Output(np.array([2])))
    nir.write(tmp_path / "x.nir", graph)
    assert "quantize" in refusal(tmp_path / "x.nir")


def test_unknown_nodes_are_listed_at_once(net):
    replace(net, "nodes/q1/type", "Alpha")
    replace(net, "nodes/fc2/type", "Beta")
    line = refusal(net)
    assert "'q1' (Alpha)" in line
    assert "'fc2' (Beta)" in line


def test_float_neuron_among_codes(net):
    replace(net, "nodes/q1/type", "LIF")
    assert "'q1' (LIF)" in refusal(net)


def test_dropped_metadata(net):
    replace(net, "metadata/qif", None)
    assert "metadata 'qif' of the graph is missing" in refusal(net)


def test_synapse_without_metadata(net):
    replace(net, "nodes/fc1/metadata/qif", None)
    assert "'fc1'" in refusal(net)


@pytest.mark.parametrize("node", ["conv1", "fc2"])
def test_mutated_weight_is_caught_by_the_hash(net, node):
    def one_code_up(weight):
        flat = weight.reshape(-1)
        flat[np.abs(flat).argmin()] += 2.0 if node == "conv1" else 1.0  # conv1 has shift 1
        return weight

    change(net, f"nodes/{node}/weight", one_code_up)
    line = refusal(net)
    assert f"'{node}'" in line
    assert "hash" in line


def test_weight_between_codes(net):
    change(net, "nodes/conv1/weight", lambda w: w + np.float32(1))  # half a code at shift 1
    assert "not a whole number" in refusal(net)


def test_weight_beyond_the_format(net):
    change(net, "nodes/fc2/weight", lambda w: w + np.float32(1000))
    assert "127" in refusal(net)


@pytest.mark.parametrize("edit", [lambda w: w.astype(np.float64), lambda w: w.astype(np.int8), lambda w: w[0], lambda w: w * np.nan])
def test_weight_of_wrong_dtype_or_shape(net, edit):
    change(net, "nodes/conv1/weight", edit)
    assert "'conv1'" in refusal(net)


@pytest.mark.parametrize(
    "edit", [lambda c: c + 1, lambda c: c.astype(np.float64), lambda c: c[:-1], lambda c: c.reshape(-1), lambda c: 10**9 + c]
)
@pytest.mark.parametrize("field", ["c2m", "s2", "theta", "r0", "bias"])
def test_mutated_population_codes(net, field, edit):
    change(net, f"nodes/q2/{field}", edit)
    line = refusal(net)
    assert "'q2'" in line or "content hash" in line


@pytest.mark.parametrize(
    ("field", "value"),
    [("overflow", "wrap"), ("spike", ">"), ("rounding", "floor"), ("reset_mode", "soft"), ("state_bits", 16), ("dt", 0.5), ("s1", 8.0)],
)
def test_other_meaning_of_a_population_is_refused(net, field, value):
    replace(net, f"nodes/q1/{field}", value)
    line = refusal(net)
    assert "'q1'" in line
    assert field in line


def test_float_view_that_contradicts_the_codes(net):
    change(net, "nodes/q1/a2", lambda a: a * 1.5)
    assert "'a2' contradicts" in refusal(net)


def test_missing_and_unknown_fields(net):
    replace(net, "nodes/q1/r0", None)
    replace(net, "nodes/q2/leak", 1)
    line = refusal(net)
    assert "'r0'" in line
    assert "'leak'" in line


@pytest.mark.parametrize(
    ("field", "value"), [("bias", np.ones(4, np.float32)), ("stride", [1, 1, 1]), ("groups", 1.5), ("padding", "same")]
)
def test_convolution_fields(net, field, value):
    replace(net, f"nodes/conv1/{field}", value)
    assert "'conv1'" in refusal(net)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("pool1/padding", [1, 1]),
        ("flat/start_dim", 1),
        ("flat/input_type", [3, 3]),
        ("conv2/input_shape", [8, 4]),
        ("image:input/shape", [3]),
    ],
)
def test_shapes_and_fixed_fields(net, key, value):
    replace(net, f"nodes/{key}", value)
    assert key.partition("/")[0] in refusal(net)


@pytest.mark.parametrize(("field", "value"), [("reduce", "mean"), ("delta", 1), ("bias", np.zeros(3, np.int64))])
def test_readout_fields(net, field, value):
    replace(net, f"nodes/out/{field}", value)
    assert "'out'" in refusal(net)


@pytest.mark.parametrize("key", ["q1/delta", "image/scale", "out/delta"])
def test_mutated_float_for_reporting(net, key):
    change(net, f"nodes/{key}", lambda value: value * 1.5)
    assert "reporting hash" in refusal(net)


@pytest.mark.parametrize("edges", [[], [["image", "conv1"]], ["image"], [[1, 2]], [["image", "nowhere"]]])
def test_broken_edges(net, edges):
    replace(net, "edges", edges)
    refusal(net)


def test_boundary_nodes_must_be_there(net):
    with h5py.File(net, "a") as file:
        del file["node"]["nodes"]["image:input"]
    assert "image" in refusal(net)


def test_recurrent_edge(tmp_path):
    path = tmp_path / "net.nir"
    write_nir(residual(), path)
    change(path, "edges", lambda edges: [(a.decode(), b.decode()) for a, b in edges if (a, b) != (b"events", b"conv1")] + [("q2", "conv1")])
    refusal(path)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("schema", 3, "upgrade"),
        ("schema", 0, "export it again"),
        ("schema", True, "'schema'"),
        ("schema", None, "'schema'"),
        ("content_hash", "0" * 64, "content hash"),
        ("steps", "four", "'steps'"),
        ("steps", 0, "steps 0"),
        ("steps", 5, "content hash"),
        ("number_format", {}, "'name'"),
        ("provenance", {"a": 1}, "provenance"),
    ],
)
def test_network_facts(net, key, value, words):
    def edit(text):
        return json.dumps(json.loads(text) | {key: value})

    change(net, "metadata/qif", edit)
    assert words in refusal(net)


def test_steps_must_be_stated(net):
    change(net, "metadata/qif", lambda text: json.dumps({k: v for k, v in json.loads(text).items() if k != "steps"}))
    assert "'steps'" in refusal(net)


@pytest.mark.parametrize(("key", "value"), [("rounding", "up"), ("weight_bits", 99), ("weight_bits", "8"), ("state_bits", 20)])
def test_number_format_facts(net, key, value):
    def edit(text):
        facts = json.loads(text)
        facts["number_format"][key] = value
        return json.dumps(facts)

    change(net, "metadata/qif", edit)
    refusal(net)


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, "no"], ids=["empty", "list", "open", "deep", "word"])
def test_metadata_that_is_no_json_object(net, text):
    change(net, "metadata/qif", lambda _: text)
    refusal(net)


@pytest.mark.parametrize(("key", "value"), [("weight_exponent", 2), ("weight_exponent", -1), ("weight_bits", 4), ("weight_sha256", "")])
def test_synapse_facts(net, key, value):
    change(net, "nodes/fc1/metadata/qif", lambda text: json.dumps(json.loads(text) | {key: value}))
    assert "'fc1'" in refusal(net)


def test_group_in_place_of_a_field(net):
    replace(net, "nodes/q1/s1", None)
    with h5py.File(net, "a") as file:
        file["node"]["nodes"]["q1"].create_group("s1")
    assert "'s1'" in refusal(net)


def test_group_that_holds_itself(tmp_path):
    with h5py.File(tmp_path / "x.nir", "w") as file:
        node = file.create_group("node")
        node["loop"] = node
    refusal(tmp_path / "x.nir")
