"""Float ONNX models of another origin: read where their neurons are our function, else refused with everything that cannot be read."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qif_deploy.api.check import check
from qif_deploy.api.loading import load_network
from qif_deploy.api.quantize import quantize
from qif_deploy.errors import InputError, UnsupportedError
from qif_deploy.ir.nodes import QIF, Readout, Reduce
from qif_deploy.neuron.params import ResetMode
from qif_deploy.passes.fold_batchnorm import fold_batchnorm
from qif_deploy.passes.quantize import quantize_graph
from qif_deploy.simulate.float_sim import run_float
from qif_deploy.simulate.reference import run_reference
from qif_export.onnx.foreign import read_float_onnx
from qif_export.onnx.neuron_function import NeuronStep
from qif_export.onnx.options import Form, OnnxOptions, Profile
from qif_export.onnx.run import open_onnx, run_session
from qif_export.onnx.write import write_onnx
from tests.networks import LOIHI2, chain, random_inputs, residual

make = onnx.helper
FLOAT = onnx.TensorProto.FLOAT
STEPS, SAMPLES = 5, 16
WEIGHT = onnx.numpy_helper.from_array(np.ones((3, 2), np.float32), "w")


class Model:
    """A step written by hand, with real weights: conv + batch norm, a residual join with a bare spike train, mean pool, dense."""

    def __init__(self, *, subtract: bool = False, reset: float = 0.05) -> None:
        self.rng = np.random.default_rng(0)
        self.nodes: list[Any] = []
        self.stored: dict[str, np.ndarray] = {}
        self.subtract, self.reset = subtract, reset
        self.states = {"v1": (4, 6, 6), "v2": (4, 6, 6), "total": (3,)}
        self.op("Conv", ["x", self.weight("w1", 4, 2, 3, 3)], "a1", pads=[1, 1, 1, 1])
        norm = [self.value(f"bn{n}", self.rng.uniform(0.5, 1.5, 4)) for n in range(4)]
        self.op("BatchNormalization", ["a1", *norm], "x1")
        self.neuron("v1", "x1", 4, 3)
        self.op("Conv", ["v1/s", self.weight("w2", 4, 4, 3, 3), self.value("b2", self.rng.normal(0, 0.1, 4))], "a2", pads=[1, 1, 1, 1])
        self.op("Add", ["a2", "v1/s"], "x2")
        self.neuron("v2", "x2", 4, 3)
        self.op("AveragePool", ["v2/s"], "pooled", kernel_shape=[2, 2], strides=[2, 2])
        self.op("Reshape", ["pooled", self.value("shape", np.array([0, -1]))], "flat")
        self.op("Gemm", ["flat", self.weight("w3", 3, 36), self.value("b3", np.array([0.1, 0.0, -0.1]))], "y", transB=1)
        self.op("Add", ["y", "total"], "sum")

    def op(self, kind: str, inputs: list[str], output: str, domain: str = "", **attributes: Any) -> None:
        self.nodes.append(make.make_node(kind, inputs, [output], name=f"{output}.node", domain=domain, **attributes))

    def value(self, name: str, values: np.ndarray) -> str:
        self.stored[name] = values if values.dtype == np.int64 else values.astype(np.float32)
        return name

    def weight(self, name: str, *shape: int) -> str:
        return self.value(name, self.rng.normal(0.15, 0.5, shape))

    def neuron(self, state: str, x: str, channels: int, ndim: int) -> None:
        along = (channels, *[1] * (ndim - 1))
        constants = {"c2": 0.25, "c1": 0.8, "c0": 0.02, "theta": 1.0, "u_min": -2.0, "offset": -0.9 if self.subtract else self.reset}
        given = [
            self.value(f"{state}/{key}", np.full(along, value) * self.rng.uniform(0.9, 1.1, along)) for key, value in constants.items()
        ]
        given.insert(5, self.value(f"{state}/keep", np.array(float(self.subtract))))
        outputs = [f"{state}/u", f"{state}/s", f"{state}/next"]
        self.nodes.append(make.make_node("QIFReal", [state, x, *given], outputs, domain="qif", name=f"q{state}"))

    def graph(self, name: str, prefix: str = "") -> Any:
        values = {"v1": "v1/next", "v2": "v2/next", "total": "sum"}
        info = lambda name, shape: make.make_tensor_value_info(name, FLOAT, ["B", *shape])  # noqa: E731
        inputs = [*(info(s, shape) for s, shape in self.states.items()), info("x", (2, 6, 6))]
        outputs = [*(info(values[s], shape) for s, shape in self.states.items()), info("v1/s", (4, 6, 6)), info("v2/s", (4, 6, 6))]
        tensors = [onnx.numpy_helper.from_array(v, n) for n, v in self.stored.items()]
        return make.make_graph(self.nodes, name, inputs, outputs, tensors)

    def model(self, *, scan: bool) -> Any:
        graph = self.graph("step")
        functions = NeuronStep(profile=Profile.QDQ, dtype=np.float32, number_format=LOIHI2, inline=False).functions()
        if scan:
            zeros = [onnx.numpy_helper.from_array(np.zeros((SAMPLES, *shape), np.float32), f"{s}0") for s, shape in self.states.items()]
            outer = [f"{s}/last" for s in self.states] + ["s1", "s2"]
            node = make.make_node("Scan", [*(f"{s}0" for s in self.states), "events"], outer, body=graph, num_scan_inputs=1)
            events = make.make_tensor_value_info("events", FLOAT, ["T", SAMPLES, 2, 6, 6])
            outputs = [make.make_tensor_value_info(name, FLOAT, None) for name in ("total/last", "s1", "s2")]
            graph = make.make_graph([node], "net", [events], outputs, zeros)
        opsets = [make.make_opsetid("", 18), make.make_opsetid("qif", 1)]
        return make.make_model(graph, functions=functions, opset_imports=opsets, ir_version=10)


def events() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 2, (STEPS, SAMPLES, 2, 6, 6))


def in_onnxruntime(model: Any) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"events": events().astype(np.float32)}), strict=True))


@pytest.mark.parametrize("subtract", [False, True])
@pytest.mark.parametrize("scan", [False, True])
def test_a_foreign_model_computes_here_what_it_computes_there(tmp_path, scan, subtract):
    reset = 0.05 if scan else 0.0  # both start at 0; a step does not say where, which is then where it resets to
    onnx.save(Model(subtract=subtract, reset=reset).model(scan=scan), tmp_path / "m.onnx")
    graph = read_float_onnx(tmp_path / "m.onnx").graph
    assert graph.inputs == ("events" if scan else "x",)
    assert {n.params.reset for n in graph.nodes.values() if isinstance(n, QIF)} == {ResetMode.SUBTRACT if subtract else ResetMode.HARD}
    expected = in_onnxruntime(Model(subtract=subtract, reset=reset).model(scan=True))
    folded, _ = fold_batchnorm(graph)
    found = run_float(folded, {graph.inputs[0]: events()})
    for name, there in zip(graph.populations, ("s1", "s2"), strict=True):
        assert 0.01 < expected[there].mean() < 0.9
        # float32 there, float64 here: a spike flips only where a potential is within rounding of its threshold.
        assert (found.populations[name].s == expected[there]).mean() > 0.999
    np.testing.assert_allclose(found.readout, expected["total/last"], rtol=0, atol=1e-4)


def test_what_was_read_is_quantised_and_runs(tmp_path):
    onnx.save(Model().model(scan=True), tmp_path / "m.onnx")
    folded, _ = fold_batchnorm(read_float_onnx(tmp_path / "m.onnx").graph)
    network, _ = quantize_graph(folded, LOIHI2, steps=STEPS)
    trace = run_reference(network, {"events": events()})
    there = in_onnxruntime(Model().model(scan=True))
    assert (trace.populations[network.populations[0]].s == there["s1"]).mean() > 0.98
    assert (trace.readout.argmax(axis=1) == there["total/last"].argmax(axis=1)).mean() >= 0.8


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("build", [chain, residual])
def test_a_qdq_file_of_ours_is_such_a_model(tmp_path, build, form):
    network = build()
    write_onnx(network, tmp_path / "net.onnx", OnnxOptions(profile=Profile.QDQ, form=form))
    found = read_float_onnx(tmp_path / "net.onnx")
    assert found.steps == network.steps
    inputs = random_inputs(network, samples=8)
    arrays = run_session(open_onnx(tmp_path / "net.onnx"), inputs)
    here = run_float(fold_batchnorm(found.graph)[0], inputs)
    for ours, theirs in zip(found.graph.populations, network.populations, strict=True):
        assert (here.populations[ours].s == arrays[f"{theirs}/s"]).mean() > 0.999
    assert (here.readout.argmax(axis=1) == arrays["readout"].argmax(axis=1)).all()


def refusal(model: Any, path: Any) -> str:
    onnx.save(model, path)
    with pytest.raises(InputError) as caught:
        read_float_onnx(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_everything_that_cannot_be_read_is_listed_at_once(tmp_path):
    model = Model()
    model.op("MaxPool", ["v1/s"], "most", kernel_shape=[2, 2])
    model.op("Relu", ["most"], "after")  # follows one that is listed: nothing can be said of it
    model.op("Sigmoid", ["v2/s"], "soft")
    model.op("Conv", ["v1/s", "w2"], "uneven", pads=[1, 0, 0, 0])
    model.op("AveragePool", ["v1/s"], "padded", kernel_shape=[2, 2], pads=[1, 1, 1, 1])
    model.op("Mul", ["v1/u", "v1/u"], "squared")
    line = refusal(model.model(scan=True), tmp_path / "m.onnx")
    for words in (
        "most.node (MaxPool)", "soft.node (Sigmoid)", "uneven.node (Conv): unequal pads [1, 0, 0, 0]",
        "padded.node (AveragePool): pads or dilations", "squared.node (Mul)",
    ):  # fmt: skip
        assert words in line
    assert "Relu" not in line


def test_a_network_of_other_neurons(tmp_path):
    value = make.make_tensor_value_info
    nodes = [make.make_node("Gemm", ["x", "w"], ["y"], name="fc"), make.make_node("LSTM", ["y", "w", "w"], ["z"], name="memory")]
    graph = make.make_graph(
        nodes,
        "g",
        [value("x", FLOAT, ["B", 3])],
        [value("y", FLOAT, ["B", 2])],
        [onnx.numpy_helper.from_array(np.ones((3, 2), np.float32), "w")],
    )
    assert "memory (LSTM)" in refusal(make.make_model(graph, opset_imports=[make.make_opsetid("", 18)], ir_version=10), tmp_path / "m.onnx")
    del graph.node[1]
    assert "no neuron qif::QIFReal" in refusal(make.make_model(graph, opset_imports=[make.make_opsetid("", 18)]), tmp_path / "m.onnx")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.stored.update({"v1/keep": np.full((4, 1, 1), 0.5, np.float32)}), "keep [0.5]"),
        (lambda m: m.stored.update({"v1/theta": np.full((4, 1, 1), 3.4028235e38, np.float32)}), "does not spike"),
        (lambda m: m.stored.update({"v1/theta": np.full((4, 1, 1), -1.0, np.float32)}), "theta"),
        (lambda m: m.nodes.__delitem__(slice(len(m.nodes) - 1, None)), "readouts"),
        (lambda m: m.stored.update({"w1": np.ones((4, 3, 3, 3), np.float32)}), "takes 3 channels"),
    ],
)
def test_models_that_do_not_fit(tmp_path, change, words):
    model = Model()
    change(model)
    assert words in refusal(model.model(scan=False), tmp_path / "m.onnx")


def test_a_readout_that_is_not_summed_is_the_last(tmp_path):
    model = Model()
    model.nodes.pop()
    model.op("Identity", ["y"], "sum")
    onnx.save(model.model(scan=False), tmp_path / "m.onnx")
    graph = read_float_onnx(tmp_path / "m.onnx").graph
    assert graph.nodes[graph.readout] == Readout(reduce=Reduce.LAST)


def test_integer_files_are_no_float_models(tmp_path):
    write_onnx(chain(), tmp_path / "net.onnx")
    with pytest.raises(UnsupportedError, match="ConvInteger"):
        read_float_onnx(tmp_path / "net.onnx")


def test_verbs_take_a_foreign_model(tmp_path):
    onnx.save(Model().model(scan=True), tmp_path / "m.onnx")
    outcome = quantize(tmp_path / "m.onnx", target="loihi2", steps=STEPS)
    assert outcome.network.steps == STEPS
    report = check(tmp_path / "m.onnx")
    assert set(report.ranges) >= set(outcome.network.populations)
    with pytest.raises(InputError, match="not exported by qif-deploy"):
        load_network(tmp_path / "m.onnx")


@pytest.fixture(scope="module")
def content():
    return Model().model(scan=True).SerializeToString()


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_models_are_refused_or_read(content, tmp_path, data):
    changed = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(changed) * 8 - 1))
        changed[place // 8] ^= 1 << place % 8
    end = data.draw(st.one_of(st.just(len(changed)), st.integers(0, len(changed))))
    (tmp_path / "m.onnx").write_bytes(changed[:end])
    with contextlib.suppress(InputError):
        read_float_onnx(tmp_path / "m.onnx")
