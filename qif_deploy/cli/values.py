"""The words that options take, and their completion by the shell.

They are written out because help and completion must not wait for NumPy; a test holds each list against the code that
takes the word. Packaged files are listed by their folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path

BACKENDS = ("reference", "batched", "onnx", "onnx-reference", "nir", "lava")
COMPARED = BACKENDS[1:]
FORMATS = ("nir", "onnx", "netx", "loihi2-bundle")
PROFILES = ("exact", "float", "qdq")
FORMS = ("sequence", "step")
ALL_OR_NONE = ("all", "none")
SCALES = ("max", "percentile", "mse")
CONVENTIONS = ("nir", "snntorch", "norse", "sinabs", "spikingjelly", "rockpool")
RESETS = ("hard", "subtract")
COMPARISONS = (">=", ">")
READOUTS = ("sum", "last")
OBJECTIVES = ("time", "cores")
ACCELERATORS = ("auto", "cpu", "gpu")
FIGURES = ("png", "svg")
DEVICES = ("cpu", "cuda")
DATA_SETS = ("cifar10", "cifar10-dvs", "cifar100", "digits", "dvs128-gesture", "imagenet", "mnist5k", "mnist5k-saccade", "nmnist")


def recipes() -> tuple[str, ...]:
    """Return the names of the packaged recipes."""
    return _packaged("qif_deploy", "training/recipes")


def targets() -> tuple[str, ...]:
    """Return the names of the packaged target profiles."""
    return _packaged("qif_hardware", "targets")


def price_lists() -> tuple[str, ...]:
    """Return the names of the packaged price lists."""
    return _packaged("qif_deploy", "pricing/prices")


def completer(words: Iterable[str] | Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """Return what Typer calls with the beginning of a word; where nothing begins so, the shell completes file names."""

    def complete(incomplete: str) -> list[str]:
        known = words() if callable(words) else words
        return [word for word in known if word.startswith(incomplete)]

    return complete


def _packaged(package: str, folder: str) -> tuple[str, ...]:
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return tuple(sorted(path.stem for path in Path(spec.origin).parent.joinpath(folder).glob("*.toml")))
