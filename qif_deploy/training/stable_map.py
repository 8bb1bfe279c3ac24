"""Learned coefficients that cannot leave the stable range, whatever the optimiser does to the free numbers behind them.

The map is written around its rest ``p``, the stable fixed point, with slope ``k`` there and curvature ``c2``:

    f(r) = p + k (r - p) + c2 (r - p)^2        c1 = k - 2 c2 p        c0 = p - k p + c2 p^2

Each learned quantity is ``centre + reach * tanh(free)`` with

    p       within REST_REACH * (theta - u_reset) of where it started
    k       |k| <= SLOPE_LIMIT, less D |c2| where c2 is not learned       D: largest distance of u_reset and r0 from any such p
    c2      |c2| <= min(CURVATURE_LIMIT / (theta - u_reset), (CONTRACTION - |k|) / D)
    theta   not below half way from where it started to max(p + D, u_reset, r0), as far up

so that, with z = r - p, |f(r) - p| = |k + c2 z| |z| <= CONTRACTION |z| for |z| <= D < theta - p. Hence at every moment of training: the
rest is a stable fixed point below theta; theta is above u_reset and r0; and without input a neuron that starts at u_reset or r0
comes to rest and never spikes. After a subtracting reset, the state is not u_reset, and only the first two and r0 are claimed.
The distance of CONTRACTION from 1 is far above the rounding of float32 for ``|p|`` up to a hundred times ``theta - u_reset``.
"""

from __future__ import annotations

import enum

import numpy as np

from qif_deploy._torch import torch
from qif_deploy.errors import InputError, raise_findings
from qif_deploy.neuron.fixed_points import analyse_map
from qif_deploy.neuron.params import QIFParams
from qif_deploy.shapes import ChannelFloats

Tensor = torch.Tensor

SLOPE_LIMIT = 0.99
CONTRACTION = 0.995
CURVATURE_LIMIT = 4.0
REST_REACH = 0.25


class LearnedConstant(enum.Enum):
    """What a population may learn; give a frozenset of these."""

    CURVATURE = "curvature"
    SLOPE = "slope"
    REST = "rest"
    THRESHOLD = "threshold"


class StableMap(torch.nn.Module):
    """Free numbers, one per channel and learned constant, and the coefficients that follow from them.

    The start is ``params`` up to the rounding of float32. One channel learns one value for the whole population;
    ``params.broadcast(channels)`` learns one per channel.

    Args:
        params: the neuron to start from.
        learned: at least one constant.

    Raises:
        InputError: a start on or outside the range above, such as the integrate-and-fire neuron, which has no rest.
    """

    def __init__(self, params: QIFParams, learned: frozenset[LearnedConstant]) -> None:
        super().__init__()
        if not learned:
            raise InputError("learned constants: none is given; give a set of LearnedConstant, or leave it out for a fixed neuron")
        self.learned = learned
        start = _StartPoint(params, learned)
        for name, value in start.numbers().items():
            self.register_buffer(name, torch.tensor(value, dtype=torch.get_default_dtype()))
        for constant, value in start.free().items():
            self.register_parameter(f"free_{constant.value}", torch.nn.Parameter(torch.tensor(value, dtype=torch.get_default_dtype())))

    def forward(self) -> dict[str, Tensor]:
        """Return ``c2``, ``c1``, ``c0`` and ``theta``, each ``(channel,)``."""
        theta = self._number("theta_centre") + self._number("theta_reach") * self._tanh(LearnedConstant.THRESHOLD)
        if self.learned == {LearnedConstant.THRESHOLD}:
            return {"c2": self._number("c2"), "c1": self._number("c1"), "c0": self._number("c0"), "theta": theta}
        rest = self._number("rest_centre") + self._number("rest_reach") * self._tanh(LearnedConstant.REST)
        slope = self._number("slope_centre") + self._number("slope_reach") * self._tanh(LearnedConstant.SLOPE)
        c2 = self._number("c2")
        if LearnedConstant.CURVATURE in self.learned:
            room = (CONTRACTION - slope.abs()) / self._number("distance")
            c2 = torch.minimum(self._number("c2_limit"), room) * self._tanh(LearnedConstant.CURVATURE)
        c1 = slope - 2 * c2 * rest
        c0 = rest - slope * rest + c2 * rest * rest
        return {"c2": c2, "c1": c1, "c0": c0, "theta": theta}

    def versions(self) -> tuple[int, ...]:
        """Return numbers that change whenever an optimiser or a loader writes to the parameters."""
        return tuple(number for p in self.parameters() for number in (p._version, p.data_ptr()))

    def _number(self, name: str) -> Tensor:
        value: Tensor = getattr(self, name)
        return value

    def _tanh(self, constant: LearnedConstant) -> Tensor:
        if constant not in self.learned:
            return torch.zeros_like(self._number("theta_centre"))
        return self._number(f"free_{constant.value}").tanh()


