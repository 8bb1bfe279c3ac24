"""The spike with its surrogate gradient. Another surrogate is another shape here, or another module with the same call."""

from __future__ import annotations

import enum
import math
from typing import Any

import numpy as np
from typing_extensions import assert_never

from qif_deploy._torch import torch
from qif_deploy.errors import InputError
from qif_deploy.shapes import ChannelFloats

Tensor = torch.Tensor


class SurrogateShape(enum.Enum):
    """What stands for ``ds/du`` in the backward pass, with ``d = u - theta`` and width ``w``; all have unit area.

    rectangular   1 / (2 w) for |d| <= w, else 0
    triangular    max(0, 1 - |d| / w) / w
    arctan        1 / (pi w (1 + (d / w)^2)), the derivative of arctan(d / w) / pi
    """

    RECTANGULAR = "rectangular"
    TRIANGULAR = "triangular"
    ARCTAN = "arctan"


class SurrogateSpike(torch.nn.Module):
    """``s = 1 if u >= theta else 0``; backward ``ds/du`` and ``-ds/dtheta`` are the surrogate's.

    Args:
        half_width: ``w`` > 0 in units of ``u``, ``(channel,)`` or ``(1,)``.
        shape: the surrogate.
        on_equal: false for neurons that spike on strict ``>``.

    Raises:
        InputError: a width that is not positive.
    """

    half_width: Tensor

    def __init__(self, half_width: ChannelFloats, *, shape: SurrogateShape, on_equal: bool = True) -> None:
        super().__init__()
        self.shape = shape
        self.on_equal = on_equal
        self.register_buffer("half_width", torch.tensor(_checked(half_width), dtype=torch.get_default_dtype()))

    def widen(self, half_width: ChannelFloats) -> None:
        """Replace the width; backward passes that are under way keep the one that they started with."""
        old = self.half_width
        self.half_width = torch.tensor(_checked(half_width), dtype=old.dtype, device=old.device)

    def forward(self, u: Tensor, theta: Tensor) -> Tensor:
        """Return spikes in the dtype of ``u``, ``(batch, channel, ...)``; ``theta`` broadcasts to it."""
        half_width = self.half_width.reshape(-1, *([1] * (u.ndim - 2)))
        apply: Any = _Spike.apply  # torch 2.3 leaves it untyped
        spikes: Tensor = apply(u, theta, half_width, self.shape, self.on_equal)
        return spikes


class RectangularSpike(SurrogateSpike):
    """The rectangular window ``[theta - w, theta + w]``, the project's default.

    ``w`` comes from the neuron's parameters: ``qif_deploy.neuron.moments.surrogate_window``. Source: docs/numerics.md, section 1.
    """

    def __init__(self, half_width: ChannelFloats, *, on_equal: bool = True) -> None:
        super().__init__(half_width, shape=SurrogateShape.RECTANGULAR, on_equal=on_equal)


def surrogate_peak(half_width: Tensor, shape: SurrogateShape) -> Tensor:
    """Return ``ds/du`` at theta, which makes the area 1."""
    peak: Tensor  # torch types a number divided by a tensor loosely
    match shape:
        case SurrogateShape.RECTANGULAR:
            peak = 1 / (2 * half_width)
        case SurrogateShape.TRIANGULAR:
            peak = 1 / half_width
        case SurrogateShape.ARCTAN:
            peak = 1 / (math.pi * half_width)
        case _:
            assert_never(shape)
    return peak


def surrogate_slope(distance: Tensor, half_width: Tensor, shape: SurrogateShape) -> Tensor:
    """Return ``ds/du`` at ``distance = u - theta``."""
    peak = surrogate_peak(half_width, shape)
    slope: Tensor
    match shape:
        case SurrogateShape.RECTANGULAR:
            slope = (distance.abs() <= half_width).to(distance.dtype) * peak
        case SurrogateShape.TRIANGULAR:
            slope = (1 - distance.abs() * (1 / half_width)).clip(0, None) * peak
        case SurrogateShape.ARCTAN:
            scaled = distance * (1 / half_width)
            slope = peak / (1 + scaled * scaled)
        case _:
            assert_never(shape)
    return slope


class _Spike(torch.autograd.Function):
    """Step forward, surrogate backward. torch demands static methods over an untyped context."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, theta: Tensor, half_width: Tensor, shape: SurrogateShape, on_equal: bool) -> Tensor:
        ctx.save_for_backward(u - theta, half_width)
        ctx.shape, ctx.theta_shape = shape, theta.shape
        return (u >= theta if on_equal else u > theta).to(u.dtype)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[Tensor | None, ...]:
        distance, half_width = ctx.saved_tensors
        through = grad_outputs[0] * surrogate_slope(distance, half_width, ctx.shape)
        to_theta = -through.sum_to_size(ctx.theta_shape) if ctx.needs_input_grad[1] else None
        return through, to_theta, None, None, None


def _checked(half_width: ChannelFloats) -> ChannelFloats:
    widths = np.asarray(half_width, np.float64)
    if not (np.isfinite(widths).all() and (widths > 0).all()):
        raise InputError(f"surrogate window: half width {widths.min()} is not positive; the gradient would be 0 or infinite")
    return widths
