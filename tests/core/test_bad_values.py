"""Values that no network should hold: one clear line each, or a defined result where one is right (an all-zero channel)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qif_deploy.analysis.range_proof import prove_ranges
from qif_deploy.errors import FormatError, GraphError, InputError, QifError
from qif_deploy.ir.graph import Graph
from qif_deploy.ir.nodes import BatchNorm, Dense, DenseCodes, ReadoutCodes
from qif_deploy.neuron.params import QIFParams
from qif_deploy.passes.fold_batchnorm import fold_batchnorm
from qif_deploy.passes.quantize import quantize_graph
from qif_deploy.simulate.reference import run_reference
from tests.core.cli_runner import assert_one_line, cli
from tests.core.conftest import Artefacts
from tests.core.test_quantize import QUADRATIC, float_chain
from tests.networks import LOIHI2, chain, random_inputs

BEYOND = "no Delta and s1 keep the ranges within format 'loihi2'"


def with_channel(name: str, value: float, field: str = "weight") -> Graph:
    """The float chain with one output channel, or one bias, of ``value``."""
    graph = float_chain(QUADRATIC)
    array = getattr(graph.nodes[name], field).copy()
    array[2] = value
    return Graph(nodes=dict(graph.nodes) | {name: replace(graph.nodes[name], **{field: array})}, edges=graph.edges)


def with_norm(**changed: float) -> Graph:
    graph = float_chain(QUADRATIC)
    fields = {"gain": 1.0, "shift": 0.0, "mean": 0.0, "var": 1.0} | changed
    norm = BatchNorm(eps=1e-5, **{name: np.full(6, value) for name, value in fields.items()})
    edges = tuple(edge for edge in graph.edges if edge != ("conv", "q1"))
    return Graph(nodes=dict(graph.nodes) | {"norm": norm}, edges=(*edges, ("conv", "norm"), ("norm", "q1")))


WRONG: dict[str, tuple[Callable[[], object], type[QifError], str]] = {
    "weight not a number": (lambda: with_channel("conv", np.nan), GraphError, "Conv2d weight, channel 2: value nan is not finite"),
    "weight infinite": (lambda: with_channel("fc1", -np.inf), GraphError, "Dense weight, channel 2: value -inf is not finite"),
    "bias not a number": (lambda: with_channel("conv", np.nan, "bias"), GraphError, "Conv2d bias, channel 2: value nan"),
    "weight huge": (lambda: quantised(with_channel("conv", 1e300)), FormatError, f"population 'q1': {BEYOND} .channel 2"),
    "weights that add up to infinity": (lambda: quantised(with_channel("fc1", 1.7e308)), FormatError, f"population 'q2': {BEYOND}"),
    "bias huge": (lambda: quantised(with_channel("conv", 1e300, "bias")), FormatError, f"population 'q1': {BEYOND} .channel 2"),
    "threshold huge": (lambda: quantised(float_chain(QIFParams.of(c2=0.25, c1=0.9, theta=1e300))), FormatError, f"'q1': {BEYOND}"),
    "reset huge": (lambda: quantised(float_chain(QIFParams.of(c2=0.25, c1=0.9, u_reset=-1e300))), FormatError, f"'q1': {BEYOND}"),
    "curvature huge": (lambda: quantised(float_chain(QIFParams.of(c2=1e300, c1=0.9))), FormatError, f"'q1': {BEYOND}"),
    "gain not a number": (lambda: with_norm(gain=np.nan), GraphError, "BatchNorm gain, channel 0: value nan"),
    "gain beyond float64": (lambda: fold_batchnorm(with_norm(gain=1e308, mean=1e10)), GraphError, "batch norm 'norm', channel 0: folding"),
    "every weight zero": (lambda: quantised(Graph(**silent_readout())), FormatError, "readout 'out': every weight is zero"),
    "empty channel": (lambda: Dense(weight=np.zeros((3, 0))), GraphError, r"Dense weight: shape \(3, 0\) has not 2 non-empty axes"),
    "empty codes": (lambda: DenseCodes(weight=np.zeros((0, 4), int), shift=0), GraphError, "integers with 2 non-empty axes"),
    "readout without a class": (lambda: ReadoutCodes(bias=np.zeros(0, int), delta=1.0), GraphError, "at least one"),
    "readout delta not a number": (
        lambda: ReadoutCodes(bias=np.zeros(1, int), delta=np.nan),
        GraphError,
        "readout delta nan is not positive",
    ),
    "quantised for no step": (lambda: quantize_graph(float_chain(QUADRATIC), LOIHI2, steps=0), InputError, "steps 0 is no number of time"),
    "quantised for part of a step": (lambda: quantize_graph(float_chain(QUADRATIC), LOIHI2, steps=2.5), InputError, "steps 2.5 is no"),  # type: ignore[arg-type]  # the subject
    "proven for no step": (lambda: prove_ranges(chain(), steps=-1), InputError, "steps -1 is no number of time steps"),
}


def quantised(graph: Graph) -> object:
    return quantize_graph(graph, LOIHI2, steps=4)


def silent_readout() -> dict[str, object]:
    graph = float_chain(QUADRATIC)
    return {"nodes": dict(graph.nodes) | {"fc2": Dense(weight=np.zeros((4, 6)))}, "edges": graph.edges}


@pytest.mark.parametrize("name", WRONG)
def test_a_value_that_no_network_should_hold_is_one_line(name: str) -> None:
    build, kind, words = WRONG[name]
    with pytest.raises(kind, match=words) as caught:
        build()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"image": np.full((4, 2, 1, 8, 8), 17)}, "code 17 is outside 0..16"),
        ({"image": np.zeros((4, 2, 1, 8, 8))}, "dtype float64 is not integer"),
        ({"image": np.zeros((4, 2, 1, 8, 7), int)}, "shape"),
        ({"image": np.zeros((2, 1, 8, 8), int)}, "is not .time, batch, 1, 8, 8."),
        ({"image": np.zeros((4, 0, 1, 8, 8), int)}, "no sample"),
        ({"image": np.zeros((0, 2, 1, 8, 8), int)}, "0 time steps is empty"),
        ({"image": np.zeros((5, 2, 1, 8, 8), int)}, "5 time steps exceeds the 4"),
        ({"picture": np.zeros((4, 2, 1, 8, 8), int)}, "the network has"),
    ],
)
def test_the_reference_itself_takes_nothing_that_the_proof_does_not_cover(inputs: dict[str, np.ndarray], words: str) -> None:
    with pytest.raises(InputError, match=words):
        run_reference(chain(), inputs)


@pytest.mark.parametrize("layer", ["conv", "fc1", "fc2"])
@pytest.mark.parametrize("value", [0.0, 5e-324, 1e-300])
def test_an_all_zero_or_vanishing_channel_is_quantised_proven_and_run(layer: str, value: float) -> None:
    network, report = quantize_graph(with_channel(layer, value), LOIHI2, steps=4)
    assert report.proof.holds
    trace = run_reference(network, random_inputs(network, samples=4))
    target = network.targets(layer)[0]
    if value == 0.0 and target in network.populations:
        bias = network.population(target).constants.bias
        assert (trace.populations[target].i[:, :, 2] == bias[2]).all()


def edited_model(tiny: Artefacts, folder: Path, value: float) -> Path:
    """The checkpoint with the first output channel of its first weight at ``value``."""
    from safetensors.torch import load, save

    data = tiny.model.read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    tensors = load(data)
    name = next(n for n, tensor in tensors.items() if tensor.ndim == 4)
    tensors[name][0] = value
    path = folder / "model.safetensors"
    path.write_bytes(save(tensors, header["__metadata__"]))
    return path


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_checkpoint_with_values_that_are_not_finite_exits_2(tiny: Artefacts, tmp_path: Path, value: float) -> None:
    model = edited_model(tiny, tmp_path, value)
    for words in (("quantize", model), ("check", model), ("diff", model, tiny.network)):
        assert_one_line(cli(*words), "not finite")
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


def test_a_checkpoint_with_an_all_zero_channel_goes_the_whole_way(tiny: Artefacts, tmp_path: Path) -> None:
    model, network = edited_model(tiny, tmp_path, 0.0), tmp_path / "net.nir"
    assert cli("quantize", model, "-q").code == 0
    assert cli("check", network, "--data", tiny.codes, "--json", "-q").json["verdict"] != "fail"
    assert cli("export", network, "--to", "onnx", "-q").code == 0
    backends = ("--backend", "batched", "--backend", "onnx", "--backend", "nir")
    said = cli("verify", network, "--input", tiny.codes, *backends, "--json", "-q").json["backends"]
    assert set(said) == {"batched", "onnx", "nir"}
    for found in said.values():  # evidence may be too thin for "exact"; what counts here is that no array differs
        assert found["first_mismatch"] is None
        assert found["exact"] is not False
