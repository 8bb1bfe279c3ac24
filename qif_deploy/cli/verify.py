"""``qif-deploy verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qif_deploy.cli.exit_codes import BROKEN, HOLDS
from qif_deploy.cli.options import (
    Data,
    DataRoot,
    EngineDevice,
    Json,
    Network,
    NoSeed,
    Quiet,
    TimeLimit,
    Verbose,
    listed,
    out_option,
    word_option,
)
from qif_deploy.cli.output import show, stages
from qif_deploy.cli.values import COMPARED


def verify(
    network: Network,
    data: Data = None,
    data_root: DataRoot = None,
    input: Annotated[
        Path | None, typer.Option("--input", metavar="FILE", help="Integer codes (.npy, .npz) to verify on, instead of a data set.")
    ] = None,
    samples: Annotated[
        int | None, typer.Option("--samples", metavar="N", min=1, help='Only the first N samples; 32 are the least for "exact".')
    ] = 64,
    backend: Annotated[list[str] | None, word_option("--backend", COMPARED, f"Only this backend: {listed(COMPARED)}; may repeat.")] = None,
    file: Annotated[
        list[Path] | None,
        typer.Option(
            "--file",
            metavar="FILE",
            help="An exported .onnx or .nir of NET, or vectors .npz of a run; may repeat. No backend runs then but by --backend.",
        ),
    ] = None,
    out: Annotated[Path | None, out_option("Result (.json); default: verify.json beside NET.")] = None,
    device: EngineDevice = None,
    time_limit: TimeLimit = None,
    seed: NoSeed = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Compare every backend with the reference, bit by bit.

    Runs them on real input and compares all states, spikes and the readout. A backend that is not installed or cannot carry the network
    is told, and does not count. Writes verify.json. Exit code 1 where one differs, fails, or saw too little, or none ran.
    """
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
    show(outcome, lambda: verify_table(outcome, verbose=verbose), json=json, quiet=quiet)
    return HOLDS if outcome.holds else BROKEN
