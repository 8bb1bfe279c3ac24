"""Convolutions that oneDNN's kernels get wrong: the engine, in both of its forms, gives the reference's arrays."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.nn import functional

from qif_deploy.analysis.signal_range import signal_of
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, Conv2dCodes, ConvGeometry, DenseCodes, Flatten, Pair, ReadoutCodes
from qif_deploy.simulate.compare import compare_traces
from qif_deploy.simulate.engine import engine as engine_module
from qif_deploy.simulate.engine.batched import run_batched, run_prepared
from qif_deploy.simulate.engine.engine import Engine
from qif_deploy.simulate.engine.plan import Sums
from qif_deploy.simulate.engine.trial import Trial
from qif_deploy.simulate.reference import run_reference
from qif_deploy.sound_conv2d import SoundConv2d, conv2d, sound_geometry
from tests.networks import LOIHI2, population, random_inputs

WRONG = {
    "one column at stride 2": ((1, 8, 6), 16, (2, 5), ConvGeometry(stride=(1, 2), dilation=(2, 1))),
    "one column at stride 3": ((1, 9, 4), 4, (4, 3), ConvGeometry(stride=(1, 3), padding=(2, 0))),
    "both columns see padding": ((2, 2, 1), 4, (1, 1), ConvGeometry(stride=(1, 2), padding=(0, 1))),
    "outer columns see padding": ((1, 5, 3), 2, (1, 1), ConvGeometry(stride=(2, 2), padding=(1, 2), dilation=(2, 2))),
    "tall kernel, padding alone": ((8, 10, 1), 2, (4, 1), ConvGeometry(stride=(2, 3), padding=(0, 2), dilation=(1, 2))),
}
"""Signal, outputs, kernel and geometry, as random networks found them."""


def network(shape: tuple[int, ...], outputs: int, kernel: Pair, geometry: ConvGeometry, *, low: int) -> QuantizedGraph:
    rng = np.random.default_rng(0)
    rows, columns = geometry.output_size((shape[1], shape[2]), kernel)
    nodes = {
        "x": CodeInput(shape=shape, low=low, high=3, scale=1.0),
        "conv": Conv2dCodes(weight=rng.integers(-127, 128, (outputs, shape[0], *kernel)), shift=1, geometry=geometry),
        "q": population(rng, outputs, theta=200),
        "flat": Flatten(),
        "fc": DenseCodes(weight=rng.integers(-127, 128, (3, outputs * rows * columns)), shift=0),
        "out": ReadoutCodes(bias=np.zeros(3, np.int64), delta=1.0),
    }
    names = list(nodes)
    return QuantizedGraph(nodes=nodes, edges=tuple(pairwise(names)), number_format=LOIHI2, steps=None)


@pytest.mark.parametrize("low", [0, -3], ids=["bytes", "float32"])
@pytest.mark.parametrize("case", WRONG)
def test_the_engine_is_exact_where_onednn_is_not(case: str, low: int, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = network(*WRONG[case], low=low)
    for samples in (1, 2, 33):
        inputs = random_inputs(graph, samples=samples)
        reference = run_reference(graph, inputs)
        assert reference.spikes()["q"] > 0
        assert compare_traces(reference, run_batched(graph, inputs)).first_mismatch is None, samples
    monkeypatch.setattr(engine_module, "_compiled_here", lambda _device: False)
    engine = Engine(graph, torch.device("cpu"))
    assert engine.synapses["conv"].plan.sums is Sums.FLOAT64
    assert compare_traces(reference, run_prepared(engine, inputs)).first_mismatch is None


@pytest.mark.parametrize("groups", [1, 2], ids=["whole", "grouped"])
@pytest.mark.parametrize("case", WRONG)
def test_floats_and_their_gradients_are_exact_there_too(case: str, groups: int) -> None:
    """Of small integers, so that float32 has no rounding; torch's own kernel for float64 is not oneDNN's."""
    (channels, *size), outputs, kernel, shape = WRONG[case]
    geometry, rng = replace(shape, groups=groups), torch.Generator().manual_seed(0)
    for batch in (1, 2, 33):
        leaves = [
            torch.randint(-4, 5, dims, generator=rng).float().requires_grad_()
            for dims in ((batch, channels * groups, *size), (outputs, channels, *kernel), (outputs,))
        ]
        wide = [leaf.detach().double().requires_grad_() for leaf in leaves]
        found = conv2d(*leaves, geometry)
        wanted = functional.conv2d(*wide, geometry.stride, geometry.padding, geometry.dilation, groups)
        weights = torch.randint(-3, 4, found.shape, generator=rng)
        (found * weights).sum().backward()
        (wanted * weights).sum().backward()
        assert torch.equal(found.double(), wanted)
        assert all(torch.equal(one.grad.double(), other.grad) for one, other in zip(leaves, wide, strict=True))


def test_elsewhere_it_is_torchs_own() -> None:
    torch.manual_seed(0)
    ours = SoundConv2d(4, 6, 3, stride=2, padding=1, groups=2)
    torch.manual_seed(0)
    theirs = torch.nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2)
    x = torch.randn(3, 4, 9, 9)
    assert torch.equal(ours(x), theirs(x))


def test_training_lives_through_a_border_of_padding() -> None:
    """torch's own layer ends the process here."""
    layer = SoundConv2d(3, 1, (4, 1), stride=2, padding=(1, 1), bias=False)
    layer(torch.ones(33, 3, 10, 1)).sum().backward()
    assert layer.weight.grad is not None


@pytest.mark.parametrize(
    ("geometry", "size", "kernel", "sound"),
    [
        (ConvGeometry(padding=(1, 1)), (8, 8), (3, 3), True),
        (ConvGeometry(stride=(2, 2), padding=(1, 1)), (8, 8), (3, 3), True),
        (ConvGeometry(stride=(2, 2), padding=(1, 1)), (4, 2), (3, 3), False),  # one column
        (ConvGeometry(), (3, 3), (3, 3), True),  # one place, and no stride
        (ConvGeometry(padding=(1, 1)), (8, 8), (1, 1), False),  # the border sees padding alone
        (ConvGeometry(padding=(2, 0), dilation=(2, 1)), (5, 3), (2, 2), True),
        (ConvGeometry(padding=(1, 0), dilation=(3, 1)), (2, 3), (2, 1), False),  # the taps step over the signal
    ],
)
def test_what_is_sound(geometry: ConvGeometry, size: Pair, kernel: Pair, sound: bool) -> None:
    assert sound_geometry(geometry, size, kernel) is sound


def test_a_trial_presents_its_signal_as_the_engine_does() -> None:
    graph = network((1, 8, 6), 4, (3, 3), ConvGeometry(), low=0)
    node = graph.nodes["conv"]
    assert isinstance(node, Conv2dCodes)
    trial = Trial(node, torch.from_numpy(node.weight.copy()), (1, 8, 6), signal_of(graph, "x"), torch.device("cpu"))
    assert trial.x.stride() == (48, 6, 1, 1)
