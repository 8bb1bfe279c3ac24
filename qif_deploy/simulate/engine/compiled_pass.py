"""A population through the compiled kernel, on a CPU."""

from __future__ import annotations

from concurrent.futures import Executor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.simulate.engine.currents import Branch, Results
from qif_deploy.simulate.engine.fused_constants import fused_constants
from qif_deploy.simulate.engine.neuron_kernel import population_pass
from qif_deploy.simulate.engine.signal_kernel import rate_pass

Tensor = torch.Tensor

PART = 2**14
"""Neurons and steps per part, at least: below that, handing a part to another thread costs more than it saves."""


LANES = 256
"""Channels that one turn of the kernel's inner loop should have: fewer, and entering the loop costs more than the neurons in it."""


class CompiledPass:
    """Holds the constants of one population.

    Where a population has few channels, several positions, which lie side by side, are shown to the kernel as one with all their
    channels: ``together`` positions, a divisor of their number. What it counts per position is then counted afterwards.

    Args:
        k: constants.
        positions: of the population.
        state_bits: 32 or 64, as the plan proved.
        unsaturated: whether it is proven that nothing saturates.
    """

    def __init__(self, k: FixedConstants, positions: int, *, state_bits: int, unsaturated: bool) -> None:
        self.dtype = torch.int32 if state_bits == 32 else torch.int64
        constants = fused_constants(k, np.int32 if state_bits == 32 else np.int64)
        self.together = max(n for n in range(1, positions + 1) if positions % n == 0 and (n == 1 or n * k.channels <= LANES))
        self.table = np.tile(constants.table, self.together)
        self.scalars = constants.scalars
        self.unsaturated = unsaturated
        self.pool: Executor | None = None
        self.parts = 1

    def __call__(self, branches: tuple[Branch, ...], results: Results) -> None:
        """Fill ``results``."""
        sums, more, direct = self._three(branches)
        dtype = self.table.dtype
        weight = None if direct is None or direct.weight is None else np.tile(direct.weight.numpy().astype(dtype), self.together)
        shifts = tuple(0 if branch is None else branch.shift for branch in (sums, more, direct))
        i, u = (None if out is None else self._joined(out) for out in (results.i, results.u))
        arrays = [None if branch is None else self._joined(branch.values) for branch in (sums, more, direct)]
        spikes, rates = self._joined(results.spikes), results.rates.numpy()
        if self.together > 1:
            rates = np.empty((len(spikes), spikes.shape[2]), np.int64)
        positions = rates.shape[1]
        parts = max(1, min(self.parts, positions, spikes.size // PART)) if self.pool is not None else 1
        edges = [positions * n // parts for n in range(parts + 1)]
        counts = np.zeros((parts, 2, len(rates)), np.int64)

        def run(n: int) -> None:
            population_pass(
                arrays[0], arrays[1], arrays[2], weight, shifts, self.table, self.scalars,
                edges[n], edges[n + 1], spikes, rates, counts[n, 0], None if self.unsaturated else counts[n, 1], i, u,
            )  # fmt: skip

        if self.pool is None or parts == 1:
            run(0)
        else:
            list(self.pool.map(run, range(parts)))
        if self.together > 1:
            rate_pass(results.spikes.flatten(2).numpy(), results.rates.numpy())
        total = torch.from_numpy(counts.sum(axis=0))
        results.driven.add_(total[0])
        results.saturated.add_(total[1])

    def _joined(self, values: Tensor) -> NDArray[Any]:
        """Show ``together`` positions of ``(sample, time, position, channel)`` as one; nothing moves, as both axes are dense."""
        samples, steps, positions, channels = values.shape
        joined = values.view(samples, steps, positions // self.together, channels * self.together)
        found: NDArray[Any] = joined.numpy()
        return found

    def share(self, pool: Executor | None, parts: int) -> None:
        """See PopulationPass."""
        self.pool, self.parts = pool, parts

    def _three(self, branches: tuple[Branch, ...]) -> tuple[Branch, Branch | None, Branch | None]:
        """Two branches of float32 sums and one that is weighed in the kernel; whatever else there is becomes one integer branch."""
        summed = [b for b in branches if b.weight is None and b.values.dtype == torch.float32]
        direct = [b for b in branches if b.weight is not None and b.values.dtype == torch.uint8]
        if len(summed) + len(direct) == len(branches) and 1 <= len(summed) <= 2 and len(direct) <= 1:
            return summed[0], summed[1] if len(summed) == 2 else None, direct[0] if direct else None
        currents = [branch.current(self.dtype) for branch in branches]
        return Branch(values=sum(currents[1:], currents[0]).contiguous(), shift=0), None, None
