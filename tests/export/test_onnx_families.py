"""Every model family, narrow, through ONNX and back: the same codes, and vectors equal; full width is in benchmarks/onnx_round_trip.py."""

from __future__ import annotations

import pytest

from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.neuron.params import QIFParams
from qif_deploy.passes.fold_batchnorm import fold_batchnorm
from qif_deploy.passes.quantize import quantize_graph
from qif_deploy.simulate.compare import compare_traces
from qif_deploy.simulate.reference import run_reference
from qif_export.onnx.read import read_onnx
from qif_export.onnx.run import run_onnx
from qif_export.onnx.write import write_onnx
from tests.networks import LOIHI2, random_inputs

FAMILIES = {
    "mlp": {"shape": (20,), "channels": (12, 8)},
    "conv": {"shape": (1, 12, 12), "channels": (4, 6)},
    "vggsnn": {"shape": (2, 32, 32), "width": 1 / 16},
    "resnet19": {"shape": (3, 16, 16), "width": 1 / 32},
    "resnet34": {"shape": (3, 32, 32), "width": 1 / 32},
}


def network(name: str) -> QuantizedGraph:
    torch = pytest.importorskip("torch")
    from qif_deploy.training.models.registry import model_spec
    from qif_deploy.training.network import SpikingNetwork
    from qif_deploy.training.spec import InputSpec
    from qif_deploy.training.surrogate import FixedWindow, Surrogate
    from qif_deploy.training.to_graph import to_graph

    torch.manual_seed(0)
    shape = FAMILIES[name]["shape"]
    spec = model_spec(
        name,
        InputSpec(shape=shape, low=0, high=15, scale=1 / 15, classes=10),
        steps=4,
        **{key: value for key, value in FAMILIES[name].items() if key != "shape"},
    )
    params = QIFParams.from_fixed_points(a=0.25, u_rest=0.0, u_crit=0.5)
    model = SpikingNetwork(spec, params=params, alpha=1.0, surrogate=Surrogate(window=FixedWindow(width=1.0))).train()
    with torch.no_grad():
        for _ in range(3):  # settles the norms, so that spikes come through
            model(torch.randint(0, 16, (8, *shape)))
    folded, _ = fold_batchnorm(to_graph(model.eval()))
    return quantize_graph(folded, LOIHI2, steps=4)[0]


@pytest.mark.parametrize("name", FAMILIES)
def test_round_trip(tmp_path, name):
    graph = network(name)
    write_onnx(graph, tmp_path / "net.onnx")
    again = read_onnx(tmp_path / "net.onnx")
    assert again == graph
    assert again.content_hash == graph.content_hash
    inputs = random_inputs(graph, samples=2)
    reference = run_reference(again, inputs)
    comparison = compare_traces(reference, run_onnx(tmp_path / "net.onnx", inputs))
    assert comparison.first_mismatch is None
    assert comparison.arrays == 3 * len(graph.populations) + 1
    assert reference.spikes()[graph.populations[0]] > 0
