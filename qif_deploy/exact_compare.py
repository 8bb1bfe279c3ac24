"""Exact comparison of two products of floats, over whole arrays: error-free transformations, no rationals.

``a b`` is ``p + e`` with both parts floats (TwoProduct), and a sum of floats is an expansion whose parts do not overlap (TwoSum), so
that its sign is the sign of its largest part that is not zero.

Source: T. J. Dekker, "A floating-point technique for extending the available precision", Numer. Math. 18, 1971 (TwoProduct);
J. R. Shewchuk, "Adaptive precision floating-point arithmetic and fast robust geometric predicates", 1997, theorem 10 (growing).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Pair = tuple[Floats, Floats]

SMALLEST, LARGEST = 2.0**-240, 2.0**240
"""Magnitudes for which neither a product of two nor its rounding error leaves the exponents of a float64."""

_SPLITTER = 2.0**27 + 1


def comparable(*factors: Any) -> NDArray[np.bool_]:
    """Where all factors are zero or of a magnitude for which ``product_order`` is exact."""
    magnitudes = [np.abs(factor) for factor in factors]
    found: NDArray[np.bool_] = np.logical_and.reduce(
        np.broadcast_arrays(*(((m >= SMALLEST) & (m <= LARGEST)) | (m == 0) for m in magnitudes))
    )
    return found


def is_exact_product(a: Any, b: Any) -> NDArray[np.bool_]:
    """Where the float64 product ``a b`` of ``comparable`` factors has no rounding error."""
    _, error = _two_product(*np.broadcast_arrays(a, b))
    exact: NDArray[np.bool_] = error == 0
    return exact


def product_order(a: Any, b: Any, c: Any, d: Any) -> Floats:
    """Return the sign of ``a b - c d``, exactly: -1.0, 0.0 or 1.0.

    Args:
        a: float64 that is ``comparable``, as the others; all broadcast.
        b: second factor of the first product.
        c: first factor of the second product.
        d: second factor of the second product.
    """
    first, first_error = _two_product(*np.broadcast_arrays(a, b))
    second, second_error = _two_product(*np.broadcast_arrays(c, d))
    # Growing the expansion (first_error, first) by the negated parts of the other product, smallest first.
    total, low = _two_sum(first_error, -second_error)
    high, middle = _two_sum(first, total)
    total, part0 = _two_sum(low, -second)
    total, part1 = _two_sum(middle, total)
    part3, part2 = _two_sum(high, total)
    sign = np.sign(part3)
    for part in (part2, part1, part0):
        sign = np.where(sign == 0, np.sign(part), sign)
    return sign


def _two_product(a: Floats, b: Floats) -> Pair:
    product = a * b
    a_high, a_low = _split(a)
    b_high, b_low = _split(b)
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


def _split(a: Floats) -> Pair:
    """Two halves of 26 bits each: products of halves are exact."""
    scaled = _SPLITTER * a
    high = scaled - (scaled - a)
    return high, a - high


def _two_sum(a: Floats, b: Floats) -> Pair:
    total = a + b
    b_part = total - a
    return total, (a - (total - b_part)) + (b - b_part)
