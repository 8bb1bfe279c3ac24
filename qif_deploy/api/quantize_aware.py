"""The verb ``quantize`` with quantisation-aware training: from a checkpoint to the artefact."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from qif_deploy.api.loading import existing_file
from qif_deploy.api.results import QuantizeOutcome
from qif_deploy.datasets.catalogue import STREAMS, load_dataset, open_dataset
from qif_deploy.datasets.dataset import Dataset, StreamedDataset
from qif_deploy.datasets.folder import FROM_FOLDER
from qif_deploy.errors import InputError
from qif_deploy.version import __version__

if TYPE_CHECKING:
    from qif_deploy.training.qat.options import QatOptions
    from qif_deploy.training.recipe import Recipe
    from qif_hardware.target import Target


def quantize_aware(
    model: Path,
    profile: Target,
    path: Path,
    *,
    options: QatOptions,
    steps: int | None = None,
    data: str | None = None,
    data_root: Path | None = None,
    progress: Callable[[float], None] | None = None,
) -> QuantizeOutcome:
    """Train the codes of a checkpoint for the widths of ``profile`` and write the integer network to ``path``.

    Args:
        model: checkpoint.
        profile: target.
        path: the artefact.
        options: of the training.
        steps: T, None for the recipe's.
        data: data set, None for the checkpoint's own.
        data_root: folder of data sets that no package carries; None for the recipe's.
        progress: called with the share done, 0..1.

    Raises:
        InputError: not a checkpoint, or a data set that does not fit it.
    """
    from qif_deploy.passes.fold_batchnorm import fold_batchnorm
    from qif_deploy.training.checkpoint import load_checkpoint
    from qif_deploy.training.qat.fit_codes import fit_codes
    from qif_deploy.training.to_graph import to_graph
    from qif_export.nir.write import write_nir

    model = existing_file(model)
    if model.suffix != ".safetensors":
        raise InputError(
            f"model {str(model)!r} is not a checkpoint (.safetensors), which --qat trains on; make one with `qif-deploy train`"
        )
    checkpoint = load_checkpoint(model)
    recipe = checkpoint.recipe if data is None else replace(checkpoint.recipe, dataset=data)
    dataset = _training_data(recipe, data_root)
    trained, report = fit_codes(
        replace(checkpoint, recipe=recipe), dataset, profile.number_format, options=options, steps=steps, progress=progress
    )
    provenance = {
        "tool": f"qif-deploy {__version__}",
        "target": profile.name,
        "dataset": recipe.dataset,
        "encoder": recipe.encoder.value,
        "quantisation": "qat",
        "qat_epochs": str(options.epochs),
        "qat_learning_rate": repr(options.learning_rate),
        "qat_scales": options.scales.value,
        "qat_seed": str(report.seed),
        "source_sha256": hashlib.sha256(model.read_bytes()).hexdigest(),
        "bound_by": json.dumps({name: y.as_json()["bound_by"] for name, y in trained.codes.report.populations.items()}, sort_keys=True),
    }
    network, decided = trained.codes.export(provenance)
    write_nir(network, path)
    _, fold = fold_batchnorm(to_graph(checkpoint.network))
    return QuantizeOutcome(path=path, network=network, report=decided, fold_residual=max(fold.residual.values(), default=0.0), qat=report)


def qat_options(*, wanted: bool, epochs: int | None, learning_rate: float | None, seed: int | None) -> QatOptions | None:
    """Return the options of a quantisation-aware training with what is given, or None where none is wanted.

    Raises:
        InputError: a number for a training that is not wanted, or outside its limits.
    """
    from qif_deploy.training.qat.options import QatOptions

    given = {"epochs": epochs, "learning_rate": learning_rate}
    if not wanted:
        unused = [f"--qat-{name.replace('_', '-')} {value}" for name, value in given.items() if value is not None]
        if unused:
            raise InputError(f"{', '.join(unused)}: nothing is trained without --qat; add --qat")
        return None
    default = QatOptions(seed=seed)
    return replace(
        default,
        epochs=default.epochs if epochs is None else epochs,
        learning_rate=default.learning_rate if learning_rate is None else learning_rate,
    )


def _training_data(recipe: Recipe, data_root: Path | None) -> Dataset | StreamedDataset:
    from qif_deploy.training.trainer import frames_of

    own = recipe.data_root if recipe.dataset in FROM_FOLDER else None  # --data may name another set than the recipe's
    root = data_root or (None if own is None else Path(own))
    load = open_dataset if recipe.dataset in STREAMS else load_dataset
    return load(recipe.dataset, root=root, frames=frames_of(recipe))
