"""``qif-deploy export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qif_deploy.cli.exit_codes import HOLDS
from qif_deploy.cli.options import Json, Network, NoSeed, Quiet, Verbose, out_option
from qif_deploy.cli.output import show


def export(
    network: Network,
    to: Annotated[str, typer.Option("--to", help="nir or onnx.")],
    out: Annotated[Path | None, out_option("The file; default: beside the network.")] = None,
    seed: NoSeed = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Write an interchange file; it is verified before success is reported."""
    from qif_deploy.api.export import export as run_export
    from qif_deploy.presentation.export import export_table

    outcome = run_export(network, to=to, out=out)
    show(outcome, lambda: export_table(outcome), json=json, quiet=quiet)
    return HOLDS
