"""Training: ``fit`` turns a recipe and a data set into a network and its metrics."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from qif_deploy.datasets.dataset import Dataset
from qif_deploy.errors import BackendError, InputError
from qif_deploy.training._lightning import Batch, run_epochs
from qif_deploy.training._torch import torch
from qif_deploy.training.augment import shift_images
from qif_deploy.training.evaluation import evaluate
from qif_deploy.training.network import SpikingNetwork
from qif_deploy.training.recipe import Loss, Recipe
from qif_deploy.training.spec import InputSpec, convolutional_spec

Tensor = torch.Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingMetrics:
    """What came out for which ``seed``: accuracies 0..1, firing rate per population on the test part, loss per epoch, seconds spent."""

    seed: int
    accuracy_train: float
    accuracy_test: float
    rates: Mapping[str, float]
    losses: tuple[float, ...]
    seconds: float
    cpu_seconds: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "rates", MappingProxyType(dict(self.rates)))

    def as_json(self) -> dict[str, Any]:
        """Return plain data for ``metrics.json``."""
        return {
            "seed": self.seed,
            "accuracy_train": self.accuracy_train,
            "accuracy_test": self.accuracy_test,
            "rates": dict(self.rates),
            "losses": list(self.losses),
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
        }


def build_network(recipe: Recipe, spec: InputSpec, *, seed: int) -> SpikingNetwork:
    """Return the untrained network of ``recipe``: the same weights for the same seed, torch's global generator untouched."""
    layers = convolutional_spec(spec, channels=recipe.channels, hidden=recipe.hidden, steps=recipe.steps)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SpikingNetwork(
            layers, params=recipe.neuron.params(), alpha=recipe.alpha, window=recipe.window, detach_reset=recipe.detach_reset
        )


def fit(
    recipe: Recipe, dataset: Dataset, *, seed: int | None = None, progress: Callable[[float], None] | None = None
) -> tuple[SpikingNetwork, TrainingMetrics]:
    """Train on the CPU: AdamW, one-cycle learning rate, cross-entropy; same seed, same weights on the same machine.

    Args:
        recipe: what to train, and how.
        dataset: the training part is learned from, the test part is looked at once, at the end.
        seed: instead of the recipe's.
        progress: called with the share done, 0..1.

    Returns:
        The network in evaluation mode, and its metrics.

    Raises:
        InputError: the data set has fewer samples than a batch.
        MissingDependencyError: lightning is not installed.
        BackendError: the loss became infinite or undefined.
    """
    seed = recipe.seed if seed is None else seed
    if len(dataset.x_train) < recipe.batch_size:
        raise InputError(
            f"recipe {recipe.name!r}: batch_size = {recipe.batch_size} exceeds {len(dataset.x_train)} training samples; give less"
        )
    started, cpu_started = time.perf_counter(), time.process_time()
    network = build_network(recipe, input_spec(dataset), seed=seed).train()
    batches = _Batches(dataset, recipe, seed)
    updates = recipe.epochs * len(batches)
    losses: list[float] = []

    def loss(batch: Batch) -> Tensor:
        value = loss_of(network(batch[0]), batch[1], recipe)
        losses.append(float(value.detach()))
        if not math.isfinite(losses[-1]):
            raise BackendError(f"training of recipe {recipe.name!r}: loss {losses[-1]} at update {len(losses)}; lower learning_rate")
        if progress is not None:
            progress(len(losses) / updates)
        return value

    optimiser = _optimiser(network, recipe)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.learning_rate, total_steps=updates)
    with _one_thread():
        run_epochs(network, batches, epochs=recipe.epochs, loss=loss, optimiser=optimiser, schedule=schedule)
        network.eval()
        test, train = (evaluate(network, x, y) for x, y in ((dataset.x_test, dataset.y_test), (dataset.x_train, dataset.y_train)))
    metrics = TrainingMetrics(
        seed=seed,
        accuracy_train=train.accuracy,
        accuracy_test=test.accuracy,
        rates=test.rates,
        losses=tuple(np.reshape(losses, (recipe.epochs, -1)).mean(axis=1).tolist()),
        seconds=time.perf_counter() - started,
        cpu_seconds=time.process_time() - cpu_started,
    )
    return network, metrics


def input_spec(dataset: Dataset) -> InputSpec:
    """Return what a network must know of the data."""
    return InputSpec(shape=dataset.shape, low=dataset.low, high=dataset.high, scale=dataset.scale, classes=dataset.classes)


def loss_of(currents: Tensor, labels: Tensor, recipe: Recipe) -> Tensor:
    """Cross-entropy of readout currents ``(time, batch, class)``."""
    match recipe.loss:
        case Loss.MEAN:
            return torch.nn.functional.cross_entropy(currents.mean(0), labels, label_smoothing=recipe.label_smoothing)
        case Loss.EACH_STEP:
            repeated = labels.repeat(currents.shape[0])
            return torch.nn.functional.cross_entropy(currents.flatten(0, 1), repeated, label_smoothing=recipe.label_smoothing)


def _optimiser(network: SpikingNetwork, recipe: Recipe) -> torch.optim.Optimizer:
    decayed = [p for p in network.parameters() if p.ndim > 1]
    kept = [p for p in network.parameters() if p.ndim <= 1]  # gain, shift, bias: decay would pull the neurons towards silence
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": kept, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate)


@contextmanager
def _one_thread() -> Iterator[None]:
    """One thread for torch: sums keep their order on any number of cores, and networks this small gain nothing from more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class _Batches:
    """Shuffled, shifted batches; every pass draws anew from one generator. The last, smaller batch of a pass is left out."""

    def __init__(self, dataset: Dataset, recipe: Recipe, seed: int) -> None:
        self.x, self.y = torch.tensor(dataset.x_train), torch.tensor(dataset.y_train)
        self.recipe = recipe
        self.generator = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return len(self.x) // self.recipe.batch_size

    def __iter__(self) -> Iterator[Batch]:
        order = torch.randperm(len(self.x), generator=self.generator)[: len(self) * self.recipe.batch_size]
        moved = shift_images(self.x, self.recipe.shift_pixels, self.generator)
        for chosen in order.reshape(len(self), -1):
            yield moved[chosen], self.y[chosen]
