"""``qif-deploy export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qif_deploy.cli.exit_codes import HOLDS
from qif_deploy.cli.options import Data, DataRoot, Json, Network, NoSeed, Quiet, Verbose, out_option
from qif_deploy.cli.output import show


def export(
    network: Network,
    to: Annotated[str, typer.Option("--to", help="nir, onnx, netx, or loihi2-bundle (a folder for owners of the chip).")],
    out: Annotated[Path | None, out_option("The file or folder; default: beside the network.")] = None,
    profile: Annotated[str | None, typer.Option("--profile", help="ONNX: exact (default), float, or qdq, an approximation.")] = None,
    form: Annotated[str | None, typer.Option("--form", help="ONNX: sequence (default), a loop over time; step, states in and out.")] = None,
    states: Annotated[
        list[str] | None, typer.Option("--states", help="ONNX: populations whose i, u and s are outputs; all (default), none, or names.")
    ] = None,
    inline: Annotated[bool, typer.Option("--inline", help="ONNX: no local function, for runtimes such as OpenVINO.")] = False,
    data: Data = None,
    data_root: DataRoot = None,
    input: Annotated[
        Path | None, typer.Option("--input", help="Integer codes for a bundle's golden vectors, instead of drawn ones.")
    ] = None,
    seed: NoSeed = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Write an interchange file; it is verified before success is reported."""
    from qif_deploy.api.export import OnnxChoices
    from qif_deploy.api.export import export as run_export
    from qif_deploy.presentation.export import export_table

    choices = None
    if to == "onnx" or profile or form or states or inline or data is not None or data_root is not None:
        choices = OnnxChoices(
            profile="exact" if profile is None else profile,
            form="sequence" if form is None else form,
            states=("all",) if not states else tuple(states),
            inline=inline,
            data=data,
            data_root=data_root,
        )
    outcome = run_export(network, to=to, out=out, input=input, onnx=choices)
    show(outcome, lambda: export_table(outcome), json=json, quiet=quiet)
    return HOLDS
