"""The exported ONNX file, run in a fresh session, equals the reference in every array."""

from __future__ import annotations

import itertools
import json

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx.reference import ReferenceEvaluator

from qif_deploy.errors import UnsupportedError
from qif_deploy.fixedpoint import RoundingMode
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, DenseCodes, Flatten, ReadoutCodes, Reduce, SumPool2d
from qif_deploy.neuron.params import ResetMode
from qif_deploy.simulate.compare import compare_traces
from qif_deploy.simulate.reference import run_reference
from qif_export.export_report import sha256_of
from qif_export.onnx import run as onnx_run
from qif_export.onnx.run import read_onnx_interface, run_onnx
from qif_export.onnx.widths import choose_width
from qif_export.onnx.write import write_onnx
from tests.export.fresh_python import run_fresh
from tests.export.strategies import networks
from tests.export.wide_network import wide, with_constants
from tests.networks import LOIHI2, chain, population, random_inputs, residual, weights


def assert_exact(graph, path, *, steps: int = 4) -> None:
    report = write_onnx(graph, path)
    assert report.sha256 == sha256_of(path)
    inputs = random_inputs(graph, samples=32, steps=steps)
    found = run_onnx(path, inputs)
    comparison = compare_traces(run_reference(graph, inputs), found)
    # One step is too few for spikes in every population.
    assert comparison.exact or (steps == 1 and comparison.first_mismatch is None and comparison.spikes), comparison
    assert all((p.i.dtype, p.u.dtype, p.s.dtype) == (np.int32, np.int32, np.uint8) for p in found.populations.values())
    assert found.readout.dtype == np.int64


@pytest.mark.parametrize("rounding", RoundingMode)
@pytest.mark.parametrize("reset_mode", ResetMode)
def test_chain(tmp_path, rounding, reset_mode):
    graph = chain(rounding=rounding, reset_mode=reset_mode)
    assert choose_width(graph).dtype is np.int32
    assert_exact(graph, tmp_path / "net.onnx")


@pytest.mark.parametrize("rounding", RoundingMode)
def test_residual(tmp_path, rounding):
    assert_exact(residual(rounding=rounding), tmp_path / "net.onnx")


@pytest.mark.parametrize("steps", [1, 7])
def test_number_of_steps_is_free(tmp_path, steps):
    assert_exact(chain(steps=7), tmp_path / "net.onnx", steps=steps)


def test_signed_input_and_lower_clamp(tmp_path):
    assert_exact(chain(signed_input=True, u_min=-50), tmp_path / "net.onnx")


@pytest.mark.parametrize("rounding", RoundingMode)
@pytest.mark.parametrize("reset_mode", ResetMode)
def test_wide_format_runs_in_int64(tmp_path, rounding, reset_mode):
    graph = wide(rounding, reset_mode)
    width = choose_width(graph)
    assert width.dtype is np.int64
    assert "int32" in width.reason
    trace = run_reference(graph, random_inputs(graph, steps=12))
    k = graph.population("q1").constants
    u = trace.populations["q1"].u.astype(np.int64)
    assert np.abs(k.c1m * u).max() > 2**31  # the case is not a formality
    assert_exact(graph, tmp_path / "net.onnx", steps=12)


def test_proof_without_fixed_point_takes_int64(tmp_path):
    rng = np.random.default_rng(0)
    nodes = {
        "x": CodeInput(shape=(4,), low=0, high=1, scale=1.0),
        "fc1": DenseCodes(weight=-np.abs(weights(rng, 5, 4)), shift=0),
        "q1": population(rng, 5),
        "fc2": DenseCodes(weight=weights(rng, 2, 5), shift=0),
        "out": ReadoutCodes(bias=np.zeros(2, np.int64), delta=1.0, reduce=Reduce.LAST),
    }
    # No leak and inhibition only: nothing but saturation would end the descent.
    nodes["q1"] = with_constants(nodes["q1"], c2m=np.zeros(5, int), c1m=np.full(5, 256), s2=np.zeros(5, int), s1=8)
    names = list(nodes)
    graph = QuantizedGraph(nodes=nodes, edges=tuple(itertools.pairwise(names)), number_format=LOIHI2, steps=None)
    write_onnx(graph, tmp_path / "net.onnx")
    metadata = {entry.key: entry.value for entry in onnx.load(tmp_path / "net.onnx").metadata_props}
    assert json.loads(metadata["qif.range_proof"])["dtype"] == "int64"
    inputs = random_inputs(graph, samples=3, steps=50)
    assert compare_traces(run_reference(graph, inputs), run_onnx(tmp_path / "net.onnx", inputs)).first_mismatch is None


