"""Small networks under quantisation-aware training, and their equality with the integer network that they export."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import torch

from qif_deploy.fixedpoint import NumberFormat, RoundingMode
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import Reduce
from qif_deploy.neuron.params import QIFParams, ResetMode
from qif_deploy.simulate.inputs import prepare_inputs
from qif_deploy.simulate.reference import run_reference
from qif_deploy.training.network import SpikingNetwork
from qif_deploy.training.qat.network import QatNetwork
from qif_deploy.training.spec import (
    ConvLayer,
    DenseLayer,
    FlattenLayer,
    InputSpec,
    NetworkSpec,
    NormLayer,
    PoolLayer,
    PopulationLayer,
    ReadoutLayer,
    ShortcutLayer,
)
from qif_deploy.training.surrogate import FixedWindow, Surrogate
from tests.core.trained import codes, settled

FIXED_POINTS = QIFParams.from_fixed_points(a=0.25, u_rest=0.0, u_crit=0.5)
NEURONS = {
    "fixed_points": FIXED_POINTS,
    "roots": QIFParams.from_roots(a=0.25, u1=0.0, u2=0.5),
    "lif": QIFParams.lif(decay=0.5),
    "subtract": QIFParams.lif(decay=0.8, reset=ResetMode.SUBTRACT),
    "quadratic_subtract": dataclasses.replace(FIXED_POINTS, reset=ResetMode.SUBTRACT),
    "clamped": dataclasses.replace(FIXED_POINTS, u_min=np.array([-0.5])),
}
HALF_THETA = Surrogate(window=FixedWindow(width=0.5))  # a parabola under subtract has no derived window: its state runs away
WIDTHS = (8, 6, 4, 3, 2)


def number_format(weight_bits: int, *, narrow: bool = False, rounding: RoundingMode = RoundingMode.TOWARD_ZERO) -> NumberFormat:
    """The widths of the targets ``loihi2`` and ``w4``."""
    return NumberFormat(
        name="tried", weight_bits=weight_bits, coef_bits=12, state_bits=16 if narrow else 24, product_bits=32, rounding=rounding
    )


@functools.cache
def float_network(neuron: str, *, last: bool = False, detach_reset: bool = True) -> SpikingNetwork:
    """Convolution, residual block with identity shortcut, pool, linear layer."""
    layers = (
        ConvLayer(name="conv1", source="image", in_channels=1, out_channels=3, stride=(2, 2)),
        NormLayer(name="bn1", source="conv1", channels=3),
        PopulationLayer(name="qif1", sources=("bn1",)),
        ConvLayer(name="conv2", source="qif1", in_channels=3, out_channels=3, kernel=(1, 3), padding=(0, 1)),
        NormLayer(name="bn2", source="conv2", channels=3),
        ShortcutLayer(name="skip", source="qif1", channels=3),
        PopulationLayer(name="qif2", sources=("bn2", "skip")),
        PoolLayer(name="pool", source="qif2"),
        FlattenLayer(name="flatten", source="pool"),
        DenseLayer(name="fc", source="flatten", in_features=12, out_features=4, bias=True),
        ReadoutLayer(name="readout", sources=("fc",), reduce=Reduce.LAST if last else Reduce.SUM),
    )
    image = InputSpec(shape=(1, 8, 8), low=0, high=16, scale=1 / 16, classes=4)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        spec = NetworkSpec(input=image, layers=layers, steps=3)
        network = SpikingNetwork(spec, params=NEURONS[neuron], alpha=1.0, surrogate=HALF_THETA, detach_reset=detach_reset)
    return settled(network)


def trained_network(network: QatNetwork, updates: int, *, rate: float = 0.05) -> QatNetwork:
    """Let the codes move."""
    optimiser = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=rate)
    x, y = torch.tensor(codes(8)), torch.arange(8) % 4
    for _ in range(updates):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(network.currents(x).mean(0), y).backward()
        optimiser.step()
    return network


def assert_equal_to(network: QatNetwork, integer: QuantizedGraph, x: np.ndarray) -> int:
    """Every state of every population and the readout, in both modes; return the number of spikes."""
    arrays = {integer.inputs[0]: x}
    trace = run_reference(integer, prepare_inputs(integer, arrays, steps=x.shape[0] if x.ndim == 5 else integer.steps))
    for training in (True, False):
        network.train(training)
        seen = {}
        with torch.set_grad_enabled(training):
            for signal in network.signals(torch.tensor(x)):
                last = signal.value.detach()
                if signal.u is not None:
                    seen[signal.name] = (signal.u.numpy(), last.numpy())
        assert seen.keys() == trace.populations.keys()
        for name, (u, s) in seen.items():
            assert np.array_equal(u, trace.populations[name].u), (name, training)
            assert np.array_equal(s, trace.populations[name].s), (name, training)
        assert np.array_equal(network.reduce(last).numpy(), trace.readout)
    return sum(trace.spikes().values())
