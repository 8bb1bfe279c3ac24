"""Weights and sums that Lava's synapses would clip or wrap are refused; what just fits passes."""

from __future__ import annotations

import numpy as np
import pytest

from qif_deploy.errors import UnsupportedError
from qif_hardware.lava.synapse_limits import require_conv, require_dense


def test_dense_weights():
    require_dense("fc", np.array([[127, -127]]), 0, 1)
    for code in (128, -128):
        with pytest.raises(UnsupportedError, match="weight code 128 exceeds 127"):
            require_dense("fc", np.array([[code, 1]]), 0, 1)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3, 1), (2, 5), (-5, -2)])
def test_sums_at_the_border(low, high):
    most = max(abs(low), abs(high))
    fits = np.full((1, (2**23 - 1) // (64 * most)), 64)
    require_conv("conv", fits, low, high)
    require_conv("conv", -fits, low, high)
    for weight in (np.full((1, fits.size + 1), 64), np.full((1, fits.size + 1), -64)):
        with pytest.raises(UnsupportedError, match="beyond 8388607 of Lava's Conv"):
            require_conv("conv", weight, low, high)
