"""Quantisation-aware training: the forward pass is the integer network, the gradient that of the parabola."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qif_deploy.errors import FormatError
from qif_deploy.fixedpoint import NumberFormat, RoundingMode
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import Reduce
from qif_deploy.neuron.constants import StepConstants
from qif_deploy.neuron.float_step import float_step
from qif_deploy.neuron.params import QIFParams, ResetMode
from qif_deploy.passes.fold_batchnorm import fold_batchnorm
from qif_deploy.passes.quantize import quantize_graph
from qif_deploy.simulate.inputs import prepare_inputs
from qif_deploy.simulate.reference import run_reference
from qif_deploy.training.network import SpikingNetwork
from qif_deploy.training.qat.clipped_weights import clip_weights
from qif_deploy.training.qat.from_float import qat_network
from qif_deploy.training.qat.network import QatNetwork
from qif_deploy.training.qat.options import ScaleChoice
from qif_deploy.training.qat.population import PopulationStep, map_derivative, run_population
from qif_deploy.training.qat.straight_through import straight_through
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
from qif_deploy.training.spike import SurrogateShape, SurrogateSpike
from qif_deploy.training.surrogate import FixedWindow, Surrogate
from qif_deploy.training.to_graph import to_graph
from tests.core.trained import chain_network, codes, settled

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


@settings(max_examples=12)
@given(
    neuron=st.sampled_from(sorted(NEURONS)),
    weight_bits=st.sampled_from(WIDTHS),
    narrow=st.booleans(),
    rounding=st.sampled_from(RoundingMode),
    last=st.booleans(),
    scales=st.sampled_from(ScaleChoice),
    updates=st.integers(0, 3),
    frames=st.sampled_from((None, 1, 3)),
)
def test_forward_is_the_exported_integer_network(
    neuron: str, weight_bits: int, narrow: bool, rounding: RoundingMode, last: bool, scales: ScaleChoice, updates: int, frames: int | None
) -> None:
    fmt = number_format(weight_bits, narrow=narrow, rounding=rounding)
    network = trained_network(qat_network(float_network(neuron, last=last), fmt, scales=scales), updates)
    network.codes.settle()
    integer, report = network.codes.export()
    assert report.proof.holds
    assert integer.number_format == fmt
    x = codes(6, 2) if frames is None else np.stack([codes(6, seed) for seed in range(frames)])
    assert_equal_to(network, integer, x)


@pytest.mark.parametrize("neuron", sorted(NEURONS))
def test_trained_codes_spike_move_and_stay_within_their_width(neuron: str) -> None:
    network = qat_network(float_network(neuron), number_format(4), scales=ScaleChoice.SQUARED_ERROR)
    before, _ = network.codes.export()
    trained_network(network, 3)
    network.codes.settle()
    after, _ = network.codes.export()
    assert assert_equal_to(network, after, codes(32, 5)) > 100
    for name in ("conv1", "conv2", "fc"):
        assert (before.nodes[name].weight != after.nodes[name].weight).any(), name
        assert np.abs(after.nodes[name].weight).max() <= 7
    assert any((before.population(n).constants.bias != after.population(n).constants.bias).any() for n in before.populations)


def test_identity_shortcuts_are_not_learned() -> None:
    network = qat_network(float_network("fixed_points"), number_format(4), scales=ScaleChoice.MAX)
    before = network.codes.by_name["skip"].weight.detach().clone()
    assert torch.equal(trained_network(network, 3).codes.by_name["skip"].weight, before)


@pytest.mark.parametrize("weight_bits", WIDTHS)
def test_before_training_it_is_the_network_quantised_after_training(weight_bits: int) -> None:
    source = chain_network() if weight_bits == 6 else float_network("roots")
    fmt = number_format(weight_bits)
    graph, _ = fold_batchnorm(to_graph(source))
    expected, _ = quantize_graph(graph, fmt, steps=source.spec.steps)
    network = qat_network(source, fmt, scales=ScaleChoice.MAX)
    assert network.codes.export()[0].content_hash == expected.content_hash
    if weight_bits == 8:  # where clipping moves least
        return
    clipped, _ = quantize_graph(clip_weights(graph, fmt), fmt, steps=source.spec.steps)
    assert clipped.content_hash != expected.content_hash
    assert qat_network(source, fmt, scales=ScaleChoice.SQUARED_ERROR).codes.export()[0].content_hash == clipped.content_hash


def test_states_beyond_the_proof_are_still_those_of_the_reference() -> None:
    """In the middle of an epoch nothing is proven; saturation must not tell the two apart."""
    network = qat_network(float_network("fixed_points"), number_format(4), scales=ScaleChoice.MAX)
    with torch.no_grad():
        network.codes.by_name["qif2"].bias.bias[0] = -50
    with pytest.raises(FormatError, match=r"population 'qif2', channel .* the limit is"):
        network.codes.export()
    assert_equal_to(network, network.codes._codes(None), codes(6))  # no public door lets an unproven network out


def test_a_broken_proof_is_mended_by_new_units_and_named() -> None:
    network = qat_network(float_network("fixed_points"), number_format(8), scales=ScaleChoice.MAX)
    before, _ = network.codes.export()
    with torch.no_grad():
        network.codes.by_name["qif2"].bias.bias[0] = -50
    broken = network.codes.settle()
    assert list(broken) == ["qif2"]
    assert "population 'qif2', channel" in broken["qif2"]
    after, report = network.codes.export()
    assert report.proof.holds
    assert (after.population("qif2").delta >= before.population("qif2").delta).all()
    assert (after.population("qif2").delta > 2 * before.population("qif2").delta).any()
    assert after.nodes["conv1"] == before.nodes["conv1"]
    assert after.nodes["qif1"] == before.nodes["qif1"]
    assert after.nodes["readout"] == before.nodes["readout"]
    assert network.codes.settle() == {}
    assert_equal_to(network, after, codes(6))


def test_a_bias_beyond_the_state_is_mended_too() -> None:
    network = qat_network(float_network("lif"), number_format(8, narrow=True), scales=ScaleChoice.MAX)
    with torch.no_grad():
        network.codes.by_name["qif1"].bias.bias[0] = 1e4
    with pytest.raises(FormatError, match=r"population 'qif1'.*bias"):
        network.codes.export()
    assert "bias" in network.codes.settle()["qif1"]
    assert_equal_to(network, network.codes.export()[0], codes(6))


def test_the_state_of_the_module_is_the_network() -> None:
    source = float_network("fixed_points")
    network = trained_network(qat_network(source, number_format(3), scales=ScaleChoice.SQUARED_ERROR), 3)
    network.codes.choose_units(("qif1", "readout"))
    other = qat_network(source, number_format(3), scales=ScaleChoice.MAX)
    other.load_state_dict(network.state_dict())
    assert other.codes.export()[0].content_hash == network.codes.export()[0].content_hash


def test_the_float_network_behind_the_codes_is_the_one_it_came_from() -> None:
    source = chain_network()
    graph, _ = fold_batchnorm(to_graph(source))
    network = qat_network(source, number_format(8), scales=ScaleChoice.MAX)
    behind = network.codes.float_graph()
    for name in ("conv1", "conv2", "fc1", "fc2"):
        largest = np.abs(graph.nodes[name].weight).max()
        # A value within a hundredth of a code of the rounding's edge is moved off it; the rest is float32.
        assert np.abs(behind.nodes[name].weight - graph.nodes[name].weight).max() < largest * 0.011 / 127
        assert np.allclose(behind.nodes[name].bias, graph.nodes[name].bias, rtol=0, atol=largest * 0.011 / 127)
    assert {n: behind.nodes[n] for n in graph.populations} == {n: graph.nodes[n] for n in graph.populations}


def test_weights_beyond_the_largest_code_saturate_and_only_come_back() -> None:
    units = torch.tensor([0.4, 0.5, 1.5, 2.5, -2.5, 6.9, 7.4, 7.6, 7.6, -9.0, -9.0], requires_grad=True)
    found = straight_through(units, 7)
    assert found.tolist() == [0, 0, 2, 2, -2, 7, 7, 7, 7, -7, -7]
    found.backward(torch.tensor([1.0, 1, 1, 1, 1, -1, -1, -1, 1, 1, -1]))  # a step goes against the gradient
    assert units.grad.tolist() == [1, 1, 1, 1, 1, -1, -1, 0, 1, 0, -1]


def test_clipping_has_the_least_squared_error_of_all_candidates() -> None:
    graph, _ = fold_batchnorm(to_graph(float_network("lif")))
    for weight_bits in WIDTHS:
        limit = 2 ** (weight_bits - 1) - 1
        clipped = clip_weights(graph, number_format(weight_bits))
        for name in ("conv1", "conv2", "fc"):
            rows = graph.nodes[name].weight.reshape(len(graph.nodes[name].weight), -1)
            reach = np.abs(clipped.nodes[name].weight.reshape(rows.shape)).max(axis=1)
            if name == "fc":
                rows, reach = rows.reshape(1, -1), reach.max(keepdims=True)

            def error(reach: np.ndarray, rows: np.ndarray = rows, limit: int = limit) -> np.ndarray:
                unit = reach[:, None] / limit
                return ((np.clip(np.rint(rows / unit), -limit, limit) * unit - rows) ** 2).sum(axis=1)

            tried = [error(np.abs(rows).max(axis=1) * n / 64) for n in range(1, 65)]
            assert np.allclose(error(reach), np.min(tried, axis=0), rtol=1e-9)


@st.composite
def exact_cases(draw: st.DrawFn) -> dict[str, Any]:
    """Integer maps without shifts, so that the float twin follows the same states exactly."""
    whole = st.integers(-3, 3)
    channels, steps, batch = 2, draw(st.integers(1, 4)), 2

    def many(strategy: st.SearchStrategy[int], *shape: int) -> torch.Tensor:
        n = int(np.prod(shape))
        return torch.tensor(draw(st.lists(strategy, min_size=n, max_size=n))).reshape(shape)

    held = draw(st.booleans())
    return {
        "c2m": many(st.integers(-1, 1), channels),
        "c1m": many(st.integers(-1, 1), channels),
        "theta": many(st.integers(3, 9), channels),
        "reset": many(st.integers(-2, 2), channels),
        "reset_by": many(st.integers(1, 9), channels),
        "r0": many(st.integers(-2, 2), channels),
        "u_min": many(st.integers(-6, -3), channels) if draw(st.booleans()) else None,
        "bias": many(whole, channels),
        "sums": [many(st.integers(-6, 6), 1 if held else steps, batch, channels, 3), many(whole, steps, batch, channels, 3)],
        "shifts": [0, draw(st.integers(0, 1))],
        "grad": many(st.integers(-4, 4), steps, batch, channels, 3).float(),
        "mode": draw(st.sampled_from(ResetMode)),
        "shape": draw(st.sampled_from(SurrogateShape)),
        "detach": draw(st.booleans()),
    }


@settings(max_examples=60)
@given(exact_cases())
def test_gradient_is_that_of_a_float_twin_where_nothing_is_rounded(case: dict[str, Any]) -> None:
    wide = {n: None if case[n] is None else case[n].reshape(-1, 1) for n in ("c2m", "c1m", "theta", "reset", "reset_by", "r0", "u_min")}
    half_width = torch.tensor([2.5, 3.5])
    constants = StepConstants(
        **{n: wide[n] for n in ("c2m", "c1m", "theta", "reset", "reset_by", "u_min")},
        s2=torch.zeros(2, 1, dtype=torch.int64),
        s1=0,
        reset_mode=case["mode"],
        state_limit=2**30,
        rounding=RoundingMode.TOWARD_ZERO,
    )
    steps = case["grad"].shape[0]
    step = PopulationStep(
        constants=constants,
        r0=wide["r0"],
        half_width=half_width.reshape(-1, 1),
        shape=case["shape"],
        detach_reset=case["detach"],
        steps=steps,
    )
    inputs = [case["bias"].double().requires_grad_(), *(x.double().requires_grad_() for x in case["sums"])]
    spikes, u = run_population(inputs[0], inputs[1:], case["shifts"], step)
    if u.abs().max() > 2**20:  # an excited parabola leaves float32 in a few steps
        return
    found = torch.autograd.grad(spikes, inputs, case["grad"].double())

    twin_inputs = [x.detach().clone().requires_grad_() for x in inputs]
    spike = SurrogateSpike(half_width.double().numpy(), shape=case["shape"])
    spike.half_width = half_width.double()
    x = twin_inputs[0].reshape(-1, 1) + twin_inputs[1] * 2.0 ** case["shifts"][0] + twin_inputs[2] * 2.0 ** case["shifts"][1]
    r, s, state = wide["r0"].double().expand(x.shape[1:]), [], []
    for t in range(steps):
        twin = float_step(
            r,
            x[t],
            c2=wide["c2m"].double(),
            c1=wide["c1m"].double(),
            c0=0.0,
            theta=wide["theta"].double(),
            u_reset=wide["reset"].double(),
            reset_by=wide["reset_by"].double(),
            u_min=None if wide["u_min"] is None else wide["u_min"].double() - 1e-9,  # a state on the clamp counts as clamped
            reset=case["mode"],
            spike=spike,
            gate=torch.Tensor.detach if case["detach"] else lambda fired: fired,
        )
        r = twin.r
        s.append(twin.s)
        state.append(twin.u.detach())
    assert np.array_equal(torch.stack(state).round().numpy(), u.numpy())
    clamped = wide["u_min"] is not None and bool((u == wide["u_min"]).any())
    expected = torch.autograd.grad(torch.stack(s), twin_inputs, case["grad"].double())
    for a, b in zip(found, expected, strict=True):
        if not clamped:  # where a state lies on the clamp by itself, the twin's gradient is not defined
            scale = max(1.0, float(b.abs().max()))
            assert float((a - b).abs().max()) <= 1e-4 * scale  # float32 products of at most four slopes below 2^22


@given(
    c2m=st.integers(-4096, 4096), s2=st.integers(0, 30), c1m=st.integers(-4096, 4096), s1=st.integers(0, 12), r=st.integers(-(2**23), 2**23)
)
def test_derivative_of_the_map_is_that_of_its_parabola(c2m: int, s2: int, c1m: int, s1: int, r: int) -> None:
    k = StepConstants(
        c2m=torch.tensor([c2m]),
        c1m=torch.tensor([c1m]),
        s2=torch.tensor([s2]),
        s1=s1,
        theta=None,
        reset=None,
        reset_by=None,
        u_min=None,
        reset_mode=ResetMode.HARD,
        state_limit=2**23,
        rounding=RoundingMode.FLOOR,
    )
    x = torch.tensor([float(r)], dtype=torch.float64, requires_grad=True)
    ((c2m * x / 2**s2 + c1m) * x / 2**s1).backward()
    terms = abs(2 * c2m * r) / 2 ** (s1 + s2) + abs(c1m) / 2**s1
    assert float((map_derivative(torch.tensor([float(r)]), k) - x.grad).abs()) <= 4 * terms * 2.0**-24  # four float32 roundings


def test_clamped_and_saturated_states_pass_no_gradient() -> None:
    def grads(total: int, *, u_min: int | None) -> list[float]:
        zero = torch.zeros(1, dtype=torch.int64)
        constants = StepConstants(
            c2m=zero,
            c1m=zero + 1,
            s2=zero,
            s1=0,
            theta=zero + 50,
            reset=zero,
            reset_by=zero,
            u_min=None if u_min is None else zero + u_min,
            reset_mode=ResetMode.HARD,
            state_limit=100,
            rounding=RoundingMode.FLOOR,
        )
        step = PopulationStep(
            constants=constants, r0=zero, half_width=torch.tensor([1000.0]), shape=SurrogateShape.RECTANGULAR, detach_reset=True, steps=1
        )
        sums = torch.tensor([[[float(total)]]], requires_grad=True)
        spikes, _ = run_population(torch.zeros(1, dtype=torch.float64), [sums], [0], step)
        spikes.sum().backward()
        return sums.grad.flatten().tolist()

    slope = pytest.approx([1 / 2000])
    assert grads(-99, u_min=None) == slope
    assert grads(-100, u_min=None) == grads(-200, u_min=None) == grads(150, u_min=None) == [0.0]
    assert grads(-20, u_min=-21) == slope
    assert grads(-22, u_min=-21) == [0.0]
