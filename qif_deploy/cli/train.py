"""``qif-deploy train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qif_deploy.cli.exit_codes import HOLDS
from qif_deploy.cli.options import DataRoot, Json, Quiet, Seed, Verbose, out_option, word_option
from qif_deploy.cli.output import show, stages
from qif_deploy.cli.values import ACCELERATORS, recipes


def train(
    recipe: Annotated[str, word_option("--recipe", recipes, "Training recipe: a packaged name, or a .toml file.", metavar="NAME|FILE")],
    out: Annotated[Path | None, out_option("Folder for the results; default: runs/RECIPE.", metavar="FOLDER")] = None,
    epochs: Annotated[
        int | None, typer.Option("--epochs", metavar="N", min=1, help="Passes over the data, instead of the recipe's.")
    ] = None,
    data_root: DataRoot = None,
    accelerator: Annotated[str, word_option("--accelerator", ACCELERATORS, "auto (a GPU if there is one), cpu or gpu.")] = "auto",
    devices: Annotated[int, typer.Option("--devices", metavar="N", min=1, help="Devices, one process each; on each of --nodes.")] = 1,
    nodes: Annotated[
        int, typer.Option("--nodes", metavar="N", min=1, help="Machines; start this command on each by torchrun or SLURM.")
    ] = 1,
    threads: Annotated[
        int, typer.Option("--threads", metavar="N", min=1, help="Threads per process on the CPU; 1 repeats to the bit anywhere.")
    ] = 1,
    workers: Annotated[int, typer.Option("--workers", metavar="N", min=0, help="Processes per device that read and augment samples.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last whole epoch in --out, after an interruption.")] = False,
    seed: Seed = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Train a QIF or LIF network by a recipe.

    Writes model.safetensors (weights and recipe) and metrics.json into --out; an interrupted training leaves its last whole epoch there.
    """
    from qif_deploy.api.train import train as run_train
    from qif_deploy.api.train import training_options
    from qif_deploy.presentation.train import train_table

    folder = Path("runs") / Path(recipe).stem if out is None else out
    how = training_options(
        accelerator=accelerator, devices=devices, nodes=nodes, threads=threads, workers=workers, folder=folder, resume=resume
    )
    with stages(("train",), shown=not quiet and how.is_first) as report:
        outcome = run_train(
            recipe, out=folder, seed=seed, epochs=epochs, data_root=data_root, how=how, progress=lambda share: report("train", share)
        )
    show(outcome, lambda: train_table(outcome, verbose=verbose), json=json, quiet=quiet)
    return HOLDS
