"""Training: ``fit`` turns a recipe and a data set into a network and its metrics."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from qif_deploy._torch import torch
from qif_deploy.datasets.catalogue import EVENT_DATA
from qif_deploy.datasets.dataset import Dataset, StreamedDataset, streamed
from qif_deploy.datasets.encoders import Encoder
from qif_deploy.errors import BackendError, InputError
from qif_deploy.training._lightning import Job, require_launcher, resolved, run_epochs
from qif_deploy.training.answering import Answering
from qif_deploy.training.assembly import build_network, input_spec
from qif_deploy.training.batches import Batch, Share, evaluation_batches, training_batches
from qif_deploy.training.evaluation import EVALUATION_BATCH, Evaluation, count_right, evaluate, evaluate_batches
from qif_deploy.training.history import History
from qif_deploy.training.losses import loss_of
from qif_deploy.training.network import SpikingNetwork
from qif_deploy.training.optimisation import make_optimiser, make_schedule
from qif_deploy.training.recipe import Recipe
from qif_deploy.training.recipe_options import Precision
from qif_deploy.training.run_options import Accelerator, RunOptions

Tensor = torch.Tensor
AnyDataset = Dataset | StreamedDataset

VALIDATION_SEED = 0
"""Draws the validation part: the same samples for every seed of a recipe, so that choices compare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingMetrics:
    """What came out for which ``seed``.

    Accuracies are 0..1; ``rates`` are firing rates per population on the test part; ``losses`` and ``validation`` have one entry
    per epoch. ``accuracy_train`` is None for data sets that are read sample by sample, ``accuracy_validation`` without that part.
    """

    seed: int
    accuracy_train: float | None
    accuracy_test: float
    rates: Mapping[str, float]
    losses: tuple[float, ...]
    seconds: float
    cpu_seconds: float
    accuracy_validation: float | None = None
    validation: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "rates", MappingProxyType(dict(self.rates)))

    def as_json(self) -> dict[str, Any]:
        """Return plain data for ``metrics.json``."""
        return {
            "seed": self.seed,
            "accuracy_train": self.accuracy_train,
            "accuracy_validation": self.accuracy_validation,
            "accuracy_test": self.accuracy_test,
            "rates": dict(self.rates),
            "losses": list(self.losses),
            "validation": list(self.validation),
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
        }


def fit(
    recipe: Recipe,
    dataset: AnyDataset,
    *,
    seed: int | None = None,
    progress: Callable[[float], None] | None = None,
    options: RunOptions | None = None,
) -> tuple[SpikingNetwork, TrainingMetrics]:
    """Train; on one CPU process the same seed gives the same weights on the same machine.

    With several processes every one runs this function on its share of each batch; the first returns, the others leave by
    ``SystemExit(0)`` after the last update, because lightning starts them by running the same command again.

    Args:
        recipe: what to train, and how.
        dataset: the training part is learned from, the test part is looked at once, at the end.
        seed: instead of the recipe's.
        progress: called with the share done, 0..1.
        options: where to run; None for this process, the CPU and no files.

    Returns:
        The network in evaluation mode on the CPU, and its metrics.

    Raises:
        InputError: recipe, data set and options do not fit together, or the state to resume from is damaged.
        MissingDependencyError: lightning is not installed.
        BackendError: the loss became infinite or undefined.
    """
    seed = recipe.seed if seed is None else seed
    options, learned = ready(recipe, dataset, RunOptions() if options is None else options)
    history = History(keep_best=recipe.patience > 0)
    network = build_network(recipe, input_spec(dataset, recipe.encoder), seed=seed).train()
    with deterministic(options):
        train_module(network, recipe, learned, seed=seed, options=options, history=history, progress=progress)
        metrics = _measured(network.eval(), recipe, dataset, learned, seed, options, history)
    return network, metrics


def ready(recipe: Recipe, dataset: AnyDataset, options: RunOptions) -> tuple[RunOptions, AnyDataset]:
    """Say what keeps a training from starting, before anything is built or written.

    Returns:
        The options with the accelerator resolved, and the data to learn from, with the validation part in the place of the test part
        where the recipe holds one out.

    Raises:
        InputError: no such device here, no launcher of several nodes, or recipe, data set and options that do not fit together.
    """
    options = replace(options, accelerator=resolved(options.accelerator))
    require_launcher(options)
    learned = dataset.validation(recipe.validation_fraction, seed=VALIDATION_SEED) if recipe.validation_fraction else dataset
    check_run(recipe, learned, options)
    return options, learned


