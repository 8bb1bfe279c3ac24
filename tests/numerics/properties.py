"""The properties that hold the arithmetic, as functions of what they test, so that mutants meet the same ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

from qif_deploy.analysis.range_proof import Interval
from qif_deploy.fixedpoint import NumberFormat, RoundingMode
from qif_deploy.ir.graph import Graph, QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, Dense, DenseCodes, Input, Population, Readout, ReadoutCodes
from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.simulate.trace import Trace
from tests.numerics import oracle
from tests.strategies import codes, constants, formats, oracle_constants

# No shrinking and no database: a mutant's failure needs no polish, and runs stay independent of each other.
CHECK = settings(max_examples=600, deadline=None, derandomize=True, database=None, phases=(Phase.explicit, Phase.generate))


def rshift_equals_oracle(rshift: Callable[..., Any]) -> None:
    """Every mode and shift, arrays of both integer widths."""

    @CHECK
    @given(st.integers(-(2**62), 2**62), st.integers(0, 30), st.sampled_from(RoundingMode))
    def wide(z: int, n: int, mode: RoundingMode) -> None:
        assert int(rshift(np.array([z]), n, rounding=mode)[0]) == oracle.rshift(z, n, mode.value)

    @CHECK
    @given(codes(2**30 - 1), st.integers(0, 30), st.sampled_from(RoundingMode))
    def narrow(z: int, n: int, mode: RoundingMode) -> None:
        shifted = rshift(np.array([z], np.int32), np.array([n], np.int32), rounding=mode)
        assert shifted.dtype == np.int32
        assert int(shifted[0]) == oracle.rshift(z, n, mode.value)

    wide()
    narrow()


def step_equals_oracle(fixed_step: Callable[..., Any]) -> None:
    """A run of several steps: u, s and r of every step and channel, all modes, both resets, clamp, no threshold."""

    @CHECK
    @given(st.data())
    def run(data: st.DataObject) -> None:
        channels = data.draw(st.integers(1, 3))
        k = data.draw(constants(channels=channels))
        limit = k.number_format.state_limit
        inputs = np.array([[data.draw(codes(2 * limit)) for _ in range(channels)] for _ in range(data.draw(st.integers(1, 6)))])
        laid_out, r = k.laid_out(1), k.r0
        found = []
        for i in inputs:
            step = fixed_step(r, i, laid_out)
            r = step.r
            found.append((step.u, step.s, step.r))
        for c in range(channels):
            expected = oracle.run([int(i) for i in inputs[:, c]], oracle_constants(k, c))
            assert [(int(u[c]), int(s[c]), int(r[c])) for u, s, r in found] == expected

    run()


def step_meets_threshold(fixed_step: Callable[..., Any]) -> None:
    """``u`` exactly at, one below and one above theta: the input is chosen so."""

    @CHECK
    @given(constants(), st.integers(-1, 1))
    def run(k: FixedConstants, offset: int) -> None:
        assume(k.theta is not None)
        constant = oracle_constants(k, 0)
        free, _, _ = oracle.step(constant["r0"], 0, constant | {"u_min": None})
        i = constant["theta"] + offset - free
        step = fixed_step(k.r0, np.array([i]), k.laid_out(1))
        assert (int(step.u[0]), int(step.s[0]), int(step.r[0])) == oracle.step(constant["r0"], i, constant)

    run()


def ranges_are_sound(step_ranges: Callable[..., Any]) -> None:
    """No reachable value leaves its interval: one step from every kind of r and i inside the given intervals."""

    @CHECK
    @given(st.data())
    def run(data: st.DataObject) -> None:
        k = data.draw(constants(number_format=data.draw(formats(max_state=16))))
        limit = k.number_format.state_limit
        r = sorted(data.draw(st.tuples(codes(limit), codes(limit))))
        i = sorted(data.draw(st.tuples(codes(limit), codes(limit))))
        found = step_ranges(k, *(Interval(lo=np.array([lo]), hi=np.array([hi])) for lo, hi in (r, i)))
        constant = oracle_constants(k, 0)
        mode = constant["rounding"]
        # All of a short interval, else both ends, the middle of the parabola and some between.
        vertex = 0 if constant["c2m"] == 0 else (-constant["c1m"] << constant["s2"]) // (2 * constant["c2m"])
        tried = {r[0], r[1], *(v for v in range(vertex - 40, vertex + 41) if r[0] <= v <= r[1])}
        tried |= set(range(r[0], r[1] + 1)) if r[1] - r[0] < 200 else {r[0] + (r[1] - r[0]) * n // 60 for n in range(60)}
        for value in tried:
            c2m_r = constant["c2m"] * value
            raw_h = oracle.rshift(c2m_r, constant["s2"], mode) + constant["c1m"]
            h_r = oracle.sat(raw_h, constant["state_bits"]) * value
            u = oracle.rshift(h_r, constant["s1"], mode)
            reached = {"c2m_r": (c2m_r, c2m_r), "h": (raw_h, raw_h), "h_r": (h_r, h_r), "u": (u + i[0], u + i[1])}
            for name, (low, high) in reached.items():
                assert found[name].lo[0] <= low, (name, value)
                assert high <= found[name].hi[0], (name, value)

    run()


def ranges_are_tight(step_ranges: Callable[..., Any]) -> None:
    """Where ``h`` does not saturate: ``h r`` exceeds what is reached by one rounding of ``h`` at most, everything else by nothing."""

    @settings(CHECK, max_examples=200)
    @given(st.data())
    def run(data: st.DataObject) -> None:
        k = data.draw(constants(number_format=data.draw(formats(max_state=8))))
        limit = k.number_format.state_limit
        low, high = sorted(data.draw(st.tuples(codes(limit), codes(limit))))
        one = Interval(lo=np.zeros(1, np.int64), hi=np.zeros(1, np.int64))
        found = step_ranges(k, Interval(lo=np.array([low]), hi=np.array([high])), one)
        constant = oracle_constants(k, 0)
        c2m, c1m, s2, s1, mode = (constant[name] for name in ("c2m", "c1m", "s2", "s1", "rounding"))
        h = [oracle.rshift(c2m * r, s2, mode) + c1m for r in range(low, high + 1)]
        assume(max(map(abs, h)) <= limit)
        h_r = [a * r for a, r in zip(h, range(low, high + 1), strict=True)]
        assert (int(found["c2m_r"].lo[0]), int(found["c2m_r"].hi[0])) == (min(c2m * low, c2m * high), max(c2m * low, c2m * high))
        assert (int(found["h"].lo[0]), int(found["h"].hi[0])) == (min(h), max(h))
        slack = 0 if c2m == 0 or s2 == 0 else max(abs(low), abs(high)) + 1
        assert 0 <= min(h_r) - int(found["h_r"].lo[0]) <= slack
        assert 0 <= int(found["h_r"].hi[0]) - max(h_r) <= slack
        if c2m > 0 and (low >= 0 <= h[0] or high <= 0 >= h[-1]):  # r and h grow in magnitude together
            assert (int(found["h_r"].lo[0]), int(found["h_r"].hi[0])) == (min(h_r), max(h_r))
        assert int(found["u"].lo[0]) == oracle.rshift(int(found["h_r"].lo[0]), s1, mode)

    run()


def reference_equals_oracle(run_reference: Callable[..., Trace]) -> None:
    """Two dense branches with different shifts into one population, and the readout, against the oracle."""

    @settings(CHECK, max_examples=150)
    @given(st.data())
    def run(data: st.DataObject) -> None:
        f = NumberFormat(
            name="drawn", weight_bits=5, coef_bits=8, state_bits=18, product_bits=62, rounding=data.draw(st.sampled_from(RoundingMode))
        )
        k = data.draw(constants(number_format=f))
        steps, shifts = data.draw(st.integers(1, 4)), data.draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
        draw_weights = st.lists(codes(15), min_size=3, max_size=3)
        weights = [data.draw(draw_weights) for _ in range(2)]
        readout_weight, readout_bias = data.draw(codes(15)), data.draw(codes(100))
        nodes = {
            "a": CodeInput(shape=(3,), low=-3, high=7, scale=1.0),
            "wa": DenseCodes(weight=np.array([weights[0]], np.int32), shift=shifts[0]),
            "wb": DenseCodes(weight=np.array([weights[1]], np.int32), shift=shifts[1]),
            "q": Population(constants=k, delta=np.ones(1)),
            "wr": DenseCodes(weight=np.array([[readout_weight]], np.int32), shift=shifts[1]),
            "out": ReadoutCodes(bias=np.array([readout_bias]), delta=1.0),
        }
        edges = (("a", "wa"), ("a", "wb"), ("wa", "q"), ("wb", "q"), ("q", "wr"), ("wr", "out"))
        graph = QuantizedGraph(nodes=nodes, edges=edges, number_format=f, steps=None)
        x = [[data.draw(st.integers(-3, 7)) for _ in range(3)] for _ in range(steps)]
        trace = run_reference(graph, {"a": np.array(x).reshape(steps, 1, 3)})
        constant = oracle_constants(k, 0)
        i = [oracle.branch_input([(w, frame, n) for w, n in zip(weights, shifts, strict=True)], constant["bias"]) for frame in x]
        expected = oracle.run(i, constant)
        population = trace.populations["q"]
        assert [int(v) for v in population.i.ravel()] == i
        assert [(int(u), int(s)) for u, s in zip(population.u.ravel(), population.s.ravel(), strict=True)] == [
            (u, s) for u, s, _ in expected
        ]
        drive = [oracle.branch_input([([readout_weight], [s], shifts[1])], readout_bias) for _, s, _ in expected]
        assert int(trace.readout[0, 0]) == sum(drive)

    run()


def readout_classes_compare(quantize_graph: Callable[..., Any]) -> None:
    """Codes of all classes times the one Delta give the float readout within the rounding of weights and bias."""

    @settings(CHECK, max_examples=100)
    @given(st.data())
    def run(data: st.DataObject) -> None:
        values = st.floats(-1, 1, allow_nan=False).map(lambda v: round(v, 3))
        gains = [data.draw(st.sampled_from([0.05, 0.3, 1.0, 4.0])) for _ in range(3)]
        weight = np.array([[g * data.draw(values) for _ in range(4)] for g in gains])
        assume(np.abs(weight).max() > 0.01)
        bias = np.array([g * data.draw(values) for g in gains])
        nodes = {"x": Input(shape=(4,), low=0, high=7), "w": Dense(weight=weight, bias=bias), "out": Readout()}
        f = NumberFormat(name="loihi2", weight_bits=8, coef_bits=12, state_bits=24, product_bits=32, rounding=RoundingMode.TOWARD_ZERO)
        quantized, _ = quantize_graph(Graph(nodes=nodes, edges=(("x", "w"), ("w", "out"))), f, steps=1)
        synapse, readout = quantized.nodes["w"], quantized.readout_node()
        x = np.array([data.draw(st.integers(0, 7)) for _ in range(4)])
        found = ((synapse.weight.astype(np.int64) @ x << synapse.shift) + readout.bias) * readout.delta
        step = readout.delta * 2.0**synapse.shift
        bound = (x.sum() * step + readout.delta) / 2
        assert (np.abs(found - (weight @ x + bias)) <= bound * (1 + 1e-9)).all()

    run()
