"""One integer step on intervals: the range of every quantity of docs/numerics.md, section 2, per channel.

Everything but ``h r`` is monotone in one variable, so its ends are exact. ``h r`` is bounded on both sides of zero apart:

    where h and r grow in magnitude together, h r is monotone     the ends of the interval, exactly
    where one shrinks as the other grows (around the vertex)      a parabola that no rounding of h passes

The parabola is ``c2m r^2 / 2^s2 + c1m r`` plus what the first rounding may add, ``E r / 2^s2`` with ``0 <= E < 2^s2`` by mode and side.
At its vertex it is above the staircase by at most the factor 9/8 (and one code of ``r``), 0.17 bit.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_never

from qif_deploy.analysis.interval import Interval
from qif_deploy.fixedpoint import RoundingMode, rshift, saturate
from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.neuron.params import ResetMode

Cases = Annotated[NDArray[np.int64], "(case, channel)"]

# The four problems "largest value of bound * h(side * y) * side * y over y >= 0": which side of zero, and which bound (-1: the lower).
SIDE = np.array([[1], [1], [-1], [-1]])
BOUND = np.array([[1], [-1], [1], [-1]])
NOTHING = -(2**62)
"""Value of a side that the interval does not reach; below every product that a number format allows."""


def step_ranges(k: FixedConstants, r: Interval, i: Interval) -> dict[str, Interval]:
    """Return the ranges of ``c2m_r``, ``h``, ``h_r`` and ``u`` (``h`` and ``u`` before they saturate) for one step from ``r``."""
    mode = k.number_format.rounding
    ends = k.c2m * r.lo, k.c2m * r.hi
    c2m_r = Interval(lo=np.minimum(*ends), hi=np.maximum(*ends))
    h = Interval(lo=rshift(c2m_r.lo, k.s2, rounding=mode) + k.c1m, hi=rshift(c2m_r.hi, k.s2, rounding=mode) + k.c1m)
    h_r = product_range(k, r)
    u = Interval(lo=rshift(h_r.lo, k.s1, rounding=mode) + i.lo, hi=rshift(h_r.hi, k.s1, rounding=mode) + i.hi)
    return {"c2m_r": c2m_r, "h": h, "h_r": h_r, "u": u}


def product_range(k: FixedConstants, r: Interval) -> Interval:
    """Return bounds of ``sat(rshift(c2m r, s2) + c1m) * r`` over all integers ``r`` of the interval."""
    near = np.maximum(np.where(SIDE > 0, r.lo, -r.hi), 0)
    far = np.where(SIDE > 0, r.hi, -r.lo)
    reached = far >= 0
    far = np.maximum(far, 0)
    largest = np.where(reached, _largest_product(k, near, far), NOTHING)
    return Interval(lo=-np.maximum(largest[1], largest[3]), hi=np.maximum(largest[0], largest[2]))


def _largest_product(k: FixedConstants, near: Cases, far: Cases) -> Cases:
    """Bound ``g(y) y`` over ``near <= y <= far``, where ``g(y) = bound * side * h(side * y)`` is monotone with the sign of ``p``."""
    f = k.number_format
    p, q = BOUND * k.c2m, BOUND * SIDE * k.c1m

    def g(y: Cases) -> Cases:
        h: Cases = BOUND * SIDE * saturate(rshift(SIDE * k.c2m * y, k.s2, rounding=f.rounding) + k.c1m, f.state_limit)
        return h

    g_near, g_far = g(near), g(far)
    gain = _rounding_gain(k, p)

    def parabola(y: Cases) -> Cases:
        """Above ``g(y) y`` wherever ``g`` does not saturate below."""
        value: Cases = -((-(p * y * y + gain * y)) >> k.s2) + q * y
        return value

    vertex = ((q << k.s2) + gain) // np.where(p < 0, -2 * p, 1)
    top = np.maximum(parabola(np.clip(vertex, near, far)), parabola(np.clip(vertex + 1, near, far)))
    # g falls through positive values: y grows as g shrinks, so the extreme lies inside. g rises through negative ones: likewise,
    # but that parabola opens upwards, so its ends decide, and a g that is cut off at the bottom would pass it.
    falling = np.minimum(top, g_near * far)
    cut_off = BOUND * SIDE * rshift(SIDE * k.c2m * near, k.s2, rounding=f.rounding) + q < -f.state_limit
    rising = np.where(cut_off, g_far * near, np.minimum(np.maximum(parabola(near), parabola(far)), g_far * near))
    grows: Cases = np.where(g_far >= 0, g_far * far, rising)
    shrinks: Cases = np.where(g_near <= 0, g_near * near, falling)
    return np.where(p >= 0, grows, shrinks)


def _rounding_gain(k: FixedConstants, p: Cases) -> Cases:
    """Return ``E``: the first rounding lifts ``g(y) y`` by at most ``E y / 2^s2``."""
    whole = (1 << k.s2) - 1
    match k.number_format.rounding:
        case RoundingMode.FLOOR:
            return np.where(BOUND * SIDE < 0, whole, 0)
        case RoundingMode.TOWARD_ZERO:
            return np.where(p < 0, whole, 0)
        case RoundingMode.NEAREST:
            return np.broadcast_to((whole + 1) >> 1, p.shape)
        case _:
            assert_never(k.number_format.rounding)


def after_reset(k: FixedConstants, u: Interval) -> Interval:
    """Return the range of ``r`` after a step whose ``u``, before it saturates, is given."""
    limit = k.number_format.state_limit
    lo, hi = saturate(u.lo, limit), saturate(u.hi, limit)
    if k.u_min is not None:
        lo, hi = np.maximum(lo, k.u_min), np.maximum(hi, k.u_min)
    if k.theta is None:
        return Interval(lo=lo, hi=hi)
    may_spike, may_rest = hi >= k.theta, lo < k.theta
    if k.reset_mode is ResetMode.HARD:
        fired_lo = fired_hi = k.reset
    else:
        fired_lo = saturate(np.maximum(lo, k.theta) - k.reset_by, limit)
        fired_hi = saturate(hi - k.reset_by, limit)
    rest_hi = np.minimum(hi, k.theta - 1)
    return Interval(
        lo=np.where(may_rest, np.where(may_spike, np.minimum(lo, fired_lo), lo), fired_lo),
        hi=np.where(may_spike, np.where(may_rest, np.maximum(rest_hi, fired_hi), fired_hi), rest_hi),
    )
