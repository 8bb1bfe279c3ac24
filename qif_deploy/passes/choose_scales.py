"""Choose ``Delta`` per channel, ``s1`` and the level ``k`` of a population together. Source: docs/numerics.md, section 3."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

import numpy as np

from qif_deploy.analysis.check_network import FINE_THETA
from qif_deploy.analysis.range_proof import Interval, PopulationProof, prove_population
from qif_deploy.errors import FormatError
from qif_deploy.fixedpoint import MAX_SHIFT, NumberFormat
from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.neuron.params import QIFParams, ResetMode
from qif_deploy.passes.branches import Branch
from qif_deploy.shapes import ChannelCodes, ChannelFlags, ChannelFloats

MAX_LEVEL = 16
"""Largest level k: a state 2**16 times finer than a weight step gains nothing more."""

BISECTIONS = 14
"""Halvings of log2(Delta) in the search for the smallest unit that the proof allows: below 0.2 % of the unit."""

FLOOR_SAFETY = 1 + 1e-9
"""Margin for the rounding of two noise figures that are compared; both are sums of a few positive terms."""


class Bound(enum.Enum):
    """Which limit keeps a channel's ``Delta`` from being smaller."""

    WEIGHTS = "weights"
    PRODUCT = "product"
    STATE = "state"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scales:
    """The choice for one population. ``noise`` is the estimate that was minimised, in units of ``theta - u_reset``."""

    delta: ChannelFloats
    s1: int
    level: int
    noise: float
    bound_by: tuple[Bound, ...]


def choose_scales(
    params: QIFParams, branches: tuple[Branch, ...], bias: ChannelFloats, number_format: NumberFormat, *, steps: int | None
) -> Scales:
    """Minimise the rounding noise estimate over ``s1`` and ``k``; ties take the larger ``s1``, then the smaller ``k``.

    Where some choice is resolved (``is_resolved``), only such choices count: the estimate assumes even activity, and codes left unused
    are lost for whatever the data bring.

    ``Delta[c] = max(min_b D_b[c] / 2^k, Delta_proof[c](s1))``, ``D_b[c] = reach_b[c] s_b / w_max``; the reach is the largest
    weight or a calibrated smaller one.

    Args:
        params: float parameters, one value per channel.
        branches: what feeds the population.
        bias: summed biases and ``c0`` per channel.
        number_format: the target's widths.
        steps: number of steps that the proof must cover, None for any.

    Raises:
        FormatError: no ``s1`` and ``Delta`` satisfy the proof.
    """
    steepest = int(np.abs(params.c1).argmax())
    if np.rint(np.abs(params.c1[steepest])) > number_format.coef_limit:
        raise FormatError(
            f"channel {steepest}: c1 {params.c1[steepest]:.6g} exceeds {number_format.coef_limit} (coef_bits = {number_format.coef_bits}); "
            "use more coefficient bits"
        )
    finest = finest_weight_unit(branches)
    search = _ProofSearch(params, branches, bias, number_format, steps)
    best: Scales | None = None
    fine = False
    by_weights = np.zeros(finest.shape, dtype=bool)
    fitting = [s1 for s1 in range(MAX_SHIFT + 1) if np.rint(np.abs(params.c1).max() * 2.0**s1) <= number_format.coef_limit]
    # From the largest down, so that the first of equals is kept, and what cannot beat the best any more is never proven.
    for s1 in reversed(fitting):
        if fine and best is not None and noise_floor(params, branches, s1) > best.noise * FLOOR_SAFETY:
            break
        proof_unit = search.smallest_unit(s1, finest)
        if proof_unit is None:
            continue
        for level in range(MAX_LEVEL + 1):
            delta = np.where(np.isfinite(finest), np.maximum(finest / 2.0**level, proof_unit), proof_unit)
            noise = noise_estimate(params, branches, delta, s1)
            resolved = is_resolved(params, branches, delta)
            if best is None or (not resolved, noise) < (not fine, best.noise):
                fine = resolved
                best = Scales(delta=delta, s1=s1, level=level, noise=noise, bound_by=())
                by_weights = delta > proof_unit
            if (delta == proof_unit).all():
                break
    if best is None:
        raise FormatError(
            f"no Delta and s1 keep the ranges within format {number_format.name!r} "
            f"({search.reason}); use a wider format, fewer steps, a lower clamp (u_min) or smaller weights"
        )
    return replace(best, bound_by=search.bound_by(best.delta, best.s1, by_weights))


