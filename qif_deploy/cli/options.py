"""The options that several verbs share, so that each has one name and one help text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout; text for people goes to stderr.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only (and the JSON object).")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Print more detail; for a failed backend also its traceback.")]
Seed = Annotated[int | None, typer.Option("--seed", min=0, max=2**31 - 1, help="Seed, instead of the recipe's.")]
NoSeed = Annotated[int | None, typer.Option("--seed", min=0, max=2**31 - 1, help="Taken by every verb; nothing here is random.")]
Network = Annotated[Path, typer.Argument(metavar="NET", help="Integer network (net.nir).")]
Model = Annotated[Path, typer.Argument(metavar="MODEL", help="Checkpoint (model.safetensors).")]
Steps = Annotated[int | None, typer.Option("--steps", min=1, help="Time steps; default: what the model or network was made for.")]
Samples = Annotated[int | None, typer.Option("--samples", min=1, help="Use only the first N samples.")]
Data = Annotated[str | None, typer.Option("--data", help="Data set by name, or a .npy/.npz of codes; default: the network's own.")]
DataRoot = Annotated[Path | None, typer.Option("--data-root", help="Folder that holds the folders of data sets that no package carries.")]
TargetName = Annotated[str, typer.Option("--target", help="Target profile by name, or the path of a .toml file.")]


def out_option(help_text: str) -> Any:
    """The ``--out`` option of a verb, with its own default told in the help."""
    return typer.Option("--out", "-o", help=help_text)
