"""A population as the integers of its target in the forward pass, with the gradient of the parabola in the backward pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from typing_extensions import assert_never

from qif_deploy._torch import torch
from qif_deploy.neuron.constants import StepConstants
from qif_deploy.neuron.fixed_step import fixed_step
from qif_deploy.neuron.params import ResetMode
from qif_deploy.training.spike import SurrogateShape, surrogate_slope

Tensor = torch.Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class BackwardRule:
    """What stands for ``ds/du``, and whether the gradient goes through the reset.

    ``half_width`` is in units of ``u`` as the float network knows it, ``(channel,)`` or ``(1,)``, float64.
    """

    half_width: Tensor
    shape: SurrogateShape
    detach_reset: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PopulationStep:
    """All that one call needs beside its currents, laid out to broadcast over ``(channel, ...)``.

    Args:
        constants: of the integer step, tensors of the dtype of ``r0``.
        r0: state before the first step; its dtype is that of all integers: int64, which no code of any format can overflow, or
            int32 where the range proof holds for products of 32 bits.
        half_width: of the surrogate in codes, float32.
        shape: of the surrogate.
        detach_reset: cut the gradient through the reset.
        steps: T.
    """

    constants: StepConstants
    r0: Tensor
    half_width: Tensor
    shape: SurrogateShape
    detach_reset: bool
    steps: int


def run_population(bias: Tensor, sums: list[Tensor], shifts: list[int], step: PopulationStep) -> tuple[Tensor, Tensor]:
    """Return spikes in the dtype of ``sums`` and the membrane ``u`` in int32, both ``(time, batch, channel, ...)``.

        i = sum_b(acc_b << k_b) + bias, then the lines of ``fixed_step``

    Backward, in codes, with ``sigma`` the surrogate's slope and ``c2m, c1m, s2, s1`` as deployed:

        dr/du = 1 - s  (hard), 1 (subtract); where the reset is not detached plus (reset - u) sigma, or minus reset_by sigma
        du/dr = (2 c2m r 2^-s2 + c1m) 2^-s1,  the derivative of the parabola without its rounding;  du/di = 1
        all of it 0 where u stands at the clamp or at the end of the state

    Args:
        bias: codes, float64, ``(channel,)``.
        sums: exact ``acc`` per branch as floats, ``(time or 1, batch, channel, ...)``; one step stands for all.
        shifts: k_b per branch.
        step: everything else.
    """
    apply: Any = _FixedPopulation.apply  # torch 2.3 leaves it untyped
    spikes, u = apply(bias, step, tuple(shifts), *sums)
    return spikes, u


class _FixedPopulation(torch.autograd.Function):
    """Integer step forward, smooth gradient backward. torch demands static methods over an untyped context."""

    @staticmethod
    def forward(ctx: Any, bias: Tensor, step: PopulationStep, shifts: tuple[int, ...], *sums: Tensor) -> tuple[Tensor, Tensor]:
        ndim = sums[0].ndim - 2
        i = bias.to(step.r0.dtype).reshape(-1, *([1] * (ndim - 1)))
        for acc, shift in zip(sums, shifts, strict=True):
            i = i + (acc.to(step.r0.dtype) << shift)
        held = i.shape[0] == 1
        r = step.r0.expand(i.shape[1:])
        shape = (step.steps, *i.shape[1:])
        u, before = (torch.empty(shape, dtype=torch.int32, device=i.device) for _ in range(2))  # a state has at most 32 bits
        spikes = torch.empty(shape, dtype=sums[0].dtype, device=i.device)
        for t in range(shape[0]):
            found = fixed_step(r, i[0 if held else t], step.constants)
            before[t], u[t], spikes[t] = r, found.u, found.s
            r = found.r
        ctx.step, ctx.shifts, ctx.times = step, shifts, tuple(acc.shape[0] for acc in sums)
        ctx.save_for_backward(u, before, spikes)
        ctx.mark_non_differentiable(u)
        return spikes, u

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[Tensor | None, ...]:
        u, before, s = ctx.saved_tensors
        to_i = _through_time(ctx.step, grad_outputs[0], u, before, s)
        to_bias = to_i.double().sum(dim=[d for d in range(to_i.ndim) if d != 2])
        summed = to_i.sum(dim=0, keepdim=True) if 1 in ctx.times and to_i.shape[0] > 1 else to_i
        to_sums = [
            ((to_i if times == to_i.shape[0] else summed) * 2.0**shift).to(grad_outputs[0].dtype)
            for times, shift in zip(ctx.times, ctx.shifts, strict=True)
        ]
        return to_bias, None, None, *to_sums


def _through_time(step: PopulationStep, grad_s: Tensor, u: Tensor, before: Tensor, s: Tensor) -> Tensor:
    """Return the gradient of ``i`` per step, float32."""
    k = step.constants
    to_i = torch.empty(u.shape, dtype=torch.float32, device=u.device)
    to_r: Tensor | None = None
    for t in range(u.shape[0] - 1, -1, -1):
        slope = surrogate_slope((u[t] - k.theta).float(), step.half_width, step.shape)
        to_u = grad_s[t].float() * slope
        if to_r is not None:
            to_u = to_u + to_r * _reset_derivative(step, u[t], s[t], slope)
        free = u[t].abs() < k.state_limit
        if k.u_min is not None:
            free = free & (u[t] > k.u_min)
        to_i[t] = to_u * free
        to_r = to_i[t] * map_derivative(before[t].float(), k)
    return to_i


def map_derivative(r: Tensor, k: StepConstants) -> Tensor:
    """``du/dr = (2 c2m r 2^-s2 + c1m) 2^-s1``, float32."""
    found: Tensor = ((2.0 * k.c2m) * torch.exp2(-k.s2.float()) * r + k.c1m) * 2.0**-k.s1
    return found


def _reset_derivative(step: PopulationStep, u: Tensor, s: Tensor, slope: Tensor) -> Tensor:
    k = step.constants
    match k.reset_mode:
        case ResetMode.HARD:
            kept: Tensor = 1.0 - s
            return kept if step.detach_reset else kept + (k.reset - u).float() * slope
        case ResetMode.SUBTRACT:
            kept = torch.ones_like(slope)
            return kept if step.detach_reset else kept - k.reset_by.float() * slope
        case _:
            assert_never(k.reset_mode)
