"""Counts against brute force."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, Conv2dCodes, ConvGeometry, DenseCodes, Flatten, Population, ReadoutCodes, SumPool2d
from qif_deploy.ir.shape_inference import infer_shapes
from qif_deploy.simulate.op_counts import count_operations, fan_out_of
from qif_deploy.simulate.reference import run_reference
from tests.networks import LOIHI2, chain, population, random_inputs, residual


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_fan_out_is_the_number_of_synapses_that_a_spike_meets(data: st.DataObject) -> None:
    """With all weights 1, the sum that one lone spike causes is its fan-out."""

    def draw(low: int, high: int) -> int:
        return data.draw(st.integers(low, high))

    groups = draw(1, 2)
    geometry = ConvGeometry(
        stride=(draw(1, 3), draw(1, 2)), padding=(draw(0, 2), draw(0, 1)), dilation=(draw(1, 2), draw(1, 2)), groups=groups
    )
    pool = (draw(1, 3), draw(1, 2))
    size = (draw(6, 9), draw(6, 9))
    nodes = {
        "x": CodeInput(shape=(2 * groups, *size), low=0, high=1, scale=1.0),
        "pool": SumPool2d(kernel=pool, stride=(draw(1, 3), draw(1, 2))),
        "conv": Conv2dCodes(weight=np.ones((2 * groups, 2, draw(1, 2), draw(1, 3)), np.int32), shift=0, geometry=geometry),
    }
    try:
        channels, height, width = _shape_after(nodes)
    except ValueError:
        return  # the drawn kernel does not fit
    nodes |= {
        "q": _without_bias(channels),
        "flat": Flatten(),
        "fc": DenseCodes(weight=np.ones((1, channels * height * width), np.int32), shift=0),
        "out": ReadoutCodes(bias=np.zeros(1, np.int64), delta=1.0),
    }
    names = list(nodes)
    graph = QuantizedGraph(nodes=nodes, edges=tuple(pairwise(names)), number_format=LOIHI2, steps=1)
    source, fan_out = fan_out_of(graph, "conv")
    assert source == "x"
    spikes = np.eye(fan_out.size, dtype=np.int64).reshape(1, fan_out.size, *fan_out.shape)
    reached = run_reference(graph, {"x": spikes}).populations["q"].i.reshape(fan_out.size, -1).sum(axis=1)
    np.testing.assert_array_equal(reached, fan_out.ravel())


def _without_bias(channels: int) -> Population:
    node = population(np.random.default_rng(0), channels)
    return replace(node, constants=replace(node.constants, bias=np.zeros(channels, np.int64)))


def _shape_after(nodes: dict) -> tuple[int, ...]:
    return infer_shapes(nodes, (("x", "pool"), ("pool", "conv")), ("x", "pool", "conv"))["conv"]


def test_counts_of_a_graded_input_are_dense_macs() -> None:
    graph = chain()
    layers = {y.name: y for y in count_operations(graph, run_reference(graph, random_inputs(graph, samples=3)))}
    # 8x8 outputs, 4 channels, a 3x5 kernel with padding: rows 3*8-2, columns 5*8-6 taps inside.
    assert set(layers["q1"].macs) == {(3 * 8 - 2) * (5 * 8 - 6) * 4 * 4}
    assert not layers["q1"].synops.any()
    assert not layers["q2"].macs.any()


def test_counts_follow_the_spikes() -> None:
    graph = residual()
    trace = run_reference(graph, random_inputs(graph, samples=5))
    layers = {y.name: y for y in count_operations(graph, trace)}
    spikes = trace.populations["q2"].s.sum(axis=(0, 2, 3, 4))
    np.testing.assert_array_equal(layers["out"].synops, spikes * 5)
    np.testing.assert_array_equal(layers["q2"].spikes, spikes)
    assert set(layers["q2"].updates) == {4 * 36 * 4}
    assert set(layers["q2"].multiplies) == {2 * 4 * 36 * 4}
    assert (layers["q2"].driven <= layers["q2"].updates).all()
