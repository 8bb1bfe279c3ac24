"""to_graph and the float simulator: the exported graph computes what the torch network does."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
import torch

from qif_deploy.errors import GraphError, InputError
from qif_deploy.ir.graph import Graph
from qif_deploy.ir.nodes import QIF, BatchNorm, Conv2d, Dense, Flatten, Input, Readout, Reduce, SumPool2d
from qif_deploy.neuron.params import QIFParams, ResetMode
from qif_deploy.simulate.float_sim import run_float
from qif_deploy.training.network import SpikingNetwork
from qif_deploy.training.neuron_form import LIFForm
from qif_deploy.training.spec import DenseLayer, FlattenLayer, NetworkSpec, PopulationLayer, ReadoutLayer, convolutional_spec
from qif_deploy.training.to_graph import to_graph
from tests.core.trained import HALF_DEVIATION, IMAGE, chain_network, codes, residual_network

QUADRATIC = QIFParams.from_fixed_points(a=0.25, u_rest=0.0, u_crit=0.5)
NETWORKS = {
    "fixed points": lambda: chain_network(),
    "roots": lambda: residual_network(QIFParams.from_roots(a=0.25, u1=0.0, u2=0.5)),
    "lif": lambda: chain_network(neuron=LIFForm(decay=0.9, theta=0.7)),
    "subtract, last": lambda: residual_network(QIFParams.lif(decay=0.8, reset=ResetMode.SUBTRACT), Reduce.LAST),
    "clamp, strict": lambda: residual_network(dataclasses.replace(QUADRATIC, u_min=np.array([-0.5]), spike_on_equal=False)),
    "constant term": lambda: residual_network(QIFParams.of(c2=0.25, c1=0.8, c0=0.1, theta=0.9, u_reset=-0.1, r0=0.1)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_graph_computes_what_the_network_does_in_float64(name: str) -> None:
    network = NETWORKS[name]()
    graph = to_graph(network)
    frames = codes(shape=network.spec.input.shape)
    trace = run_float(graph, {"image": held(frames, network)})
    network = network.double()
    with torch.no_grad():
        signals = {name: signal.numpy() for name, signal in network.signals(torch.tensor(frames))}
        readout = network.reduce(torch.tensor(signals["readout"])).numpy()
    assert list(trace.populations) == list(network.populations())
    for population, found in trace.populations.items():
        assert 0.01 < found.s.mean() < 0.6, population
        assert np.array_equal(found.s, signals[population]), population
    # Equal spikes leave the summation order of the last layer: n terms, in any order, err by at most n eps sum|w s|.
    dense = next(node for node in reversed(graph.nodes.values()) if isinstance(node, Dense))
    assert dense.bias is not None
    terms = network.spec.steps * (dense.weight.shape[1] + 1)
    bound = terms * np.finfo(np.float64).eps * network.spec.steps * (np.abs(dense.weight).sum(axis=1) + np.abs(dense.bias))
    assert (np.abs(trace.readout - readout) <= bound).all()


def test_float32_differs_from_torch_in_rare_spikes_only() -> None:
    network = chain_network()
    frames = codes(64)
    trace = run_float(to_graph(network), {"image": held(frames, network)}, dtype=np.float32)
    with torch.no_grad():
        signals = dict(network.signals(torch.tensor(frames)))
    assert trace.readout.dtype == np.float32
    for population, found in trace.populations.items():
        assert found.u.dtype == np.float32
        # A spike flips where u is within some 10 roundings of theta: 10 * 6e-8 at densities near 0.4, and what follows from it.
        assert np.mean(found.s != signals[population].numpy()) < 1e-3, population


def test_membrane_obeys_the_equation() -> None:
    network = chain_network()
    graph = to_graph(network)
    trace = run_float(graph, {"image": held(codes(), network)})
    node = graph.nodes["qif2"]
    assert isinstance(node, QIF)
    p, found = node.params, trace.populations["qif2"]
    assert np.array_equal(found.u[0], found.x[0])  # r[0] = 0 and c0 = 0
    r = np.where(found.s[0] == 1, 0.0, found.u[0])
    assert np.array_equal(found.u[1], (r * p.c2[0] + p.c1[0]) * r + p.c0[0] + found.x[1])
    assert np.array_equal(found.s, found.u >= p.theta[0])


def test_nodes_carry_readable_names_and_the_folded_gain() -> None:
    network = chain_network(alpha=0.5)
    graph = to_graph(network)
    chain = "image conv1 bn1 qif1 pool1 conv2 bn2 qif2 pool2 flatten fc1 bn3 qif3 fc2 readout"
    assert list(graph.order) == chain.split()
    source, norm = graph.nodes["image"], graph.nodes["bn1"]
    assert isinstance(source, Input)
    assert (source.shape, source.low, source.high, source.scale) == ((1, 8, 8), 0, 16, 1 / 16)
    assert isinstance(norm, BatchNorm)
    gain = network.by_name["bn1"].gain.detach().double().numpy()
    assert np.array_equal(norm.gain, gain * 0.5)


def test_a_held_frame_equals_the_same_frame_at_every_step() -> None:
    network = chain_network().double()
    frames = torch.tensor(codes())
    with torch.no_grad():
        once, repeated = dict(network.signals(frames)), dict(network.signals(frames.expand(4, *frames.shape)))
    assert once["bn1"].shape[0] == 1
    for population in network.populations():
        assert torch.equal(once[population], repeated[population])


def test_two_populations_may_read_a_held_frame_without_synapse_only_through_weights() -> None:
    layers = (
        FlattenLayer(name="flat", source="image"),
        PopulationLayer(name="qif", sources=("flat",)),
        DenseLayer(name="fc", source="qif", in_features=64, out_features=10),
        ReadoutLayer(name="readout", sources=("fc",)),
    )
    network = SpikingNetwork(NetworkSpec(input=IMAGE, layers=layers, steps=4), params=QUADRATIC, alpha=1.0, surrogate=HALF_DEVIATION)
    with pytest.raises(GraphError, match="cannot feed QIF 'qif'"):
        to_graph(network)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ((ReadoutLayer(name="readout", sources=("fc",)),), r"sources \['fc'\] are not defined above it"),
        ((ReadoutLayer(name="readout", sources=()),), "sources"),
        ((FlattenLayer(name="image", source="image"),), "'image' is given twice"),
        ((FlattenLayer(name="flat", source="image"),), "0 readouts"),
        (
            (FlattenLayer(name="flat", source="image"), ReadoutLayer(name="a", sources=("flat",)), FlattenLayer(name="b", source="a")),
            "1 readouts",
        ),
    ],
)
def test_specs_that_make_no_network_are_refused(layers: tuple, message: str) -> None:
    with pytest.raises(InputError, match=message):
        NetworkSpec(input=IMAGE, layers=layers, steps=4)


def test_a_chain_needs_a_step_and_an_image_that_its_pools_fit() -> None:
    with pytest.raises(InputError, match="steps 0 is below 1"):
        convolutional_spec(IMAGE, channels=(2,), hidden=0, steps=0)
    with pytest.raises(InputError, match=r"image \(1, 8, 8\) is too small for 4 pools; give fewer channels"):
        convolutional_spec(IMAGE, channels=(2, 2, 2, 2), hidden=0, steps=4)


def test_without_hidden_population_the_linear_layer_is_the_readouts() -> None:
    spec = convolutional_spec(IMAGE, channels=(2,), hidden=0, steps=4)
    assert [layer.name for layer in spec.layers] == ["conv1", "bn1", "qif1", "pool1", "flatten", "fc1", "readout"]


def test_sum_pools_count() -> None:
    nodes = {
        "image": Input(shape=(1, 2, 2), high=4),
        "pool": SumPool2d(kernel=(2, 2), stride=(2, 2)),
        "conv": Conv2d(weight=np.full((1, 1, 1, 1), 0.5)),
        "q": QIF(params=QUADRATIC),
        "flat": Flatten(),
        "fc": Dense(weight=np.ones((1, 1))),
        "readout": Readout(),
    }
    trace = run_float(Graph(nodes=nodes, edges=tuple(pairwise(nodes))), {"image": np.full((3, 1, 1, 2, 2), 2)})
    assert (trace.populations["q"].x == 4.0).all()
    assert trace.spikes() == {"q": 3}
    assert trace.readout.tolist() == [[3.0]]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"frame": np.zeros((4, 2, 1, 8, 8), int)}, r"inputs \['frame'\] given, the network has \['image'\]"),
        ({"image": np.zeros((2, 1, 8, 8), int)}, r"give \(time, batch, 1, 8, 8\)"),
        ({"image": np.zeros((0, 2, 1, 8, 8), int)}, r"does not fit"),
        ({"image": np.zeros((4, 2, 1, 8, 8))}, "dtype float64 is not integer"),
    ],
)
def test_wrong_inputs_are_refused(inputs: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        run_float(to_graph(chain_network()), inputs)


def held(frames: np.ndarray, network: SpikingNetwork) -> np.ndarray:
    return np.broadcast_to(frames, (network.spec.steps, *frames.shape))
