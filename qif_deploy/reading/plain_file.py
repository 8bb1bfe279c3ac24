"""A plain file, opened: no folder, no pipe, no device, so that reading it ends; and no more of it than a limit."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO


def open_plain(path: Path) -> BinaryIO:
    """Open ``path`` for reading bytes.

    Raises:
        OSError: it does not exist, cannot be opened, or is no plain file; ``strerror`` says so in words.
    """
    opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe without a writer would block here for ever
    try:
        mode = os.fstat(opened).st_mode
        if not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "a pipe or device"
            raise OSError(errno.EINVAL, f"it is {kind}, not a plain file", str(path))
        return os.fdopen(opened, "rb")
    except BaseException:
        os.close(opened)
        raise


def read_plain(path: Path, *, most: int) -> bytes:
    """Return the content of a plain file of at most ``most`` bytes.

    Raises:
        OSError: as of ``open_plain``, or the file is larger.
    """
    with open_plain(path) as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it is larger than the {most} bytes that are read", str(path))
    return content


def read_text(path: Path, *, most: int) -> str:
    """Return the content of a plain UTF-8 file of at most ``most`` bytes.

    Raises:
        OSError: as of ``read_plain``.
        UnicodeDecodeError: it is not UTF-8.
    """
    return read_plain(path, most=most).decode("utf-8")


__all__ = ["open_plain", "read_plain", "read_text"]
