"""A population through the Triton kernel, on a CUDA device."""

from __future__ import annotations

from concurrent.futures import Executor
from typing import Any

import numpy as np
import torch

from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.simulate.engine.currents import Branch, Results
from qif_deploy.simulate.engine.fused_constants import fused_constants
from qif_deploy.simulate.engine.population_kernel import population_steps

Tensor = torch.Tensor

BLOCK = 512
"""Neurons per program: 4 per thread at 4 warps."""


class TritonPass:
    """Holds the constants of one population on one device.

    Args:
        k: constants.
        state_bits: 32 or 64, as the plan proved.
        device: where to run.
        block: neurons per program, a power of 2.
        interpreted: give the kernel nothing to cast, since the interpreter of triton 2.3 does not know how.
    """

    def __init__(self, k: FixedConstants, state_bits: int, device: torch.device, *, block: int = BLOCK, interpreted: bool = False) -> None:
        self.dtype = torch.int32 if state_bits == 32 else torch.int64
        constants = fused_constants(k, np.int32 if state_bits == 32 else np.int64)
        self.table = torch.tensor(constants.table, device=device)
        self.scalars = torch.tensor(constants.scalars, device=device)
        self.block, self.interpreted = block, interpreted

    def __call__(self, branches: tuple[Branch, ...], results: Results) -> None:
        """Fill ``results``."""
        one = branches[0] if len(branches) == 1 and branches[0].weight is None else self._added(branches)
        sums, shift = (one.current(self.dtype), 0) if self.interpreted else (one.values, one.shift)
        sums = sums.contiguous()
        samples, steps, positions, channels = results.spikes.shape
        neurons = positions * channels
        blocks = -(-neurons // self.block)
        spikes: Tensor = results.spikes
        u: Tensor | None = results.u
        if self.interpreted:
            spikes, u = (torch.empty_like(results.spikes, dtype=dtype) for dtype in (torch.int32, self.dtype))
        driven, saturated = torch.empty((2, samples, neurons), dtype=torch.int32, device=sums.device)
        held, traced = sums.shape[1] == 1, results.i is not None
        kernel: Any = population_steps
        with torch.cuda.device(sums.device if sums.is_cuda else -1):  # Triton launches on the current device
            kernel[(blocks, samples)](
                sums, self.table, self.scalars, spikes, driven, saturated,
                results.i if traced else driven, u if traced else driven,
                neurons, channels, 0 if held else neurons, shift,
                STEPS=steps, HELD=held, TRACED=traced, BLOCK=self.block,
            )  # fmt: skip
        if self.interpreted:
            results.spikes.copy_(spikes)
            if results.u is not None and u is not None:
                results.u.copy_(u)
        results.driven.add_(driven.sum(dim=1, dtype=torch.int64))
        results.saturated.add_(saturated.sum(dim=1, dtype=torch.int64))
        results.rates.copy_(results.spikes.sum(dim=(1, 3), dtype=torch.int64))

    def _added(self, branches: tuple[Branch, ...]) -> Branch:
        currents = [branch.current(self.dtype) for branch in branches]
        return Branch(values=sum(currents[1:], currents[0]), shift=0)

    def share(self, pool: Executor | None, parts: int) -> None:
        """Do nothing: the device shares the work already."""
