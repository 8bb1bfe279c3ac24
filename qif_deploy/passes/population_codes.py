"""Exact codes of a population or readout for a chosen ``Delta`` and ``s1``. Source: docs/numerics.md, section 3."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from typing_extensions import assert_never

from qif_deploy.errors import FormatError
from qif_deploy.fixedpoint import MAX_SHIFT, NumberFormat, above_codes, ceil_codes, rint_codes, saturate, shift_for
from qif_deploy.ir.nodes import Conv2d, Conv2dCodes, Dense, DenseCodes
from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.neuron.params import QIFParams
from qif_deploy.passes.branches import Branch
from qif_deploy.passes.calibration import SynapseInput
from qif_deploy.shapes import ChannelCodes, ChannelFloats


@dataclass(frozen=True, slots=True, kw_only=True)
class Curvature:
    """``c2m`` with its shift ``s2`` per channel; ``lost`` marks channels whose curvature rounds to nothing."""

    c2m: ChannelCodes
    s2: ChannelCodes
    lost: tuple[int, ...]


def branch_shift(branch: Branch, delta: ChannelFloats) -> int:
    """Return k_b: the smallest shift >= 0 at which the branch's reach fits its weight width in every channel.

    Raises:
        FormatError: none up to 30 does.
    """
    # The float estimate is at most one off; the loop settles it on the codes themselves.
    ratio = float((branch.largest / delta).max()) / branch.limit
    shift = max(0, int(np.ceil(np.log2(ratio))) - 1) if ratio > 0 else 0
    while shift <= MAX_SHIFT:
        # Rounding is monotone, so no weight within the reach has a larger code than the reach itself.
        if rint_codes(branch.reach, delta * 2.0**shift, code_value=branch.signal.code_value).max() <= branch.limit:
            return shift
        shift += 1
    raise FormatError(
        f"synapse {branch.name!r}: its largest weight needs a branch shift above {MAX_SHIFT} "
        f"(Delta {delta.min():.3g}); rescale the weights or use a wider format"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SynapseCoding:
    """A synapse as integers, and what became of its float weights.

    ``clipped`` counts the weights per channel whose code was beyond the limit, ``clip_error`` is how much the worst of them lost, in the
    unit of the float weights. ``shift_of_mean`` is what rounding and clipping add to a channel's mean current under calibration data,
    and ``noise_power`` their mean square in it; None without such data.
    """

    codes: DenseCodes | Conv2dCodes
    clipped: ChannelCodes
    clip_error: ChannelFloats
    shift_of_mean: ChannelFloats | None
    noise_power: ChannelFloats | None


def code_synapse(branch: Branch, delta: ChannelFloats, shift: int, under: SynapseInput | None = None) -> SynapseCoding:
    """Return ``w = rint(W s_b / (Delta 2^shift))``, limited to the branch's codes.

    Args:
        branch: float weights, limit and signal.
        delta: unit of the population per channel.
        shift: k_b.
        under: the synapse's input on calibration data.
    """
    unit = delta * 2.0**shift  # exact: a power of two
    channels, limit = len(branch.rows), branch.limit
    codes = np.empty(branch.rows.shape, np.int32)
    clipped, clip_error = np.zeros(channels, np.int64), np.zeros(channels)
    moments = None if under is None else (np.zeros(channels), np.zeros(channels))
    weight_unit = unit / float(branch.signal.code_value)  # of the float weights; for reports and statistics only
    for part in branch.parts():
        rows, exact = branch.rows[part], rint_codes(branch.rows[part], unit[part, None], code_value=branch.signal.code_value)
        codes[part] = saturate(exact, limit)  # the narrowing fits: the limit has at most 16 bits
        beyond = np.abs(exact) > limit
        if beyond.any():
            clipped[part] = beyond.sum(axis=1)
            lost = np.where(beyond, np.abs(rows) - limit * weight_unit[part, None], 0.0)
            clip_error[part] = lost.max(axis=1)
        if under is not None and moments is not None:
            errors = codes[part] * weight_unit[part, None] - rows
            moments[0][part], moments[1][part] = under.through(errors, part, channels)
    weight = codes.reshape(branch.synapse.weight.shape)
    match branch.synapse:
        case Dense():
            coded: DenseCodes | Conv2dCodes = DenseCodes(weight=weight, shift=shift)
        case Conv2d():
            coded = Conv2dCodes(weight=weight, shift=shift, geometry=branch.synapse.geometry)
        case _:
            assert_never(branch.synapse)
    mean, power = (None, None) if moments is None else moments
    return SynapseCoding(codes=coded, clipped=clipped, clip_error=clip_error, shift_of_mean=mean, noise_power=power)


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
