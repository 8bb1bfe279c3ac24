"""``.npy`` and ``.npz`` into arrays: never unpickled, and nothing allocated that the file does not hold. And arrays into ``.npz``."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from qif_deploy.errors import InputError
from qif_deploy.reading.limits import ALWAYS_READ_ARRAYS, MAX_ARRAYS, may_expand_to
from qif_deploy.reading.plain_file import open_plain
from qif_deploy.suggestion import missing_file

_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
"""By version; 3.0 differs by names of record fields that are not ASCII, and no record is read here."""


def read_arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    """Read ``.npy`` (under the name "") or ``.npz``, told apart by their content.

    NumPy's own reader allocates what a header claims before it looks for it, and hands out a member that is no array as bytes.

    Raises:
        InputError: missing, unreadable, or not such a file; or it claims more than it holds.
    """
    path = Path(path)
    try:
        with open_plain(path) as stream:
            size = os.fstat(stream.fileno()).st_size
            if (magic := stream.read(4)) in (b"PK\x03\x04", b"PK\x05\x06"):
                return _archive(stream, size)
            if magic != b"\x93NUM":
                raise ValueError("it begins as neither")
            stream.seek(0)
            return {"": _array(stream, size)}
    except FileNotFoundError:
        raise missing_file(path) from None
    except MemoryError:
        raise InputError(f"file {str(path)!r} holds more than fits into memory; split it into fewer samples") from None
    except Exception as error:  # damage makes zipfile, its packers and NumPy's header reader raise a dozen types
        raise InputError(
            f"file {str(path)!r} is not a readable .npy or .npz ({_first_line(error)}); write it with numpy.save or numpy.savez"
        ) from None


def write_arrays(stream: BinaryIO, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a packed ``.npz``; equal arrays give equal bytes, since no member has a date.

    NumPy's own writer leaves its archive open when the disk is full, which is then reported where nobody can catch it.

    Raises:
        OSError: the disk is full.
    """
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, values in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy")
            member.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(member, "w", force_zip64=True) as opened:
                np.lib.format.write_array(opened, np.asanyarray(values), allow_pickle=False)  # type: ignore[no-untyped-call]  # numpy's stub


def _archive(stream: BinaryIO, size: int) -> dict[str, NDArray[np.generic]]:
    allowance = may_expand_to(size, always=ALWAYS_READ_ARRAYS)
    found: dict[str, NDArray[np.generic]] = {}
    with zipfile.ZipFile(stream) as archive:
        members = archive.infolist()
        if len(members) > MAX_ARRAYS:
            raise ValueError(f"it holds {len(members)} arrays, more than {MAX_ARRAYS}")
        for member in members:
            name = member.filename.removesuffix(".npy")
            if name == member.filename:
                raise ValueError(f"its member {name[:80]!r} is no array")
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError(f"array {name[:80]!r} is packed by method {member.compress_type}, which NumPy does not write")
            if name in found:
                raise ValueError(f"it holds the array {name[:80]!r} twice")
            if member.file_size > allowance:
                raise ValueError(f"array {name[:80]!r} expands to {member.file_size} bytes, more than a file of this size may hold")
            allowance -= member.file_size
            with archive.open(member) as opened:
                found[name] = _array(opened, member.file_size)
    return found


def _array(stream: IO[bytes], size: int) -> NDArray[np.generic]:
    """Read one array out of ``size`` bytes."""
    header: Any = _HEADERS.get(np.lib.format.read_magic(stream))  # type: ignore[no-untyped-call]  # numpy's stub
    if header is None:
        raise ValueError("a version of .npy that is not read")
    shape, by_columns, dtype = header(stream)
    if dtype.hasobject:
        raise ValueError("Object arrays cannot be loaded: that would unpickle them")
    if dtype.itemsize == 0:
        raise ValueError(f"an array of empty items, {str(dtype)[:40]}")
    wanted = prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or wanted > size:
        raise ValueError(f"an array of shape {shape} and {wanted} bytes in {size} bytes")
    data = stream.read(wanted)
    if len(data) != wanted:
        raise ValueError(f"an array of {wanted} bytes ends after {len(data)}")
    values = np.frombuffer(bytearray(data), dtype) if wanted else np.empty(prod(shape), dtype)
    return values.reshape(shape, order="F" if by_columns else "C")


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:160]


__all__ = ["read_arrays", "write_arrays"]
