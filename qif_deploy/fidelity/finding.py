"""What the comparison of constants can find: a place, a kind, and whether somebody chose it or something broke it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

MOST_CHANNELS = 16
"""Channels that JSON lists; their number is given in any case."""


class Kind(enum.Enum):
    """Which fact of the integer network is not the rounded one of the float network."""

    WEIGHT = "weight"
    WEIGHT_DROPPED = "weight dropped"
    WEIGHT_SCALE = "weight scale"
    WEIGHTS_CLIPPED = "weights clipped"
    BRANCH_SHIFT = "branch shift"
    BRANCH_SHIFTS_SWAPPED = "branch shifts swapped"
    BIAS = "bias"
    UNIT = "unit"
    THRESHOLD = "threshold"
    RESET = "reset"
    RESET_BY = "reset_by"
    RESET_MODE = "reset mode"
    START = "start"
    LOWER_CLAMP = "lower clamp"
    CURVATURE = "curvature"
    LINEAR = "linear coefficient"
    STATE_SHIFT = "state shift"
    CURVATURE_SHIFT = "curvature shift"
    ROUNDING_MODE = "rounding mode"
    GEOMETRY = "geometry"
    INPUT = "input"
    REDUCE = "readout reduction"


class Severity(enum.Enum):
    """DAMAGE is a fact that nothing on record accounts for; CHOICE is one that quantisation made on purpose."""

    DAMAGE = "damage"
    CHOICE = "choice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One deviation.

    ``place`` is the population, readout, input or node; ``branch`` its synapse. ``channels`` are those that deviate, all of them when
    empty. ``expected`` and ``found`` are of the worst channel, in codes where the kind has codes.
    """

    place: str
    kind: Kind
    severity: Severity
    text: str
    branch: str | None = None
    channels: tuple[int, ...] = ()
    expected: float | str | None = None
    found: float | str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return plain values; at most MOST_CHANNELS channels are listed."""
        return {
            "place": self.place,
            "branch": self.branch,
            "kind": self.kind.value,
            "severity": self.severity.value,
            "channels": list(self.channels[:MOST_CHANNELS]),
            "channel_count": len(self.channels),
            "expected": self.expected,
            "found": self.found,
            "text": self.text,
        }


__all__ = ["Finding", "Kind", "Severity"]
