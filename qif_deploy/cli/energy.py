"""``qif-deploy energy``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qif_deploy.cli.exit_codes import HOLDS
from qif_deploy.cli.options import Data, DataRoot, Json, Network, NoSeed, Quiet, Samples, Verbose, out_option, word_option
from qif_deploy.cli.output import show
from qif_deploy.cli.values import price_lists


def energy(
    network: Network,
    input: Annotated[
        Path | None, typer.Option("--input", metavar="FILE", help="Integer codes (.npy, .npz) to count on, instead of a data set.")
    ] = None,
    data: Data = None,
    data_root: DataRoot = None,
    samples: Samples = None,
    prices: Annotated[
        str,
        word_option("--prices", price_lists, "Price list: a name that `qif-deploy targets` lists, or a .toml file.", metavar="NAME|FILE"),
    ] = "loihi1-fitted",
    placement: Annotated[
        Path | None, typer.Option("--placement", metavar="FILE", help="placement.json of this network, as `qif-deploy map` writes it.")
    ] = None,
    cores: Annotated[
        int | None, typer.Option("--cores", metavar="N", min=1, help="Cores in use, for static power; default: --placement's.")
    ] = None,
    chips: Annotated[
        int | None, typer.Option("--chips", metavar="N", min=1, help="Chips in use; default: --placement's, else 1 where --cores is given.")
    ] = None,
    step_us: Annotated[float | None, typer.Option("--step-us", metavar="US", help="Measured time of one step, in microseconds.")] = None,
    lif: Annotated[
        Path | None, typer.Option("--lif", metavar="FILE", help="Integer LIF network (.nir) to run on the same input as the LIF twin.")
    ] = None,
    out: Annotated[Path | None, out_option("Result (.json); default: energy.json beside NET.")] = None,
    seed: NoSeed = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Estimate energy from real spikes, as low, typical and high.

    Runs the network on data, counts operations, and prices them beside other estimators and beside twins (LIF, non-spiking networks).
    What has no price is listed, and the sum is then "at least". -v prints every constant with its source. Writes energy.json.
    """
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
        deployment=stated_deployment(cores=cores, chips=chips, step_us=step_us, placed=placement is not None),
        placement=placement,
        lif=lif,
        out=out,
    )
    show(outcome, lambda: energy_table(outcome, verbose=verbose), json=json, quiet=quiet)
    return HOLDS
