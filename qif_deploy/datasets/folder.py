"""Files of a data set below the data root: found, or asked for in one line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from qif_deploy.errors import InputError, raise_findings

FROM_FOLDER: Mapping[str, str] = MappingProxyType(
    {
        "cifar10": "cifar-10-batches-bin",
        "cifar100": "cifar-100-binary",
        "imagenet": "imagenet",
        "nmnist": "NMNIST",
        "cifar10-dvs": "CIFAR10DVS",
        "dvs128-gesture": "DVSGesture",
    }
)
"""Name -> its folder below the data root: as the official archive unpacks, or as tonic names it."""


def subfolder(name: str, root: Path, relative: str, *, holds: str) -> Path:
    """Return ``root / relative``.

    Args:
        name: of the data set, for the message.
        root: the data root.
        relative: the folder wanted, below the root.
        holds: what is expected in it, for the message.

    Raises:
        InputError: no such folder.
    """
    found = root / relative
    if not found.is_dir():
        raise InputError(f"data set {name!r}: folder {str(found)!r} is missing; unpack the data there so that it holds {holds}")
    return found


def classes_in(name: str, folder: Path, classes: tuple[str, ...]) -> tuple[Path, ...]:
    """Return one subfolder per class.

    Raises:
        InputError: names all that are missing.
    """
    missing = [label for label in classes if not (folder / label).is_dir()]
    if missing:
        raise InputError(f"data set {name!r}: {str(folder)!r} lacks the folders {missing}; there must be one per class")
    return tuple(folder / label for label in classes)


def read_records(name: str, file: Path, *, size: int) -> bytes:
    """Return a file that consists of whole records of ``size`` bytes, at least one.

    Raises:
        InputError: the file is missing, unreadable, empty or cut off.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise InputError(f"data set {name!r}: file {str(file)!r} cannot be read: {error.strerror}; unpack the archive again") from None
    findings = []
    if not content:
        findings.append(f"data set {name!r}: file {str(file)!r} is empty; unpack the archive again")
    elif len(content) % size:
        whole = f"{len(content)} bytes are no whole number of {size}-byte records"
        findings.append(f"data set {name!r}: file {str(file)!r} is cut off: {whole}; unpack the archive again")
    raise_findings(InputError, findings)
    return content
