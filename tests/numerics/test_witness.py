"""The proof is tight: for sampled channels, inputs built here reach every bound over two steps within a quarter of a bit.

A witness chooses the code of every synapse of one neuron, for two steps: all inhibition, all excitation, or as much as brings the
membrane as near as the weights allow to just below theta or to the vertex of the parabola. The oracle runs it.
"""

from __future__ import annotations

from dataclasses import replace
from math import log2

import numpy as np
import pytest

from qif_deploy.analysis.fan_in import branch_ranges
from qif_deploy.analysis.range_proof import prove_population
from qif_deploy.analysis.signal_range import signal_of
from qif_deploy.fixedpoint import RoundingMode
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import DenseCodes
from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.neuron.params import QIFParams, ResetMode
from qif_deploy.passes.quantize import quantize_graph
from tests.core.test_quantize import float_chain
from tests.networks import LOIHI2, chain, residual
from tests.numerics import oracle
from tests.strategies import oracle_constants

QUARTER_BIT = 0.25
Term = tuple[int, int, int]
"""What one synapse adds per input code (its weight, shifted), and the range of its codes."""

FORMS = {
    "fixed points": QIFParams.from_fixed_points(a=0.25, u_rest=0.0, u_crit=0.5),
    "roots": QIFParams.from_roots(a=0.25, u1=0.0, u2=0.5),
    "without rest": QIFParams.from_normal_form(a=0.25, eta=0.5, u_reset=-1.0),
    "negative curvature": QIFParams.of(c2=-0.25, c1=0.9),
    "lif": QIFParams.lif(decay=0.9),
    "lif, subtract": QIFParams.lif(decay=0.9, reset=ResetMode.SUBTRACT),
    "clamped": QIFParams.of(c2=0.25, c1=0.875, u_min=-0.5),
}


def quantised(params: QIFParams) -> QuantizedGraph:
    return quantize_graph(float_chain(params), LOIHI2, steps=2)[0]


NETWORKS = {name: lambda params=params: quantised(params) for name, params in FORMS.items()} | {
    "residual": lambda: residual(2),
    "floor": lambda: chain(4, signed_input=True, rounding=RoundingMode.FLOOR),
    "nearest, subtract": lambda: chain(5, rounding=RoundingMode.NEAREST, reset_mode=ResetMode.SUBTRACT),
}


def terms_of(graph: QuantizedGraph, name: str, channel: int) -> list[Term]:
    """Every synapse of a neuron whose whole kernel lies on the map."""
    found = []
    for branch in graph.sources(name):
        synapse, signal = graph.nodes[branch], signal_of(graph, graph.sources(branch)[0])
        if not isinstance(synapse, DenseCodes):
            reach = [d * (k - 1) for d, k in zip(synapse.geometry.dilation, synapse.weight.shape[2:], strict=True)]
            assert all(r < size for r, size in zip(reach, graph.shapes[graph.sources(branch)[0]][1:], strict=True))
        found += [(int(w) << synapse.shift, signal.low, signal.high) for w in synapse.weight[channel].ravel() if w]
    return found


def driven(terms: list[Term], bias: int, target: int | None, *, highest: bool = False) -> int:
    """Input of all synapses at their lowest (or highest) sum, or the sum next below ``target`` that greedy choice finds."""
    lows = [min(w * low, w * high) for w, low, high in terms]
    total = bias + sum(lows)
    if highest:
        return bias + sum(max(w * low, w * high) for w, low, high in terms)
    if target is not None:
        for w, low, high in sorted(terms, key=lambda term: -abs(term[0])):
            total += max(0, min(high - low, (target - total) // abs(w))) * abs(w)
    return total


def reached(k: FixedConstants, channel: int, terms: list[Term]) -> dict[str, tuple[int, int]]:
    """Extremes of every quantity over the witnesses of two steps."""
    c = oracle_constants(k, channel)
    targets = [None] if c["theta"] is None else [None, c["theta"] - 1]
    targets += [] if c["c2m"] == 0 else [(-c["c1m"] << c["s2"]) // (2 * c["c2m"])]
    values: dict[str, list[int]] = {q: [] for q in ("i", "c2m_r", "h", "h_r", "u", "r")}

    def choices(r: int) -> list[int]:
        """Inputs of one step from ``r``: both ends, and what brings u next to each target."""
        drift, _, _ = oracle.step(r, 0, c | {"u_min": None, "theta": None})
        aimed = [driven(terms, c["bias"], None if target is None else target - drift) for target in targets]
        return [*aimed, driven(terms, c["bias"], None, highest=True)]

    def step(r: int, i: int) -> int:
        h = oracle.rshift(c["c2m"] * r, c["s2"], c["rounding"]) + c["c1m"]
        h_r = oracle.sat(h, c["state_bits"]) * r
        _, _, after = oracle.step(r, i, c)
        u = oracle.rshift(h_r, c["s1"], c["rounding"]) + i
        for quantity, value in (("i", i), ("c2m_r", c["c2m"] * r), ("h", h), ("h_r", h_r), ("u", u), ("r", r), ("r", after)):
            values[quantity].append(value)
        return after

    for first in choices(c["r0"]):
        after = step(c["r0"], first)
        for second in choices(after):
            step(after, second)
    return {quantity: (min(found), max(found)) for quantity, found in values.items()}


@pytest.mark.parametrize("name", NETWORKS)
def test_witnesses_reach_every_bound_over_two_steps(name: str) -> None:
    graph = NETWORKS[name]()
    for population in graph.populations:
        holds(graph, population, graph.population(population).constants)


@pytest.mark.parametrize("theta_none_of", ["fixed points", "lif"])
def test_witnesses_reach_every_bound_where_nothing_spikes(theta_none_of: str) -> None:
    graph = NETWORKS[theta_none_of]()
    holds(graph, graph.populations[0], replace(graph.population(graph.populations[0]).constants, theta=None))


def holds(graph: QuantizedGraph, population: str, k: FixedConstants) -> None:
    synapses = {branch: graph.nodes[branch] for branch in graph.sources(population)}
    signals = {branch: signal_of(graph, graph.sources(branch)[0]) for branch in synapses}
    acc, i = branch_ranges(synapses, signals, k.bias)  # type: ignore[arg-type]  # synapses by construction
    proof = prove_population(k, acc, i, steps=2)
    sampled = np.unique(np.linspace(0, k.channels - 1, 5).astype(int))
    for channel in sampled:
        found = reached(k, int(channel), terms_of(graph, population, int(channel)))
        for quantity, (low, high) in found.items():
            bound = proof.ranges[quantity].interval
            lo, hi = int(bound.lo[channel]), int(bound.hi[channel])
            assert lo <= low <= high <= hi
            for proven, value in ((lo, low), (hi, high)):
                # One code of a bound next to zero is no quarter of a bit.
                near = abs(proven - value) <= 1 or (proven * value > 0 and abs(log2(proven / value)) <= QUARTER_BIT)
                assert near, (population, int(channel), quantity, proven, value)
        assert found["i"] == (i.lo[channel], i.hi[channel])
