"""Random float networks: every node and geometry, two inputs, a residual join, scalar and per-channel populations."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from qif_deploy.ir.graph import Graph
from qif_deploy.ir.nodes import QIF, AvgPool2d, Conv2d, ConvGeometry, Dense, Flatten, Input, Readout, Reduce, SumPool2d
from qif_deploy.neuron.params import QIFParams, ResetMode


@st.composite
def params(draw, channels: int, rng: np.random.Generator) -> QIFParams:
    n = draw(st.sampled_from([1, channels]))
    theta = rng.uniform(0.5, 2, n)
    return QIFParams.of(
        c2=draw(st.sampled_from([0.0, 0.25, -0.1])) * np.ones(n),
        c1=rng.uniform(-0.2, 1, n),
        c0=rng.uniform(-0.1, 0.3, n),
        theta=theta,
        u_reset=rng.uniform(-0.5, 0.1, n),
        r0=rng.uniform(-0.5, 0.1, n),
        reset_by=theta * rng.uniform(0.5, 2, n),
        u_min=draw(st.sampled_from([None, -3.0])),
        reset=draw(st.sampled_from(ResetMode)),
        spike_on_equal=draw(st.booleans()),
    )


@st.composite
def float_graphs(draw) -> Graph:
    """image - conv [- pool] - two residual branches - flatten - dense [+ dense of a second input] - population - readout."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    single = draw(st.booleans())

    def weight(*shape: int) -> np.ndarray:
        values = rng.normal(0.1, 0.5, shape)
        return values.astype(np.float32) if single else values

    def bias(n: int) -> np.ndarray | None:
        return rng.normal(0, 0.2, n) if draw(st.booleans()) else None

    groups = draw(st.sampled_from([1, 2]))
    channels, kernel = 2 * groups, (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    pair = st.tuples(st.integers(1, 2), st.integers(1, 2))
    geometry = ConvGeometry(
        stride=draw(pair), padding=draw(st.tuples(st.integers(0, 2), st.integers(0, 2))), dilation=draw(pair), groups=groups
    )
    size = draw(st.integers(5, 7)), draw(st.integers(5, 7))
    nodes = {
        "image-1": Input(shape=(groups, *size), low=-3, high=5, scale=0.3),
        "block.1.conv": Conv2d(weight=weight(channels, 1, *kernel), bias=bias(channels), geometry=geometry),
        "block.1": QIF(params=draw(params(channels, rng))),
    }
    edges = [("image-1", "block.1.conv"), ("block.1.conv", "block.1")]
    last, size = "block.1", geometry.output_size(size, kernel)
    if draw(st.booleans()) and min(size) >= 2:
        nodes["pool"] = draw(st.sampled_from([AvgPool2d, SumPool2d]))(kernel=(2, draw(st.integers(1, 2))), stride=draw(pair))
        edges.append((last, "pool"))
        size = tuple((n - k) // s + 1 for n, k, s in zip(size, nodes["pool"].kernel, nodes["pool"].stride, strict=True))
        last = "pool"
    nodes["main"] = Conv2d(weight=weight(channels, channels, 3, 1), bias=bias(channels), geometry=ConvGeometry(padding=(1, 0)))
    nodes["skip"] = Conv2d(weight=weight(channels, 1, 1, 1), bias=bias(channels), geometry=ConvGeometry(groups=channels))
    nodes["join_2"] = QIF(params=draw(params(channels, rng)))
    nodes["flat"] = Flatten()
    nodes["fc"] = Dense(weight=weight(3, channels * size[0] * size[1]), bias=bias(3))
    nodes["A"] = QIF(params=draw(params(3, rng)))
    edges += [(last, "main"), (last, "skip"), ("main", "join_2"), ("skip", "join_2"), ("join_2", "flat"), ("flat", "fc"), ("fc", "A")]
    if draw(st.booleans()):
        nodes["extra"] = Input(shape=(4,))
        nodes["fc.extra"] = Dense(weight=weight(3, 4), bias=bias(3))
        edges += [("extra", "fc.extra"), ("fc.extra", "A")]
    nodes["fc_out"] = Dense(weight=weight(2, 3), bias=bias(2))
    nodes["out"] = Readout(reduce=draw(st.sampled_from(Reduce)))
    edges += [("A", "fc_out"), ("fc_out", "out")]
    return Graph(nodes=nodes, edges=tuple(edges))


def float_inputs(graph: Graph, *, steps: int = 4, samples: int = 3) -> dict[str, np.ndarray]:
    """Uniform codes ``(time, batch, ...)`` over the declared range of every input."""
    rng = np.random.default_rng(1)
    nodes = {name: graph.nodes[name] for name in graph.inputs}
    return {name: rng.integers(n.low, n.high + 1, (steps, samples, *n.shape)) for name, n in nodes.items() if isinstance(n, Input)}


__all__ = ["float_graphs", "float_inputs", "params"]
