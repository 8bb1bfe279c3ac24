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
    """First element that differs: array, index ``(time, batch, ...)`` and both values; for the readout ``(batch, class)``.

    Populations are looked through in topological order, within one the steps, within a step ``i``, ``u``, ``s``: so it is where the
    difference begins.
    """

    array: str
    index: tuple[int, ...]
    expected: int | None
    found: int | None
    reason: str

    @property
    def bits(self) -> tuple[int, ...]:
        """Positions of the bits that differ in two's complement, 0 the lowest; of 64, or of 32 where both values fit."""
        if self.expected is None or self.found is None:
            return ()
        width = 32 if all(-(2**31) <= value < 2**31 for value in (self.expected, self.found)) else 64
        differ = (self.expected ^ self.found) & ((1 << width) - 1)
        return tuple(n for n in range(width) if differ >> n & 1)

    def as_json(self) -> dict[str, Any]:
        """Return plain values, with the index taken apart."""
        owner, _, quantity = self.array.rpartition("/")
        inside = bool(self.index)
        timed = inside and bool(owner)
        return {
            "array": self.array,
            "index": list(self.index),
            "population": owner or None,
            "quantity": quantity,
            "step": self.index[0] if timed else None,
            "sample": self.index[1 if timed else 0] if inside else None,
            "neuron": list(self.index[2 if timed else 1 :]) if inside else None,
            "expected": self.expected,
            "found": self.found,
            "bits": list(self.bits),
            "reason": self.reason,
        }


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
        mismatch = None if self.first_mismatch is None else self.first_mismatch.as_json()
        found = {"exact": self.exact, "samples": self.samples, "arrays": self.arrays, "spikes": self.spikes, "first_mismatch": mismatch}
        return found if self.reason is None else found | {"reason": self.reason}


def compare_traces(reference: Trace, other: Trace) -> Comparison:
    """Compare everything that ``other`` computed with ``reference``: names, shapes, dtypes' values, every element."""
    expected, found = dict(reference.computed()), dict(other.computed())
    spikes = reference.spikes()
    counts: Any = {"samples": reference.samples, "arrays": len(expected), "spikes": sum(spikes.values())}  # Any: splatted below
    owners: dict[str, list[Mismatch]] = {}
    for name in [*expected, *(n for n in found if n not in expected)]:
        mismatch = _first_mismatch(name, expected.get(name), found.get(name))
        if mismatch is not None:
            owners.setdefault(name.rpartition("/")[0], []).append(mismatch)
    for mismatches in owners.values():
        # Where shapes disagree there is no time to go by; min keeps i before u before s within a step.
        return Comparison(exact=False, first_mismatch=min(mismatches, key=lambda m: m.index[:1]), **counts)
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
