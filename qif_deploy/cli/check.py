"""``qif-deploy check``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qif_deploy.cli.exit_codes import BROKEN, HOLDS
from qif_deploy.cli.options import DataRoot, Json, NoSeed, Quiet, Verbose, out_option
from qif_deploy.cli.output import show


def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="net.nir, model.safetensors or net.onnx.")],
    target: Annotated[str | None, typer.Option("--target", help="Also compare with this target profile.")] = None,
    data: Annotated[
        str | None, typer.Option("--data", help="Data set by name, or a .npy/.npz of codes: report how far the proof reaches beyond it.")
    ] = None,
    data_root: DataRoot = None,
    samples: Annotated[int | None, typer.Option("--samples", min=1, help="Run only the first N samples of --data; default: 64.")] = None,
    out: Annotated[Path | None, out_option("Also write the JSON object to this file.")] = None,
    seed: NoSeed = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Prove ranges and list every finding; nothing is run unless --data asks for it."""
    from qif_deploy.api.check import check as run_check
    from qif_deploy.api.files import write_json
    from qif_deploy.presentation.check import check_table

    outcome = run_check(file, target=target, data=data, data_root=data_root, samples=samples)
    if out is not None:
        write_json(out, outcome.as_json())
    show(outcome, lambda: check_table(outcome, verbose=verbose), json=json, quiet=quiet)
    return BROKEN if outcome.verdict == "fail" else HOLDS
