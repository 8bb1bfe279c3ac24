"""Static range proof: the interval of every quantity of the integer network. Source: docs/numerics.md, section 4."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from qif_deploy.analysis.signal_range import Signal, signal_of
from qif_deploy.errors import FormatError
from qif_deploy.fixedpoint import RoundingMode, rshift, saturate
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import Conv2dCodes, DenseCodes
from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.neuron.params import ResetMode
from qif_deploy.shapes import ChannelCodes, ChannelFlags

ITERATION_LIMIT = 1024
"""Steps that are iterated at most. A longer run needs a fixed point before that; reaching the limit proves nothing."""

QUANTITIES = ("acc", "i", "c2m_r", "h", "h_r", "u", "r")


class Verdict(enum.Enum):
    """Whether a quantity stays within its limit; HARMLESS means it may leave it without changing any spike."""

    FITS = "fits"
    HARMLESS = "harmless"
    FAILS = "fails"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Closed interval per channel, int64 of shape ``(channel,)``."""

    lo: ChannelCodes
    hi: ChannelCodes

    def hull(self, other: Interval) -> Interval:
        """Return the smallest interval that holds both."""
        return Interval(lo=np.minimum(self.lo, other.lo), hi=np.maximum(self.hi, other.hi))

    @property
    def magnitude(self) -> ChannelCodes:
        """Largest absolute value per channel."""
        return np.maximum(np.abs(self.lo), np.abs(self.hi))


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantityRange:
    """Range of one quantity, with its limit and the verdict per channel."""

    interval: Interval
    limit: int
    fails: ChannelFlags
    harmless: ChannelFlags

    @property
    def lo(self) -> int:
        """Lowest value over all channels."""
        return int(self.interval.lo.min())

    @property
    def hi(self) -> int:
        """Highest value over all channels."""
        return int(self.interval.hi.max())

    @property
    def bits(self) -> int:
        """Signed width that holds the interval."""
        return max(self.hi.bit_length(), (-self.lo - 1).bit_length() if self.lo < 0 else 0) + 1

    @property
    def verdict(self) -> Verdict:
        """Worst verdict over the channels."""
        return Verdict.FAILS if self.fails.any() else Verdict.HARMLESS if self.harmless.any() else Verdict.FITS


@dataclass(frozen=True, slots=True, kw_only=True)
class PopulationProof:
    """All ranges of a population (a readout has ``acc`` and ``i``). ``steps`` None: proven for any number of steps.

    ``unsettled`` marks channels whose range still grew when the iteration ended although more steps were to be covered.
    """

    ranges: Mapping[str, QuantityRange]
    steps: int | None
    unsettled: ChannelFlags

    @property
    def holds(self) -> bool:
        """Whether no quantity fails and every channel is settled."""
        return not self.failing_channels.any()

    @property
    def failing_channels(self) -> ChannelFlags:
        """Boolean ``(channel,)``: where some quantity fails, or nothing is proven."""
        return np.any([self.unsettled, *(q.fails for q in self.ranges.values())], axis=0)  # type: ignore[no-any-return]  # numpy's stub gives Any for an axis


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeProof:
    """Proof of a whole network for runs of up to ``steps`` steps (None: any)."""

    nodes: Mapping[str, PopulationProof]
    steps: int | None

    @property
    def holds(self) -> bool:
        """Whether every quantity of every population stays within its limit."""
        return all(proof.holds for proof in self.nodes.values())

    def failures(self) -> list[str]:
        """One line per failing quantity: population, channel, value, limit, remedy."""
        return [line for name, proof in self.nodes.items() for line in _failures(name, proof)]

    def largest(self, *quantities: str) -> int:
        """Return the largest magnitude of the named quantities over all nodes."""
        return max(int(p.ranges[q].interval.magnitude.max()) for p in self.nodes.values() for q in quantities if q in p.ranges)


def prove_ranges(graph: QuantizedGraph, *, steps: int | None) -> RangeProof:
    """Prove the ranges of ``graph`` for runs of up to ``steps`` steps, or of any length when ``steps`` is None.

    Raises:
        FormatError: a shifted sum beyond 60 bits.
    """
    nodes: dict[str, PopulationProof] = {}
    for name in graph.populations:
        acc, current = branch_ranges(*_incoming(graph, name), graph.population(name).constants.bias)
        nodes[name] = prove_population(graph.population(name).constants, acc, current, steps=steps)
    acc, current = branch_ranges(*_incoming(graph, graph.readout), graph.readout_node().bias)
    limit = graph.number_format.product_limit
    ranges = {"acc": _plain(acc, limit), "i": _plain(current, limit)}
    nodes[graph.readout] = PopulationProof(ranges=ranges, steps=None, unsettled=np.zeros(current.lo.shape, dtype=bool))
    return RangeProof(nodes=nodes, steps=steps)


