"""What the parts that need torch refuse, each in the words that name it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from qif_deploy.errors import InputError
from qif_deploy.fidelity.ideal_codes import ideal_nodes
from qif_deploy.ir.graph import Graph
from qif_deploy.ir.nodes import Input
from qif_deploy.neuron.params import QIFParams
from qif_deploy.passes.quantize import quantize_graph
from qif_deploy.simulate.calibrate import calibrate
from qif_deploy.training.kernels.choice import NEURON_LIMIT, NeuronKernel, takes_fused
from qif_deploy.training.spike import SurrogateShape, SurrogateSpike
from qif_deploy.training.stable_map import StableMap
from qif_deploy.training.surrogate import DerivedWindow
from qif_deploy.training.tdbn import ThresholdDependentBatchNorm
from tests.fidelity.networks import float_residual
from tests.networks import LOIHI2

NEURON = QIFParams.from_fixed_points(a=0.25, u_rest=0.0, u_crit=0.5)


def test_a_window_of_no_step() -> None:
    with pytest.raises(InputError, match="derived surrogate window: steps 0 is below 1; give the number of time steps"):
        DerivedWindow(multiple=0.5, steps=0, input_std=1.0)


def test_a_learned_map_without_a_learned_constant() -> None:
    with pytest.raises(InputError, match="learned constants: none is given; give a set of LearnedConstant"):
        StableMap(NEURON, frozenset())


def test_one_value_per_channel_has_no_variance() -> None:
    norm = ThresholdDependentBatchNorm(np.ones(3), alpha=1.0)
    with pytest.raises(InputError, match="batch normalisation: 1 value per channel has no variance"):
        norm(torch.ones(1, 1, 3))
    assert norm.eval()(torch.ones(1, 1, 3)).shape == (1, 1, 3)


def test_calibration_on_no_sample() -> None:
    with pytest.raises(InputError, match="calibration on 'mine': no sample; give at least one"):
        calibrate(float_residual(NEURON), {"image": np.zeros((4, 0, 1, 6, 6), np.int64)}, source="mine")


@pytest.mark.parametrize(
    ("x", "spike", "words"),
    [
        (torch.zeros(2, 1, 3, dtype=torch.float64), None, "the input is torch.float64, the kernel's state is float32"),
        (torch.zeros(2, 1, 3), torch.nn.Identity(), "the spike is a Identity, the kernel knows the shapes of SurrogateSpike"),
        (torch.zeros(1, 1).expand(2, NEURON_LIMIT + 1), None, f"{NEURON_LIMIT + 1} neurons with batch exceed {NEURON_LIMIT}"),
    ],
)
def test_what_the_fused_kernel_cannot_take(
    x: torch.Tensor, spike: torch.nn.Module | None, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("triton", reason="triton is not installed")
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    known = SurrogateSpike(np.ones(1), shape=SurrogateShape.RECTANGULAR)
    with pytest.raises(InputError, match=f"neuron kernel 'fused': {words}; use 'auto' or 'eager'"):
        takes_fused(NeuronKernel.FUSED, x, known if spike is None else spike)


def renamed(graph: Graph, old: str, new: str) -> Graph:
    nodes = {new if name == old else name: node for name, node in graph.nodes.items()}
    edges = tuple((new if a == old else a, new if b == old else b) for a, b in graph.edges)
    return Graph(nodes=nodes, edges=edges)


def test_networks_that_are_not_of_one_origin() -> None:
    graph = float_residual(NEURON)
    quantized = quantize_graph(graph, LOIHI2, steps=4)[0]
    assert set(ideal_nodes(graph, quantized)) == {"q1", "q2", "out"}
    with pytest.raises(InputError, match=r"the model has populations \['q1', 'p2'\], the network \['q1', 'q2'\]"):
        ideal_nodes(renamed(graph, "q2", "p2"), quantized)
    with pytest.raises(InputError, match=r"answers at 'answer', the network reads .* answers at 'out'"):
        ideal_nodes(renamed(graph, "out", "answer"), quantized)
    wide = Graph(nodes=dict(graph.nodes) | {"image": replace(graph.nodes["image"], shape=(1, 4, 9))}, edges=graph.edges)
    assert isinstance(wide.nodes["image"], Input)
    with pytest.raises(InputError, match=r"node 'image': shape \(1, 4, 9\) in the model, \(1, 6, 6\) here"):
        ideal_nodes(wide, quantized)
