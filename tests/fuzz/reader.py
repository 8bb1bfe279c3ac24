"""What a reader of files is to the fuzzer."""

from __future__ import annotations

import enum
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


class Structure(enum.Enum):
    """How a file is built, so that a change can be made to one of its fields instead of a byte."""

    BYTES = "bytes"
    JSON = "json"
    TOML = "toml"
    NPY = "npy"
    NPZ = "npz"
    HDF5 = "hdf5"
    PROTOBUF = "protobuf"
    SAFETENSORS = "safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A reader: ``read`` returns an object or raises one of ``qif_deploy.errors``.

    ``native`` says that a library in C or C++ parses the file: a crash of it takes the process along.
    """

    name: str
    suffix: str
    structure: Structure
    seeds: Callable[[], tuple[bytes, ...]]
    read: Callable[[Path], object]
    native: bool


def written(write: Callable[[Path], object], suffix: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"seed{suffix}"
        write(path)
        return path.read_bytes()


__all__ = ["Reader", "Structure", "written"]