def branch_ranges(
    synapses: Mapping[str, DenseCodes | Conv2dCodes], signals: Mapping[str, Signal], bias: ChannelCodes
) -> tuple[Interval, Interval]:
    """Return the hull of ``acc`` over the branches and the range of ``i``; exact in int64.

    Args:
        synapses: branch name -> synapse, all into one population or readout.
        signals: branch name -> the codes that it reads.
        bias: bias codes per channel.

    Raises:
        FormatError: a shifted sum beyond 60 bits.
    """
    total = Interval(lo=bias.copy(), hi=bias.copy())
    hull: Interval | None = None
    bound = int(np.abs(bias).max())
    for name, synapse in synapses.items():
        acc = synapse_range(synapse, signals[name])
        bound += int(acc.magnitude.max()) << synapse.shift
        if bound >= 2**60:
            raise FormatError(
                f"synapse {name!r}: with it the input may reach {bound}, beyond 60 bits; use fewer weight_bits or smaller shifts"
            )
        hull = acc if hull is None else hull.hull(acc)
        total = Interval(lo=total.lo + (acc.lo << synapse.shift), hi=total.hi + (acc.hi << synapse.shift))
    assert hull is not None
    return hull, total


def _incoming(graph: QuantizedGraph, name: str) -> tuple[dict[str, DenseCodes | Conv2dCodes], dict[str, Signal]]:
    synapses, signals = {}, {}
    for branch in graph.sources(name):
        synapse = graph.nodes[branch]
        assert isinstance(synapse, DenseCodes | Conv2dCodes)
        synapses[branch], signals[branch] = synapse, signal_of(graph, graph.sources(branch)[0])
    return synapses, signals


def synapse_range(synapse: DenseCodes | Conv2dCodes, signal: Signal) -> Interval:
    """Return the range of the sum over the fan-in, per output channel. Padding contributes zeros."""
    low, high = signal.low, signal.high
    if isinstance(synapse, Conv2dCodes) and synapse.geometry.padding != (0, 0):
        low, high = min(low, 0), max(high, 0)
    weight = synapse.weight.reshape(synapse.weight.shape[0], -1).astype(np.int64)
    positive, negative = np.maximum(weight, 0).sum(axis=1), np.minimum(weight, 0).sum(axis=1)
    largest = int((positive - negative).max()) * max(abs(low), abs(high))  # Python integers: cannot wrap
    if largest >= 2**60:
        raise FormatError(f"a sum over the fan-in may reach {largest}, beyond 60 bits; use a smaller input range or fewer weight_bits")
    return Interval(lo=positive * low + negative * high, hi=positive * high + negative * low)


def prove_population(k: FixedConstants, acc: Interval, i: Interval, *, steps: int | None) -> PopulationProof:
    """Iterate the step on intervals, from ``r0``, over ``steps`` steps or to a fixed point.

    The interval of ``r`` only grows (the hull over all steps so far), so that a step that adds nothing is a fixed point.

    Args:
        k: constants of the population.
        acc: range of the sums over the fan-in.
        i: range of the input, shifts and bias included.
        steps: number of steps to cover, None for any; beyond ITERATION_LIMIT only a fixed point covers them.
    """
    f = k.number_format
    r = Interval(lo=k.r0.copy(), hi=k.r0.copy())
    seen = {"acc": acc, "i": i}
    before = grown = r
    fixed = False
    for _ in range(ITERATION_LIMIT if steps is None else min(steps, ITERATION_LIMIT)):
        now = step_ranges(k, r, i)
        for name, interval in now.items():
            seen[name] = seen[name].hull(interval) if name in seen else interval
        before, grown = r, r.hull(_after_reset(k, now["u"]))
        fixed = bool(np.array_equal(grown.lo, r.lo) and np.array_equal(grown.hi, r.hi))
        if fixed:
            break
        r = grown
    more = steps is None or steps > ITERATION_LIMIT
    unsettled = ((grown.lo != before.lo) | (grown.hi != before.hi)) & more
    seen["r"] = r
    # nearest adds half before it shifts, so the half counts towards the product.
    extra1 = (1 << k.s1) >> 1 if f.rounding is RoundingMode.NEAREST else 0
    extra2 = (1 << k.s2) >> 1 if f.rounding is RoundingMode.NEAREST else 0
    no = np.zeros(k.channels, dtype=bool)
    u = seen["u"]
    below, above = u.lo < -f.state_limit, u.hi > f.state_limit
    # Above the top is a spike either way under hard reset; below the bottom is clamped anyway where a clamp is declared.
    safe_top = k.spiking and k.reset_mode is ResetMode.HARD
    safe_bottom = k.u_min is not None
    wild = u.magnitude > f.product_limit
    ranges = {
        "acc": _plain(acc, f.product_limit),
        "i": _plain(i, f.product_limit),
        "c2m_r": QuantityRange(
            interval=seen["c2m_r"], limit=f.product_limit, fails=seen["c2m_r"].magnitude + extra2 > f.product_limit, harmless=no
        ),
        "h": _plain(seen["h"], f.state_limit),
        "h_r": QuantityRange(
            interval=seen["h_r"], limit=f.product_limit, fails=seen["h_r"].magnitude + extra1 > f.product_limit, harmless=no
        ),
        "u": QuantityRange(
            interval=u,
            limit=f.state_limit,
            fails=wild | (below & (not safe_bottom)) | (above & (not safe_top)),
            harmless=(below & safe_bottom) | (above & safe_top),
        ),
        "r": QuantityRange(interval=r, limit=f.state_limit, fails=_reset_saturates(k, u), harmless=no),
    }
    return PopulationProof(ranges=ranges, steps=None if fixed else steps, unsettled=unsettled)


