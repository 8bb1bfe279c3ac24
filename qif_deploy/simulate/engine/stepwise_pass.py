"""A population step by step in torch, by ``fixed_step`` itself: on devices without a kernel, and where numba is not installed."""

from __future__ import annotations

from concurrent.futures import Executor

import torch

from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.neuron.fixed_step import fixed_step
from qif_deploy.neuron.saturation import saturations
from qif_deploy.simulate.engine.currents import Branch, Results

Tensor = torch.Tensor


class StepwisePass:
    """Holds the constants of one population on one device, laid out for channels in the last axis.

    Args:
        k: constants.
        state_bits: 32 or 64, as the plan proved.
        device: where to run.
    """

    def __init__(self, k: FixedConstants, state_bits: int, device: torch.device) -> None:
        self.dtype = torch.int32 if state_bits == 32 else torch.int64
        # One axis behind the batch is what lets every constant broadcast along the last one.
        self.step = k.laid_out(1, lambda codes: torch.tensor(codes, dtype=self.dtype, device=device))
        self.bias, self.r0 = (torch.tensor(codes, dtype=self.dtype, device=device) for codes in (k.bias, k.r0))

    def __call__(self, branches: tuple[Branch, ...], results: Results) -> None:
        """Fill ``results``."""
        currents = [branch.current(self.dtype) for branch in branches]
        current = sum(currents[1:], currents[0])
        steps = results.spikes.shape[1]
        r = self.r0.expand(results.spikes[:, 0].shape)
        driven = (current != 0).sum(dim=(1, 2, 3))
        results.driven.add_(driven * (steps if current.shape[1] == 1 else 1))
        for t in range(steps):
            i = current[:, t if current.shape[1] > 1 else 0] + self.bias
            results.saturated.add_(saturations(r, i, self.step).sum(dim=(1, 2)))
            step = fixed_step(r, i, self.step)
            results.spikes[:, t] = step.s
            if results.i is not None and results.u is not None:
                results.i[:, t], results.u[:, t] = i, step.u
            r = step.r
        results.rates.copy_(results.spikes.sum(dim=(1, 3), dtype=torch.int64))

    def share(self, pool: Executor | None, parts: int) -> None:
        """Do nothing: the device, or torch by its own threads, shares the work already."""
