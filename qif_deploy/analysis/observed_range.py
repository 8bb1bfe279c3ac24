"""What runs reached of the proven ranges: observed intervals per population, and the gap between proof and data in bits.

The gap says how much room the proof holds ready that the data did not use. It is reported, never limited: a silenced neuron that
is excited next comes close to the proof, whether or not the data have it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log2
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from qif_deploy.analysis.range_proof import RangeProof
from qif_deploy.fixedpoint import rshift, saturate
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.neuron.constants import StepConstants
from qif_deploy.neuron.params import ResetMode
from qif_deploy.shapes import channelwise

Extent = tuple[int, int]
"""Lowest and highest value over all channels, steps and samples."""


class StateArrays(Protocol):
    """States of one population, ``(time, batch, channel, ...)``: what a trace holds."""

    @property
    def i(self) -> NDArray[Any]:
        """Input, with shifts and bias."""

    @property
    def u(self) -> NDArray[Any]:
        """Membrane before reset, saturated."""

    @property
    def s(self) -> NDArray[Any]:
        """Spikes."""


class Run(Protocol):
    """What a backend returns of a run."""

    @property
    def populations(self) -> Mapping[str, StateArrays]:
        """States by population."""

    @property
    def readout(self) -> NDArray[np.int64]:
        """Reduced readout, ``(batch, class)``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedRange:
    """Extents by node and quantity; a population has all of the proof but ``acc``, the readout its ``sum``."""

    nodes: Mapping[str, Mapping[str, Extent]]
    samples: int

    def merged(self, other: ObservedRange) -> ObservedRange:
        """Return the extents over both sets of samples, which are of one network."""
        nodes = {
            name: {q: (min(low, other.nodes[name][q][0]), max(high, other.nodes[name][q][1])) for q, (low, high) in row.items()}
            for name, row in self.nodes.items()
        }
        return ObservedRange(nodes=nodes, samples=self.samples + other.samples)


def observe(graph: QuantizedGraph, run: Run) -> ObservedRange:
    """Return the extents that a run of ``graph`` reached."""
    nodes = {name: _observe_population(graph, name, states) for name, states in run.populations.items()}
    nodes[graph.readout] = {"sum": _extent(run.readout)}
    return ObservedRange(nodes=nodes, samples=int(run.readout.shape[0]))


def gap_bits(proof: RangeProof, observed: ObservedRange) -> dict[str, dict[str, float]]:
    """Return log2 of proven over observed magnitude, per node and quantity, where both are more than zero."""
    found: dict[str, dict[str, float]] = {}
    for name, row in observed.nodes.items():
        found[name] = {}
        for quantity, (low, high) in row.items():
            q = proof.nodes[name].ranges.get(quantity)
            reached = max(abs(low), abs(high))
            proven = 0 if q is None else max(abs(q.lo), abs(q.hi))
            if reached and proven:
                found[name][quantity] = round(log2(proven / reached), 2)
    return found


def _observe_population(graph: QuantizedGraph, name: str, states: StateArrays) -> dict[str, Extent]:
    """Take the extents step by step, so that no array larger than one step is formed."""
    constants = graph.population(name).constants
    ndim = states.u.ndim - 2
    k = constants.laid_out(ndim)
    r: NDArray[np.int64] = np.broadcast_to(channelwise(constants.r0, ndim), states.u.shape[1:])
    extents = {"i": _extent(states.i), "u": _extent(states.u), "r": _extent(r)}
    for u, s in zip(states.u, states.s, strict=True):
        c2m_r = k.c2m * r
        h = rshift(c2m_r, k.s2, rounding=k.rounding) + k.c1m
        h_r = saturate(h, k.state_limit) * r
        r = _after_reset(k, u.astype(np.int64), s)
        for quantity, values in {"c2m_r": c2m_r, "h": h, "h_r": h_r, "r": r}.items():
            low, high = _extent(values)
            before = extents.get(quantity, (low, high))
            extents[quantity] = (min(low, before[0]), max(high, before[1]))
    return extents


def _after_reset(k: StepConstants, u: NDArray[np.int64], s: NDArray[Any]) -> NDArray[np.int64]:
    if k.reset_mode is ResetMode.HARD:
        return np.where(s != 0, k.reset, u)
    after: NDArray[np.int64] = saturate(u - s * k.reset_by, k.state_limit)
    return after


def _extent(values: NDArray[Any]) -> Extent:
    return int(values.min()), int(values.max())


__all__ = ["ObservedRange", "gap_bits", "observe"]
