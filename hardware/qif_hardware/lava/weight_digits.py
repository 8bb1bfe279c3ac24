"""Weights beyond what Lava's Dense and Sparse keep, as a sum of narrow ones: ``w = sum_n digit_n << (7 n)``, exactly.

Each digit gets a synapse process of its own, and the neuron shifts its sums by 7 n more. With balanced digits, -64..63,
negative weights need no sign apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

KEPT_WEIGHT = 127
"""Lava's Dense and Sparse clip doubled weights at 255 and floor them to even."""

DIGIT_BITS = 7


def weight_digits(weight: NDArray[Any]) -> list[NDArray[np.int64]]:
    """Return the digits of ``weight``, lowest first; one where it fits as it is."""
    rest: NDArray[np.int64] = weight.astype(np.int64)
    digits = []
    base = 1 << DIGIT_BITS
    while rest.size and int(np.abs(rest).max()) > KEPT_WEIGHT:
        low = (rest + base // 2) % base - base // 2
        digits.append(low)
        rest = (rest - low) // base  # a multiple: nothing is rounded
    return [*digits, rest]
