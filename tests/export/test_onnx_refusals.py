"""What ONNX cannot carry is refused before anything is written; what is not an exported file is refused with one line."""

from __future__ import annotations

import itertools
import re

import numpy as np
import onnx
import pytest

from qif_deploy.errors import BackendError, InputError, UnsupportedError
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, DenseCodes, Flatten, ReadoutCodes, SumPool2d
from qif_export.export_report import Carried, FieldOutcome
from qif_export.onnx import read as onnx_read
from qif_export.onnx import write as onnx_write
from qif_export.onnx.metadata import sealed
from qif_export.onnx.run import read_onnx_interface, run_onnx
from qif_export.onnx.write import write_onnx
from tests.networks import LOIHI2, chain, number_format, population, random_inputs, residual


def small(*, low=0, high=1, kernel=1, weight=1, fan_in=4, shift=0, fmt=LOIHI2, spiking=False) -> QuantizedGraph:
    side = kernel if kernel > 1 else 2
    rows = fan_in if kernel == 1 else 1
    nodes = {
        "x": CodeInput(shape=(1, side, side) if kernel > 1 else (rows,), low=low, high=high, scale=1.0),
        **({"pool": SumPool2d(kernel=(kernel, kernel), stride=(1, 1)), "flat": Flatten()} if kernel > 1 else {}),
        "fc": DenseCodes(weight=np.full((1, rows), weight), shift=shift),
        **(
            {"q": population(np.random.default_rng(0), 1, fmt=fmt), "fc2": DenseCodes(weight=np.ones((1, 1), int), shift=0)}
            if spiking
            else {}
        ),
        "out": ReadoutCodes(bias=np.zeros(1, np.int64), delta=1.0),
    }
    names = list(nodes)
    return QuantizedGraph(nodes=nodes, edges=tuple(itertools.pairwise(names)), number_format=fmt, steps=2)


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        (small(high=256), "input 'x': codes 0..256"),
        (small(low=-129, high=0), "input 'x': codes -129..0"),
        (small(low=-1, high=128), "input 'x'"),
        (small(kernel=16), "pool 'pool': codes 0..256"),
        (small(low=-2, high=2, kernel=9), "pool 'pool'"),
        (small(weight=128, fmt=number_format(weight_bits=9)), "weight_bits <= 8"),
        (small(high=255, weight=127, fan_in=70_000), "beyond 2147483647 of ConvInteger"),
        (small(high=255, weight=127, shift=30, fmt=number_format(product_bits=50), spiking=True), "of the vectors"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, graph, words):
    with pytest.raises(UnsupportedError) as caught:
        write_onnx(graph, tmp_path / "net.onnx")
    assert words in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("graph", [small(high=255), small(low=-128, high=127), small(kernel=15), small(weight=127)])
def test_what_just_fits_is_written(tmp_path, graph):
    write_onnx(graph, tmp_path / "net.onnx")


def test_wrong_result_leaves_no_file(tmp_path, monkeypatch):
    def changed(graph, *choices, honest=onnx_write.to_onnx):
        model = honest(graph, *choices)
        body = next(a.g for node in model.graph.node for a in node.attribute if a.name == "body")
        theta = next(t for t in body.initializer if t.name == "step/q2/theta")
        values = onnx.numpy_helper.to_array(theta).copy()
        values[1] += 100
        theta.CopyFrom(onnx.numpy_helper.from_array(values, theta.name))
        return model

    for module in (onnx_write, onnx_read):  # in both, else the reader finds the change before anything runs
        monkeypatch.setattr(module, "to_onnx", changed)
    with pytest.raises(BackendError) as caught:
        write_onnx(residual(), tmp_path / "net.onnx")
    place = r"population 'q2', step \d, sample \d, neuron \(1, \d, \d\): s is 0, the int64 reference has 1 \(random input\)"
    assert re.search(place, str(caught.value)), caught.value
    assert list(tmp_path.iterdir()) == []