@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(graph=networks(), seed=st.integers(0, 2**32 - 1))
def test_random_networks(graph, seed, tmp_path):
    path = tmp_path / "net.onnx"
    write_onnx(graph, path)
    inputs = random_inputs(graph, samples=3, steps=graph.steps, seed=seed)
    comparison = compare_traces(run_reference(graph, inputs), run_onnx(path, inputs))
    assert comparison.first_mismatch is None, comparison


@pytest.mark.parametrize("kernel", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_pool_of_graded_signed_input(tmp_path, kernel, stride):
    high = min(127 // kernel**2, 5)
    nodes = {
        "x": CodeInput(shape=(2, 9, 8), low=-high - 1 if (high + 1) * kernel**2 <= 128 else -high, high=high, scale=1.0),
        "pool": SumPool2d(kernel=(kernel, kernel), stride=(stride, 1)),
        "flat": Flatten(),
    }
    size = ((9 - kernel) // stride + 1) * (8 - kernel + 1) * 2
    nodes["fc"] = DenseCodes(weight=weights(np.random.default_rng(0), 3, size), shift=0)
    nodes["out"] = ReadoutCodes(bias=np.zeros(3, np.int64), delta=1.0)
    names = list(nodes)
    graph = QuantizedGraph(nodes=nodes, edges=tuple(itertools.pairwise(names)), number_format=LOIHI2, steps=4)
    assert_exact(graph, tmp_path / "net.onnx")


def test_sums_near_the_top_of_int32(tmp_path):
    fan_in = 60_000
    sign = np.where(np.arange(fan_in) % 2, 127, -127)
    nodes = {
        "x": CodeInput(shape=(fan_in,), low=0, high=255, scale=1.0),
        "fc": DenseCodes(weight=np.stack([np.full(fan_in, 127), np.full(fan_in, -127), sign]), shift=0),
        "out": ReadoutCodes(bias=np.zeros(3, np.int64), delta=1.0),
    }
    graph = QuantizedGraph(nodes=nodes, edges=(("x", "fc"), ("fc", "out")), number_format=LOIHI2, steps=2)
    write_onnx(graph, tmp_path / "net.onnx")
    found = run_onnx(tmp_path / "net.onnx", {"x": np.full((2, 1, fan_in), 255)})
    assert found.readout.tolist() == [[2 * 255 * 127 * fan_in, -2 * 255 * 127 * fan_in, 0]]


@pytest.mark.parametrize("rounding", RoundingMode)
def test_reference_runtime_of_onnx_agrees(tmp_path, rounding):
    assert -7 // 2 == -4  # and ONNX's Div truncates, so that its reference runtime must give -3
    graph = chain(rounding=rounding, signed_input=True, u_min=-40)
    write_onnx(graph, tmp_path / "net.onnx")
    session = ReferenceEvaluator(str(tmp_path / "net.onnx"))
    inputs = random_inputs(graph, samples=2, steps=3)
    found = session.run(None, {name: codes.astype(np.int32) for name, codes in inputs.items()})
    expected = dict(run_reference(graph, inputs).computed())
    assert set(session.output_names) == set(expected)
    for name, array in zip(session.output_names, found, strict=True):
        assert array.dtype == expected[name].dtype
        assert np.array_equal(array, expected[name]), name


def test_batch_is_run_in_chunks(tmp_path, monkeypatch):
    graph = residual()
    write_onnx(graph, tmp_path / "net.onnx")
    inputs = random_inputs(graph, samples=7)
    whole = run_onnx(tmp_path / "net.onnx", inputs)
    monkeypatch.setattr(onnx_run, "_CHUNK_ELEMENTS", 3000)
    assert compare_traces(whole, run_onnx(tmp_path / "net.onnx", inputs)).first_mismatch is None


def test_held_frames_and_interface(tmp_path):
    graph = chain()
    write_onnx(graph, tmp_path / "net.onnx")
    frames = random_inputs(graph, samples=3, steps=1)["image"][0]
    held = run_onnx(tmp_path / "net.onnx", {"image": frames})
    assert compare_traces(run_reference(graph, {"image": np.broadcast_to(frames, (4, *frames.shape))}), held).first_mismatch is None
    interface = read_onnx_interface(tmp_path / "net.onnx")
    assert interface.inputs == graph.inputs
    assert interface.code_input("image") == graph.code_input("image")
    assert (interface.populations, interface.steps, interface.content_hash) == (graph.populations, 4, graph.content_hash)


def test_file_keeps_to_the_profile(tmp_path):
    write_onnx(wide(RoundingMode.NEAREST, ResetMode.SUBTRACT), tmp_path / "net.onnx")
    model = onnx.load(tmp_path / "net.onnx")
    assert (model.ir_version, {o.domain: o.version for o in model.opset_import}) == (10, {"": 18, "qif": 1})
    assert [(f.domain, f.name) for f in model.functions] == [("qif", "QIF")]
    scan = next(n for n in model.graph.node if n.op_type == "Scan")
    body = next(a.g for a in scan.attribute if a.name == "body")
    operators = [*model.graph.node, *body.node, *model.functions[0].node]
    assert not {"Clip", "Min", "Max", "Sign", "DequantizeLinear", "Conv", "MatMul", "BitShift"} & {n.op_type for n in operators}
    floats = {onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16}
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    values = [*inferred.graph.value_info, *inferred.graph.output, *body.input, *body.output]
    assert not floats & {v.type.tensor_type.elem_type for v in values}
    assert not floats & {t.data_type for t in [*model.graph.initializer, *body.initializer]}
    assert [d.dim_param for d in model.graph.input[0].type.tensor_type.shape.dim[:2]] == ["T", "B"]


def test_bytes_do_not_depend_on_the_process(tmp_path):
    digests = {write_onnx(residual(), tmp_path / "a.onnx").sha256}
    script = (
        "import sys; from pathlib import Path; from tests.networks import residual; from qif_export.onnx.write import write_onnx\n"
        "print(write_onnx(residual(), Path(sys.argv[1])).sha256, 'torch' in sys.modules, 'qif_hardware' in sys.modules)"
    )
    for seed in ("1", "2"):
        digest, *loaded = run_fresh(script, str(tmp_path / "b.onnx"), hash_seed=seed)[0].split()
        digests.add(digest)
        assert loaded == ["False", "False"]
    assert len(digests) == 1


def test_network_without_population(tmp_path):
    nodes = {
        "x": CodeInput(shape=(3,), low=-7, high=120, scale=0.1),
        "fc": DenseCodes(weight=np.array([[0, -127, 127]]), shift=3),
        "y": ReadoutCodes(bias=np.array([9]), delta=1.0, reduce=Reduce.LAST),
    }
    graph = QuantizedGraph(nodes=nodes, edges=(("x", "fc"), ("fc", "y")), number_format=LOIHI2, steps=None)
    assert_exact(graph, tmp_path / "net.onnx", steps=9)


def test_input_that_is_called_readout_is_refused(tmp_path):
    graph = residual()
    renamed = {"events": "readout"}
    other = QuantizedGraph(
        nodes={renamed.get(n, n): node for n, node in graph.nodes.items()},
        edges=tuple((renamed.get(a, a), b) for a, b in graph.edges),
        number_format=graph.number_format,
        steps=graph.steps,
    )
    with pytest.raises(UnsupportedError, match="rename"):
        write_onnx(other, tmp_path / "net.onnx")
