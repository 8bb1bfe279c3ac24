"""What came of one network on one way, and the difference between two sets of arrays."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Verdict(enum.Enum):
    """EQUAL: every array. DIFFERS: some array. REFUSED: by a limit that is named. BROKE: an error where none should be.

    HUNG and DIED are what the watchdog sees of the process.
    """

    EQUAL = "equal"
    DIFFERS = "differs"
    REFUSED = "refused"
    BROKE = "broke"
    HUNG = "hung"
    DIED = "died"


BAD = (Verdict.DIFFERS, Verdict.BROKE, Verdict.HUNG, Verdict.DIED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One network on one way; ``reason`` says what is wrong, or which limit refuses it."""

    number: int
    way: str
    verdict: Verdict
    arrays: int = 0
    spikes: int = 0
    seconds: float = 0.0
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self) | {"verdict": self.verdict.value}

    @classmethod
    def of_json(cls, fields: Mapping[str, Any]) -> Outcome:
        """Return what ``as_json`` gave."""
        return cls(**{**fields, "verdict": Verdict(fields["verdict"])})


def first_difference(expected: Mapping[str, NDArray[Any]], found: Mapping[str, NDArray[Any]]) -> str | None:
    """Return where the first array differs in name, shape or value; None where all are equal."""
    for name in [*expected, *(name for name in found if name not in expected)]:
        if name not in found or name not in expected:
            return f"array {name!r} is {'missing' if name not in found else 'not of the reference'}"
        want, have = expected[name], found[name]
        if want.shape != have.shape:
            return f"array {name!r}: shape {have.shape} where {want.shape} is expected"
        if not np.array_equal(want, have):
            at = tuple(int(n) for n in np.argwhere(want != have)[0])
            return f"array {name!r} at {at}: {have[at]} where {want[at]} is expected, {int((want != have).sum())} of {want.size} values"
    return None
