"""``qif-deploy map``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qif_deploy.cli.exit_codes import BROKEN, HOLDS
from qif_deploy.cli.options import Data, DataRoot, Json, Network, NoSeed, Quiet, Samples, Verbose, out_option, word_option
from qif_deploy.cli.output import show
from qif_deploy.cli.values import OBJECTIVES, targets


def map(  # noqa: A001  # the verb's name
    network: Network,
    target: Annotated[
        str, word_option("--target", targets, "Target with cores: loihi2-lava, loihi2-brief, loihi1, or a .toml file.", metavar="NAME|FILE")
    ] = "loihi2-lava",
    chips: Annotated[
        int | None,
        typer.Option("--chips", metavar="N", min=1, help="Chips there are; default: the smallest of the profile's systems that is enough."),
    ] = None,
    cores_per_chip: Annotated[
        int | None, typer.Option("--cores-per-chip", metavar="N", min=1, help="Cores of a chip, instead of the profile's.")
    ] = None,
    objective: Annotated[str, word_option("--objective", OBJECTIVES, "time: the fastest step; cores: the fewest cores.")] = "time",
    input: Annotated[
        Path | None, typer.Option("--input", metavar="FILE", help="Integer codes (.npy, .npz) to count spikes on, instead of a data set.")
    ] = None,
    data: Data = None,
    data_root: DataRoot = None,
    samples: Samples = None,
    plots: Annotated[
        Path | None, typer.Option("--plots", metavar="FOLDER", help="Also draw the core map and the traffic into this folder (SVG).")
    ] = None,
    out: Annotated[Path | None, out_option("Result (.json); default: placement.json beside NET.")] = None,
    seed: NoSeed = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Place an integer network on the cores of a target.

    Does it fit, where does it sit, how long does a step take: estimates from the profile's constants, as nothing runs on a chip. Writes
    placement.json. Exit code 1 where it does not fit. -v adds why each layer is cut so, and what would save cores.
    """
    from qif_deploy.api.map import map as run_map
    from qif_deploy.presentation.map import map_table

    outcome = run_map(
        network,
        target=target,
        chips=chips,
        cores_per_chip=cores_per_chip,
        objective=objective,
        input=input,
        data=data,
        data_root=data_root,
        samples=samples,
        out=out,
        plots=plots,
    )
    show(outcome, lambda: map_table(outcome, verbose=verbose), json=json, quiet=quiet)
    return HOLDS if outcome.fits else BROKEN