def train_module(
    network: Answering,
    recipe: Recipe,
    learned: AnyDataset,
    *,
    seed: int,
    options: RunOptions,
    history: History,
    progress: Callable[[float], None] | None = None,
    after_epoch: Callable[[], None] | None = None,
) -> None:
    """Train any module that answers, in place; processes other than the first leave by ``SystemExit(0)``.

    Args:
        network: in training mode; its parameters are trained.
        recipe: how to train; the network need not be the recipe's.
        learned: the training part, with the validation part in the place of the test part where the recipe holds one out.
        seed: of order and changes of the samples.
        options: where to run, the accelerator resolved.
        history: is filled.
        progress: called with the share done, 0..1.
        after_epoch: called after the last update of every epoch, before validation.

    Raises:
        BackendError: the loss became infinite or undefined.
    """
    batches = training_batches(learned, recipe, seed, workers=options.workers)

    def loss(batch: Batch) -> Tensor:
        value = loss_of(network.currents(batch[0]), batch[1], recipe)
        if not math.isfinite(value.item()):
            update = schedule.last_epoch + 1  # torch's word for the number of steps taken
            raise BackendError(f"training of recipe {recipe.name!r}: loss {value.item()} at update {update}; lower learning_rate")
        return value

    def validate(share: Share) -> tuple[int, int]:
        part = _test_source(learned)
        batch_size = min(EVALUATION_BATCH, recipe.batch_size)
        parts = evaluation_batches(part, recipe, learned, batch_size=batch_size, share=share, workers=options.workers)
        return count_right(network, parts), len(range(share.rank, len(part), share.world))

    optimiser = make_optimiser(network, recipe)
    schedule = make_schedule(optimiser, recipe, updates_per_epoch=len(batches))
    job = Job(
        network=network,
        batches=batches,
        recipe=recipe,
        seed=seed,
        options=options,
        loss=loss,
        optimiser=optimiser,
        schedule=schedule,
        history=history,
        validate=validate if recipe.validation_fraction else None,
        progress=progress,
        after_epoch=after_epoch,
    )
    if run_epochs(job) != 0:
        raise SystemExit(0)
    if history.best_weights is not None:
        network.load_state_dict(history.best_weights)


def _measured(
    network: SpikingNetwork, recipe: Recipe, dataset: AnyDataset, learned: AnyDataset, seed: int, options: RunOptions, history: History
) -> TrainingMetrics:
    if options.accelerator is Accelerator.GPU:
        network.cuda()
    test = _evaluated(network, recipe, dataset, options)
    train = None
    if isinstance(learned, Dataset) and recipe.encoder is Encoder.DIRECT:
        train = evaluate(network, learned.x_train, learned.y_train).accuracy
    network.cpu()
    validation = None
    if history.validation:
        validation = max(history.validation) if history.keep_best else history.validation[-1]
    return TrainingMetrics(
        seed=seed,
        accuracy_train=train,
        accuracy_validation=validation,
        accuracy_test=test.accuracy,
        rates=test.rates,
        losses=tuple(history.losses),
        validation=tuple(history.validation),
        seconds=history.seconds,
        cpu_seconds=history.cpu_seconds,
    )


def _evaluated(network: SpikingNetwork, recipe: Recipe, dataset: AnyDataset, options: RunOptions) -> Evaluation:
    if isinstance(dataset, Dataset) and recipe.encoder is Encoder.DIRECT:
        return evaluate(network, dataset.x_test, dataset.y_test)
    batch_size = min(EVALUATION_BATCH, recipe.batch_size)
    return evaluate_batches(
        network, evaluation_batches(_test_source(dataset), recipe, dataset, batch_size=batch_size, workers=options.workers)
    )


def _test_source(dataset: AnyDataset) -> Any:
    return (streamed(dataset) if isinstance(dataset, Dataset) else dataset).test


def check_run(recipe: Recipe, dataset: AnyDataset, options: RunOptions) -> None:
    """Say what does not fit before anything is built.

    Raises:
        InputError: all findings at once.
    """
    samples = len(dataset.x_train) if isinstance(dataset, Dataset) else len(dataset.train)
    where, findings = f"recipe {recipe.name!r}", []
    if samples < recipe.batch_size:
        findings.append(f"{where}: batch_size = {recipe.batch_size} exceeds {samples} training samples; give less")
    if recipe.batch_size % options.world:
        findings.append(
            f"{where}: batch_size = {recipe.batch_size} is no multiple of {options.world} processes; change it, or devices and nodes"
        )
    if dataset.frames is not None and dataset.frames != recipe.steps:
        findings.append(f"{where}: steps = {recipe.steps}, but the data set has {dataset.frames} frames; load it with as many frames")
    if recipe.precision is Precision.FLOAT16 and options.accelerator is Accelerator.CPU:
        findings.append(f"{where}: precision = '16-mixed' needs a GPU; use 'bf16-mixed' or '32'")
    state = options.state_file
    if options.resume and (state is None or not state.is_file()):
        findings.append(f"{where}: no training state {str(state)!r} to resume from; train without --resume")
    if findings:
        raise InputError("; ".join(findings))


@contextmanager
def deterministic(options: RunOptions) -> Iterator[None]:
    """Leave torch's global generator as it was, and hold torch to so many threads.

    With one thread sums keep their order on any number of cores, and small networks gain nothing from more.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(options.threads)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_num_threads(threads)


def frames_of(recipe: Recipe) -> int | None:
    """Return what to ask of ``load_dataset`` or ``open_dataset`` as ``frames``."""
    return recipe.steps if recipe.dataset in EVENT_DATA else None


__all__ = ["TrainingMetrics", "build_network", "fit", "frames_of", "input_spec", "loss_of", "ready"]
