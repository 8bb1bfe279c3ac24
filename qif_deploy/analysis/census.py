"""Census of states that fire without synaptic input: the self-firing band below theta and the rebound level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qif_deploy.analysis.range_proof import Interval
from qif_deploy.neuron.constants import FixedConstants


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """Per population, in codes of channel-wise constants.

    ``self_firing``: channels with a band ``[level, theta)`` from which the next step fires on bias alone.
    ``rebound``: channels whose proven range reaches down to where strong inhibition fires the neuron.
    """

    channels: int
    self_firing: int
    rebound: int
    rebound_level: tuple[float, ...]


def take_census(k: FixedConstants, r: Interval) -> Census:
    """Solve ``c2m r^2 / 2^s2 + c1m r >= (theta - bias) 2^s1`` for real ``r`` and compare with the proven range of ``r``.

    Real roots of the unrounded parabola. The staircase is off by up to ``|r| / 2^s1 + 1`` in ``u``: enough for a census.
    """
    if k.theta is None:
        return Census(channels=k.channels, self_firing=0, rebound=0, rebound_level=())
    a = k.c2m / 2.0**k.s2
    b = k.c1m.astype(np.float64)
    c = (k.bias - k.theta) * 2.0**k.s1
    discriminant = b * b - 4 * a * c
    curved = (a > 0) & (discriminant >= 0)
    root = np.sqrt(np.where(curved, discriminant, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        upper = np.where(curved, (-b + root) / (2 * a), np.where((a == 0) & (b > 0), -c / b, np.inf))
        # Above theta wherever r is: the parabola never comes down to it, or there is none and the bias alone reaches it.
        upper = np.where(((a > 0) & (discriminant < 0)) | ((a == 0) & (b == 0) & (c >= 0)), -np.inf, upper)
        # A parabola that opens downwards lies above theta between its roots.
        between = (a < 0) & (discriminant >= 0)
        wide_root = np.sqrt(np.where(between, discriminant, 0.0))
        enters, leaves = (-b + wide_root) / (2 * a), (-b - wide_root) / (2 * a)
        upper = np.where(between & (leaves >= r.lo), enters, upper)
        lower = np.where(curved, (-b - root) / (2 * a), -np.inf)
    return Census(
        channels=k.channels,
        self_firing=int(np.count_nonzero(upper <= np.minimum(k.theta - 1, r.hi))),
        rebound=int(np.count_nonzero(lower >= r.lo)),
        rebound_level=tuple(float(x) for x in lower),
    )
