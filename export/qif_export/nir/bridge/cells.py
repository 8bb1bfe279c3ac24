"""Torch modules that run one time step, as nirtorch wants them: ``forward(x, state) -> (output, state)`` where there is a state."""

from __future__ import annotations

from typing import Any

import numpy as np

from qif_deploy.ir.nodes import Reduce
from qif_deploy.neuron.float_step import float_step
from qif_deploy.neuron.params import QIFParams
from qif_export.nir.bridge._nirtorch import torch

CONSTANTS = ("c2", "c1", "c0", "theta", "u_reset", "reset_by", "r0", "u_min")


class QIFCell(torch.nn.Module):
    """A population: ``z, v = cell(x, v)`` with ``x`` of ``(batch, channel, ...)``; ``v`` None starts it. No surrogate gradient.

    The constants are buffers in float64, so that ``.to(dtype)`` moves them; ``params`` keeps them exactly.
    """

    def __init__(self, params: QIFParams) -> None:
        super().__init__()
        self.params = params
        for name in CONSTANTS:
            value = getattr(params, name)
            self.register_buffer(name, None if value is None else torch.tensor(np.asarray(value)))

    def forward(self, x: torch.Tensor, state: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """One step of the float equation, the lines that the float simulator runs."""
        held: dict[str, Any] = {name: self._channelwise(name, x.ndim - 1) for name in CONSTANTS}  # Any: a tensor, or None for the clamp
        r0 = held.pop("r0")
        reached = torch.ge if self.params.spike_on_equal else torch.gt
        step = float_step(
            r0.expand_as(x) if state is None else state,
            x,
            reset=self.params.reset,
            spike=lambda u, theta: reached(u, theta).to(x.dtype),
            **held,
        )
        return step.s, step.r

    def _channelwise(self, name: str, ndim: int) -> torch.Tensor | None:
        value: torch.Tensor | None = getattr(self, name)
        return None if value is None else value.reshape(-1, *[1] * (ndim - 1))


class ReadoutCell(torch.nn.Module):
    """The readout: the sum of its inputs so far, or the last one."""

    def __init__(self, reduce: Reduce) -> None:
        super().__init__()
        self.reduce = reduce

    def forward(self, x: torch.Tensor, state: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the value after this step, twice: it is its own state."""
        total = x if state is None or self.reduce is Reduce.LAST else state + x
        return total, total


class InputScale(torch.nn.Module):
    """Input codes to the values that the network sees."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Multiply."""
        return x * self.scale


class SumPool(torch.nn.Module):
    """Sum over windows; ``LPPool2d``, which nirtorch takes, raises to a power and back."""

    def __init__(self, kernel: tuple[int, int], stride: tuple[int, int]) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Sum."""
        return torch.nn.functional.avg_pool2d(x, self.kernel, self.stride, divisor_override=1)


__all__ = ["InputScale", "QIFCell", "ReadoutCell", "SumPool"]
