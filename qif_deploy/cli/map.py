"""``qif-deploy map``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qif_deploy.cli.exit_codes import BROKEN, HOLDS
from qif_deploy.cli.options import Data, DataRoot, Json, Network, NoSeed, Quiet, Samples, Verbose, out_option
from qif_deploy.cli.output import show


def map(  # noqa: A001  # the verb's name
    network: Network,
    target: Annotated[str, typer.Option("--target", help="Target profile with cores, by name or path of a .toml file.")] = "loihi2-lava",
    chips: Annotated[
        int | None, typer.Option("--chips", min=1, help="Chips there are; default: the smallest of the profile's systems that is enough.")
    ] = None,
    cores_per_chip: Annotated[
        int | None, typer.Option("--cores-per-chip", min=1, help="Cores of a chip, instead of the profile's.")
    ] = None,
    objective: Annotated[str, typer.Option("--objective", help="time: the fastest step; cores: the fewest cores.")] = "time",
    input: Annotated[Path | None, typer.Option("--input", help="Integer codes to count spikes on, instead of a data set.")] = None,
    data: Data = None,
    data_root: DataRoot = None,
    samples: Samples = None,
    plots: Annotated[Path | None, typer.Option("--plots", help="Also draw the core map and the traffic into this folder (SVG).")] = None,
    out: Annotated[Path | None, out_option("Result; default: placement.json beside the network.")] = None,
    seed: NoSeed = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Place the network on a target's cores: does it fit, where does it sit, how long does it take; nothing runs on a chip."""
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
