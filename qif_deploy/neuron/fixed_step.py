"""The integer step: what "bit-accurate" means. In words in docs/numerics.md, section 2.

Written with what NumPy arrays and torch tensors share, so reference, batched engine and Lava model run these lines.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from qif_deploy.fixedpoint import rshift, saturate
from qif_deploy.neuron.constants import StepConstants
from qif_deploy.neuron.params import ResetMode
from qif_deploy.shapes import SharedArray


class FixedStep(NamedTuple):
    """Result of one step: ``u`` before reset, spikes ``s`` in the dtype of comparison, ``r`` after reset.

    ``Any``, since a generic NamedTuple needs Python 3.11; all three are of the type of the state.
    """

    u: Any
    s: Any
    r: Any


def fixed_step(r: SharedArray, i: SharedArray, k: StepConstants) -> FixedStep:
    """One integer step.

        h  = sat( rshift(c2m * r, s2) + c1m )
        u  = sat( rshift(h * r, s1) + i )        then the lower clamp, if declared
        s  = u >= theta
        r' = reset if s else u                    (hard)
        r' = sat( u - reset_by * s )              (subtract)

    Args:
        r: state after the last reset, integer, ``(batch, channel, ...)`` or any layout that ``k`` broadcasts over.
        i: input with shifts and bias, same axes and dtype.
        k: constants; the range proof must cover ``(r, i)`` in the dtype that is used.
    """
    h = saturate(rshift(k.c2m * r, k.s2, rounding=k.rounding) + k.c1m, k.state_limit)
    u = saturate(rshift(h * r, k.s1, rounding=k.rounding) + i, k.state_limit)
    if k.u_min is not None:
        u = u.clip(k.u_min, None)
    if k.theta is None:
        return FixedStep(u, u - u >= 1, u)  # a comparison that is never true: no spikes, right shape
    s = u >= k.theta
    if k.reset_mode is ResetMode.HARD:
        return FixedStep(u, s, u + s * (k.reset - u))
    return FixedStep(u, s, saturate(u - s * k.reset_by, k.state_limit))
