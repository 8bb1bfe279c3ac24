"""Damaged and hostile ONNX files: one clear line, no crash, no hang, no memory without bound; and never another network."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qif_deploy.errors import InputError
from qif_export.onnx.load import load_model
from qif_export.onnx.metadata import sealed
from qif_export.onnx.options import OnnxOptions
from qif_export.onnx.read import read_onnx
from qif_export.onnx.run import run_onnx
from qif_export.onnx.wire import MOST_FIELDS, require_bounded
from qif_export.onnx.write import write_onnx
from tests.export.fresh_python import run_fresh
from tests.networks import chain, random_inputs, residual

FUZZ = settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "net.onnx"
    write_onnx(residual(), path)
    return path


@pytest.fixture
def outside(tmp_path):
    """A model with its weights in a file beside it."""
    write_onnx(chain(), tmp_path / "net.onnx", OnnxOptions(external_above=1000))
    return tmp_path / "net.onnx"


def refusal(path) -> str:
    lines = []
    for act in (read_onnx, lambda path: run_onnx(path, random_inputs(residual(), samples=1))):
        with pytest.raises(InputError) as caught:
            act(path)
        lines.append(str(caught.value))
    assert lines[0] == lines[1]
    assert "\n" not in lines[0]
    assert str(path) in lines[0]
    assert len(lines[0]) < 1000
    return lines[0]


def data_of(folder: Path) -> Path:
    (found,) = folder.glob("net.onnx.*.data")
    return found


def saved(model, path) -> Path:
    path.write_bytes(model.SerializeToString())
    return path


def body_of(model):
    return next(a.g for node in model.graph.node for a in node.attribute if a.name == "body")


def weight_of(model):
    return next(t for t in body_of(model).initializer if t.name == "step/conv1/weight")


def read_or_line(path):
    """The network in the file, or the line with which it is refused."""
    try:
        return read_onnx(path)
    except InputError as error:
        return str(error)


def assert_same_or_refused(path, content: bytes) -> None:
    """What a changed file may do: be refused, or, where the change is in a name that nobody reads, give the same network."""
    path.write_bytes(content)
    found = read_or_line(path)
    assert found == residual() if not isinstance(found, str) else "\n" not in found


@FUZZ
@given(data=st.data())
def test_flipped_bits(written, tmp_path, data):
    content = bytearray(written.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) * 8 - 1))
        content[place // 8] ^= 1 << place % 8
    assert_same_or_refused(tmp_path / "x.onnx", bytes(content))


@FUZZ
@given(data=st.data())
def test_cut_moved_and_foreign_bytes(written, tmp_path, data):
    content = written.read_bytes()
    start, end = sorted((data.draw(st.integers(0, len(content))), data.draw(st.integers(0, len(content)))))
    changed = data.draw(
        st.sampled_from((content[:start], content[start:end], content[:start] + content[end:], content[:end] + content[start:]))
    )
    assert_same_or_refused(tmp_path / "x.onnx", changed + data.draw(st.binary(max_size=30)))


@FUZZ
@given(content=st.one_of(st.binary(max_size=200), st.binary(max_size=60).map(lambda b: b"\x08\x0a\x3a" + bytes([len(b)]) + b)))
def test_any_bytes(tmp_path, content):
    assert_same_or_refused(tmp_path / "x.onnx", content)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["kind", "shape", "nodes", "edges", "x"]), inner, max_size=3)
    ),
    max_leaves=5,
)


@FUZZ
@given(data=st.data())
def test_metadata_of_any_value_with_a_digest_that_fits(written, tmp_path, data):
    model = onnx.load(written)
    entries = {entry.key: entry.value for entry in model.metadata_props}
    key = data.draw(st.sampled_from(sorted(entries)))
    value = json.loads(entries[key])
    place, at = value, None
    while isinstance(place, dict | list) and place and data.draw(st.booleans()):  # somewhere within, or the whole
        container, at = place, data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        place = container[at]
    drawn = data.draw(JSON)
    if at is None:
        value = drawn
    else:
        container[at] = drawn
    onnx.helper.set_model_props(model, sealed(entries | {key: json.dumps(value)}))
    path = saved(model, tmp_path / "x.onnx")
    found = read_or_line(path)
    # Only what reports use may be another.
    assert found.content_hash == residual().content_hash if not isinstance(found, str) else "\n" not in found


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.opset_import[0].__setattr__("version", 17), "operator set is 17, ours is 18"),
        (lambda m: m.opset_import[0].__setattr__("version", 2**40), "operator set"),
        (lambda m: m.__setattr__("ir_version", 11), "IR version"),
        (lambda m: m.ClearField("functions"), "function of its neurons"),
        (lambda m: m.ClearField("graph"), "no graph"),
        (lambda m: body_of(m).node[0].__setattr__("op_type", "Neg"), "operator 'step/events/codes_u8'"),
        (lambda m: body_of(m).node.pop(), "number of operators"),
        (lambda m: body_of(m).initializer.pop(), "number of constants"),
        (lambda m: weight_of(m).dims.__setitem__(0, 2**40), "bytes where its shape needs"),
        (lambda m: weight_of(m).dims.__setitem__(0, -1), "is negative"),
        (lambda m: weight_of(m).__setattr__("data_type", 99), "type 99 is unknown"),
        (lambda m: m.graph.input[0].type.tensor_type.shape.dim[2].__setattr__("dim_value", 2**40), "inputs of its graph"),
        (lambda m: m.graph.initializer[0].__setattr__("raw_data", np.array([2**40, 1, 1]).tobytes()), "constant 'q1/sizes'"),
    ],
)
def test_changed_models(written, tmp_path, change, words):
    model = onnx.load(written)
    change(model)
    assert words in refusal(saved(model, tmp_path / "x.onnx"))


def test_changed_weight_is_another_network(written, tmp_path):
    model = onnx.load(written)
    weight = weight_of(model)
    weight.raw_data = bytes([weight.raw_data[0] ^ 1]) + weight.raw_data[1:]
    assert "content hash" in refusal(saved(model, tmp_path / "x.onnx"))


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("/etc/passwd", "only a file beside the model"),
        ("../secret.data", "only a file beside the model"),
        ("sub/../../secret.data", "only a file beside the model"),
        ("sub/inner.data", "only a file beside the model"),
        ("..", "only a file beside the model"),
        ("", "only a file beside the model"),
        ("a\x00b", "only a file beside the model"),
        ("..\\secret.data", "only a file beside the model"),
        ("link.data", "missing or a link"),
        ("none.data", "missing or a link"),
        ("sub", "missing or a link"),
        ("short.data", "do not lie within"),
    ],
)
def test_values_elsewhere_are_not_read(outside, tmp_path, location, words):
    (tmp_path / "sub").mkdir()
    for place in (tmp_path.parent / "secret.data", tmp_path / "sub" / "inner.data"):
        place.write_bytes(data_of(tmp_path).read_bytes())
    (tmp_path / "link.data").symlink_to(data_of(tmp_path))
    (tmp_path / "short.data").write_bytes(b"short")
    model = onnx.load(outside, load_external_data=False)
    tensor = next(t for t in body_of(model).initializer if t.external_data)
    next(e for e in tensor.external_data if e.key == "location").value = location
    assert words in refusal(saved(model, tmp_path / "x.onnx"))


@pytest.mark.parametrize(("key", "value"), [("offset", "-1"), ("offset", "9" * 30), ("length", "7"), ("offset", "zero"), ("offset", "²")])
def test_extents_that_do_not_fit(outside, tmp_path, key, value):
    model = onnx.load(outside, load_external_data=False)
    tensor = next(t for t in body_of(model).initializer if t.external_data)
    next(e for e in tensor.external_data if e.key == key).value = value
    assert "do not lie within" in refusal(saved(model, tmp_path / "x.onnx"))


def test_flipped_bit_in_the_values_beside_the_file(outside, tmp_path):
    data = data_of(tmp_path)
    content = bytearray(data.read_bytes())
    content[100] ^= 16
    data.write_bytes(content)
    assert "content hash" in refusal(outside)


def nested(depth: int) -> onnx.ModelProto:
    make = onnx.helper
    graph = make.make_graph([], "g", [], [])
    for _ in range(depth):
        graph = make.make_graph([make.make_node("If", ["c"], ["y"], then_branch=graph)], "g", [], [])
    return make.make_model(graph, opset_imports=[make.make_opsetid("", 18)], ir_version=10)


def length_prefixed(field: int, content: bytes) -> bytes:
    size, length = len(content), bytearray()
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([field << 3 | 2]) + bytes([*length, size]) + content


@pytest.mark.parametrize("depth", [9, 20])
def test_nested_subgraphs(tmp_path, depth):
    assert "nested" in refusal(saved(nested(depth), tmp_path / "x.onnx"))


def test_very_deeply_nested_subgraphs(tmp_path):
    graph = b""
    for _ in range(20_000):  # graph -> node -> attribute -> graph, written by hand: no parser has a say
        graph = length_prefixed(1, length_prefixed(5, length_prefixed(6, graph)))
    (tmp_path / "x.onnx").write_bytes(length_prefixed(7, graph))
    assert "nested more than" in refusal(tmp_path / "x.onnx")


def test_many_empty_messages_do_not_fill_the_memory(tmp_path):
    """A million operators of two bytes each would take some gigabytes once parsed."""
    (tmp_path / "x.onnx").write_bytes(length_prefixed(7, b"\x0a\x00" * (2 * MOST_FIELDS)))
    assert f"more than {MOST_FIELDS}" in refusal(tmp_path / "x.onnx")


def test_a_network_of_fifty_layers_is_far_from_the_bounds(written):
    count = sum(1 for _ in written.read_bytes())  # more than it has fields
    assert 30 * count < MOST_FIELDS
    require_bounded(written.read_bytes())
    load_model(written)


def test_reading_hostile_files_stays_within_the_memory_of_a_reader(written, tmp_path):
    """No more than 1 GiB above what the imports take, although the file asks for more."""
    model = onnx.load(written)
    weight_of(model).dims[0] = 2**45
    saved(model, tmp_path / "dims.onnx")
    entries = {entry.key: entry.value for entry in model.metadata_props}
    network = json.loads(entries["qif.network"])
    network["nodes"]["events"]["shape"] = [2, 2**30, 2**30]
    whole = onnx.load(written)
    onnx.helper.set_model_props(whole, sealed(entries | {"qif.network": json.dumps(network)}))
    saved(whole, tmp_path / "shape.onnx")
    script = (
        "import resource, sys; from pathlib import Path; from qif_export.onnx.read import read_onnx\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, used + 2**30))\n"
        "for name in sys.argv[1:]:\n"
        "    try: read_onnx(Path(name))\n"
        "    except ValueError as error: print(type(error).__name__)\n"
    )
    lines = run_fresh(script, str(tmp_path / "dims.onnx"), str(tmp_path / "shape.onnx"))
    assert len(lines) == 2
