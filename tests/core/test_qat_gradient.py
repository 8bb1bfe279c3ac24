"""The gradient of quantisation-aware training is that of the parabola, and none where a state is clamped or saturated."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qif_deploy.fixedpoint import RoundingMode
from qif_deploy.neuron.constants import StepConstants
from qif_deploy.neuron.float_step import float_step
from qif_deploy.neuron.params import ResetMode
from qif_deploy.training.qat.population import PopulationStep, map_derivative, run_population
from qif_deploy.training.spike import SurrogateShape, SurrogateSpike


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
