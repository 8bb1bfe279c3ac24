"""``qif-deploy run``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qif_deploy.cli.exit_codes import HOLDS
from qif_deploy.cli.options import EngineDevice, Json, NoSeed, Quiet, Steps, TimeLimit, Verbose, listed, out_option, word_option
from qif_deploy.cli.output import show, stages
from qif_deploy.cli.values import BACKENDS


def run(
    network: Annotated[Path, typer.Argument(metavar="NET", help="Integer network: net.nir, or, on the onnx backends, also net.onnx.")],
    input: Annotated[
        Path,
        typer.Option(
            "--input",
            metavar="FILE",
            help="Integer codes .npy, (time, batch, ...), or (batch, ...) held for all steps; .npz for several inputs.",
        ),
    ],
    backend: Annotated[str, word_option("--backend", BACKENDS, f"What executes it: {listed(BACKENDS)}.")] = "reference",
    out: Annotated[Path | None, out_option("States and spikes (.npz); default: vectors.npz beside NET.")] = None,
    steps: Steps = None,
    encode: Annotated[bool, typer.Option("--encode", help="The input holds floats: turn them into codes.")] = False,
    device: EngineDevice = None,
    time_limit: TimeLimit = None,
    seed: NoSeed = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Execute an integer network on one backend.

    Writes vectors.npz: input codes, and of every population currents i, potentials u and spikes s of every step, and the readout. The
    same file comes from every backend.
    """
    from qif_deploy.api.backends import Execution
    from qif_deploy.api.run import run as run_run
    from qif_deploy.presentation.run import run_table

    how = Execution(device=device, time_limit_s=time_limit)
    with stages((backend,), shown=not quiet) as report:
        outcome = run_run(
            network,
            backend=backend,
            input=input,
            out=out,
            steps=steps,
            encode=encode,
            how=how,
            progress=lambda share: report(backend, share),
        )
    show(outcome, lambda: run_table(outcome, verbose=verbose), json=json, quiet=quiet)
    return HOLDS
