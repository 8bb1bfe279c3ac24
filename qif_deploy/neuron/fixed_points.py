"""What a neuron does without input: fixed points, their stability, vertex, self-firing band and rebound level of the map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from qif_deploy.neuron.params import QIFParams
from qif_deploy.shapes import ChannelFloats, frozen

RootFloats = Annotated[NDArray[np.float64], "(channel, 2)"]
RootFlags = Annotated[NDArray[np.bool_], "(channel, 2)"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MapAnalysis:
    """Facts about ``f(r) = c2 r^2 + c1 r + c0``, the update without input; NaN where there is no such value.

    Args:
        fixed_points: solutions of ``f(r) = r``, the lower first, ``(channel, 2)``. LIF has one, in the first column;
            where every state is one (``c2 = 0, c1 = 1, c0 = 0``) both are NaN.
        slopes: ``f'`` there.
        stable: ``|f'| < 1`` there; a slope of exactly 1 or -1 does not count.
        vertex: where ``f`` is extreme, ``-c1 / (2 c2)``; NaN for LIF.
        vertex_value: ``f`` at the vertex: for ``c2 > 0`` the least that a step without input can leave.
        self_fire_from: with ``self_fire_to`` the band ``[from, to)`` of states below theta that spike in the next step
            without input; -inf where every state below theta does. NaN for an empty band.
        self_fire_to: end of that band, theta unless ``c2 < 0``.
        rebound: states at or below it spike in the next step without input: strong inhibition causes a spike.
            -inf where there is none.
    """

    fixed_points: RootFloats
    slopes: RootFloats
    stable: RootFlags
    vertex: ChannelFloats
    vertex_value: ChannelFloats
    self_fire_from: ChannelFloats
    self_fire_to: ChannelFloats
    rebound: ChannelFloats

    def __post_init__(self) -> None:
        for name in ("fixed_points", "slopes", "vertex", "vertex_value", "self_fire_from", "self_fire_to", "rebound"):
            object.__setattr__(self, name, frozen(getattr(self, name), np.float64))
        object.__setattr__(self, "stable", frozen(self.stable, np.bool_))


def analyse_map(params: QIFParams) -> MapAnalysis:
    """Return the facts for every channel.

        f(r*) = r*          c2 r^2 + (c1 - 1) r + c0 = 0
        f(r) >= theta       c2 r^2 + c1 r + c0 - theta >= 0

    Source: docs/numerics.md, section 1. The reset, the clamp ``u_min`` and ``spike_on_equal`` are not seen.
    """
    c2, c1, c0, theta = params.c2, params.c1, params.c0, params.theta
    fixed = _roots(c2, c1 - 1, c0)
    slopes = 2 * c2[:, np.newaxis] * fixed + c1[:, np.newaxis]
    with np.errstate(divide="ignore", invalid="ignore"):
        vertex = np.where(c2 != 0, -c1 / (2 * c2), np.nan)
    start, end, rebound = _firing_states(c2, c1, c0, theta)
    return MapAnalysis(
        fixed_points=fixed,
        slopes=slopes,
        stable=np.abs(slopes) < 1,  # NaN compares false
        vertex=vertex,
        vertex_value=(c2 * vertex + c1) * vertex + c0,
        self_fire_from=start,
        self_fire_to=end,
        rebound=rebound,
    )


def _roots(a: ChannelFloats, b: ChannelFloats, c: ChannelFloats) -> RootFloats:
    """Real roots of ``a r^2 + b r + c``, ascending, NaN where absent; no cancellation for ``4 a c`` far below ``b^2``."""
    with np.errstate(divide="ignore", invalid="ignore"):
        discriminant = b * b - 4 * a * c
        q = -(b + np.where(b < 0, -1.0, 1.0) * np.sqrt(discriminant)) / 2  # NaN for a negative discriminant
        first, second = q / a, np.where(q != 0, c / q, 0.0)
        low, high = np.minimum(first, second), np.maximum(first, second)
        linear = np.where(b != 0, -c / b, np.nan)
    straight = a == 0
    return np.stack([np.where(straight, linear, low), np.where(straight, np.nan, high)], axis=1)


def _firing_states(
    c2: ChannelFloats, c1: ChannelFloats, c0: ChannelFloats, theta: ChannelFloats
) -> tuple[ChannelFloats, ChannelFloats, ChannelFloats]:
    """Return start and end of the self-firing band and the rebound level, by the sign of the curvature."""
    low, high = _roots(c2, c1, c0 - theta).T
    none, minus = np.full_like(theta, np.nan), np.full_like(theta, -np.inf)
    # Upward: fires outside the roots. Without roots, or with both above theta, every state below theta fires.
    always = (c2 > 0) & (np.isnan(low) | (low >= theta))
    upward_from = np.where(high < theta, high, none)
    # Downward: fires between the roots. Straight: on one side of the one root, or, level, everywhere or nowhere.
    rising, falling, level = ((c2 == 0) & (sign) for sign in (c1 > 0, c1 < 0, c1 == 0))
    always |= (rising & (low == -np.inf)) | (falling & (low >= theta)) | (level & (c0 >= theta))
    start = np.select([always, c2 > 0, (c2 < 0) | rising], [minus, upward_from, np.where(low < theta, low, none)], none)
    end = np.where(np.isnan(start), none, np.where((c2 < 0) & ~np.isnan(high), np.minimum(high, theta), theta))
    rebound = np.where(~always & ((c2 > 0) | falling), low, minus)
    return start, end, rebound
