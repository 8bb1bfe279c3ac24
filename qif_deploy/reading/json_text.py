"""JSON as the standard has it: Python's parser also takes NaN and infinity, doubled keys, and any depth up to an error of its own."""

from __future__ import annotations

import json
import math
from typing import Any

from qif_deploy.reading.depth import require_bounded


def parse_json(text: str) -> Any:
    """Return the value of a JSON text.

    Raises:
        ValueError: malformed, not a finite number, a key that is there twice, nested too deeply, or a number too large; one line.
    """
    try:
        found = json.loads(text, parse_constant=_not_a_number, parse_float=_finite, object_pairs_hook=_unique)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} in line {error.lineno}, column {error.colno}") from None
    require_bounded(found)
    return found


def _not_a_number(word: str) -> float:
    raise ValueError(f"{word} is no JSON number")


def _finite(text: str) -> float:
    if not math.isfinite(found := float(text)):
        raise ValueError(f"number {text[:40]} is beyond float64")
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found


__all__ = ["parse_json"]
