"""How far rounding may move a membrane: a bound per neuron and step, propagated through the map, and what it says of a flipped spike.

With ``r`` the state of the integer network times ``Delta``, ``q`` the state of the float network, and hats for rounded constants:

    u - v = (c2^ - c2) r^2 + (c1^ - c1) r                 constants
          + Delta (i - (c0 + x) / Delta)                  weights and bias, on the same spikes
          + Delta e1 + e2 r / 2^s1                        the two right shifts, |e| <= 1 (1/2 under nearest)
          + (c2 (r + q) + c1) (r - q)                     what was there before: an identity, the slope is the secant's

The first three lines are bounded by what correct rounding allows, whatever the network really holds; the last carries the bound of the
step before, or what a reset leaves of it. A spike decision may then differ by rounding only where the float membrane is nearer to its
threshold than the bound and the rounding of the threshold together. Derivation in words: docs/fidelity.md.

Three bounds share one recursion, since it is linear: rounding, deliberate choices of quantisation (clipping, corrected biases,
trained codes), and history (spikes that flipped before, here or upstream).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from qif_deploy.fidelity.ideal_codes import IdealNode
from qif_deploy.fixedpoint import RoundingMode, ceil_codes, rint_codes, saturate
from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.neuron.params import QIFParams, ResetMode
from qif_deploy.shapes import ChannelFloats, SpikeTrain, TraceCodes, channelwise

Course = Annotated[NDArray[np.float64], "(time, batch, channel, ...)"]
SLACK = 2.0**-40
"""Relative allowance for the float64 arithmetic of the float network and of the bound itself."""


class Cause(enum.Enum):
    """What explains a flipped spike, from the narrowest: the first whose bound reaches the threshold."""

    ROUNDING = "rounding"
    CHOICE = "choice"
    HISTORY = "history"
    UNEXPLAINED = "unexplained"


CAUSES = tuple(Cause)


@dataclass(frozen=True, slots=True, kw_only=True)
class PopulationRun:
    """One population in both networks on the same samples: membranes before reset and spikes."""

    v: Course
    s_float: SpikeTrain
    u: TraceCodes
    s_codes: SpikeTrain


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What moves the input current at every step, as magnitudes in float units; zero where nothing does."""

    rounding: Course
    choice: Course | float = 0.0
    history: Course | float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Bounds of ``|u Delta - v|`` at every step, one upon the other, in float units; ``threshold`` is what rounding ``theta`` adds."""

    rounding: Course
    choice: Course
    history: Course
    threshold: Course

    @property
    def total(self) -> Course:
        """How far everything that is known may move a membrane."""
        return self.rounding + self.choice + self.history

    def causes(self, distance: Course, where: tuple[NDArray[np.int64], ...]) -> NDArray[np.int64]:
        """Return for each flipped spike the position of its cause in CAUSES.

        Args:
            distance: ``|v - theta|`` of the flipped ones.
            where: their indices.
        """
        threshold = np.broadcast_to(self.threshold, self.rounding.shape)[where]
        reach = self.rounding[where] + threshold
        found = np.full(distance.shape, CAUSES.index(Cause.UNEXPLAINED))
        layers = []
        for cause, more in ((Cause.ROUNDING, None), (Cause.CHOICE, self.choice), (Cause.HISTORY, self.history)):
            reach = reach if more is None else reach + more[where]
            layers.append((cause, distance <= reach))
        for cause, reached in reversed(layers):
            found[reached] = CAUSES.index(cause)
        return found


def propagated_bounds(node: IdealNode, constants: FixedConstants, run: PopulationRun, sources: Sources) -> Bounds:
    """Return the bounds of a spiking population.

    Args:
        node: the float population and its units.
        constants: the integer population.
        run: both courses.
        sources: what the input current may differ by.
    """
    assert node.params is not None
    params, ndim = node.params, run.v.ndim - 2
    laid = _Laid.of(node, constants, ndim)
    shape = run.v.shape
    rounding, choice, history = np.empty(shape), np.zeros(shape), np.zeros(shape)
    carried: list[Any] = [laid.start, 0.0, 0.0]
    q: Any = np.broadcast_to(channelwise(params.r0, ndim), shape[1:])
    r: Any = np.broadcast_to(channelwise(constants.r0, ndim), shape[1:]) * laid.delta
    for t in range(shape[0]):
        slope = np.abs(laid.c2 * (r + q) + laid.c1)
        own = (laid.quadratic * np.abs(r) + laid.linear) * np.abs(r) + laid.constant + SLACK * (laid.span + np.abs(run.v[t]))
        rounding[t] = own + sources.rounding[t] + slope * carried[0]
        choice[t] = _at(sources.choice, t) + slope * carried[1]
        history[t] = _at(sources.history, t) + slope * carried[2]
        if params.u_min is not None:
            rounding[t] = np.maximum(rounding[t], laid.clamp)
        q, r = _float_reset(params, run.v[t], run.s_float[t], ndim), _code_reset(constants, run.u[t], run.s_codes[t], ndim) * laid.delta
        fired, differ = (run.s_float[t] & run.s_codes[t]) != 0, run.s_float[t] != run.s_codes[t]
        carried = _carried(params.reset, (rounding[t], choice[t], history[t]), fired, differ, laid.reset, np.abs(r - q))
    return Bounds(rounding=rounding, choice=choice, history=history, threshold=laid.threshold)


def _carried(
    reset: ResetMode, bounds: tuple[Course, Course, Course], fired: NDArray[np.bool_], differ: NDArray[np.bool_], rounded: Any, apart: Any
) -> list[Any]:
    """Return what of the bounds outlives the reset; where the decisions differ, the distance itself becomes history."""
    rounding, choice, history = bounds
    if reset is ResetMode.HARD:
        kept = ~(fired | differ)
        return [
            np.where(kept, rounding, np.where(fired, rounded, 0.0)),
            np.where(kept, choice, 0.0),
            np.where(differ, apart, np.where(kept, history, 0.0)),
        ]
    return [
        np.where(differ, 0.0, np.where(fired, rounding + rounded, rounding)),
        np.where(differ, 0.0, choice),
        np.where(differ, apart, history),
    ]


def _at(source: Course | float, t: int) -> Any:
    return source if isinstance(source, float) else source[t]


def _float_reset(p: QIFParams, v: Course, s: SpikeTrain, ndim: int) -> Course:
    if p.reset is ResetMode.HARD:
        return np.where(s != 0, channelwise(p.u_reset, ndim), v)
    found: Course = v - s * channelwise(p.reset_by, ndim)
    return found


def _code_reset(k: FixedConstants, u: TraceCodes, s: SpikeTrain, ndim: int) -> NDArray[np.int64]:
    wide = u.astype(np.int64)
    if k.reset_mode is ResetMode.HARD:
        return np.where(s != 0, channelwise(k.reset, ndim), wide)
    found: NDArray[np.int64] = saturate(wide - s * channelwise(k.reset_by, ndim), k.number_format.state_limit)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Laid:
    """Allowances per channel, laid out over ``(channel, ...)``: what correct rounding leaves of every constant, in float units."""

    delta: Any
    c2: Any
    c1: Any
    quadratic: Any
    linear: Any
    constant: Any
    threshold: Any
    reset: Any
    start: Any
    clamp: Any
    span: Any

    @classmethod
    def of(cls, node: IdealNode, k: FixedConstants, ndim: int) -> _Laid:
        p, delta = node.params, node.delta
        assert p is not None
        shift = 1.0 if k.number_format.rounding is not RoundingMode.NEAREST else 0.5
        first = np.where((k.s2 > 0) & (k.c2m != 0), shift, 0.0)
        second = shift if k.s1 > 0 else 0.0
        unit2, unit1 = 1 / (delta * 2.0 ** (k.s1 + k.s2)), 2.0**-k.s1
        values = {
            "delta": delta,
            "c2": p.c2,
            "c1": p.c1,
            "quadratic": np.abs(np.rint(p.c2 / unit2) * unit2 - p.c2),
            "linear": np.abs(np.rint(p.c1 / unit1) * unit1 - p.c1) + first * unit1,
            "constant": delta * second,
            "threshold": _above(p.theta, delta, on_equal=p.spike_on_equal),
            "reset": _off(p.u_reset if p.reset is ResetMode.HARD else p.reset_by, delta),
            "start": _off(p.r0, delta),
            "clamp": np.zeros_like(delta) if p.u_min is None else _off(p.u_min, delta),
            "span": p.theta - p.u_reset,
        }
        return cls(**{name: channelwise(value, ndim) for name, value in values.items()})


def _off(values: ChannelFloats, delta: ChannelFloats) -> ChannelFloats:
    """Distance of the rounded code from its float value."""
    found: ChannelFloats = np.abs(rint_codes(values, delta) * delta - values)
    return found


def _above(theta: ChannelFloats, delta: ChannelFloats, *, on_equal: bool) -> ChannelFloats:
    """What rounding up adds to the threshold, and one code more where a spike needs strictly more than it."""
    found: ChannelFloats = np.abs(ceil_codes(theta, delta) * delta - theta) + (0.0 if on_equal else delta)
    return found


__all__ = ["CAUSES", "Bounds", "Cause", "PopulationRun", "Sources", "propagated_bounds"]
