"""An exported file against what the exporter writes of the same network: the first stored value that differs, to the bit.

A run alone cannot promise to find a changed weight: the inputs may never reach it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDifference:
    """First difference in name order: an entry of the file, the index in it, both values, and the bits that differ in its type.

    ``index`` is empty where the entry as a whole differs, as ``reason`` says. ``count`` is how many values of the entry differ.
    """

    entry: str
    index: tuple[int, ...]
    expected: int | float | str | None
    found: int | float | str | None
    bits: tuple[int, ...]
    count: int
    reason: str

    @property
    def numeric(self) -> bool:
        """Whether a stored number differs, or is missing; a text or an operator may be put in other words."""
        return bool(self.bits) or self.reason != TEXT

    def as_json(self) -> dict[str, Any]:
        """Return plain values; what is not finite is told as text, since JSON has no such numbers."""
        return {
            "entry": self.entry,
            "index": list(self.index),
            "expected": _plain(self.expected),
            "found": _plain(self.found),
            "bits": list(self.bits),
            "count": self.count,
            "reason": self.reason,
        }


TEXT = "another text"
"""Reason of a difference that is no number."""

Entries = Mapping[str, Any]
"""Entry name -> array, or whatever else can be compared and printed."""


def first_difference(expected: Entries, found: Entries) -> StoredDifference | None:
    """Return the first entry that is missing, unexpected, of another type or shape, or holds another value; numbers before texts."""
    text: StoredDifference | None = None
    for name in sorted({*expected, *found}):
        if name not in found or name not in expected:
            return _whole(name, "missing" if name not in found else "unexpected")
        a, b = np.asarray(expected[name]), np.asarray(found[name])
        if a.dtype.kind in "biuf" and (a.dtype != b.dtype or a.shape != b.shape):
            return _whole(name, f"{b.dtype} of shape {b.shape} where {a.dtype} of shape {a.shape} is expected")
        if a.dtype.kind in "biuf":
            difference = _numeric(name, a, b)
            if difference is not None:
                return difference
        elif text is None and a.tolist() != b.tolist():
            text = StoredDifference(
                entry=name, index=(), expected=_short(a), found=_short(b), bits=(), count=1, reason=TEXT
            )  # fmt: skip
    return text


def _numeric(name: str, a: NDArray[Any], b: NDArray[Any]) -> StoredDifference | None:
    """Compare the stored bits, so that -0.0 is not 0.0 and a NaN is itself."""
    raw = np.dtype(f"u{a.dtype.itemsize}")
    left, right = np.atleast_1d(np.ascontiguousarray(a)).view(raw), np.atleast_1d(np.ascontiguousarray(b)).view(raw)
    differ = left != right
    if not differ.any():
        return None
    index = tuple(int(n) for n in np.argwhere(differ)[0])
    changed = int(left[index]) ^ int(right[index])
    return StoredDifference(
        entry=name,
        index=index if a.shape else (),
        expected=np.atleast_1d(a)[index].item(),
        found=np.atleast_1d(b)[index].item(),
        bits=tuple(n for n in range(8 * raw.itemsize) if changed >> n & 1),
        count=int(differ.sum()),
        reason="values differ",
    )


def _whole(name: str, reason: str) -> StoredDifference:
    return StoredDifference(entry=name, index=(), expected=None, found=None, bits=(), count=1, reason=reason)


def _short(value: NDArray[Any]) -> str:
    text = str(value.tolist())
    return text if len(text) <= 80 else text[:77] + "..."


def _plain(value: int | float | str | None) -> int | float | str | None:
    return str(value) if isinstance(value, float) and not np.isfinite(value) else value


__all__ = ["Entries", "StoredDifference", "first_difference"]
