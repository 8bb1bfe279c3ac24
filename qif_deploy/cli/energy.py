"""``qif-deploy energy``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qif_deploy.cli.exit_codes import HOLDS
from qif_deploy.cli.options import Data, DataRoot, Json, Network, NoSeed, Quiet, Samples, Verbose, out_option
from qif_deploy.cli.output import show


def energy(
    network: Network,
    input: Annotated[Path | None, typer.Option("--input", help="Integer codes to count on, instead of a data set.")] = None,
    data: Data = None,
    data_root: DataRoot = None,
    samples: Samples = None,
    prices: Annotated[str, typer.Option("--prices", help="Price list by name, or the path of a .toml file.")] = "loihi1",
    out: Annotated[Path | None, out_option("Result; default: energy.json beside the network.")] = None,
    seed: NoSeed = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Count operations from real spikes and price them: low, typical and high, every constant with its source."""
    from qif_deploy.api.energy import energy as run_energy
    from qif_deploy.presentation.energy import energy_table

    outcome = run_energy(network, input=input, data=data, data_root=data_root, samples=samples, prices=prices, out=out)
    show(outcome, lambda: energy_table(outcome), json=json, quiet=quiet)
    return HOLDS
