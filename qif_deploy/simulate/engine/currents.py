"""What arrives at a population in a chunk of samples, and the arrays that its pass fills."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Protocol

import torch

Tensor = torch.Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """Sums of one synapse, or, with ``weight``, the codes that it weighs position by position; then shifted left.

    ``values`` is ``(sample, time, position, channel)``; a time axis of length 1 is held for all steps. ``weight`` is ``(channel,)``.
    """

    values: Tensor
    shift: int
    weight: Tensor | None = None

    def current(self, dtype: torch.dtype) -> Tensor:
        """Return the shifted current as integers of ``dtype``."""
        values = self.values.to(dtype)
        if self.weight is not None:
            values = values * self.weight.to(dtype)
        return values if self.shift == 0 else values << self.shift


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Arrays that a pass fills: ``spikes`` uint8 ``(sample, time, position, channel)``; ``i``, ``u`` alike, or None where not asked for.

    Counts are int64: ``rates (sample, position)`` are spikes over time and channels; ``driven (sample,)`` neurons and steps with a
    current other than the bias; ``saturated (sample,)`` values of ``h`` and ``u`` that a saturation changed.
    """

    spikes: Tensor
    rates: Tensor
    driven: Tensor
    saturated: Tensor
    i: Tensor | None = None
    u: Tensor | None = None


class PopulationPass(Protocol):
    """All steps of one population over a chunk of samples, from ``r0`` on."""

    def __call__(self, branches: tuple[Branch, ...], results: Results) -> None:
        """Fill ``results``."""

    def share(self, pool: Executor | None, parts: int) -> None:
        """Split every chunk into at most ``parts`` for the threads of ``pool``; None runs it on the caller's thread."""