def test_model_that_fails_the_checker_leaves_no_file(tmp_path, monkeypatch):
    def broken(graph, *choices, honest=onnx_write.to_onnx):
        model = honest(graph, *choices)
        model.graph.node[0].op_type = "Shapes"
        return model

    monkeypatch.setattr(onnx_write, "to_onnx", broken)
    with pytest.raises(BackendError, match="checker"):
        write_onnx(residual(), tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []


def test_model_of_another_interface_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_write, "to_onnx", lambda graph, *choices, honest=onnx_write.to_onnx: honest(chain(), *choices))
    with pytest.raises(BackendError, match="another network"):
        write_onnx(residual(), tmp_path / "net.onnx")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "net.onnx"
    write_onnx(residual(), path)
    return path


def refusal(path) -> str:
    with pytest.raises(InputError) as caught:
        run_onnx(path, random_inputs(residual(), samples=1))
    line = str(caught.value)
    assert "\n" not in line
    assert str(path) in line
    with pytest.raises(InputError):
        read_onnx_interface(path)
    return line


def test_missing_file_and_folder(tmp_path):
    assert "does not exist" in refusal(tmp_path / "none.onnx")
    assert "does not exist" in refusal(tmp_path)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x04\x95pickle", bytes(1000)])
def test_not_onnx(tmp_path, content):
    (tmp_path / "x.onnx").write_bytes(content)
    refusal(tmp_path / "x.onnx")


@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_truncated(written, tmp_path, part):
    data = written.read_bytes()
    (tmp_path / "x.onnx").write_bytes(data[: int(len(data) * part)])
    refusal(tmp_path / "x.onnx")


def test_onnx_of_another_origin(tmp_path):
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph([onnx.helper.make_node("Neg", ["x"], ["y"])], "g", [value("x", 1, [1])], [value("y", 1, [1])])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, tmp_path / "x.onnx")
    assert "not exported by qif-deploy" in refusal(tmp_path / "x.onnx")


@pytest.mark.parametrize(
    ("key", "text", "words"),
    [
        ("qif.schema", "3", "schema 3"),
        ("qif.schema", "true", "schema True"),
        ("qif.schema", "{", "damaged"),
        ("qif.steps", "0", "damaged"),
        ("qif.steps", '"4"', "damaged"),
        ("qif.inputs", "[]", "damaged"),
        ("qif.inputs", '[{"name": "events"}]', "damaged"),
        ("qif.inputs", '[{"name": "events", "shape": [2, 6], "low": 0, "high": 1, "scale": 1}]', "input shape"),
        ("qif.inputs", '[{"name": "other", "shape": [2, 6, 6], "low": 0, "high": 1, "scale": 1}]', "other inputs"),
        ("qif.populations", '["q1"]', "damaged"),
        ("qif.populations", '["q1", "q2", "q3"]', "other inputs or populations"),
        ("qif.recorded", '["q1"]', "outputs of its graph"),
        ("qif.profile", '"float"', "damaged"),
        ("qif.form", '"step"', "inputs of its graph"),
        ("qif.network", "{}", "description of the network is damaged"),
        ("qif.network", '{"nodes": {}, "edges": []}', "readouts"),
        ("qif.content_hash", '"0"', "content hash"),
        ("qif.populations", "3", "damaged"),
    ],
)
def test_damaged_metadata(written, tmp_path, key, text, words):
    model = onnx.load(written)
    entries = {entry.key: entry.value for entry in model.metadata_props} | {key: text}
    onnx.helper.set_model_props(model, sealed(entries))
    onnx.save(model, tmp_path / "x.onnx")
    assert words in refusal(tmp_path / "x.onnx")


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"image": np.zeros((4, 1, 2, 6, 6), int)}, "'events'"),
        ({"events": np.zeros((4, 1, 2, 6, 5), int)}, "shape"),
        ({"events": np.full((4, 1, 2, 6, 6), 2)}, "outside 0..1"),
        ({"events": np.zeros((4, 1, 2, 6, 6))}, "not integer"),
        ({"events": np.zeros((5, 1, 2, 6, 6), int)}, "5 time steps"),
        ({"events": np.zeros((0, 1, 2, 6, 6), int)}, "empty"),
        ({"events": np.zeros((4, 0, 2, 6, 6), int)}, "no sample"),
    ],
)
def test_inputs_that_do_not_fit(written, inputs, words):
    with pytest.raises(InputError) as caught:
        run_onnx(written, inputs)
    assert words in str(caught.value)


def test_outcome_without_reason_is_refused():
    with pytest.raises(InputError, match="without a reason"):
        FieldOutcome(field="delta", carried=Carried.DROPPED)
