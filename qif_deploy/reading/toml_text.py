"""TOML into plain values; the one entry of the parser, which is in the standard library from Python 3.11 on."""

from __future__ import annotations

import sys
from typing import Any

from qif_deploy.reading.depth import require_bounded

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def parse_toml(text: str) -> dict[str, Any]:
    """Return the tables of a TOML text.

    Raises:
        ValueError: malformed, nested too deeply, or a number too large; one line.
    """
    try:
        found = tomllib.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except ValueError as error:  # malformed, or a number of thousands of digits
        raise ValueError((str(error).splitlines() or ["malformed"])[0][:200]) from None
    require_bounded(found)
    return found


__all__ = ["parse_toml"]
