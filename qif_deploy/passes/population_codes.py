"""Exact codes of a population or readout for a chosen ``Delta`` and ``s1``. Source: docs/numerics.md, section 3."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from qif_deploy.errors import FormatError
from qif_deploy.fixedpoint import MAX_SHIFT, NumberFormat, above_codes, ceil_codes, rint_codes, shift_for
from qif_deploy.ir.nodes import Conv2d, Conv2dCodes, Dense, DenseCodes
from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.neuron.params import QIFParams
from qif_deploy.passes.branches import Branch
from qif_deploy.shapes import ChannelCodes, ChannelFloats


@dataclass(frozen=True, slots=True, kw_only=True)
class Curvature:
    """``c2m`` with its shift ``s2`` per channel; ``lost`` marks channels whose curvature rounds to nothing."""

    c2m: ChannelCodes
    s2: ChannelCodes
    lost: tuple[int, ...]


def branch_shift(branch: Branch, delta: ChannelFloats, number_format: NumberFormat) -> int:
    """Return k_b: the smallest shift >= 0 at which every code of the branch fits its weight width.

    Raises:
        FormatError: none up to 30 does.
    """
    # The float estimate is at most one off; the loop settles it on the codes themselves.
    ratio = float((branch.largest / delta).max()) / number_format.weight_limit
    shift = max(0, int(np.ceil(np.log2(ratio))) - 1) if ratio > 0 else 0
    while shift <= MAX_SHIFT:
        if np.abs(_row_extremes(branch, delta * 2.0**shift)).max() <= number_format.weight_limit:
            return shift
        shift += 1
    raise FormatError(
        f"synapse {branch.name!r}: its largest weight needs a branch shift above {MAX_SHIFT} "
        f"(Delta {delta.min():.3g}); rescale the weights or use a wider format"
    )


def synapse_codes(branch: Branch, delta: ChannelFloats, shift: int) -> DenseCodes | Conv2dCodes:
    """Return ``w = rint(W s_b / (Delta 2^shift))`` as an integer synapse."""
    unit = delta * 2.0**shift  # exact: a power of two
    codes = rint_codes(branch.rows, unit[:, None], code_value=branch.signal.code_value)
    weight = codes.astype(np.int32).reshape(branch.synapse.weight.shape)  # fits: branch_shift chose the shift so
    match branch.synapse:
        case Dense():
            return DenseCodes(weight=weight, shift=shift)
        case Conv2d():
            return Conv2dCodes(weight=weight, shift=shift, geometry=branch.synapse.geometry)


def curvature_codes(c2: ChannelFloats, delta: ChannelFloats, s1: int, number_format: NumberFormat) -> Curvature:
    """Return ``c2m = rint(c2 Delta 2^(s1+s2))`` with the largest ``s2`` at which it is within its limit.

    Raises:
        FormatError: not even ``s2 = 0`` fits.
    """
    c2m, s2, lost = np.zeros(c2.size, np.int64), np.zeros(c2.size, np.int64), []
    for c in np.flatnonzero(c2):
        exact = Fraction(float(c2[c])) * Fraction(float(delta[c])) * 2**s1
        shift = shift_for(exact, number_format.coef_limit)
        if shift < 0:
            raise FormatError(
                f"channel {c}: c2 {c2[c]:.6g} with Delta {delta[c]:.3g} and s1 {s1} needs a mantissa above {number_format.coef_limit}; "
                "use more coefficient bits or a smaller s1"
            )
        mantissa = round(exact * 2**shift)
        if mantissa == 0:
            lost.append(int(c))
        else:
            c2m[c], s2[c] = mantissa, shift
    return Curvature(c2m=c2m, s2=s2, lost=tuple(lost))


def population_constants(
    params: QIFParams, bias: list[Fraction], delta: ChannelFloats, s1: int, number_format: NumberFormat
) -> tuple[FixedConstants, Curvature]:
    """Return all constants of a population as codes.

    Raises:
        FormatError: a code that does not fit; names channel, value and limit.
    """
    curvature = curvature_codes(params.c2, delta, s1, number_format)
    threshold = ceil_codes if params.spike_on_equal else above_codes
    constants = FixedConstants(
        c2m=curvature.c2m,
        c1m=np.array([round(Fraction(float(c1)) * 2**s1) for c1 in params.c1], np.int64),
        s2=curvature.s2,
        s1=s1,
        bias=bias_codes(bias, delta),
        theta=threshold(params.theta, delta),
        reset=rint_codes(params.u_reset, delta),
        r0=rint_codes(params.r0, delta),
        reset_by=rint_codes(params.reset_by, delta),
        u_min=None if params.u_min is None else rint_codes(params.u_min, delta),
        reset_mode=params.reset,
        number_format=number_format,
    )
    return constants, curvature


def bias_codes(bias: list[Fraction], delta: ChannelFloats) -> ChannelCodes:
    """Round the exact sum of biases once, half to even."""
    exact = [round(b / Fraction(float(d))) for b, d in zip(bias, delta, strict=True)]
    for c, code in enumerate(exact):
        if abs(code) >= 2**53:
            raise FormatError(f"channel {c}: bias {float(bias[c]):.6g} with Delta {delta[c]:.3g} is beyond 2**53 codes; use larger weights")
    return np.array(exact, np.int64)


def _row_extremes(branch: Branch, unit: ChannelFloats) -> ChannelCodes:
    """Code of the largest weight of each row; rounding is monotone, so no other code is larger."""
    return rint_codes(np.abs(branch.rows).max(axis=1), unit, code_value=branch.signal.code_value)
