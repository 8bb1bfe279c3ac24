"""``qif-deploy verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qif_deploy.cli.exit_codes import BROKEN, HOLDS
from qif_deploy.cli.options import Data, DataRoot, Json, Network, NoSeed, Quiet, Samples, Verbose, out_option
from qif_deploy.cli.output import show, stages


def verify(
    network: Network,
    data: Data = None,
    data_root: DataRoot = None,
    input: Annotated[Path | None, typer.Option("--input", help="Integer codes to verify on, instead of a data set.")] = None,
    samples: Samples = 64,
    backend: Annotated[list[str] | None, typer.Option("--backend", help="Only this backend; may be given several times.")] = None,
    file: Annotated[
        list[Path] | None,
        typer.Option("--file", help="Exported .onnx or .nir of NET, or .npz vectors of a run; may repeat. Then only --backend ones run."),
    ] = None,
    out: Annotated[Path | None, out_option("Result; default: verify.json beside the network.")] = None,
    device: Annotated[str, typer.Option("--device", help="torch device of the batched engine.")] = "cpu",
    time_limit: Annotated[float, typer.Option("--time-limit", min=1.0, help="Seconds after which the Lava run is ended.")] = 300.0,
    seed: NoSeed = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Run every backend on real input and compare all arrays with the reference, bit by bit."""
    from qif_deploy.api.backends import Execution
    from qif_deploy.api.verify import verify as run_verify
    from qif_deploy.presentation.verify import verify_table

    how = Execution(device=device, time_limit_s=time_limit)
    with stages(("verify",), shown=not quiet) as report:
        outcome = run_verify(
            network,
            data=data,
            data_root=data_root,
            input=input,
            samples=samples,
            backends=None if not backend else tuple(backend),
            files=tuple(file or ()),
            out=out,
            how=how,
            progress=lambda share: report("verify", share),
        )
    show(outcome, lambda: verify_table(outcome), json=json, quiet=quiet)
    return HOLDS if outcome.holds else BROKEN
