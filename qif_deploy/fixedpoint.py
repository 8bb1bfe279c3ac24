"""Number formats, and the only functions that round, shift or saturate. Source: docs/numerics.md, sections 2 and 3."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_never

from qif_deploy.errors import FormatError
from qif_deploy.exact_compare import comparable, is_exact_product, product_order
from qif_deploy.shapes import SharedArray

MAX_SHIFT = 30
"""Largest shift distance; 2**30 still fits an int32."""


class RoundingMode(enum.Enum):
    """How ``rshift`` resolves the bits that it drops."""

    TOWARD_ZERO = "toward_zero"
    FLOOR = "floor"
    NEAREST = "nearest"


FORMAT_WIDTHS = ("weight_bits", "coef_bits", "state_bits", "product_bits")
"""The widths of a NumberFormat, by name, in the order in which files and tables have them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberFormat:
    """Widths of the integers that a target holds, and its rounding mode.

    ``weight_bits``, ``state_bits`` and ``product_bits`` are signed widths; ``coef_bits`` counts magnitude bits.
    All limits are symmetric: the most negative two's complement value is never used.

    Raises:
        FormatError: a width outside its range, or a product too narrow for the state.
    """

    name: str
    weight_bits: int
    coef_bits: int
    state_bits: int
    product_bits: int
    rounding: RoundingMode

    def __post_init__(self) -> None:
        for field, low, high in (("weight_bits", 2, 16), ("coef_bits", 2, 24), ("state_bits", 3, 32), ("product_bits", 4, 62)):
            value = getattr(self, field)
            if not isinstance(value, int) or not low <= value <= high:
                raise FormatError(f"number format {self.name!r}: {field} {value!r} is outside {low}..{high}; choose a width in that range")
        if self.product_bits < self.state_bits:
            raise FormatError(
                f"number format {self.name!r}: product_bits {self.product_bits} is below state_bits {self.state_bits}; "
                "a product must hold at least a state"
            )
        if self.coef_bits + 2 * (self.state_bits - 1) > 62:
            raise FormatError(
                f"number format {self.name!r}: coef_bits {self.coef_bits} with state_bits {self.state_bits} lets c2m * r^2 pass 62 bits, "
                "beyond what the range proof computes exactly in int64; narrow one of them"
            )
        if self.rounding not in tuple(RoundingMode):
            modes = [mode.value for mode in RoundingMode]
            raise FormatError(f"number format {self.name!r}: rounding {self.rounding!r} is not a RoundingMode; use one of {modes}")

    @property
    def weight_limit(self) -> int:
        """Largest weight code."""
        return (1 << (self.weight_bits - 1)) - 1

    @property
    def coef_limit(self) -> int:
        """Largest coefficient mantissa."""
        return 1 << self.coef_bits

    @property
    def state_limit(self) -> int:
        """Largest state code; ``saturate`` clips to plus and minus this."""
        return (1 << (self.state_bits - 1)) - 1

    @property
    def product_limit(self) -> int:
        """Largest intermediate that the format may form."""
        return (1 << (self.product_bits - 1)) - 1


def rshift(codes: SharedArray, bits: Any, *, rounding: RoundingMode) -> SharedArray:
    """Divide integer codes by ``2**bits`` and round; same dtype and axes out.

    ``TOWARD_ZERO`` is ``sign(z) * (|z| >> bits)``: -3 shifted by 1 gives -1, where a plain ``>>`` (``FLOOR``) gives -2.
    ``NEAREST`` takes halves away from zero: ``sign(z) * ((|z| + 2**(bits-1)) >> bits)``. Shift 0 changes nothing.

    Args:
        codes: NumPy array or torch tensor of a signed integer dtype; ``|codes| + 2**bits`` must fit that dtype.
        bits: 0..30, an int or an array that broadcasts (one per channel).
        rounding: no default, because the choice moves firing rates.
    """
    if rounding is RoundingMode.FLOOR:
        return codes >> bits
    mask = (1 << bits) - 1
    negative = codes >> (8 * codes.itemsize - 1)  # -1 where negative, else 0: the sign without leaving the dtype
    if rounding is RoundingMode.TOWARD_ZERO:
        return (codes + (negative & mask)) >> bits
    # z + half floors to the nearest; for negative z a half must go down, hence one less (and nothing at shift 0).
    half = (mask + 1) >> 1
    return (codes + half - (negative & (mask & 1))) >> bits


