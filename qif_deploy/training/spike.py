"""The spike with its surrogate gradient. Another surrogate is another module with the same call: ``(u, theta) -> s``."""

from __future__ import annotations

from typing import Any

from qif_deploy.errors import InputError
from qif_deploy.shapes import ChannelFloats
from qif_deploy.training._torch import torch

Tensor = torch.Tensor


class _RectangularSpike(torch.autograd.Function):
    """Step forward, window of unit area backward. torch demands static methods over an untyped context."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, theta: Tensor, half_width: Tensor, on_equal: bool) -> Tensor:
        ctx.save_for_backward(u - theta, half_width)
        return (u >= theta if on_equal else u > theta).to(u.dtype)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[Tensor, None, None, None]:
        distance, half_width = ctx.saved_tensors
        inside = (distance.abs() <= half_width).to(distance.dtype)
        return grad_outputs[0] * inside / (2 * half_width), None, None, None


class RectangularSpike(torch.nn.Module):
    """``s = 1 if u >= theta else 0``; backward ``ds/du = 1 / (2 w)`` on ``[theta - w, theta + w]``, 0 elsewhere.

    ``w`` comes from the neuron's parameters: ``qif_deploy.neuron.moments.surrogate_window``. Source: docs/numerics.md, section 1.

    Args:
        half_width: ``w`` > 0 in units of ``u``, ``(channel,)`` or ``(1,)``.
        on_equal: false for neurons that spike on strict ``>``.

    Raises:
        InputError: a width that is not positive.
    """

    half_width: Tensor

    def __init__(self, half_width: ChannelFloats, *, on_equal: bool = True) -> None:
        super().__init__()
        if not (half_width > 0).all():
            raise InputError(f"surrogate window: half width {half_width.min()} is not positive; the gradient would be 0 or infinite")
        self.on_equal = on_equal
        self.register_buffer("half_width", torch.tensor(half_width, dtype=torch.get_default_dtype()))

    def forward(self, u: Tensor, theta: Tensor) -> Tensor:
        """Return spikes in the dtype of ``u``, ``(batch, channel, ...)``; ``theta`` broadcasts to it."""
        half_width = self.half_width.reshape(-1, *([1] * (u.ndim - 2)))
        apply: Any = _RectangularSpike.apply  # torch 2.3 leaves it untyped
        spikes: Tensor = apply(u, theta, half_width, self.on_equal)
        return spikes
