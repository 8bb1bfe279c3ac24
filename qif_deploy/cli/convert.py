"""``qif-deploy convert``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qif_deploy.cli.exit_codes import HOLDS
from qif_deploy.cli.options import Json, Model, NoSeed, Quiet, Steps, Verbose, out_option
from qif_deploy.cli.output import show


def convert(
    model: Model,
    out: Annotated[Path | None, out_option("The float graph; default: graph.nir beside the model.")] = None,
    convention: Annotated[
        str | None,
        typer.Option(
            "--convention",
            help="Whose discrete time LIF and IF are in: nir, snntorch, norse, sinabs, spikingjelly, rockpool; default: told.",
        ),
    ] = None,
    dt: Annotated[float | None, typer.Option("--dt", help="Time step, in the unit of the file's time constants.")] = None,
    reset: Annotated[str | None, typer.Option("--reset", help="hard or subtract; default: the convention's.")] = None,
    spike_at: Annotated[str | None, typer.Option("--spike-at", help="Comparison with the threshold, '>=' or '>'.")] = None,
    unit_gain: Annotated[bool, typer.Option("--unit-gain", help="Take input currents as they are, not scaled by the neuron.")] = False,
    input_range: Annotated[str, typer.Option("--input-range", metavar="LOW:HIGH", help="Integer codes of the inputs.")] = "0:1",
    input_scale: Annotated[float, typer.Option("--input-scale", help="Value of one input code.")] = 1.0,
    readout: Annotated[str, typer.Option("--readout", help="sum or last of the currents, where the network ends without spikes.")] = "sum",
    drop_leak: Annotated[bool, typer.Option("--drop-leak", help="Read a leaky integrator at the end as that readout.")] = False,
    steps: Steps = None,
    seed: NoSeed = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Turn a checkpoint, or a NIR file of any tool, into a float graph."""
    from qif_deploy.api.convert import convert as run_convert
    from qif_deploy.api.convert import foreign_model
    from qif_deploy.presentation.convert import convert_table

    how = foreign_model(
        convention=convention,
        dt=dt,
        reset=reset,
        spike_at=spike_at,
        unit_gain=unit_gain,
        input_range=input_range,
        input_scale=input_scale,
        readout=readout,
        drop_leak=drop_leak,
    )
    outcome = run_convert(model, out=out, how=how, steps=steps)
    show(outcome, lambda: convert_table(outcome), json=json, quiet=quiet)
    return HOLDS