def rounding_terms(bits: Any, *, rounding: RoundingMode) -> tuple[Any, Any]:
    """Return ``(offset, below_zero)`` with which every mode is the one form that a fused kernel computes without branching.

        rshift(z, bits) = (z + offset + (below_zero if z < 0 else 0)) >> bits

    ``TOWARD_ZERO``: ``(0, 2**bits - 1)``. ``FLOOR``: ``(0, 0)``. ``NEAREST``: ``(2**(bits-1), -1)``, and ``(0, 0)`` at shift 0.

    Args:
        bits: 0..30, an int or a NumPy array of any signed integer dtype, which is that of the result.
        rounding: as in ``rshift``.
    """
    mask = (1 << bits) - 1
    match rounding:
        case RoundingMode.TOWARD_ZERO:
            return mask - mask, mask
        case RoundingMode.FLOOR:
            return mask - mask, mask - mask
        case RoundingMode.NEAREST:
            return (mask + 1) >> 1, -(mask & 1)
        case _:
            assert_never(rounding)


def saturate(codes: SharedArray, limit: int) -> SharedArray:
    """Clip to ``-limit..limit``; the lower end is not two's complement's, so that negation never overflows."""
    return codes.clip(-limit, limit)


def round_units(units: SharedArray, *, limit: int | None) -> SharedArray:
    """Round floats that are in units of one code already, half to even, and saturate at ``limit``; dtype and axes stay.

    Args:
        units: NumPy array or torch tensor of floats in which every code is exact.
        limit: largest code, None for no limit.
    """
    codes = units.round()
    return codes if limit is None else saturate(codes, limit)


class _Rounding(enum.Enum):
    """Float to code: to the nearest (half to even), up, or down."""

    NEAREST_EVEN = enum.auto()
    UP = enum.auto()
    DOWN = enum.auto()


BLOCK = 1 << 17
"""Values that become codes at a time, so that no intermediate is as large as a layer's weights."""

ONE_JUMP = 2.0**48
"""Below this, the jump of the rounding that is nearest to a float64 quotient is the only one within reach of its error."""


def rint_codes(values: NDArray[Any], delta: NDArray[np.float64] | float, *, code_value: Fraction = Fraction(1)) -> NDArray[np.int64]:
    """Round ``values * code_value / delta`` to the nearest integer, half to even, exactly.

    The float64 quotient is at most 3 roundings off. It decides alone where it lies further from a half-integer than
    that error; the rest is settled by an exact comparison. Result as if in unbounded rationals of the float64 values.

    Args:
        values: float64 or float32, any axes.
        delta: float64 > 0, broadcasts against ``values``.
        code_value: exact factor, for example 1/9 for a 3x3 mean.

    Raises:
        FormatError: a value that is not finite, a delta that is not positive, or a code beyond 2**53.
    """
    return _exact_codes(values, delta, code_value, _Rounding.NEAREST_EVEN)


def ceil_codes(values: NDArray[np.float64], delta: NDArray[np.float64] | float) -> NDArray[np.int64]:
    """Round ``values / delta`` up, exactly: the threshold code for a neuron that spikes on ``>=``."""
    return _exact_codes(values, delta, Fraction(1), _Rounding.UP)


def above_codes(values: NDArray[np.float64], delta: NDArray[np.float64] | float) -> NDArray[np.int64]:
    """Return ``floor(values / delta) + 1``, exactly: the threshold code for a neuron that spikes on strict ``>``."""
    return _exact_codes(values, delta, Fraction(1), _Rounding.DOWN) + 1


