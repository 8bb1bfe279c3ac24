"""Comparing a backend's Trace with the reference, array by array, with ``array_equal``: the one meaning of "exact"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from qif_deploy.simulate.trace import Trace

MIN_SAMPLES = 32
"""Fewer samples of real input than this prove nothing (docs/numerics.md, section 6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """First element that differs: array, index ``(time, batch, ...)`` and both values."""

    array: str
    index: tuple[int, ...]
    expected: int | None
    found: int | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Outcome of a comparison.

    ``exact`` is True when every array is equal over at least 32 samples with spikes in every population, False when
    something differs, None when all is equal but the evidence is too thin (``reason`` says why).
    """

    exact: bool | None
    samples: int
    arrays: int
    spikes: int
    first_mismatch: Mismatch | None = None
    reason: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the keys of the ``verify`` contract."""
        m = self.first_mismatch
        mismatch = (
            None if m is None else {"array": m.array, "index": list(m.index), "expected": m.expected, "found": m.found, "reason": m.reason}
        )
        found = {"exact": self.exact, "samples": self.samples, "arrays": self.arrays, "spikes": self.spikes, "first_mismatch": mismatch}
        return found if self.reason is None else found | {"reason": self.reason}


def compare_traces(reference: Trace, other: Trace) -> Comparison:
    """Compare everything that ``other`` computed with ``reference``: names, shapes, dtypes' values, every element."""
    expected, found = dict(reference.computed()), dict(other.computed())
    spikes = reference.spikes()
    counts: Any = {"samples": reference.samples, "arrays": len(expected), "spikes": sum(spikes.values())}  # Any: splatted below
    for name in [*expected, *(n for n in found if n not in expected)]:
        mismatch = _first_mismatch(name, expected.get(name), found.get(name))
        if mismatch is not None:
            return Comparison(exact=False, first_mismatch=mismatch, **counts)
    silent = [name for name, n in spikes.items() if n == 0 and reference.populations[name].s.size]
    if reference.samples < MIN_SAMPLES:
        return Comparison(exact=None, reason=f"all arrays equal, but {reference.samples} samples are fewer than {MIN_SAMPLES}", **counts)
    if silent:
        return Comparison(exact=None, reason=f"all arrays equal, but no spike in {silent}", **counts)
    return Comparison(exact=True, **counts)


def _first_mismatch(name: str, expected: Any, found: Any) -> Mismatch | None:
    if expected is None or found is None:
        return Mismatch(array=name, index=(), expected=None, found=None, reason="missing" if found is None else "unexpected")
    if expected.shape != found.shape:
        return Mismatch(array=name, index=(), expected=None, found=None, reason=f"shape {found.shape} where {expected.shape} is expected")
    if np.array_equal(expected, found):
        return None
    index = tuple(int(n) for n in np.argwhere(expected != found)[0])
    return Mismatch(array=name, index=index, expected=int(expected[index]), found=int(found[index]), reason="values differ")
