"""What Lava's synapses would clip or wrap without a word, asked of weights alone. Pure NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qif_deploy.errors import UnsupportedError
from qif_hardware.lava.plan import DENSE_HALVINGS
from qif_hardware.lava.synapse_lowering import CONV_SUM_LIMIT, DENSE_SUM_LIMIT
from qif_hardware.lava.weight_digits import KEPT_WEIGHT


def require_dense(name: str, weight: NDArray[Any], low: int, high: int) -> None:
    """Refuse codes ``(out, in)`` beyond the 8 bits of Lava's Dense, or sums beyond its 32.

    Raises:
        UnsupportedError: names the synapse, the value and the limit.
    """
    heaviest = int(np.abs(weight).max())
    if heaviest > KEPT_WEIGHT:
        raise UnsupportedError(
            f"synapse {name!r}: weight code {heaviest} exceeds {KEPT_WEIGHT} of Lava's Dense; quantise with weight_bits = 8, "
            "pool without overlap"
        )
    _require_sum(name, weight, low, high, DENSE_SUM_LIMIT >> DENSE_HALVINGS, "Dense")


def require_conv(name: str, weight: NDArray[Any], low: int, high: int) -> None:
    """Refuse sums beyond the 24 bits that Lava's Conv keeps; ``weight`` is ``(out, ...)``.

    Raises:
        UnsupportedError: names the synapse, the value and the limit.
    """
    _require_sum(name, weight.reshape(weight.shape[0], -1), low, high, CONV_SUM_LIMIT, "Conv")


def _require_sum(name: str, weight: NDArray[Any], low: int, high: int, limit: int, kind: str) -> None:
    """Codes are ``low..high``, and 0 where a border is padded."""
    up, down = np.maximum(weight, 0).sum(axis=1), np.minimum(weight, 0).sum(axis=1)
    low, high = min(low, 0), max(high, 0)
    largest = int(max((up * high + down * low).max(), -(up * low + down * high).min()))
    if largest > limit:
        raise UnsupportedError(f"synapse {name!r}: a sum may reach {largest}, beyond {limit} of Lava's {kind}; use smaller codes")


__all__ = ["require_conv", "require_dense"]
