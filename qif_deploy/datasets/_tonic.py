"""The one entry of tonic (>= 1.6): its readers of event files.

Its data set classes are not used: their constructors download what they do not find.
"""

from __future__ import annotations

import io
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qif_deploy.errors import InputError, MissingDependencyError

_NMNIST_EVENT = np.dtype([("x", np.int64), ("y", np.int64), ("t", np.int64), ("p", np.int64)])


def nmnist_columns(content: bytes) -> NDArray[Any]:
    """Return the events of an N-MNIST file, 40 bits each, as a structured array of ``x``, ``y``, ``t`` (us) and ``p``.

    Raises:
        MissingDependencyError: tonic is not installed.
    """
    found: NDArray[Any] = _io("N-MNIST").read_mnist_file(io.BytesIO(content), _NMNIST_EVENT, is_stream=True)
    return found


def aedat2_columns(file: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return addresses and times (us) of an AEDAT 2.0 file.

    tonic's own ``read_dvs_128`` unpacks two of the three values of its header reader and fails (its issue 302), and that reader
    leaves the file open when it meets a date that it does not expect; so the header, lines that begin with '#', is skipped here.

    Raises:
        InputError: another format, or cut off.
        MissingDependencyError: tonic is not installed.
    """
    reader = _io("CIFAR10-DVS")
    try:
        with file.open("rb") as opened:
            magic, start = opened.read(12), 0
            opened.seek(0)
            while (line := opened.readline()).startswith(b"#"):
                start += len(line)
    except OSError as error:
        raise InputError(f"event file {str(file)!r} cannot be read: {error.strerror}; unpack the archive again") from None
    if magic != b"#!AER-DAT2.0":
        raise InputError(f"event file {str(file)!r} does not begin with '#!AER-DAT2.0'; give the .aedat file of the original data set")
    size = file.stat().st_size - start
    if size % 8:
        raise InputError(f"event file {str(file)!r} is cut off: {size} bytes of events are no whole number of 8; unpack the archive again")
    events = reader.get_aer_events_from_file(str(file), 2.0, start)
    return events["address"].astype(np.int64), events["timeStamp"].astype(np.int64)


def _io(what: str) -> ModuleType:
    try:
        import tonic.io
    except ImportError:
        raise MissingDependencyError(f"reading {what} needs tonic; install it with: pip install 'qif-deploy[data]'") from None
    module: ModuleType = tonic.io
    return module
