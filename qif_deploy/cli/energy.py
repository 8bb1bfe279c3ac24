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
    prices: Annotated[str, typer.Option("--prices", help="Price list by name, or the path of a .toml file.")] = "loihi1-fitted",
    placement: Annotated[Path | None, typer.Option("--placement", help="placement.json of this network, as `map` writes it.")] = None,
    cores: Annotated[int | None, typer.Option("--cores", min=1, help="Cores in use, for static power.")] = None,
    chips: Annotated[int | None, typer.Option("--chips", min=1, help="Chips in use; default: 1 where --cores is given.")] = None,
    step_us: Annotated[float | None, typer.Option("--step-us", help="Measured time of one step in microseconds.")] = None,
    lif: Annotated[Path | None, typer.Option("--lif", help="A trained LIF network, run on the same input for the LIF twin.")] = None,
    out: Annotated[Path | None, out_option("Result; default: energy.json beside the network.")] = None,
    seed: NoSeed = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Count operations from real spikes and price them: low, typical and high, every constant with its source."""
    from qif_deploy.api.energy import energy as run_energy
    from qif_deploy.api.energy import stated_deployment
    from qif_deploy.presentation.energy import energy_table

    outcome = run_energy(
        network,
        input=input,
        data=data,
        data_root=data_root,
        samples=samples,
        prices=prices,
        deployment=stated_deployment(cores=cores, chips=chips, step_us=step_us),
        placement=placement,
        lif=lif,
        out=out,
    )
    show(outcome, lambda: energy_table(outcome), json=json, quiet=quiet)
    return HOLDS