def _exact_codes(values: NDArray[Any], delta: NDArray[np.float64] | float, factor: Fraction, rounding: _Rounding) -> NDArray[np.int64]:
    """Block by block; an array without axes is a block."""
    values, delta = np.broadcast_arrays(np.asarray(values), np.asarray(delta, np.float64))
    if not values.ndim or values.size <= BLOCK:
        return _codes_of_block(values.astype(np.float64), delta, factor, rounding)
    codes = np.empty(values.shape, np.int64)
    rows = max(1, BLOCK // values[0].size)
    for start in range(0, len(values), rows):
        part = slice(start, start + rows)
        codes[part] = _codes_of_block(values[part].astype(np.float64), delta[part], factor, rounding)
    return codes


def _codes_of_block(values: NDArray[np.float64], delta: NDArray[np.float64], factor: Fraction, rounding: _Rounding) -> NDArray[np.int64]:
    """Quotient in float64; where it is too near to a jump of the rounding, the exact side of the jump."""
    if not np.isfinite(values).all() or not np.isfinite(delta).all() or not (delta > 0).all():
        raise FormatError("float to codes: a value is not finite or a Delta is not positive; check the weights for NaN and infinity")
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        scaled = values * float(factor)
        quotient = scaled / delta
    edge = 0.5 if rounding is _Rounding.NEAREST_EVEN else 0.0
    # A product that leaves the middle of the exponents has lost its relative accuracy: it goes to the rationals as it is.
    extreme = (values != 0) & ~((np.abs(scaled) > 1e-290) & (np.abs(scaled) < 1e290))
    quotient = np.where(extreme, edge, quotient)
    if quotient.size and not np.abs(quotient).max() < 2.0**53:
        raise FormatError(
            f"float to codes: the largest code {np.abs(quotient).max():.3g} is beyond 2**53; a Delta is too small for its values"
        )
    match rounding:
        case _Rounding.NEAREST_EVEN:
            rounded = np.rint(quotient)
        case _Rounding.UP:
            rounded = np.ceil(quotient)
        case _Rounding.DOWN:
            rounded = np.floor(quotient)
        case _:
            assert_never(rounding)
    codes: NDArray[np.int64] = rounded.astype(np.int64)
    jump = np.rint(quotient - edge) + edge
    doubtful = extreme | (np.abs(quotient - jump) <= np.abs(quotient) * 2.0**-50 + 2.0**-60)
    if doubtful.any():
        reachable = ~extreme[doubtful] & (np.abs(quotient[doubtful]) < ONE_JUMP)
        codes[doubtful] = _settled(values[doubtful], delta[doubtful], factor, rounding, jump[doubtful], reachable)
    return codes


def _settled(
    values: NDArray[np.float64],
    delta: NDArray[np.float64],
    factor: Fraction,
    rounding: _Rounding,
    jump: NDArray[np.float64],
    reachable: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """Codes of values beside a jump of the rounding: on which side of ``jump`` ``values * factor / delta`` is, or whether on it.

    ``values numerator`` against ``(jump denominator) delta``, both products of two floats, compared exactly. What is no such
    product (huge factors, the ends of the exponents) is settled in rationals, one by one.
    """
    numerator, denominator = float(factor.numerator), float(factor.denominator)
    near = jump * denominator
    whole = numerator == factor.numerator and denominator == factor.denominator  # Python compares integers with floats exactly
    able = reachable & whole & comparable(values, numerator, jump, denominator, near, delta)
    able &= is_exact_product(np.where(able, jump, 0.0), denominator if whole else 1.0)
    codes = np.zeros(values.shape, np.int64)
    side = product_order(values[able], numerator, near[able], delta[able])
    at = jump[able]
    match rounding:
        case _Rounding.NEAREST_EVEN:
            codes[able] = np.where(side == 0, np.rint(at), at + side / 2).astype(np.int64)
        case _Rounding.UP:
            codes[able] = (at + (side > 0)).astype(np.int64)
        case _Rounding.DOWN:
            codes[able] = (at - (side < 0)).astype(np.int64)
        case _:
            assert_never(rounding)
    exact = _RATIONAL[rounding]
    for index in np.flatnonzero(~able):
        code = exact(Fraction(float(values[index])) * factor / Fraction(float(delta[index])))
        if abs(code) >= 2**53:
            raise FormatError(f"float to codes: code {float(code):.3g} is beyond 2**53; a Delta is too small for its values")
        codes[index] = code
    return codes


_RATIONAL: Mapping[_Rounding, Callable[[Fraction], int]] = MappingProxyType(
    {_Rounding.NEAREST_EVEN: round, _Rounding.UP: math.ceil, _Rounding.DOWN: math.floor}
)


def shift_for(magnitude: Fraction, limit: int) -> int:
    """Return the largest shift 0..30 at which ``rint(magnitude * 2**shift)`` is within ``limit``, or -1 when none is."""
    shift = MAX_SHIFT
    while shift >= 0 and round(abs(magnitude) * 2**shift) > limit:
        shift -= 1
    return shift