def step_ranges(k: FixedConstants, r: Interval, i: Interval) -> dict[str, Interval]:
    """Return the ranges of ``c2m_r``, ``h``, ``h_r`` and ``u`` (before it saturates) for one step from ``r``.

    ``h r = c2m r^2 / 2^s2 + c1m r + e r``, where ``|e| <= 1`` is the first rounding. The parabola is extreme at the ends
    or at the integers beside its vertex; ``e r`` widens that by ``max |r|`` (by nothing where no bit is dropped).
    """
    mode = k.number_format.rounding
    ends = k.c2m * r.lo, k.c2m * r.hi
    c2m_r = Interval(lo=np.minimum(*ends), hi=np.maximum(*ends))
    h = Interval(lo=rshift(c2m_r.lo, k.s2, rounding=mode) + k.c1m, hi=rshift(c2m_r.hi, k.s2, rounding=mode) + k.c1m)
    curved = k.c2m != 0
    vertex = np.where(curved, (-k.c1m << k.s2) // np.where(curved, 2 * k.c2m, 1), r.lo)
    points = [r.lo, r.hi, np.clip(vertex, r.lo, r.hi), np.clip(vertex + 1, r.lo, r.hi)]
    slack = np.where(curved & (k.s2 > 0), r.magnitude, 0)
    # Saturation keeps |h| within the state limit, so the product of the limits holds besides the parabola.
    lower = np.minimum.reduce([((k.c2m * x * x) >> k.s2) + k.c1m * x for x in points]) - slack
    upper = np.maximum.reduce([-((-(k.c2m * x * x)) >> k.s2) + k.c1m * x for x in points]) + slack
    corners = [saturate(a, k.number_format.state_limit) * b for a in (h.lo, h.hi) for b in (r.lo, r.hi)]
    saturating = h.magnitude > k.number_format.state_limit
    box = Interval(lo=np.minimum.reduce(corners), hi=np.maximum.reduce(corners))
    h_r = Interval(
        lo=np.where(saturating, box.lo, np.maximum(lower, box.lo)),
        hi=np.where(saturating, box.hi, np.minimum(upper, box.hi)),
    )
    u = Interval(lo=rshift(h_r.lo, k.s1, rounding=mode) + i.lo, hi=rshift(h_r.hi, k.s1, rounding=mode) + i.hi)
    return {"c2m_r": c2m_r, "h": h, "h_r": h_r, "u": u}


def _after_reset(k: FixedConstants, u: Interval) -> Interval:
    """Range of ``r`` after one step whose ``u`` before saturation is given."""
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


def _reset_saturates(k: FixedConstants, u: Interval) -> ChannelFlags:
    """Where ``u - reset_by`` leaves the state under subtract: only a negative ``reset_by`` can, since ``theta >= 1``."""
    if k.theta is None or k.reset_mode is not ResetMode.SUBTRACT:
        return np.zeros(k.channels, dtype=bool)
    limit = k.number_format.state_limit
    top = saturate(u.hi, limit) if k.u_min is None else np.maximum(saturate(u.hi, limit), k.u_min)
    return (top >= k.theta) & (top - k.reset_by > limit)


def _plain(interval: Interval, limit: int) -> QuantityRange:
    outside = interval.magnitude > limit
    return QuantityRange(interval=interval, limit=limit, fails=outside, harmless=np.zeros_like(outside))


def _failures(name: str, proof: PopulationProof) -> Iterator[str]:
    for c in np.flatnonzero(proof.unsettled)[:1]:
        yield (
            f"population {name!r}, channel {c}: the range of r still grows after {ITERATION_LIMIT} steps, which proves nothing beyond; "
            f"prove at most {ITERATION_LIMIT} steps"
        )
    for quantity, q in proof.ranges.items():
        for c in np.flatnonzero(q.fails)[:1]:
            yield (
                f"population {name!r}, channel {c}: {quantity} may reach {q.interval.lo[c]}..{q.interval.hi[c]}, the limit is {q.limit}; "
                "requantise with a larger Delta, a wider format or fewer steps"
            )
