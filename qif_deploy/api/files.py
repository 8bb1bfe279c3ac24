"""Where results go: asked before any work is done, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from qif_deploy.atomic import require_writable, write_text
from qif_deploy.errors import InputError


def destination(out: Path | None, *, default: Path, reads: Iterable[Path | None] = ()) -> Path:
    """Return where to write: ``out``, or ``default``; asked before any work, so that no result is computed for nothing.

    Args:
        out: where the caller wants it.
        default: where it goes otherwise; its suffix is that of the kind of file.
        reads: files of that kind which the verb reads and must not replace; None for one that was not given.

    Raises:
        InputError: nothing can be written there, the file would not be of the kind that ``default`` names, or it is one that is read.
    """
    path = default if out is None else Path(out)
    if path.suffix != default.suffix:
        raise InputError(
            f"output {str(path)!r} does not end in {default.suffix}, and a {default.suffix} file is what is written; name it so"
        )
    require_writable(path)
    keep(path, *reads)
    return path


def keep(path: Path, *reads: Path | None) -> None:
    """Refuse to write over what was read.

    Raises:
        InputError: ``path`` is one of the files ``reads``.
    """
    for read in reads:
        if read is not None and path.exists() and Path(read).exists() and path.samefile(read):
            raise InputError(f"output {str(path)!r} is the file that is read, which would be lost; name another with --out")


def make_folder(path: Path, *, option: str = "--out") -> Path:
    """Make a folder for results, that ``option`` of the verb names."""
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make folder {str(path)!r}: {error.strerror}; choose another {option}") from None
    return Path(path)


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write JSON atomically; not a number is not JSON, so it raises instead of writing one."""
    write_text(destination(path, default=Path("result.json")), json.dumps(value, indent=2, allow_nan=False) + "\n")
