"""Hypothesis strategies: whole integer networks with every kind of node, and inputs for them."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from qif_deploy.fixedpoint import NumberFormat, RoundingMode
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import (
    CodeInput,
    CodeNode,
    Conv2dCodes,
    ConvGeometry,
    DenseCodes,
    Flatten,
    Population,
    ReadoutCodes,
    Reduce,
    SumPool2d,
)
from qif_deploy.neuron.params import ResetMode
from tests.networks import population
from tests.strategies import constants, oracle_constants

CODE_RANGES = ((0, 1), (0, 16), (-3, 7), (2, 5), (-9, -2))


@st.composite
def networks(draw: st.DrawFn) -> QuantizedGraph:
    """One or two maps through convolutions, pools and a residual join into dense layers; shapes and geometry of every kind."""
    f = NumberFormat(
        name="drawn",
        weight_bits=draw(st.integers(4, 8)),
        coef_bits=12,
        state_bits=draw(st.one_of(st.integers(12, 24), st.integers(4, 24))),
        product_bits=draw(st.sampled_from((32, 62))),
        rounding=draw(st.sampled_from(RoundingMode)),
    )
    build = _Builder(draw, f)
    first = build.input("x")
    at = build.population("q0", [build.conv("conv0", first)])
    if draw(st.booleans()):
        at = build.pool("pool", at)
    if draw(st.booleans()):
        same = build.conv("conv1", at, same=True)
        skip = build.conv("skip", at, same=True, depthwise=True)
        more = [build.conv("side", build.input("y", like=at), same=True, out=build.shape(at)[0])] if draw(st.booleans()) else []
        at = build.population("q1", [same, skip, *more])
    at = build.flatten("flat", at)
    if draw(st.booleans()):
        at = build.population("q2", [build.dense("fc1", at, draw(st.integers(1, 4)))])
    classes = draw(st.integers(1, 3))
    joined = [build.dense("fc2", at, classes)]
    if draw(st.integers(0, 3)) == 0:
        joined.append(build.dense("fc3", build.input("z", vector=True), classes))
    return build.finish(joined, classes)


@st.composite
def inputs_for(draw: st.DrawFn, graph: QuantizedGraph, *, samples: int = 2) -> dict[str, np.ndarray]:
    """Codes ``(time, sample, ...)``, 1 to 16 steps; the first sample goes from one end of the range to the other."""
    steps = draw(st.one_of(st.integers(1, 4), st.integers(1, 16)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    found = {}
    for name in graph.inputs:
        node = graph.code_input(name)
        codes = rng.integers(node.low, node.high + 1, (steps, samples, *node.shape))
        codes[:, 0] = np.where(rng.random((steps, *([1] * len(node.shape)))) < 0.5, node.low, node.high)
        found[name] = codes
    return found


def plain(graph: QuantizedGraph) -> list[dict[str, Any]]:
    """The network as ``network_oracle`` reads it: lists, integers and words."""
    return [{"name": name, "sources": list(graph.sources(name)), **_plain_node(graph.nodes[name])} for name in graph.order]


def _plain_node(node: CodeNode) -> dict[str, Any]:
    match node:
        case CodeInput():
            return {"kind": "input"}
        case DenseCodes():
            return {"kind": "dense", "weight": node.weight.tolist(), "shift": node.shift}
        case Conv2dCodes():
            g = node.geometry
            geometry = {"stride": g.stride, "padding": g.padding, "dilation": g.dilation, "groups": g.groups}
            return {"kind": "conv", "weight": node.weight.tolist(), "shift": node.shift, **geometry}
        case SumPool2d():
            return {"kind": "pool", "kernel": node.kernel, "stride": node.stride}
        case Flatten():
            return {"kind": "flatten"}
        case Population():
            return {"kind": "population", "constants": [oracle_constants(node.constants, c) for c in range(node.constants.channels)]}
        case ReadoutCodes():
            return {"kind": "readout", "bias": node.bias.tolist(), "reduce": node.reduce.value}


class _Builder:
    """Adds drawn nodes and their edges; every method returns the name of what it added."""

    def __init__(self, draw: st.DrawFn, number_format: NumberFormat) -> None:
        self.draw, self.format = draw, number_format
        self.rng = np.random.default_rng(draw(st.integers(0, 2**32)))
        self.nodes: dict[str, CodeNode] = {}
        self.edges: list[tuple[str, str]] = []
        self.shapes: dict[str, tuple[int, ...]] = {}

    def add(self, name: str, node: CodeNode, sources: list[str], shape: tuple[int, ...]) -> str:
        self.nodes[name], self.shapes[name] = node, shape
        self.edges += [(source, name) for source in sources]
        return name

    def shape(self, name: str) -> tuple[int, ...]:
        return self.shapes[name]

    def input(self, name: str, *, like: str | None = None, vector: bool = False) -> str:
        low, high = self.draw(st.sampled_from(CODE_RANGES))
        side = st.integers(1, 5)
        shape = (2, self.draw(side), self.draw(side)) if like is None else (2, *self.shapes[like][1:])
        shape = (self.draw(st.integers(1, 5)),) if vector else shape
        return self.add(name, CodeInput(shape=shape, low=low, high=high, scale=1.0), [], shape)

    def weights(self, *shape: int) -> np.ndarray:
        limit = self.format.weight_limit
        drawn = self.rng.integers(-limit, limit + 1, shape)
        return np.where(self.rng.random(shape) < 0.2, self.rng.choice([-limit, limit, 0], shape), drawn)

    def dense(self, name: str, source: str, out: int) -> str:
        node = DenseCodes(weight=self.weights(out, *self.shapes[source]), shift=self.draw(st.integers(0, 4)))
        return self.add(name, node, [source], (out,))

    def conv(self, name: str, source: str, *, same: bool = False, depthwise: bool = False, out: int | None = None) -> str:
        channels, height, width = self.shapes[source]
        small = st.integers(1, 3)
        if depthwise:
            kernel, geometry = (1, 1), ConvGeometry(groups=channels)
        elif same:
            half = self.draw(st.tuples(st.integers(0, 1), st.integers(0, 1)))
            dilation = self.draw(st.tuples(small, small))
            kernel = (2 * half[0] + 1, 2 * half[1] + 1)
            geometry = ConvGeometry(padding=(half[0] * dilation[0], half[1] * dilation[1]), dilation=dilation)
        else:
            groups = self.draw(st.sampled_from([n for n in (1, 2) if channels % n == 0]))
            padding = self.draw(st.tuples(st.integers(0, 2), st.integers(0, 2)))
            dilation = self.draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
            reach = [max(1, min(3, (n + 2 * p - 1) // d + 1)) for n, p, d in zip((height, width), padding, dilation, strict=True)]
            kernel = (self.draw(st.integers(1, reach[0])), self.draw(st.integers(1, reach[1])))
            geometry = ConvGeometry(stride=self.draw(st.tuples(small, small)), padding=padding, dilation=dilation, groups=groups)
        out = (channels if same else 2) if out is None else out
        node = Conv2dCodes(
            weight=self.weights(out, channels // geometry.groups, *kernel), shift=self.draw(st.integers(0, 4)), geometry=geometry
        )
        return self.add(name, node, [source], (out, *geometry.output_size((height, width), kernel)))

    def pool(self, name: str, source: str) -> str:
        channels, height, width = self.shapes[source]
        kernel = (self.draw(st.integers(1, min(2, height))), self.draw(st.integers(1, min(3, width))))
        stride = self.draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
        size = [(n - k) // s + 1 for n, k, s in zip((height, width), kernel, stride, strict=True)]
        return self.add(name, SumPool2d(kernel=kernel, stride=stride), [source], (channels, *size))

    def flatten(self, name: str, source: str) -> str:
        return self.add(name, Flatten(), [source], (int(np.prod(self.shapes[source])),))

    def population(self, name: str, branches: list[str]) -> str:
        """A neuron as networks have it, which fires, or any legal constants."""
        channels = self.shapes[branches[0]][0]
        if self.format.state_bits >= 12 and self.draw(st.integers(0, 2)):
            theta = min(self.draw(st.sampled_from((200, 600, 2500))), self.format.state_limit // 2)
            u_min = self.draw(st.sampled_from((None, None, -theta)))
            node = population(
                self.rng, channels, fmt=self.format, reset_mode=self.draw(st.sampled_from(ResetMode)), theta=theta, u_min=u_min
            )
        else:
            node = Population(constants=self.draw(constants(channels=channels, number_format=self.format)), delta=np.ones(channels))
        return self.add(name, node, branches, self.shapes[branches[0]])

    def finish(self, branches: list[str], classes: int) -> QuantizedGraph:
        node = ReadoutCodes(bias=self.rng.integers(-99, 99, classes), delta=1.0, reduce=self.draw(st.sampled_from(Reduce)))
        self.add("out", node, branches, (classes,))
        return QuantizedGraph(nodes=self.nodes, edges=tuple(self.edges), number_format=self.format, steps=None)
