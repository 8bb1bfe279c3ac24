"""QuantizedGraph -> LavaPlan, with every limit of Lava's processes checked first. Pure NumPy."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from qif_deploy.analysis.range_proof import synapse_range
from qif_deploy.analysis.signal_range import signal_of
from qif_deploy.errors import UnsupportedError, raise_findings
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, Conv2dCodes, DenseCodes, SumPool2d
from qif_deploy.shapes import Shape
from qif_deploy.simulate.inputs import require_steps
from qif_hardware.lava.layout import conv_weight_to_lava, dense_weight_to_lava, lava_shape, reversed_pair
from qif_hardware.lava.plan import (
    DENSE_HALVINGS,
    ConvPlan,
    DensePlan,
    InputPlan,
    LavaPlan,
    PopulationPlan,
    ReadoutPlan,
    SynapsePlan,
    Wire,
)
from qif_hardware.lava.pool_folding import FoldedConv, fold_into_conv, fold_into_dense

CONV_SUM_LIMIT = 2**23 - 1
"""Lava's Conv keeps 24 bits of a sum and wraps silently."""

DENSE_SUM_LIMIT = 2**31 - 1
"""Lava's Dense sums in int32 and wraps silently; the sums are those of doubled weights."""

DENSE_WEIGHT_LIMIT = 127
"""Lava's Dense clips doubled weights at 255 and floors them to even."""

GEOMETRY_LIMIT = 127
"""Lava's Conv holds kernel, stride, padding, dilation and groups in int8."""

MESSAGE_BITS = 24
"""Signed width of graded spikes: what the ports of the synapses declare. Lava itself does not check it."""

POPULATION_BRANCHES, READOUT_BRANCHES = 2, 1
"""In-ports of the neuron process (branches differ in their shifts, so each has its own) and of the readout process."""


@dataclass
class _Lowering:
    """One pass over a graph: depths and findings so far."""

    graph: QuantizedGraph
    depth: dict[str, int] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)


def lower(graph: QuantizedGraph, *, steps: int) -> LavaPlan:
    """Lower ``graph`` for runs of ``steps`` time steps per sample.

    Raises:
        UnsupportedError: everything that Lava's processes cannot carry exactly, all of it at once.
        InputError: the range proof does not cover ``steps``.
    """
    require_steps(graph, steps)
    work = _Lowering(graph)
    inputs = tuple(_input(work, name) for name in graph.inputs)
    populations = []
    for name in graph.populations:
        branches = _branches(work, name, POPULATION_BRANCHES)
        populations.append(
            PopulationPlan(
                name=name,
                shape=lava_shape(graph.shapes[name]),
                depth=work.depth[name],
                constants=graph.population(name).constants,
                branches=branches,
            )
        )
    branches = _branches(work, graph.readout, READOUT_BRANCHES)
    node = graph.readout_node()
    readout = ReadoutPlan(name=graph.readout, depth=work.depth[graph.readout], bias=node.bias, reduce=node.reduce, branches=branches)
    raise_findings(UnsupportedError, work.findings)
    return LavaPlan(steps=steps, inputs=inputs, populations=tuple(populations), readout=readout)


def _input(work: _Lowering, name: str) -> InputPlan:
    node = work.graph.code_input(name)
    limit = 2 ** (MESSAGE_BITS - 1) - 1
    largest = max(abs(node.low), abs(node.high))
    if largest > limit:
        work.findings.append(
            f"input {name!r}: code {largest} exceeds {limit} ({MESSAGE_BITS}-bit graded spikes on Lava); encode with a larger scale"
        )
    work.depth[name] = 0
    return InputPlan(name=name, shape=lava_shape(node.shape))


def _branches(work: _Lowering, name: str, limit: int) -> tuple[SynapsePlan, ...]:
    """Lower the synapses into ``name`` and settle its depth: one more than its furthest source."""
    graph = work.graph
    synapses = graph.sources(name)
    if len(synapses) > limit:
        work.findings.append(
            f"node {name!r}: {len(synapses)} branches {list(synapses)} exceed {limit} in-ports of its Lava process; merge branches"
        )
    paths = {synapse: _path(graph, synapse) for synapse in synapses}
    work.depth[name] = 1 + max(work.depth[source] for source, _ in paths.values())
    lowered = []
    for synapse, (source, pools) in paths.items():
        delay = work.depth[name] - 1 - work.depth[source]
        plan = _synapse(work, synapse, source, pools, delay)
        if plan is not None:
            lowered.append(plan)
    return tuple(lowered)


def _path(graph: QuantizedGraph, synapse: str) -> tuple[str, list[str]]:
    """Return the input or population that ``synapse`` hears, and the pools between, nearest to the synapse first."""
    pools, name = [], graph.sources(synapse)[0]
    while (feeding := graph.sources(name)) and name not in graph.populations:
        if isinstance(graph.nodes[name], SumPool2d):
            pools.append(name)
        name = feeding[0]
    return name, pools


