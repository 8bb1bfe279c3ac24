"""Optimiser and learning-rate schedule of a recipe."""

from __future__ import annotations

import math
from dataclasses import dataclass

from typing_extensions import assert_never

from qif_deploy._torch import torch
from qif_deploy.training.recipe import Recipe
from qif_deploy.training.recipe_options import Optimiser, Schedule


def make_optimiser(network: torch.nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Return the optimiser of all parameters; gain, shift and bias do not decay, which would pull the neurons towards silence."""
    decayed = [p for p in network.parameters() if p.ndim > 1]
    kept = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": kept, "weight_decay": 0.0}]
    match recipe.optimiser:
        case Optimiser.ADAMW:
            return torch.optim.AdamW(groups, lr=recipe.learning_rate)
        case Optimiser.SGD:
            return torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=recipe.momentum)
        case _:
            assert_never(recipe.optimiser)


def make_schedule(optimiser: torch.optim.Optimizer, recipe: Recipe, *, updates_per_epoch: int) -> torch.optim.lr_scheduler.LRScheduler:
    """Return the schedule, which steps after every update."""
    updates = recipe.epochs * updates_per_epoch
    match recipe.schedule:
        case Schedule.ONE_CYCLE:
            return torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.learning_rate, total_steps=updates)
        case Schedule.COSINE:
            factor = WarmCosine(updates=updates, warmup=recipe.warmup_epochs * updates_per_epoch)
            return torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
        case _:
            assert_never(recipe.schedule)


@dataclass(frozen=True, kw_only=True)  # no slots: LambdaLR stores an object's __dict__ in its state
class WarmCosine:
    """Share of the peak at an update: ``(n + 1) / warmup`` while it warms up, then ``(1 + cos(pi progress)) / 2``."""

    updates: int
    warmup: int

    def __call__(self, update: int) -> float:
        """Return 0..1; the scheduler asks once more after the last update."""
        if update < self.warmup:
            return (update + 1) / self.warmup
        progress = (update - self.warmup) / max(1, self.updates - self.warmup)
        return (1 + math.cos(math.pi * min(1.0, progress))) / 2
