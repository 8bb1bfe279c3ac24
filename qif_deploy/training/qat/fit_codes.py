"""Quantisation-aware training of a checkpoint: ``fit_codes`` trains the integer network itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from qif_deploy.datasets.dataset import Dataset, StreamedDataset, streamed
from qif_deploy.errors import InputError
from qif_deploy.fixedpoint import NumberFormat
from qif_deploy.training._lightning import resolved
from qif_deploy.training.assembly import input_spec
from qif_deploy.training.batches import evaluation_batches
from qif_deploy.training.checkpoint import Checkpoint
from qif_deploy.training.evaluation import EVALUATION_BATCH, count_right
from qif_deploy.training.history import History
from qif_deploy.training.qat.from_float import qat_network
from qif_deploy.training.qat.network import QatNetwork
from qif_deploy.training.qat.options import QatOptions, ScaleChoice
from qif_deploy.training.qat.report import QatReport, Widening
from qif_deploy.training.recipe import Recipe
from qif_deploy.training.recipe_options import Precision, Schedule
from qif_deploy.training.run_options import RunOptions
from qif_deploy.training.trainer import VALIDATION_SEED, check_run, deterministic, train_module


def fit_codes(
    checkpoint: Checkpoint,
    dataset: Dataset | StreamedDataset,
    number_format: NumberFormat,
    *,
    options: QatOptions,
    steps: int | None = None,
    run: RunOptions | None = None,
    progress: Callable[[float], None] | None = None,
) -> tuple[QatNetwork, QatReport]:
    """Train the codes of a checkpoint's network; on one CPU process the same seed gives the same codes on the same machine.

    Loss, batches, shifts and augmentation are the recipe's; epochs and learning rate are the options', and the rate falls as half a cosine.
    After every epoch the range proof is asked, and units are chosen anew where it no longer holds. The test part is never touched.

    Args:
        checkpoint: the float network with its recipe.
        dataset: a part of its training part is held out for validation: the same that the recipe held out, if it did.
        number_format: the target's integers.
        options: epochs, learning rate, scales, seed.
        steps: T, None for the recipe's.
        run: where; None for this process and the CPU.
        progress: called with the share done, 0..1.

    Returns:
        The network in evaluation mode on the CPU, its range proof holding, and the report.

    Raises:
        InputError: checkpoint and data set do not fit together.
        FormatError: the network cannot be kept within the format.
        BackendError: the loss became infinite or undefined.
    """
    started = time.perf_counter()
    run = RunOptions() if run is None else run
    run = replace(run, accelerator=resolved(run.accelerator))
    recipe, seed = _recipe(checkpoint.recipe, options, steps), checkpoint.recipe.seed if options.seed is None else options.seed
    wanted, found = checkpoint.network.spec.input, input_spec(dataset, recipe.encoder)
    if wanted != found:
        raise InputError(f"data set {dataset.name!r} has {found}, the checkpoint was trained on {wanted}; give the data set that it knows")
    learned = dataset.validation(recipe.validation_fraction, seed=VALIDATION_SEED)
    check_run(recipe, learned, run)
    history, widened = History(keep_best=False), list[Widening]()
    with deterministic(run):
        before, samples = _validated(
            qat_network(checkpoint.network, number_format, scales=ScaleChoice.MAX, steps=recipe.steps), recipe, learned
        )
        network = qat_network(checkpoint.network, number_format, scales=options.scales, steps=recipe.steps)

        def settle() -> None:
            epoch = len(history.losses)
            widened.extend(Widening(epoch=epoch, node=name, reason=reason) for name, reason in network.codes.settle().items())

        train_module(network.train(), recipe, learned, seed=seed, options=run, history=history, progress=progress, after_epoch=settle)
        after, _ = _validated(network.cpu().eval(), recipe, learned)
    report = QatReport(
        options=options,
        weight_bits=number_format.weight_bits,
        seed=seed,
        accuracy_before=before,
        accuracy_after=after,
        validation_samples=samples,
        validation_seen=checkpoint.recipe.validation_fraction == 0,
        losses=tuple(history.losses),
        validation=tuple(history.validation),
        widened=tuple(widened),
        seconds=time.perf_counter() - started,
    )
    return network, report


def _recipe(recipe: Recipe, options: QatOptions, steps: int | None) -> Recipe:
    """Return the recipe of this training: full precision, since bfloat16 holds no code beyond 8 bits."""
    return replace(
        recipe,
        steps=recipe.steps if steps is None else steps,
        epochs=options.epochs,
        learning_rate=options.learning_rate,
        weight_decay=options.weight_decay,
        schedule=Schedule.COSINE,
        warmup_epochs=0,
        precision=Precision.FLOAT32,
        patience=0,
        validation_fraction=recipe.validation_fraction or options.validation_fraction,
    )


def _validated(network: QatNetwork, recipe: Recipe, learned: Dataset | StreamedDataset) -> tuple[float, int]:
    """Return the accuracy on the validation part, which stands where the test part was, and its size."""
    part = (streamed(learned) if isinstance(learned, Dataset) else learned).test
    right = count_right(network, evaluation_batches(part, recipe, learned, batch_size=min(EVALUATION_BATCH, recipe.batch_size)))
    return right / len(part), len(part)
