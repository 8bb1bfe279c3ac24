"""``qif-deploy run``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qif_deploy.cli.exit_codes import HOLDS
from qif_deploy.cli.options import Json, NoSeed, Quiet, Steps, Verbose, out_option
from qif_deploy.cli.output import show, stages


def run(
    network: Annotated[Path, typer.Argument(metavar="NET", help="net.nir, or for --backend onnx also the exported net.onnx.")],
    input: Annotated[Path, typer.Option("--input", help="Integer codes (T,B,...), or (B,...) to hold; .npz for several inputs.")],
    backend: Annotated[str, typer.Option("--backend", help="reference, batched, onnx, onnx-reference, nir or lava.")] = "reference",
    out: Annotated[Path | None, out_option("Vectors; default: vectors.npz beside the network.")] = None,
    steps: Steps = None,
    encode: Annotated[bool, typer.Option("--encode", help="The input holds floats: turn them into codes.")] = False,
    device: Annotated[str, typer.Option("--device", help="torch device of the batched engine.")] = "cpu",
    time_limit: Annotated[float, typer.Option("--time-limit", min=1.0, help="Seconds after which a Lava run is ended.")] = 300.0,
    seed: NoSeed = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Execute an integer network and write every state of every step."""
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
    show(outcome, lambda: run_table(outcome), json=json, quiet=quiet)
    return HOLDS
