"""Rounding to codes with a straight-through gradient."""

from __future__ import annotations

from typing import Any

from qif_deploy._torch import torch
from qif_deploy.fixedpoint import round_units

Tensor = torch.Tensor


def straight_through(units: Tensor, limit: int | None) -> Tensor:
    """Return the codes of ``units`` in their float dtype; the gradient passes as if nothing had been rounded.

    Where a value lies beyond the largest code by more than half a code, only a gradient that would bring it back passes: further
    out nothing would change, and a weight that drifted there could not return.

    Args:
        units: values in units of one code, any axes; ``|code|`` must be exact in their dtype.
        limit: largest code, None for no limit.
    """
    apply: Any = _StraightThrough.apply  # torch 2.3 leaves it untyped
    codes: Tensor = apply(units, limit)
    return codes


class _StraightThrough(torch.autograd.Function):
    """Round forward, identity backward. torch demands static methods over an untyped context."""

    @staticmethod
    def forward(ctx: Any, units: Tensor, limit: int | None) -> Tensor:
        ctx.limit = limit
        if limit is not None:
            ctx.save_for_backward(units)
        codes: Tensor = round_units(units, limit=limit)
        return codes

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[Tensor | None, ...]:
        grad = grad_outputs[0]
        if ctx.limit is None:
            return grad, None
        (units,) = ctx.saved_tensors
        outward = (units.abs() > ctx.limit + 0.5) & (units * grad < 0)  # a descent step goes against the gradient
        return grad.masked_fill(outward, 0), None
