"""Train a network by a recipe."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from qif_deploy.api.files import make_folder, write_json
from qif_deploy.api.results import TrainOutcome
from qif_deploy.progress import Progress
from qif_deploy.suggestion import unknown_word

if TYPE_CHECKING:
    from qif_deploy.training.run_options import RunOptions


def train(
    recipe: str,
    *,
    out: Path,
    seed: int | None = None,
    epochs: int | None = None,
    data_root: Path | None = None,
    how: RunOptions | None = None,
    progress: Progress | None = None,
) -> TrainOutcome:
    """Train a network; write ``model.safetensors`` and ``metrics.json`` into the folder ``out``.

    Args:
        recipe: name of a builtin recipe, or the path of a ``.toml`` file.
        out: folder for the results; with ``how`` given also for the state of the unfinished run.
        seed: instead of the recipe's.
        epochs: instead of the recipe's.
        data_root: instead of the recipe's.
        how: where to run, whether to resume, which logs; its folder is ``out``. None for the CPU and no further files.
        progress: called with the share done, 0..1.
    """
    from qif_deploy.datasets.catalogue import STREAMS, load_dataset, open_dataset
    from qif_deploy.training.checkpoint import save_checkpoint
    from qif_deploy.training.recipe import load_recipe
    from qif_deploy.training.run_options import RunOptions
    from qif_deploy.training.trainer import fit, frames_of, ready

    loaded = load_recipe(recipe)
    loaded = replace(loaded, seed=loaded.seed if seed is None else seed, epochs=loaded.epochs if epochs is None else epochs)
    root = data_root or (None if loaded.data_root is None else Path(loaded.data_root))
    load = open_dataset if loaded.dataset in STREAMS else load_dataset
    dataset = load(loaded.dataset, root=root, frames=frames_of(loaded))
    options = None if how is None else replace(how, folder=Path(out))
    ready(loaded, dataset, RunOptions() if options is None else options)
    folder = make_folder(out)
    network, metrics = fit(loaded, dataset, progress=progress, options=options)
    model, metrics_file = folder / "model.safetensors", folder / "metrics.json"
    save_checkpoint(model, network, loaded, metrics)
    write_json(metrics_file, metrics.as_json())
    if options is not None and options.state_file is not None:
        options.state_file.unlink(missing_ok=True)  # the run is complete
    return TrainOutcome(model=model, metrics_file=metrics_file, metrics=metrics.as_json())


def training_options(
    *, accelerator: str = "auto", devices: int = 1, nodes: int = 1, threads: int = 1, workers: int = 0, folder: Path, resume: bool = False
) -> RunOptions:
    """Return how a training of its own runs: it keeps its state and logs in ``folder``.

    Raises:
        InputError: an unknown accelerator, or a number outside its limits.
    """
    from qif_deploy.training.run_options import Accelerator, RunOptions

    known = [kind.value for kind in Accelerator]
    if accelerator not in known:
        raise unknown_word("accelerator", accelerator, known)
    return RunOptions(
        accelerator=Accelerator(accelerator),
        devices=devices,
        nodes=nodes,
        threads=threads,
        workers=workers,
        folder=Path(folder),
        resume=resume,
        logs=True,
    )
