"""The models by name: they convert with nothing left over, quantise, and have the published sizes."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from qif_deploy.errors import InputError
from qif_deploy.ir.graph import Graph
from qif_deploy.ir.nodes import QIF, Conv2d
from qif_deploy.neuron.params import QIFParams
from qif_deploy.passes.fold_batchnorm import fold_batchnorm
from qif_deploy.passes.quantize import quantize_graph
from qif_deploy.simulate.compare import compare_traces
from qif_deploy.simulate.engine.batched import run_batched
from qif_deploy.simulate.float_sim import run_float
from qif_deploy.simulate.reference import run_reference
from qif_deploy.training.layers import IdentityShortcut, SampleDropout
from qif_deploy.training.models.registry import MODELS, model_spec
from qif_deploy.training.network import SpikingNetwork
from qif_deploy.training.spec import DropoutLayer, InputSpec, NetworkSpec, NormLayer, ShortcutLayer
from qif_deploy.training.tdbn import ThresholdDependentBatchNorm
from qif_deploy.training.to_graph import to_graph
from tests.core.trained import HALF_DEVIATION
from tests.networks import LOIHI2

NEURONS = {
    "fixed points": QIFParams.from_fixed_points(a=0.25, u_rest=0.0, u_crit=0.5),
    "roots": QIFParams.from_roots(a=0.25, u1=0.0, u2=0.5),
    "lif": QIFParams.lif(decay=0.5),
}
STEPS = 3
SMALL: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "conv": ((1, 8, 8), {"channels": (4, 6), "hidden": 8}),
    "mlp": ((1, 8, 8), {"channels": (16, 12), "dropout": 0.2}),
    "vggsnn": ((2, 16, 16), {"width": 1 / 32, "dropout": 0.25}),
    "resnet19": ((3, 16, 16), {"width": 1 / 32, "dropout": 0.1}),
    "resnet19-stem64": ((3, 8, 8), {"width": 1 / 32}),
    "resnet18": ((3, 32, 32), {"width": 1 / 16}),
    "resnet34": ((3, 32, 32), {"width": 1 / 16}),
}


def image(shape: tuple[int, ...], classes: int = 10) -> InputSpec:
    return InputSpec(shape=shape, low=0, high=16, scale=1 / 16, classes=classes)


def small_spec(name: str) -> NetworkSpec:
    shape, options = SMALL[name]
    return model_spec(name, image(shape), steps=STEPS, **options)


def frames(spec: NetworkSpec, samples: int = 8) -> torch.Tensor:
    return torch.randint(0, 17, (samples, *spec.input.shape), generator=torch.Generator().manual_seed(1))


def network_of(spec: NetworkSpec, neuron: str = "fixed points") -> SpikingNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return SpikingNetwork(spec, params=NEURONS[neuron], alpha=1.0, surrogate=HALF_DEVIATION)


def settled(name: str, neuron: str) -> SpikingNetwork:
    """Give the norms jittered gains and shifts and the statistics of one batch, in evaluation mode."""
    network = network_of(small_spec(name), neuron)
    generator = torch.Generator().manual_seed(2)
    norms = [module for module in network.modules() if isinstance(module, ThresholdDependentBatchNorm)]
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)  # of the dropout
        for norm in norms:
            norm.momentum = 1.0
            norm.gain += 0.2 * torch.randn(norm.gain.shape, generator=generator)
            norm.shift += 0.2 * torch.randn(norm.shift.shape, generator=generator)
        network.train()(frames(network.spec))
    return network.eval()


def held(codes: torch.Tensor) -> dict[str, np.ndarray]:
    return {"image": np.broadcast_to(codes.numpy(), (STEPS, *codes.shape))}


def test_every_model_is_tested() -> None:
    assert set(SMALL) == set(MODELS)


@pytest.mark.parametrize("neuron", NEURONS)
@pytest.mark.parametrize("name", SMALL)
def test_graph_spikes_as_the_network_does_in_float64(name: str, neuron: str) -> None:
    network = settled(name, neuron)
    codes = frames(network.spec)
    trace = run_float(to_graph(network), held(codes))
    with torch.no_grad():
        signals = dict(network.double().signals(codes))
    assert list(trace.populations) == list(network.populations())
    for population, found in trace.populations.items():
        assert 0.02 < found.s.mean() < 0.5, population
        assert np.array_equal(found.s, signals[population].numpy()), population
    readout = network.reduce(signals["readout"]).numpy()
    # Equal spikes, so the sums of at most 64 terms a step differ by their order only: far below 1e-12 for weights below 1.
    assert np.abs(trace.readout - readout).max() < 1e-12


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n == "resnet34" else n for n in SMALL])
def test_integer_network_is_the_same_in_reference_and_engine(name: str) -> None:
    network = settled(name, "fixed points")
    folded, _ = fold_batchnorm(to_graph(network))
    quantized, _ = quantize_graph(folded, LOIHI2, steps=STEPS)
    codes = held(frames(network.spec, samples=32))
    reference = run_reference(quantized, codes)
    comparison = compare_traces(reference, run_batched(quantized, codes))
    assert comparison.exact, comparison  # every array, with spikes in every population


@pytest.mark.parametrize("name", SMALL)
def test_gradients_reach_every_parameter(name: str) -> None:
    network = network_of(small_spec(name)).train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network(frames(network.spec)).square().sum().backward()
    silent = [key for key, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not silent
    assert all(p.grad.isfinite().all() for p in network.parameters())


def test_lif_twin_has_the_same_layers_and_weights() -> None:
    spec = small_spec("resnet19")
    quadratic, twin = network_of(spec), network_of(spec, "lif")
    assert quadratic.spec == twin.spec
    assert all(torch.equal(a, b) for a, b in zip(quadratic.parameters(), twin.parameters(), strict=True))
    assert all(not node.params.c2.any() for node in to_graph(twin).nodes.values() if isinstance(node, QIF))


# ------------------------------------------------------------ parts


def test_identity_shortcut_is_the_depthwise_convolution_that_it_becomes() -> None:
    network = network_of(small_spec("resnet19")).double()
    shortcut = network.by_name["skip1_1"]
    assert isinstance(shortcut, IdentityShortcut)
    shortcut.weight.copy_(torch.tensor([1.5, -0.5, 0.25, 1.0]))
    node = to_graph(network).nodes["skip1_1"]
    assert isinstance(node, Conv2d)
    assert node.geometry.groups == 4
    x = torch.randint(0, 2, (2, 3, 4, 5, 6), generator=torch.Generator().manual_seed(0)).double()
    expected = torch.nn.functional.conv2d(x.flatten(0, 1), torch.tensor(node.weight), groups=4).reshape(x.shape)
    assert torch.equal(shortcut(x), expected)


def test_identity_shortcut_learns_nothing_and_keeps_no_activation() -> None:
    shortcut, kept = IdentityShortcut(4, weight=1.0), []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()), lambda t: t):
        shortcut(torch.ones(2, 3, 4, 5, 5, requires_grad=True))
    assert not list(shortcut.parameters())
    assert kept == [4]


def test_branches_share_alpha() -> None:
    spec = small_spec("resnet19")
    shares = {layer.name: layer.alpha_share for layer in spec.layers if isinstance(layer, NormLayer)}
    assert shares["bn2_1a"] == 1.0
    assert shares["bn2_1b"] == shares["bn2_1s"] == 1 / math.sqrt(2)
    network = network_of(spec).train()
    signals = dict(network.signals(frames(spec)))
    joined = signals["bn2_1b"] + signals["bn2_1s"]
    # The branches share their input, so their correlation is not 0; it is small at the start of training.
    assert 0.7 < joined.detach().var() < 1.3


def test_dropout_is_one_mask_for_all_steps_and_absent_from_the_graph() -> None:
    dropout = SampleDropout(0.5)
    x = torch.ones(4, 3, 200)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        y = dropout(x)
    assert all(torch.equal(y[0], step) for step in y)
    assert not torch.equal(y[0, 0], y[0, 1])
    assert set(y.unique().tolist()) == {0.0, 2.0}
    assert dropout.eval()(x) is x
    network = network_of(small_spec("resnet19"))
    dropped = [layer.name for layer in network.spec.layers if isinstance(layer, DropoutLayer)]
    graph = to_graph(network)
    assert dropped == ["drop1", "drop2"]
    assert not set(dropped) & set(graph.nodes)
    assert graph.sources("fc1") == ("flatten",)


@pytest.mark.parametrize(
    ("name", "shape", "options", "message"),
    [
        ("vgg", (2, 48, 48), {}, "model 'vgg' is unknown; use one of"),
        ("vggsnn", (2, 8, 8), {}, r"image 1x1 is smaller than the pool 2x2; input \(2, 8, 8\) is too small"),
        ("vggsnn", (2, 48, 48), {"channels": (3,)}, r"model 'vggsnn': channels = \(3,\).* leave both out"),
        ("resnet19", (64,), {}, r"input \(64,\) is no image; give \(channel, height, width\), or use model 'mlp'"),
        ("conv", (1, 8, 8), {}, "one number per convolution"),
        ("conv", (1, 8, 8), {"channels": (2,), "dropout": 0.1}, "dropout = 0.1, allowed is 0"),
        ("mlp", (1, 8, 8), {"channels": (2,), "hidden": 3}, "hidden = 3; give the neurons"),
        ("mlp", (1, 8, 8), {"channels": (0,)}, r"channels = \(0,\), allowed is numbers of 1 or more"),
        ("mlp", (1, 8, 8), {"width": 0.0, "dropout": 1.0}, "width = 0.0"),
    ],
)
def test_what_makes_no_model_is_refused(name: str, shape: tuple[int, ...], options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        model_spec(name, image(shape), steps=4, **options)


def test_layers_check_their_numbers() -> None:
    with pytest.raises(InputError, match=r"layer 'bn': alpha_share 0.0 is not positive"):
        NormLayer(name="bn", source="conv", channels=2, alpha_share=0.0)
    with pytest.raises(InputError, match=r"layer 'skip': weight 0.0 is 0 or not finite"):
        ShortcutLayer(name="skip", source="qif", channels=2, weight=0.0)
    with pytest.raises(InputError, match=r"layer 'drop': dropout rate 1.0 is outside"):
        DropoutLayer(name="drop", source="qif", rate=1.0)


def test_mlp_takes_features() -> None:
    network = network_of(model_spec("mlp", image((12,)), steps=2, channels=(5,)))
    assert network(frames(network.spec)).shape == (2, 8, 10)
    assert isinstance(to_graph(network), Graph)


# ------------------------------------------------------------ full width

FULL = {
    "vggsnn": ((2, 48, 48), 10),
    "resnet19": ((3, 32, 32), 10),
    "resnet19-stem64": ((3, 32, 32), 10),
    "resnet18": ((3, 224, 224), 1000),
    "resnet34": ((3, 224, 224), 1000),
}


def conv_bn(inputs: int, outputs: int, kernel: int = 3) -> int:
    """Weights, gain and shift."""
    return inputs * outputs * kernel * kernel + 2 * outputs


def residual_stages(inputs: int, stages: tuple[tuple[int, int], ...], first_projects: bool) -> int:
    total = 0
    for stage, (channels, blocks) in enumerate(stages):
        projects = stage > 0 or first_projects
        total += conv_bn(inputs, channels) + (2 * blocks - 1) * conv_bn(channels, channels)
        total += conv_bn(inputs, channels, 1) if projects else 0
        inputs = channels
    return total


def by_hand(name: str) -> int:
    """The published architecture, layer shape by layer shape."""
    imagenet = conv_bn(3, 64, 7) + 512 * 1000 + 1000
    match name:
        case "vggsnn":
            return sum(conv_bn(a, b) for a, b in pairwise((2, 64, 128, 256, 256, 512, 512, 512, 512))) + 512 * 3 * 3 * 10 + 10
        case "resnet19" | "resnet19-stem64":
            stem = 64 if name.endswith("64") else 128
            head = (512 * 256 + 256) + (256 * 10 + 10)
            gains_of_fc256 = 256  # ours alone: its norm has gain and shift, the published layer a bias
            return conv_bn(3, stem) + residual_stages(stem, ((128, 3), (256, 3), (512, 2)), stem != 128) + head + gains_of_fc256
        case "resnet18":
            return imagenet + residual_stages(64, ((64, 2), (128, 2), (256, 2), (512, 2)), first_projects=False)
        case _:
            return imagenet + residual_stages(64, ((64, 3), (128, 4), (256, 6), (512, 3)), first_projects=False)


def documented() -> dict[str, tuple[int, int, int]]:
    """Model -> parameters, state and activations in MiB, from the last table of docs/models.md."""
    text = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
    rows = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    numbers = [row for row in rows if len(row) == 6 and row[0] in FULL]
    return {row[0]: (int(row[3].replace(",", "")), int(row[4]), int(row[5])) for row in numbers}


def full_network(name: str, steps: int) -> SpikingNetwork:
    shape, classes = FULL[name]
    return network_of(model_spec(name, image(shape, classes), steps=steps))


@pytest.mark.parametrize("name", FULL)
def test_parameter_counts_are_those_of_the_published_architectures(name: str) -> None:
    counts = {"vggsnn": 9_268_746, "resnet19": 12_698_250, "resnet19-stem64": 12_631_114, "resnet18": 11_689_512, "resnet34": 21_797_672}
    found = sum(p.numel() for p in full_network(name, 2).parameters())
    assert found == by_hand(name) == counts[name]
    parameters, state, _ = documented()[name]
    assert (parameters, state) == (found, math.ceil(16 * found / 2**20))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vggsnn", "resnet19"])
def test_full_width_trains_one_batch_within_the_documented_memory(name: str) -> None:
    steps = 4
    network = full_network(name, steps).train()
    own = {tensor.untyped_storage().data_ptr() for tensor in (*network.parameters(), *network.buffers())}
    kept: dict[int, torch.Tensor] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() not in own:
            kept[tensor.untyped_storage().data_ptr()] = tensor  # held, so that no address is used twice
        return tensor

    codes = torch.randint(0, 17, (steps, 1, *network.spec.input.shape), generator=torch.Generator().manual_seed(0))
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        currents = network(codes)
    currents.square().sum().backward()
    assert currents.shape == (steps, 1, 10)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    assert any(p.grad.any() for p in network.parameters())
    activations = sum(tensor.untyped_storage().nbytes() for tensor in kept.values()) / 2**20
    assert activations <= steps * documented()[name][2]