def finest_weight_unit(branches: tuple[Branch, ...]) -> ChannelFloats:
    """Return ``min_b D_b[c]`` over branches with a non-zero row; infinity for a dead channel."""
    units = np.stack([branch.largest / branch.limit for branch in branches])
    finest: ChannelFloats = np.where(units > 0, units, np.inf).min(axis=0)
    return finest


def noise_estimate(params: QIFParams, branches: tuple[Branch, ...], delta: ChannelFloats, s1: int) -> float:
    """Root mean square over channels of the rounding noise that one step adds to ``u``, in units of ``theta - u_reset``.

    Uniform rounding errors: a weight step per active synapse, ``2^-s1`` of the multiplier ``h`` on a membrane near
    threshold, and a truncation of one ``Delta``. An estimate that ranks candidates; nothing else depends on it.
    """
    span = params.theta - params.u_reset
    power = delta**2 / 3 + (2.0**-s1 * span) ** 2 / 12
    for branch in branches:
        step = delta * 2.0 ** estimated_shift(branch, delta)
        power = power + branch.activity * step**2 / 12
    return float(np.sqrt(np.mean(power / span**2)))


def estimated_shift(branch: Branch, delta: ChannelFloats) -> int:
    """Return the branch shift for ``delta`` in floats: a code fits while it rounds to the limit, hence the half.

    Without it a unit that is made of the largest weight would need a shift more whenever its division rounds down.
    """
    ratio = float((branch.largest / delta).max()) / (branch.limit + 0.5)
    return max(0, int(np.ceil(np.log2(ratio)))) if ratio > 0 else 0


