"""Closed intervals of integer codes, one per channel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qif_deploy.shapes import ChannelCodes, ChannelFlags


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Closed interval per channel, int64 of shape ``(channel,)``."""

    lo: ChannelCodes
    hi: ChannelCodes

    def hull(self, other: Interval) -> Interval:
        """Return the smallest interval that holds both."""
        return Interval(lo=np.minimum(self.lo, other.lo), hi=np.maximum(self.hi, other.hi))

    def within(self, other: Interval) -> ChannelFlags:
        """Boolean ``(channel,)``: where ``other`` holds all of this interval."""
        inside: ChannelFlags = (other.lo <= self.lo) & (self.hi <= other.hi)
        return inside

    def where(self, chosen: ChannelFlags, other: Interval) -> Interval:
        """Return this interval in the chosen channels and ``other`` in the rest."""
        return Interval(lo=np.where(chosen, self.lo, other.lo), hi=np.where(chosen, self.hi, other.hi))

    @property
    def magnitude(self) -> ChannelCodes:
        """Largest absolute value per channel."""
        return np.maximum(np.abs(self.lo), np.abs(self.hi))


def signed_bits(lo: int, hi: int) -> int:
    """Return the width of the smallest two's complement integer that holds ``lo`` and ``hi``."""
    return max(max(hi, 0).bit_length(), (-lo - 1).bit_length() if lo < 0 else 0) + 1
