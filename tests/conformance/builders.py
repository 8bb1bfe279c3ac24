"""Networks of the conformance suite that tests/networks.py does not have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from qif_deploy.fixedpoint import NumberFormat
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, Conv2dCodes, ConvGeometry, DenseCodes, Flatten, Population, ReadoutCodes, Reduce, SumPool2d
from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.neuron.params import ResetMode
from tests.networks import LOIHI2, population, proven, weights


def neuron(fmt: NumberFormat = LOIHI2, **changes: Any) -> Population:
    """One channel with theta 40 that forgets at once, ``u = i``, unless ``changes`` say otherwise."""
    codes = dict.fromkeys(("c2m", "c1m", "s2", "bias", "reset", "r0"), 0) | {"theta": 40, "reset_by": 40, "u_min": None} | changes
    s1, reset_mode = codes.pop("s1", 0), codes.pop("reset_mode", ResetMode.HARD)
    arrays = {name: None if value is None else np.array([value]) for name, value in codes.items()}
    constants = FixedConstants(s1=s1, reset_mode=reset_mode, number_format=fmt, **arrays)
    return Population(constants=constants, delta=np.ones(1))


def wire(node: Population, *, low: int, high: int, steps: int | None, shift: int = 0, prove: bool = True) -> QuantizedGraph:
    """One input code, weight 1, into ``node`` and on to the readout: the current is the code, shifted left."""
    fmt = node.constants.number_format
    nodes = {
        "code": CodeInput(shape=(1,), low=low, high=high, scale=1.0),
        "fc1": DenseCodes(weight=np.array([[1]]), shift=shift),
        "q": node,
        "fc2": DenseCodes(weight=np.array([[1], [-1]]), shift=0),
        "out": ReadoutCodes(bias=np.array([0, 1]), delta=1.0),
    }
    if prove:
        return proven(nodes, tuple(pairwise(nodes)), fmt, steps)
    return QuantizedGraph(nodes=nodes, edges=tuple(pairwise(nodes)), number_format=fmt, steps=steps)


QIF = {"c2m": 64, "c1m": 224, "s2": 2, "s1": 8}
"""``u = r^2 / 16 + 0.875 r + i``: rest at 0, unstable at 2, and far below zero the parabola turns up."""


def with_population(graph: QuantizedGraph, name: str, **changes: Any) -> QuantizedGraph:
    node = graph.population(name)
    changed = replace(node, constants=replace(node.constants, **changes))
    return replace(graph, nodes=dict(graph.nodes) | {name: changed})


def with_readout(graph: QuantizedGraph, reduce: Reduce) -> QuantizedGraph:
    return replace(graph, nodes=dict(graph.nodes) | {"out": replace(graph.readout_node(), reduce=reduce)})


def geometry() -> QuantizedGraph:
    """Non-square kernels with stride, dilation, padding and groups, each different in height and width."""
    rng = np.random.default_rng(11)
    strided = ConvGeometry(stride=(1, 2), padding=(1, 2), dilation=(2, 1))
    grouped = ConvGeometry(stride=(2, 1), padding=(0, 1), dilation=(1, 2), groups=2)
    nodes = {
        "image": CodeInput(shape=(2, 9, 8), low=-4, high=9, scale=1.0),
        "conv1": Conv2dCodes(weight=weights(rng, 4, 2, 3, 4) // 4, shift=1, geometry=strided),
        "q1": population(rng, 4, theta=200),
        "conv2": Conv2dCodes(weight=weights(rng, 6, 2, 2, 3), shift=1, geometry=grouped),
        "q2": population(rng, 6, theta=300),
        "pool": SumPool2d(kernel=(1, 2), stride=(1, 2)),
        "flat": Flatten(),
        "fc": DenseCodes(weight=weights(rng, 3, 6 * 3 * 1), shift=0),
        "out": ReadoutCodes(bias=rng.integers(-9, 9, 3), delta=1.0),
    }
    return proven(nodes, tuple(pairwise(nodes)), LOIHI2, 4)


def joined(names: tuple[str, ...]) -> QuantizedGraph:
    """One vector input of its own shape and range per name, each through its own synapse into one population."""
    rng = np.random.default_rng(12)
    nodes: dict[str, Any] = {name: CodeInput(shape=(3 + n,), low=-2 * n, high=5 * n + 1, scale=1.0) for n, name in enumerate(names)}
    nodes |= {f"fc_{name}": DenseCodes(weight=weights(rng, 4, 3 + n), shift=n) for n, name in enumerate(names)}
    nodes |= {"q": population(rng, 4), "fc": DenseCodes(weight=weights(rng, 3, 4), shift=0)}
    nodes |= {"out": ReadoutCodes(bias=np.zeros(3, np.int64), delta=1.0)}
    edges = [edge for name in names for edge in ((name, f"fc_{name}"), (f"fc_{name}", "q"))]
    return proven(nodes, (*edges, ("q", "fc"), ("fc", "out")), LOIHI2, 4)


def silenced(graph: QuantizedGraph, channels: Mapping[str, list[int]]) -> QuantizedGraph:
    """The same network with all weights of some output channels at zero, by synapse."""
    nodes = dict(graph.nodes)
    for name, dead in channels.items():
        weight = nodes[name].weight.copy()  # type: ignore[union-attr]
        weight[dead] = 0
        nodes[name] = replace(nodes[name], weight=weight)  # type: ignore[type-var, call-arg]
    return replace(graph, nodes=nodes)


def overlapping_pool() -> QuantizedGraph:
    rng = np.random.default_rng(13)
    nodes = {
        "image": CodeInput(shape=(1, 6, 6), low=0, high=9, scale=1.0),
        "conv1": Conv2dCodes(weight=weights(rng, 2, 1, 3, 3), shift=0, geometry=ConvGeometry(padding=(1, 1))),
        "q1": population(rng, 2),
        "pool": SumPool2d(kernel=(3, 3), stride=(1, 1)),
        "conv2": Conv2dCodes(weight=weights(rng, 2, 2, 3, 3), shift=0, geometry=ConvGeometry(padding=(1, 1))),
        "q2": population(rng, 2),
        "flat": Flatten(),
        "fc": DenseCodes(weight=weights(rng, 3, 32), shift=0),
        "out": ReadoutCodes(bias=np.zeros(3, np.int64), delta=1.0),
    }
    return proven(nodes, tuple(pairwise(nodes)), LOIHI2, 4)