def is_resolved(params: QIFParams, branches: tuple[Branch, ...], delta: ChannelFloats) -> bool:
    """Whether the median threshold is at least FINE_THETA codes and half the weight codes are used in the median channel."""
    used = np.zeros(delta.shape)
    for branch in branches:
        codes = np.rint(branch.largest / delta / 2.0 ** estimated_shift(branch, delta))
        used = np.maximum(used, codes / ((branch.limit + 1) // 2))
    return bool(np.median(params.theta / delta) >= FINE_THETA and np.median(used) >= 1)


def noise_floor(params: QIFParams, branches: tuple[Branch, ...], s1: int) -> float:
    """Return what ``noise_estimate`` cannot fall below at any ``Delta``: no step is finer than the branch's own weights ask for.

    It falls with ``s1``, so that below an ``s1`` whose floor is too high there is nothing to look for.
    """
    span = params.theta - params.u_reset
    power = (2.0**-s1 * span) ** 2 / 12
    for branch in branches:
        power = power + branch.activity * (branch.largest / (branch.limit + 0.5)) ** 2 / 12
    return float(np.sqrt(np.mean(power / span**2)))


class _ProofSearch:
    """Finds the smallest unit per channel at which the range proof holds, for one ``s1`` at a time.

    Ranges of the input are taken from the float weights, so that no codes need to be formed; the caller proves the
    final codes again.
    """

    def __init__(
        self, params: QIFParams, branches: tuple[Branch, ...], bias: ChannelFloats, number_format: NumberFormat, steps: int | None
    ) -> None:
        self.params, self.bias, self.format, self.steps = params, bias, number_format, steps
        ranges = [branch.current_range() for branch in branches]
        self.low = np.sum([low for low, _ in ranges], axis=0) + bias
        self.high = np.sum([high for _, high in ranges], axis=0) + bias
        self.reason = "no s1 was possible"

    def smallest_unit(self, s1: int, finest: ChannelFloats) -> ChannelFloats | None:
        """Bisect log2(Delta) per channel; None when a channel fails even at the coarsest unit."""
        span = self.params.theta - self.params.u_reset
        high = np.asarray(np.log2(np.where(np.isfinite(finest), np.maximum(finest, span), span)), np.float64)
        base = np.log2(np.where(np.isfinite(finest), finest, 2.0**high)) - MAX_LEVEL - 1
        low = np.asarray(np.minimum(base, high - 1), np.float64)
        proof = self.prove(2.0**high, s1)
        if self._failing(proof, 2.0**high, s1).any():
            # The coarsest unit may be too coarse for the thresholds themselves; a coarse grid finds a start.
            start = self._coarse_start(low, high, s1)
            if start is None:
                return None
            high = start
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            fails = self._failing(self.prove(2.0**middle, s1), 2.0**middle, s1)
            low, high = np.where(fails, middle, low), np.where(fails, high, middle)
        unit: ChannelFloats = 2.0**high
        return unit

    def _coarse_start(self, low: ChannelFloats, high: ChannelFloats, s1: int) -> ChannelFloats | None:
        start = np.full(high.shape, np.nan)
        for x in np.linspace(1, 0, 25):
            at = low + (high - low) * x
            proof = self.prove(2.0**at, s1)
            fails = self._failing(proof, 2.0**at, s1)
            start = np.where(np.isnan(start) & ~fails, at, start)
        missing = np.flatnonzero(np.isnan(start))
        if missing.size:
            proof = self.prove(2.0 ** (low + (high - low) * 0.5), s1)
            broken = [name for name, q in proof.ranges.items() if q.fails[missing[0]]]
            self.reason = f"channel {missing[0]} breaks {', '.join(broken) or 'its thresholds'} at every unit"
            return None
        return start

    def bound_by(self, delta: ChannelFloats, s1: int, by_weights: ChannelFlags) -> tuple[Bound, ...]:
        """Name the limit per channel: the weights, or what breaks just below the smallest unit."""
        proof = self.prove(delta * 0.97, s1)
        product = np.logical_or.reduce([proof.ranges[name].fails for name in ("i", "c2m_r", "h_r")])
        return tuple(Bound.WEIGHTS if w else Bound.PRODUCT if p else Bound.STATE for w, p in zip(by_weights, product, strict=True))

    def _failing(self, proof: PopulationProof, delta: ChannelFloats, s1: int) -> ChannelFlags:
        f, p = self.format, self.params
        codes = [self.bias, p.theta, p.u_reset, p.r0] + ([] if p.u_min is None else [p.u_min])
        codes += [p.reset_by] if p.reset is ResetMode.SUBTRACT else []
        wide = np.logical_or.reduce([np.abs(value / delta) > f.state_limit - 1 for value in codes])
        touching = np.ceil(p.theta / delta) <= np.maximum(np.rint(p.u_reset / delta), np.rint(p.r0 / delta))
        steep = np.rint(np.abs(p.c2) * delta * 2.0**s1) > f.coef_limit
        failing: ChannelFlags = proof.failing_channels | wide | touching | steep
        return failing

    def prove(self, delta: ChannelFloats, s1: int) -> PopulationProof:
        """Prove codes formed in float64 and clipped where they do not fit (those channels count as failing anyway)."""
        p, f = self.params, self.format
        state = f.state_limit

        def codes(value: ChannelFloats, limit: int = state) -> ChannelCodes:
            rounded: ChannelCodes = np.clip(np.rint(value / delta), -limit, limit).astype(np.int64)
            return rounded

        exact = np.abs(p.c2) * delta * 2.0**s1
        with np.errstate(divide="ignore"):
            room = np.where(exact > 0, np.floor(np.log2((f.coef_limit + 0.5) / exact)), 0.0)
        s2 = np.where(p.c2 != 0, np.clip(room, 0, MAX_SHIFT), 0).astype(np.int64)
        c2m = np.clip(np.rint(p.c2 * delta * 2.0 ** (s1 + s2)), -f.coef_limit, f.coef_limit).astype(np.int64)
        reset, r0 = codes(p.u_reset, state - 1), codes(p.r0, state - 1)
        theta = np.clip(np.ceil(p.theta / delta), 1 - state, state).astype(np.int64)
        constants = FixedConstants(
            c2m=c2m,
            c1m=np.rint(p.c1 * 2.0**s1).astype(np.int64),
            s2=np.where(c2m == 0, 0, s2),
            s1=s1,
            bias=np.zeros(delta.size, np.int64),
            theta=np.maximum(np.maximum(theta, 1), np.maximum(reset, r0) + 1)
            if p.reset is ResetMode.SUBTRACT
            else np.maximum(theta, np.maximum(reset, r0) + 1),
            reset=reset,
            r0=r0,
            reset_by=codes(p.reset_by),
            u_min=None if p.u_min is None else codes(p.u_min),
            reset_mode=p.reset,
            number_format=f,
        )
        bounds = [np.clip(np.rint(value / delta), -(2.0**60), 2.0**60).astype(np.int64) for value in (self.low, self.high)]
        current = Interval(lo=bounds[0], hi=bounds[1])
        return prove_population(constants, current, current, steps=self.steps)