def _synapse(work: _Lowering, name: str, source: str, pools: list[str], delay: int) -> SynapsePlan | None:
    """Lower one synapse; None when a finding says why it cannot be."""
    graph, before = work.graph, len(work.findings)
    node = graph.nodes[name]
    assert isinstance(node, DenseCodes | Conv2dCodes)
    largest = int(synapse_range(node, signal_of(graph, graph.sources(name)[0])).magnitude.max())
    match node:
        case DenseCodes():
            plan: SynapsePlan | None = _dense(work, name, node, source, pools, delay, largest)
        case Conv2dCodes():
            plan = _conv(work, name, node, source, pools, delay, largest)
    return plan if len(work.findings) == before else None


def _message_bits(graph: QuantizedGraph, source: str) -> int:
    """Spikes need none; Lava casts a message without bits to bool, so that -1 would arrive as 1."""
    node = graph.nodes[source]
    return MESSAGE_BITS if isinstance(node, CodeInput) and (node.low < 0 or node.high > 1) else 0


def _pool(graph: QuantizedGraph, name: str) -> tuple[SumPool2d, tuple[int, int]]:
    """Return the pool and the height and width of what feeds it."""
    pool = graph.nodes[name]
    assert isinstance(pool, SumPool2d)
    _, height, width = graph.shapes[graph.sources(name)[0]]
    return pool, (height, width)


def _dense(work: _Lowering, name: str, node: DenseCodes, source: str, pools: list[str], delay: int, largest: int) -> DensePlan:
    graph = work.graph
    weight: NDArray[np.int64] = node.weight.astype(np.int64)
    shape: Shape = graph.shapes[source]
    if pools:
        weight = weight.reshape(weight.shape[0], *graph.shapes[pools[0]])
        for pool in pools:
            weight = fold_into_dense(weight, *_pool(graph, pool))
        weight = weight.reshape(weight.shape[0], -1)
    heaviest = int(np.abs(weight).max())
    if heaviest > DENSE_WEIGHT_LIMIT:
        work.findings.append(
            f"synapse {name!r}: weight code {heaviest} exceeds {DENSE_WEIGHT_LIMIT} of Lava's Dense; quantise with weight_bits = 8"
            + (" or pool without overlap" if pools else "")
        )
    if largest << DENSE_HALVINGS > DENSE_SUM_LIMIT:
        work.findings.append(
            f"synapse {name!r}: a sum may reach {largest}, its double exceeds {DENSE_SUM_LIMIT} of Lava's Dense (32 bits); "
            "use a smaller input range or fan-in"
        )
    return DensePlan(
        name=name,
        wire=Wire(source=source, delay=delay, keep=None, message_bits=_message_bits(graph, source)),
        weight=dense_weight_to_lava(weight << DENSE_HALVINGS, shape).astype(np.int32),
        shift=node.shift,
    )


def _conv(work: _Lowering, name: str, node: Conv2dCodes, source: str, pools: list[str], delay: int, largest: int) -> ConvPlan | None:
    graph = work.graph
    if largest > CONV_SUM_LIMIT:
        work.findings.append(
            f"synapse {name!r}: a sum may reach {largest}, which exceeds {CONV_SUM_LIMIT} of Lava's Conv (24 bits, wrapping); "
            "use smaller weights, a smaller input range or a smaller fan-in"
        )
    folded = FoldedConv(node.weight.astype(np.int64), node.geometry, None)
    try:
        for pool in pools:
            folded = fold_into_conv(name, folded, *_pool(graph, pool))
    except UnsupportedError as error:
        work.findings.append(str(error))
        return None
    g = folded.geometry
    extents = {"kernel": folded.weight.shape[2:], "stride": g.stride, "padding": g.padding, "dilation": g.dilation, "groups": (g.groups,)}
    for what, values in extents.items():
        if max(values) > GEOMETRY_LIMIT:
            work.findings.append(
                f"synapse {name!r}: {what} {max(values)} (pools folded in) exceeds {GEOMETRY_LIMIT} of Lava's Conv (int8); "
                "use a smaller one or a Dense layer"
            )
    return ConvPlan(
        name=name,
        wire=Wire(
            source=source,
            delay=delay,
            keep=None if folded.keep is None else reversed_pair(folded.keep),
            message_bits=_message_bits(graph, source),
        ),
        weight=conv_weight_to_lava(folded.weight).astype(np.int32),
        input_shape=lava_shape(graph.shapes[source]),
        stride=reversed_pair(g.stride),
        padding=reversed_pair(g.padding),
        dilation=reversed_pair(g.dilation),
        groups=g.groups,
        shift=node.shift,
    )