class _StartPoint:
    """Centres and reaches of the ranges, and where in them ``params`` stands; float64."""

    def __init__(self, params: QIFParams, learned: frozenset[LearnedConstant]) -> None:
        facts = analyse_map(params)
        self.learned = learned
        self.params = params
        stable = facts.stable
        has_rest = stable.any(axis=1)
        raise_findings(InputError, [f"{_at(c)}: {_NO_REST}" for c in np.flatnonzero(~has_rest)[:1]])
        column = np.argmax(stable, axis=1)
        rows = np.arange(params.channels)
        self.rest, self.slope = facts.fixed_points[rows, column], facts.slopes[rows, column]
        gap = params.theta - params.u_reset
        self.rest_reach = REST_REACH * gap * (LearnedConstant.REST in learned)
        farthest = np.maximum(np.abs(params.u_reset - self.rest), np.abs(params.r0 - self.rest)) + self.rest_reach
        self.distance = np.maximum(farthest, 1e-9 * gap)  # a division by 0, masked or not, has a gradient of NaN
        curvature = np.abs(params.c2)
        self.curvature_learned = LearnedConstant.CURVATURE in learned
        self.slope_reach = np.full_like(gap, SLOPE_LIMIT) if self.curvature_learned else SLOPE_LIMIT - curvature * self.distance
        self.c2_limit = CURVATURE_LIMIT / gap
        self.c2_bound = np.minimum(self.c2_limit, (CONTRACTION - np.abs(self.slope)) / self.distance)
        self.floor = np.maximum(self.rest + self.rest_reach + self.distance, np.maximum(params.u_reset, params.r0))
        self._check()

    def numbers(self) -> dict[str, ChannelFloats]:
        """Return what the module keeps as buffers."""
        p = self.params
        slope_learned, theta_learned = LearnedConstant.SLOPE in self.learned, LearnedConstant.THRESHOLD in self.learned
        return {
            "rest_centre": self.rest,
            "rest_reach": self.rest_reach,
            "slope_centre": self.slope * (not slope_learned),
            "slope_reach": self.slope_reach * slope_learned,
            "distance": self.distance,
            "c2": p.c2,
            "c1": p.c1,
            "c0": p.c0,
            "c2_limit": self.c2_limit,
            "theta_centre": p.theta,
            "theta_reach": (p.theta - self.floor) / 2 * theta_learned,
        }

    def free(self) -> dict[LearnedConstant, ChannelFloats]:
        """Return the free numbers at which the module's coefficients are those of ``params``."""
        zero = np.zeros(self.params.channels)
        found = {
            LearnedConstant.CURVATURE: np.arctanh(self.params.c2 / self.c2_bound) if self.curvature_learned else zero,
            LearnedConstant.SLOPE: np.arctanh(self.slope / self.slope_reach) if LearnedConstant.SLOPE in self.learned else zero,
            LearnedConstant.REST: zero,
            LearnedConstant.THRESHOLD: zero,
        }
        return {constant: found[constant] for constant in LearnedConstant if constant in self.learned}

    def _check(self) -> None:
        remedy = "move u_reset and r0 towards rest, or learn fewer constants"
        limits = [
            ("|slope at rest|", np.abs(self.slope), self.slope_reach),
            ("|c2|", np.abs(self.params.c2), self.c2_bound),
            ("rest + distance of reset and r0", self.floor, self.params.theta),
        ]
        findings = []
        for name, value, limit in limits:
            for c in np.flatnonzero(~(value < limit))[:1]:
                findings.append(
                    f"{_at(c)}: {name} is {value[c]:.6g}, not below {limit[c]:.6g}, so the start is not in the stable range; {remedy}"
                )
        raise_findings(InputError, findings)


_NO_REST = "the map has no stable fixed point (a slope of 1, as of integrate-and-fire, is not stable); start from one, such as decay 0.9"


def _at(channel: int) -> str:
    return f"learned constants, channel {channel}"
