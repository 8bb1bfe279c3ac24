"""Properties of whole networks and of the proof, as functions of what they test, so that mutants meet the same ones."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qif_deploy.analysis.interval import Interval
from qif_deploy.analysis.range_proof import RangeProof
from qif_deploy.analysis.signal_range import Signal, signal_of
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import Conv2dCodes, DenseCodes
from qif_deploy.simulate.compare import compare_traces
from qif_deploy.simulate.reference import run_reference as reference
from qif_deploy.simulate.trace import Trace
from tests.graph_strategies import inputs_for, networks, plain
from tests.numerics import network_oracle, oracle
from tests.numerics.properties import CHECK
from tests.strategies import codes, constants, formats, leaks, oracle_constants

# Drawing a graph is slow on a busy machine, which says nothing about the code.
CHECK_GRAPHS = settings(CHECK, max_examples=150, suppress_health_check=list(HealthCheck))


def networks_equal_oracle(run_reference: Callable[..., Trace]) -> None:
    """Every array of every population and the readout, on random graphs, against nested loops over Python integers."""

    @CHECK_GRAPHS
    @given(st.data())
    def run(data: st.DataObject) -> None:
        graph = data.draw(networks())
        inputs = data.draw(inputs_for(graph))
        equals_oracle(graph, run_reference(graph, inputs))

    run()


def equals_oracle(graph: QuantizedGraph, trace: Trace) -> None:
    for sample in range(trace.samples):
        frames = {name: array[:, sample].tolist() for name, array in trace.inputs.items()}
        populations, readout = network_oracle.run(plain(graph), frames)
        assert set(populations) == set(trace.populations)
        for name, found in trace.populations.items():
            for quantity in ("i", "u", "s"):
                array = getattr(found, quantity)[:, sample]
                assert array.reshape(len(array), -1).tolist() == populations[name][quantity], (name, quantity)
        assert trace.readout[sample].tolist() == readout


def backend_equals_reference(run_backend: Callable[..., Trace]) -> None:
    """Another engine on the same random graphs."""

    @settings(CHECK_GRAPHS, max_examples=60)
    @given(st.data())
    def run(data: st.DataObject) -> None:
        graph = data.draw(networks())
        inputs = data.draw(inputs_for(graph, samples=3))
        assert compare_traces(reference(graph, inputs), run_backend(graph, inputs)).first_mismatch is None

    run()


def proofs_hold_runs(prove_ranges: Callable[..., RangeProof]) -> None:
    """No array of a run on a random graph leaves the proof of that graph, readout included."""

    @CHECK_GRAPHS
    @given(st.data())
    def run(data: st.DataObject) -> None:
        graph = data.draw(networks())
        inputs = data.draw(inputs_for(graph, samples=6))
        trace = reference(graph, inputs)
        proof = prove_ranges(graph, steps=trace.steps)
        limit = graph.number_format.state_limit
        for name, population in trace.populations.items():
            u = proof.nodes[name].ranges["u"].interval
            k = graph.population(name).constants
            floor = -limit if k.u_min is None else k.u_min
            bounds = {"i": proof.nodes[name].ranges["i"].interval}
            bounds["u"] = Interval(lo=np.maximum(u.lo.clip(-limit, limit), floor), hi=np.maximum(u.hi.clip(-limit, limit), floor))
            for quantity, interval in bounds.items():
                values = np.moveaxis(getattr(population, quantity), 2, 0).reshape(k.channels, -1)
                assert (interval.lo <= values.min(axis=1)).all(), (name, quantity)
                assert (values.max(axis=1) <= interval.hi).all(), (name, quantity)
        out = proof.nodes[graph.readout].ranges["sum"].interval
        assert (out.lo <= trace.readout.min(axis=0)).all()
        assert (trace.readout.max(axis=0) <= out.hi).all()

    run()


def iteration_is_sound(reachable_ranges: Callable[..., Any]) -> None:
    """Runs of drawn and of greedy input stay within what is said to be reachable, for a fixed T and for any."""

    @settings(CHECK, max_examples=400)
    @given(st.data())
    def run(data: st.DataObject) -> None:
        f = data.draw(formats(max_state=10))
        k = data.draw(st.one_of(constants(number_format=f), leaks(number_format=f)))
        limit = k.number_format.state_limit
        small = st.one_of(codes(limit), st.integers(-2, 2))
        low, high = sorted(data.draw(st.tuples(small, small)))
        steps = data.draw(st.one_of(st.none(), st.integers(1, 6)))
        found = reachable_ranges(k, Interval(lo=np.array([low]), hi=np.array([high])), steps=steps)
        if found.unsettled[0]:
            assert steps is None
            return
        rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
        length = 60 if found.steps is None else found.steps
        inputs = [rng.integers(low, high + 1, length), rng.choice([low, high], length), *(np.full(length, end) for end in (low, high))]
        for drawn in inputs:
            _stays_within(oracle_constants(k, 0), drawn.tolist(), found.ranges)

    run()


def _stays_within(k: dict[str, Any], inputs: list[int], ranges: dict[str, Interval]) -> None:
    r = k["r0"]
    for i in inputs:
        c2m_r = k["c2m"] * r
        h = oracle.rshift(c2m_r, k["s2"], k["rounding"]) + k["c1m"]
        h_r = oracle.sat(h, k["state_bits"]) * r
        u = oracle.rshift(h_r, k["s1"], k["rounding"]) + i
        entering, (_, _, r) = r, oracle.step(r, i, k)
        values = {"c2m_r": (c2m_r,), "h": (h,), "h_r": (h_r,), "u": (u,), "r": (entering, r)}
        for name, reached in values.items():
            for value in reached:
                assert ranges[name].lo[0] <= value <= ranges[name].hi[0], (name, value)


def branch_sums_are_exact(branch_ranges: Callable[..., Any]) -> None:
    """``acc`` and ``i`` of a population against the extremes over all inputs, position by position, padding and joins included."""

    @CHECK_GRAPHS
    @given(st.data())
    def run(data: st.DataObject) -> None:
        graph = data.draw(networks())
        for name in (*graph.populations, graph.readout):
            node = graph.nodes[name]
            bias = graph.population(name).constants.bias if name in graph.populations else graph.readout_node().bias
            synapses = {branch: graph.nodes[branch] for branch in graph.sources(name)}
            signals = {branch: signal_of(graph, graph.sources(branch)[0]) for branch in synapses}
            acc, i = branch_ranges(synapses, signals, bias)
            alone = [_extremes_by_position(graph, branch) for branch in synapses]
            for c in range(len(bias)):
                assert (int(acc.lo[c]), int(acc.hi[c])) == (min(e[c][0] for e in alone), max(e[c][1] for e in alone)), (node, c)
            if len({graph.sources(branch)[0] for branch in synapses}) == len(synapses):
                for c in range(len(bias)):
                    shifted = [(e[c][0] << s.shift, e[c][1] << s.shift) for e, s in zip(alone, synapses.values(), strict=True)]
                    assert int(i.lo[c]) == sum(low for low, _ in shifted) + bias[c]
                    assert int(i.hi[c]) == sum(high for _, high in shifted) + bias[c]

    run()


def _extremes_by_position(graph: QuantizedGraph, name: str) -> list[tuple[int, int]]:
    """Per output channel the lowest and highest sum over all output positions, in nested loops."""
    node, source = graph.nodes[name], graph.sources(name)[0]
    signal = signal_of(graph, source)
    if isinstance(node, DenseCodes):
        return [_extremes(row, signal.low, signal.high) for row in node.weight.tolist()]
    assert isinstance(node, Conv2dCodes)
    g, (_, height, width) = node.geometry, graph.shapes[source]
    found = []
    for kernel in node.weight.tolist():
        sums = []
        for row, column in product(range(graph.shapes[name][1]), range(graph.shapes[name][2])):
            taps = [
                weight
                for plane in kernel
                for a, line in enumerate(plane)
                for b, weight in enumerate(line)
                if 0 <= row * g.stride[0] - g.padding[0] + a * g.dilation[0] < height
                and 0 <= column * g.stride[1] - g.padding[1] + b * g.dilation[1] < width
            ]
            sums.append(_extremes(taps, signal.low, signal.high))
        found.append((min(low for low, _ in sums), max(high for _, high in sums)))
    return found


def _extremes(weights: list[int], low: int, high: int) -> tuple[int, int]:
    return sum(min(w * low, w * high) for w in weights), sum(max(w * low, w * high) for w in weights)


def joined_branches_are_exact(branch_ranges: Callable[..., Any]) -> None:
    """Two dense branches of one signal, against every input of a small range."""

    @settings(CHECK, max_examples=100)
    @given(st.data())
    def run(data: st.DataObject) -> None:
        low, high = data.draw(st.sampled_from(((0, 1), (-1, 2), (2, 3))))
        rows = [data.draw(st.lists(codes(7), min_size=3, max_size=3)) for _ in range(2)]
        shifts, bias = data.draw(st.tuples(st.integers(0, 2), st.integers(0, 2))), data.draw(codes(20))
        same = data.draw(st.booleans())
        synapses = {str(n): DenseCodes(weight=np.array([row]), shift=k) for n, (row, k) in enumerate(zip(rows, shifts, strict=True))}
        signals = {name: Signal(low, high, Fraction(1), None, "x" if same else name) for name in synapses}
        _, i = branch_ranges(synapses, signals, np.array([bias]))
        values = range(low, high + 1)
        second = [None] if same else list(product(values, repeat=3))
        sums = [
            oracle.branch_input([(rows[0], list(x), shifts[0]), (rows[1], list(x if y is None else y), shifts[1])], bias)
            for x in product(values, repeat=3)
            for y in second
        ]
        assert (int(i.lo[0]), int(i.hi[0])) == (min(sums), max(sums))

    run()
