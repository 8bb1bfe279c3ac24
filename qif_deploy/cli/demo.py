"""``qif-deploy demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from qif_deploy.cli.exit_codes import BROKEN, HOLDS
from qif_deploy.cli.options import Json, Quiet, Seed, TargetName, Verbose, out_option, word_option
from qif_deploy.cli.output import show, stages
from qif_deploy.cli.values import recipes


def demo(
    out: Annotated[Path, out_option("Folder for the results.", metavar="FOLDER")] = Path("runs/demo"),
    recipe: Annotated[
        str, word_option("--recipe", recipes, "Training recipe: a packaged name, or a .toml file.", metavar="NAME|FILE")
    ] = "digits",
    target: TargetName = "loihi2",
    seed: Seed = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Go the whole way on real digits, in about a minute.

    Trains a network, quantises it, proves its ranges, runs the test images on every backend, compares all states bit by bit with the
    reference, maps it onto cores, counts energy, and puts all of it on one page. Writes model.safetensors, net.nir, net.onnx,
    vectors.npz, a .json per stage and report.html. Exit code 1 unless batched engine, ONNX and Lava were all exact.
    """
    from qif_deploy.api.demonstration import STAGES
    from qif_deploy.api.demonstration import demo as run_demo
    from qif_deploy.presentation.demo import demo_table

    with stages(STAGES, shown=not quiet) as report:
        outcome = run_demo(out=out, recipe=recipe, target=target, seed=seed, progress=report)
    show(outcome, lambda: demo_table(outcome, verbose=verbose), json=json, quiet=quiet)
    return HOLDS if outcome.holds else BROKEN
