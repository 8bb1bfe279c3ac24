"""A hash in front of an HDF5 file, in the user block that the format leaves to others: HDF5 readers skip it.

A damaged HDF5 file can keep the library busy for ever, so a file is opened only when its hash fits. This is no protection against a
file that was made to do harm; what such a file may do is bounded by read.py.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from qif_deploy.errors import InputError

BLOCK = 512
"""Bytes of the user block, the smallest that HDF5 allows."""

MAGIC = b"qif-netx 1 sha256 "


def seal(path: Path) -> None:
    """Put the hash of everything behind the user block into it."""
    digest = _digest(path)
    with path.open("r+b") as stream:
        stream.write((MAGIC + digest.encode() + b"\n").ljust(BLOCK, b"\0"))


def require_sealed(path: Path) -> None:
    """Refuse a file without a hash, or with one that does not fit.

    Raises:
        InputError: that.
    """
    with path.open("rb") as stream:
        block = stream.read(BLOCK)
    if not block.startswith(MAGIC):
        raise InputError("it is no netx file of qif-deploy; only networks that qif-deploy wrote can be read")
    if block != (MAGIC + _digest(path).encode() + b"\n").ljust(BLOCK, b"\0"):
        raise InputError("it is truncated or was changed, its hash does not fit; export the network again")


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        stream.seek(BLOCK)
        while data := stream.read(1 << 20):
            digest.update(data)
    return digest.hexdigest()


__all__ = ["BLOCK", "require_sealed", "seal"]
