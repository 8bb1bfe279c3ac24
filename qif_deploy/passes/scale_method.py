"""How far each channel's weight codes reach: all of its weights, or fewer with a finer step. Source: docs/numerics.md, section 3."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_never

from qif_deploy.errors import InputError, raise_findings
from qif_deploy.shapes import ChannelFloats

Rows = Annotated[NDArray[np.float64], "(channel, fan_in)"]

WIDTHS = (2, 16)
"""Narrowest and widest weight code, in bits, as in a number format."""

CLIP_SHARES = np.linspace(1.0, 0.2, 41)
"""Reaches that the squared-error search tries, as shares of the largest weight; the largest first, so that ties clip nothing."""

BLOCK = 1 << 18
"""Weights that the search looks at together: its intermediates stay small beside a layer."""


class ScaleMethod(enum.Enum):
    """Which weight of a channel gets the largest code; larger ones are clipped.

    MAX is the largest and clips nothing. PERCENTILE is a percentile of the magnitudes. MSE is the reach of ``CLIP_SHARES`` with the
    smallest squared rounding and clipping error over the channel.
    """

    MAX = "max"
    PERCENTILE = "percentile"
    MSE = "mse"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeOptions:
    """Choices of quantisation after training.

    Args:
        scales: how far the codes of a channel reach.
        percentile: of PERCENTILE, above 0 and at most 100.
        bias_correction: take back in the bias what weight rounding adds to a channel's mean current; needs calibration data.
        weight_bits: synapse name -> width, for those that get less than the number format has.

    Raises:
        InputError: a value outside its limits.
    """

    scales: ScaleMethod = ScaleMethod.MAX
    percentile: float = 99.9
    bias_correction: bool = False
    weight_bits: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight_bits", MappingProxyType(dict(self.weight_bits)))
        findings = []
        if not 0 < self.percentile <= 100:
            findings.append(f"percentile {self.percentile} is outside the allowed range, above 0 to 100; 99.9 is usual")
        low, high = WIDTHS
        findings += [
            f"synapse {name!r}: weight_bits {bits} is outside {low}..{high}; choose a width in that range"
            for name, bits in self.weight_bits.items()
            if not low <= bits <= high
        ]
        raise_findings(InputError, findings)


def weight_limit(bits: int) -> int:
    """Largest weight code of a width."""
    return (1 << (bits - 1)) - 1


def reach_of(rows: Rows, limit: int, options: QuantizeOptions) -> ChannelFloats:
    """Return the weight magnitude per channel that gets the code ``limit``; 0 for a row of zeros."""
    match options.scales:
        case ScaleMethod.MAX:
            return largest_of(rows)
        case ScaleMethod.PERCENTILE:
            chosen = np.concatenate([np.percentile(np.abs(rows[part]), options.percentile, axis=1) for part in blocks_of(rows)])
            # Where most weights are zero the percentile may be, too, and a reach of zero would clip all others away.
            found: ChannelFloats = np.where(chosen > 0, chosen, largest_of(rows))
            return found
        case ScaleMethod.MSE:
            return np.concatenate([_least_squares_reach(rows[part], limit) for part in blocks_of(rows)])
        case _:
            assert_never(options.scales)


def largest_of(rows: Rows) -> ChannelFloats:
    """Return the largest magnitude per row, without a copy of the rows."""
    found: ChannelFloats = np.maximum(rows.max(axis=1), -rows.min(axis=1)).astype(np.float64)
    return found


def blocks_of(rows: NDArray[np.generic]) -> Iterator[slice]:
    """Cut rows into blocks of about ``BLOCK`` values."""
    step = max(1, BLOCK // max(1, rows[0].size))
    for start in range(0, len(rows), step):
        yield slice(start, start + step)


def _least_squares_reach(rows: Rows, limit: int) -> ChannelFloats:
    largest = largest_of(rows)
    best, best_error = largest, np.full(largest.shape, np.inf)
    for share in CLIP_SHARES:
        unit = np.where(largest > 0, largest, 1.0) * (share / limit)
        # Floats suffice: this picks a scale, the codes for it are formed exactly.
        scaled = rows / unit[:, np.newaxis]
        error = unit**2 * np.square(np.clip(np.rint(scaled), -limit, limit) - scaled).sum(axis=1)
        better = error < best_error
        best, best_error = np.where(better, largest * share, best), np.where(better, error, best_error)
    return best
