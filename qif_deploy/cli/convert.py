"""``qif-deploy convert``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qif_deploy.cli.exit_codes import HOLDS
from qif_deploy.cli.options import Json, Model, NoSeed, Quiet, Steps, Verbose, listed, out_option, word_option
from qif_deploy.cli.output import show
from qif_deploy.cli.values import COMPARISONS, CONVENTIONS, READOUTS, RESETS


def convert(
    model: Model,
    out: Annotated[Path | None, out_option("The float graph (.nir); default: graph.nir beside the model.")] = None,
    convention: Annotated[
        str | None,
        word_option(
            "--convention",
            CONVENTIONS,
            f"Whose discrete time LIF and IF are in: {listed(CONVENTIONS)}; default: recognised by the file, and told.",
        ),
    ] = None,
    dt: Annotated[
        float | None,
        typer.Option("--dt", metavar="TIME", help="Time step, in the unit of the file's time constants; default: the convention's."),
    ] = None,
    reset: Annotated[
        str | None, word_option("--reset", RESETS, f"Reset after a spike: {listed(RESETS)}; default: the convention's.")
    ] = None,
    spike_at: Annotated[
        str | None,
        word_option(
            "--spike-at", COMPARISONS, "When u spikes at the threshold: '>=' or '>', in quotes; default: the convention's.", metavar="SIGN"
        ),
    ] = None,
    unit_gain: Annotated[
        bool,
        typer.Option(
            "--unit-gain", help="Take a neuron's input current as it is, where the file's equation scales it (by 1 - decay, or R)."
        ),
    ] = False,
    input_range: Annotated[
        str | None, typer.Option("--input-range", metavar="LOW:HIGH", help="Smallest and largest integer code of an input; default: 0:1.")
    ] = None,
    input_scale: Annotated[
        float | None, typer.Option("--input-scale", metavar="VALUE", help="What one input code is worth in the float network; default: 1.")
    ] = None,
    readout: Annotated[
        str | None,
        word_option(
            "--readout", READOUTS, f"Where the network ends without spikes, its answer: {listed(READOUTS)} of the currents; default: sum."
        ),
    ] = None,
    drop_leak: Annotated[
        bool, typer.Option("--drop-leak", help="Read a leaky integrator at the end as that readout, without its leak.")
    ] = False,
    steps: Steps = None,
    seed: NoSeed = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Turn a NIR file or a checkpoint into a float graph.

    The file may be of any tool; BatchNorm is folded. Writes one .nir file, which quantize, check and diff read; they take the source too,
    where nothing has to be said about it. What a NIR file of another tool does not say, the options from --convention to --drop-leak
    say; what was assumed is printed.
    """
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
    show(outcome, lambda: convert_table(outcome, verbose=verbose), json=json, quiet=quiet)
    return HOLDS
