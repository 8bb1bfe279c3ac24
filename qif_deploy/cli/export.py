"""``qif-deploy export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qif_deploy.cli.exit_codes import HOLDS
from qif_deploy.cli.options import Json, Network, NoSeed, Quiet, Verbose, out_option, word_option
from qif_deploy.cli.output import show
from qif_deploy.cli.values import ALL_OR_NONE, DATA_SETS, FORMATS, FORMS, PROFILES


def export(
    network: Network,
    to: Annotated[
        str, word_option("--to", FORMATS, "Format: nir, onnx, netx (lava-dl), or loihi2-bundle (a folder for owners of the chip).")
    ],
    out: Annotated[
        Path | None,
        out_option(
            "The file (.nir, .onnx, .net) or new folder; default: NET with the format's ending, so needed from .nir to nir.",
            metavar="FILE|FOLDER",
        ),
    ] = None,
    profile: Annotated[str | None, word_option("--profile", PROFILES, "ONNX: exact (default), float, or qdq, an approximation.")] = None,
    form: Annotated[
        str | None, word_option("--form", FORMS, "ONNX: sequence (default), a loop over time; or step, with states in and out.")
    ] = None,
    states: Annotated[
        list[str] | None,
        word_option("--states", ALL_OR_NONE, "ONNX: populations whose i, u and s are outputs: all (default), none, or a name; may repeat."),
    ] = None,
    inline: Annotated[bool, typer.Option("--inline", help="ONNX: no local function, for runtimes such as OpenVINO.")] = False,
    data: Annotated[
        str | None,
        word_option(
            "--data",
            DATA_SETS,
            "ONNX: data set (its test part), or a .npy/.npz of codes, to verify on; default: the set it was trained on.",
            metavar="NAME|FILE",
        ),
    ] = None,
    data_root: Annotated[
        Path | None,
        typer.Option("--data-root", metavar="FOLDER", help="ONNX: folder of data sets which no package carries, e.g. CIFAR-10."),
    ] = None,
    input: Annotated[
        Path | None,
        typer.Option("--input", metavar="FILE", help="loihi2-bundle: integer codes for its golden vectors, instead of drawn ones."),
    ] = None,
    seed: NoSeed = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Write an interchange file, verified before success is told.

    The written file is read back or run against the reference, an ONNX file also on real data where there are some; nothing stays where
    it differs. What the format cannot carry exactly is listed, with -v every field.
    """
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
    show(outcome, lambda: export_table(outcome, verbose=verbose), json=json, quiet=quiet)
    return HOLDS
