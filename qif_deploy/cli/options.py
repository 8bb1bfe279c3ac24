"""The options that several verbs share, so that each has one name and one help text."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from qif_deploy.cli.values import DATA_SETS, DEVICES, completer, targets


def out_option(help_text: str, *, metavar: str = "FILE") -> Any:
    """The ``--out`` option of a verb, with its own default told in the help."""
    return typer.Option("--out", "-o", metavar=metavar, help=help_text)


def word_option(flag: str, words: Iterable[str] | Callable[[], Iterable[str]], help_text: str, *, metavar: str = "NAME") -> Any:
    """An option that takes a word, completed by the shell."""
    return typer.Option(flag, metavar=metavar, help=help_text, autocompletion=completer(words))


def listed(words: tuple[str, ...]) -> str:
    """Return words as a help text lists them: "max, percentile or mse"."""
    return f"{', '.join(words[:-1])} or {words[-1]}"


Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout; text for people then goes to stderr.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No table and no progress; errors and the JSON object stay.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="More detail; where a backend breaks, also its own traceback.")]
Seed = Annotated[int | None, typer.Option("--seed", metavar="N", min=0, max=2**31 - 1, help="Seed; default: the recipe's.")]
NoSeed = Annotated[
    int | None, typer.Option("--seed", metavar="N", min=0, max=2**31 - 1, help="Taken by every verb; nothing here is random.")
]
Network = Annotated[Path, typer.Argument(metavar="NET", help="Integer network: net.nir, or a net.onnx exported from one.")]
Model = Annotated[
    Path, typer.Argument(metavar="MODEL", help="Float network: checkpoint (model.safetensors), NIR (.nir) of any tool, or ONNX (.onnx).")
]
Steps = Annotated[
    int | None, typer.Option("--steps", metavar="T", min=1, help="Time steps; default: what the network was trained or converted for.")
]
Samples = Annotated[int | None, typer.Option("--samples", metavar="N", min=1, help="Only the first N samples; default: all.")]
Data = Annotated[
    str | None,
    word_option(
        "--data", DATA_SETS, "Data set (its test part), or a .npy/.npz of codes; default: the set it was trained on.", metavar="NAME|FILE"
    ),
]
DataRoot = Annotated[
    Path | None,
    typer.Option(
        "--data-root", metavar="FOLDER", help="Folder that holds the folders of data sets which no package carries, e.g. CIFAR-10."
    ),
]
Device = Annotated[str, word_option("--device", DEVICES, "torch device of the batched engine: cpu, cuda or cuda:1.")]
EngineDevice = Annotated[
    str | None, word_option("--device", DEVICES, "torch device of the backend batched: cpu, cuda or cuda:1; default: cpu.")
]
TimeLimit = Annotated[
    float | None,
    typer.Option("--time-limit", metavar="SECONDS", min=1.0, help="When a run of the backend lava is ended; default: 300."),
]
TargetName = Annotated[
    str, word_option("--target", targets, "Target profile: a name that `qif-deploy targets` lists, or a .toml file.", metavar="NAME|FILE")
]
