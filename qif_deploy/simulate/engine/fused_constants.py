"""The constants of a population in the form of the fused kernels: no branch left on rounding, reset, clamp or threshold.

With ``(offset, below_zero)`` of ``fixedpoint.rounding_terms`` the step of ``neuron/fixed_step.py`` reads, for every mode and reset,

    z  = c2m * r;   h = clip((z + offset2 + (z < 0) below_zero2 >> s2) + c1m, -limit, limit)
    z  = h * r;     u = clip((z + offset1 + (z < 0) below_zero1 >> s1) + i,  low,   limit)
    s  = u > below
    r' = clip((u & keep) + base, -limit, limit) if s else u

where ``low`` is the lower clamp or ``-limit``, ``below`` is ``theta - 1`` or, without a threshold, ``limit``; a hard reset has
``keep = 0, base = reset``, a subtracting one ``keep = -1, base = -reset_by``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qif_deploy.fixedpoint import rounding_terms
from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.neuron.params import ResetMode
from qif_deploy.shapes import frozen

ROWS = ("c2m", "c1m", "s2", "offset2", "below_zero2", "bias", "below", "low", "base", "r0")
"""Rows of the table, one value per channel each; the kernels read them by this order."""

SCALARS = ("s1", "offset1", "below_zero1", "limit", "keep")
"""Values that all channels share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FusedConstants:
    """``table`` is ``(row, channel)`` as in ROWS, ``scalars`` as in SCALARS; both of the dtype of the state."""

    table: NDArray[np.signedinteger[Any]]
    scalars: NDArray[np.signedinteger[Any]]


def fused_constants(k: FixedConstants, dtype: type[np.int32] | type[np.int64]) -> FusedConstants:
    """Return the constants of ``k`` for a state of ``dtype``, which the plan has chosen."""
    limit, mode = k.number_format.state_limit, k.number_format.rounding
    hard = k.reset_mode is ResetMode.HARD
    same = np.ones(k.channels, np.int64)
    offset2, below_zero2 = rounding_terms(k.s2, rounding=mode)
    offset1, below_zero1 = rounding_terms(k.s1, rounding=mode)
    rows = {
        "c2m": k.c2m,
        "c1m": k.c1m,
        "s2": k.s2,
        "offset2": offset2,
        "below_zero2": below_zero2,
        "bias": k.bias,
        "below": limit * same if k.theta is None else k.theta - 1,
        "low": -limit * same if k.u_min is None else k.u_min,
        "base": k.reset if hard else -k.reset_by,
        "r0": k.r0,
    }
    scalars = {"s1": k.s1, "offset1": offset1, "below_zero1": below_zero1, "limit": limit, "keep": 0 if hard else -1}
    return FusedConstants(
        table=frozen(np.stack([rows[name] for name in ROWS]), dtype), scalars=frozen([scalars[name] for name in SCALARS], dtype)
    )
