"""``qif-deploy check``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qif_deploy.cli.exit_codes import BROKEN, HOLDS
from qif_deploy.cli.options import DataRoot, Json, NoSeed, Quiet, Verbose, out_option, word_option
from qif_deploy.cli.output import show
from qif_deploy.cli.values import DATA_SETS
from qif_deploy.cli.values import targets as target_names


def check(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Integer network, float network or checkpoint: .nir, .onnx or .safetensors.")
    ],
    target: Annotated[
        str | None,
        word_option(
            "--target", target_names, "Also hold it against this target: number format, and cores where it has some.", metavar="NAME|FILE"
        ),
    ] = None,
    data: Annotated[
        str | None,
        word_option(
            "--data",
            DATA_SETS,
            "Also run on this data set, or .npy/.npz of codes: how far beyond it the proof reaches.",
            metavar="NAME|FILE",
        ),
    ] = None,
    data_root: DataRoot = None,
    samples: Annotated[
        int | None, typer.Option("--samples", metavar="N", min=1, help="Run only the first N samples of --data; default: 64.")
    ] = None,
    out: Annotated[Path | None, out_option("Also write the JSON object to this file (.json).")] = None,
    seed: NoSeed = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Prove the range of every quantity, and list every finding.

    Nothing is run unless --data asks for it, and nothing is written without --out. The verdict is ok or warn (exit code 0) or fail (1);
    a float network is quantised for the proof, to --target or loihi2.
    """
    from qif_deploy.api.check import check as run_check
    from qif_deploy.api.files import write_json
    from qif_deploy.presentation.check import check_table

    outcome = run_check(file, target=target, data=data, data_root=data_root, samples=samples)
    if out is not None:
        write_json(out, outcome.as_json())
    show(outcome, lambda: check_table(outcome, verbose=verbose), json=json, quiet=quiet)
    return BROKEN if outcome.verdict == "fail" else HOLDS
