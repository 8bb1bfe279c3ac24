"""The files of other frameworks as ``make_files.py`` wrote them, or a folder of freshly made ones in ``QIF_PEER_FILES``."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np

FOLDER = Path(os.environ.get("QIF_PEER_FILES", Path(__file__).parent / "files"))


def unpacked(name: str, folder: Path) -> Path:
    """The NIR file of a case, unpacked into ``folder``."""
    path = folder / f"{name}.nir"
    path.write_bytes(gzip.decompress((FOLDER / f"{name}.nir.gz").read_bytes()))
    return path


def codes(name: str) -> np.ndarray:
    """Input codes ``(time, batch, ...)``."""
    with np.load(FOLDER / f"{name}.npz") as arrays:
        return arrays["input"].astype(np.int64)


def spikes(name: str) -> list[np.ndarray]:
    """What each neuron layer of the framework gave out, ``(time, batch, ...)``."""
    with np.load(FOLDER / f"{name}.npz") as arrays:
        return [arrays[key] for key in sorted(arrays) if key.startswith("spikes.")]


__all__ = ["FOLDER", "codes", "spikes", "unpacked"]
