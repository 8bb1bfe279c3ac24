"""The description in the header of a checkpoint: recipe, input and metrics as JSON, readable without torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from qif_deploy.errors import InputError

FORMAT = "qif_deploy.checkpoint.1"
"""Value of ``format`` in the description; another layout gets another number."""

KEY = "qif_deploy"
"""Key of the file's metadata that holds the description as JSON: ``format``, ``recipe``, ``input``, ``metrics``."""


def damaged(path: Path, reason: str) -> InputError:
    """Return the error of a file that is no checkpoint of ours."""
    return InputError(f"checkpoint {str(path)!r} is damaged or no checkpoint of qif-deploy ({reason}); write it with `qif-deploy train`")


def description(path: Path, data: bytes) -> dict[str, Any]:
    """Read the JSON header: 8 bytes of length, little endian, then the header, ``__metadata__`` among its keys."""
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > len(data) - 8:
        raise damaged(path, "its header is cut off")
    try:
        metadata = json.loads(data[8 : 8 + length]).get("__metadata__", {})
        if KEY not in metadata:
            raise damaged(path, f"its metadata lack {KEY!r}")
        parts = json.loads(metadata[KEY])
        found = parts.get("format")
    except InputError:
        raise
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise damaged(path, f"unreadable metadata, {type(error).__name__}") from None
    if found != FORMAT:
        raise damaged(path, f"format {str(found)[:40]!r} instead of {FORMAT!r}")
    for key in ("recipe", "input", "metrics"):
        if not isinstance(parts.get(key), dict):
            raise damaged(path, f"its metadata lack the table {key!r}")
    return dict(parts)


def read_description(path: Path) -> dict[str, Any]:
    """Read the description alone; weights stay on the disk.

    Raises:
        InputError: missing, damaged, or no checkpoint of ours.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(8)
            length = int.from_bytes(head, "little")
            if length > path.stat().st_size - 8:
                raise damaged(path, "its header is cut off")
            return description(path, head + stream.read(length))
    except OSError as error:
        raise InputError(f"checkpoint {str(path)!r} cannot be read: {error.strerror}; check the path") from None
