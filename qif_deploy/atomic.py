"""Files and folders that appear whole or not at all, whatever ends the process that writes them.

What is written lies beside its place under a name of its own, ``.NAME.<random>``, with the rights that the umask leaves, until it is
complete and on the disk; then one rename puts it there. A process that is killed leaves such a hidden file, which the next write of the
same name removes once it is a day old.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from qif_deploy.errors import InputError

STALE_S = 86_400.0
"""Age of a hidden file that nobody writes any more; no write of this project takes a day."""

TOKEN = 8
"""Random bytes of a temporary name, so that any number of commands may write the same file at once."""


def require_writable(path: Path) -> None:
    """Say before any work is done what would keep ``path`` from being written at its end.

    Raises:
        InputError: it is a folder, or its folder does not exist or is not writable.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"cannot write {str(path)!r}: it is a folder; name a file in it with --out")
    if not path.parent.is_dir():
        raise InputError(f"cannot write {str(path)!r}: folder {str(path.parent)!r} does not exist; make it or choose another --out")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise InputError(f"cannot write {str(path)!r}: folder {str(path.parent)!r} is not writable; choose another --out")


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` on success, remove it on any failure.

    Raises:
        InputError: the folder does not exist, is not writable, or the disk is full.
    """
    path = Path(path)
    require_writable(path)
    _sweep(path)
    temporary = _temporary(path)
    with _refusals(path):
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))  # less what the umask takes
        try:
            yield temporary
            _to_disk(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder beside ``path`` for files that belong together; what is left in it at the end is removed.

    The body moves its files, or the folder, to their places when all of them are complete (``publish``).

    Raises:
        InputError: nothing can be written there.
    """
    path = Path(path)
    _sweep(path)
    folder = _temporary(path)
    with _refusals(path):
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def publish(made: Path, path: Path) -> None:
    """Put a file or folder that is complete in its place, in one step.

    Raises:
        OSError: it cannot be.
    """
    for file in sorted(made.rglob("*")) if made.is_dir() else [made]:
        if file.is_file():
            _to_disk(file)
    made.replace(path)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _temporary(path: Path) -> Path:
    return path.parent / f".{path.name}.{secrets.token_hex(TOKEN)}{path.suffix}"


def _to_disk(file: Path) -> None:
    """Without this a power cut may leave the new name and none of its content."""
    opened = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _sweep(path: Path) -> None:
    """Remove what killed processes left of earlier writes of ``path``; whatever hinders it hinders no write."""
    start, length = f".{path.name}.", len(_temporary(path).name)
    with suppress(OSError):
        for entry in os.scandir(path.parent):
            if not (entry.name.startswith(start) and len(entry.name) == length):
                continue
            with suppress(OSError):
                if time.time() - entry.stat(follow_symlinks=False).st_mtime > STALE_S:
                    shutil.rmtree(entry.path) if entry.is_dir(follow_symlinks=False) else Path(entry.path).unlink()


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"cannot write {str(path)!r}: {error.strerror or error}; free space or choose another --out") from None


__all__ = ["STALE_S", "atomic_folder", "atomic_path", "publish", "require_writable", "write_text"]
