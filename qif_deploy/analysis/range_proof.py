"""Static range proof: the interval of every quantity of the integer network. Source: docs/numerics.md, section 4."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from qif_deploy.analysis.fan_in import branch_ranges, synapse_range
from qif_deploy.analysis.interval import Interval, signed_bits
from qif_deploy.analysis.reachable import ITERATION_LIMIT, reachable_ranges, require_coverable
from qif_deploy.analysis.signal_range import Signal, signal_of
from qif_deploy.analysis.step_range import step_ranges
from qif_deploy.fixedpoint import RoundingMode, saturate
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import Conv2dCodes, DenseCodes, Reduce
from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.neuron.params import ResetMode
from qif_deploy.shapes import ChannelFlags

QUANTITIES = ("acc", "i", "c2m_r", "h", "h_r", "u", "r")
INT64_LIMIT = 2**63 - 1
"""What the readout's sum over time may reach."""


class Verdict(enum.Enum):
    """Whether a quantity stays within its limit; HARMLESS means it may leave it without changing any spike."""

    FITS = "fits"
    HARMLESS = "harmless"
    FAILS = "fails"


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
        return signed_bits(self.lo, self.hi)

    @property
    def verdict(self) -> Verdict:
        """Worst verdict over the channels."""
        return Verdict.FAILS if self.fails.any() else Verdict.HARMLESS if self.harmless.any() else Verdict.FITS


@dataclass(frozen=True, slots=True, kw_only=True)
class PopulationProof:
    """All ranges of a population (a readout has ``acc``, ``i`` and their ``sum`` over time).

    ``steps`` None: proven for any number of steps.
    ``unsettled`` marks channels for which no interval was found that they never leave, although more steps were to be covered.
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
        InputError: fewer than one step.
    """
    require_coverable(steps)
    nodes: dict[str, PopulationProof] = {}
    for name in graph.populations:
        acc, current = branch_ranges(*_incoming(graph, name), graph.population(name).constants.bias)
        nodes[name] = prove_population(graph.population(name).constants, acc, current, steps=steps)
    nodes[graph.readout] = _prove_readout(graph, steps)
    return RangeProof(nodes=nodes, steps=steps)


def _prove_readout(graph: QuantizedGraph, steps: int | None) -> PopulationProof:
    """Prove ``acc``, ``i`` and their ``sum`` over time, which int64 has to hold; for any number of steps there is no bound to give."""
    node, limit = graph.readout_node(), graph.number_format.product_limit
    acc, current = branch_ranges(*_incoming(graph, graph.readout), node.bias)
    ranges = {"acc": _plain(acc, limit), "i": _plain(current, limit)}
    added = 1 if node.reduce is Reduce.LAST else steps
    if added is not None:
        longest = (INT64_LIMIT - 1) // max(1, int(current.magnitude.max()))  # beyond it the product below would itself wrap
        total = Interval(lo=current.lo * min(added, longest), hi=current.hi * min(added, longest))
        fails = np.full(current.lo.shape, added > longest)
        ranges["sum"] = QuantityRange(interval=total, limit=INT64_LIMIT, fails=fails, harmless=np.zeros_like(fails))
    return PopulationProof(ranges=ranges, steps=None, unsettled=np.zeros(current.lo.shape, dtype=bool))


def _incoming(graph: QuantizedGraph, name: str) -> tuple[dict[str, DenseCodes | Conv2dCodes], dict[str, Signal]]:
    synapses, signals = {}, {}
    for branch in graph.sources(name):
        synapse = graph.nodes[branch]
        assert isinstance(synapse, DenseCodes | Conv2dCodes)
        synapses[branch], signals[branch] = synapse, signal_of(graph, graph.sources(branch)[0])
    return synapses, signals


def prove_population(k: FixedConstants, acc: Interval, i: Interval, *, steps: int | None) -> PopulationProof:
    """Prove one population over ``steps`` steps from ``r0``, None for any number.

    Args:
        k: constants of the population.
        acc: range of the sums over the fan-in.
        i: range of the input, shifts and bias included.
        steps: number of steps to cover, None for any; beyond ITERATION_LIMIT only an interval that is never left covers them.
    """
    f = k.number_format
    reached = reachable_ranges(k, i, steps=steps)
    seen, r = reached.ranges, reached.ranges["r"]
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
    return PopulationProof(ranges=ranges, steps=reached.steps, unsettled=reached.unsettled)


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
            f"population {name!r}, channel {c}: the range of r keeps growing, no interval that it never leaves was found; "
            f"prove at most {ITERATION_LIMIT} steps"
        )
    for quantity, q in proof.ranges.items():
        for c in np.flatnonzero(q.fails)[:1]:
            yield (
                f"population {name!r}, channel {c}: {quantity} may reach {q.interval.lo[c]}..{q.interval.hi[c]}, the limit is {q.limit}; "
                "requantise with a larger Delta, a wider format or fewer steps"
            )


__all__ = [
    "ITERATION_LIMIT",
    "QUANTITIES",
    "Interval",
    "PopulationProof",
    "QuantityRange",
    "RangeProof",
    "Verdict",
    "branch_ranges",
    "prove_population",
    "prove_ranges",
    "step_ranges",
    "synapse_range",
]
