"""``qif-deploy demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qif_deploy.cli.exit_codes import BROKEN, HOLDS
from qif_deploy.cli.options import Json, Quiet, Seed, TargetName, Verbose, out_option
from qif_deploy.cli.output import show, stages


def demo(
    out: Annotated[Path, out_option("Folder for the results.")] = Path("runs/demo"),
    recipe: Annotated[str, typer.Option("--recipe", help="Training recipe by name, or the path of a .toml file.")] = "digits",
    target: TargetName = "loihi2",
    seed: Seed = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Go the whole way on real digits: train, quantise, run on every backend, compare bit by bit, map, count energy, report."""
    from qif_deploy.api.demonstration import STAGES
    from qif_deploy.api.demonstration import demo as run_demo
    from qif_deploy.presentation.demo import demo_table

    with stages(STAGES, shown=not quiet) as report:
        outcome = run_demo(out=out, recipe=recipe, target=target, seed=seed, progress=report)
    show(outcome, lambda: demo_table(outcome), json=json, quiet=quiet)
    return HOLDS if outcome.holds else BROKEN
