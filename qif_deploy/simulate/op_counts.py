"""Operations that a run really made, from its spikes: no rates, no averages over layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from qif_deploy.analysis.signal_range import signal_of
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, Conv2dCodes, DenseCodes, Flatten, Population, SumPool2d
from qif_deploy.shapes import Shape, channelwise
from qif_deploy.simulate.trace import Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerCounts:
    """Counts of one population or readout per sample, summed over T steps; ``(sample,)`` int64 each.

    ``synops`` follow the true fan-out (padding, stride and groups counted) of every spike into this layer; a graded,
    direct-coded input counts as dense ``macs`` instead. ``arrivals`` are the spikes that its synapses are sent, ``(branch, sample)`` in
    the order of the graph's edges, 0 for a graded branch. ``updates`` are neuron updates, ``driven`` those of them with a synaptic
    input that is not zero. ``multiplies`` are those of the neuron equation: two for a quadratic channel, one for a leaky one.
    """

    name: str
    neurons: int
    conv: bool
    spikes: NDArray[np.int64]
    arrivals: NDArray[np.int64]
    synops: NDArray[np.int64]
    macs: NDArray[np.int64]
    updates: NDArray[np.int64]
    driven: NDArray[np.int64]
    multiplies: NDArray[np.int64]
    quadratic_multiplies: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tallies:
    """What a run has to have counted for its operations to be known, per sample, summed over its steps.

    ``rates``: emitting node (population, or input of spikes) -> spikes per position over all channels, ``(sample, position)`` int64;
    a position is a place of the image, and a vector has one. ``driven``: population -> updates with a current other than the bias,
    ``(sample,)`` int64.
    """

    steps: int
    samples: int
    rates: Mapping[str, NDArray[np.int64]]
    driven: Mapping[str, NDArray[np.int64]]


def count_operations(graph: QuantizedGraph, trace: Trace) -> tuple[LayerCounts, ...]:
    """Count the operations of every layer of ``trace``, in topological order; the readout comes last."""
    return operations_of(graph, tally(graph, trace))


def tally(graph: QuantizedGraph, trace: Trace) -> Tallies:
    """Return what ``trace`` counted per position and population."""
    emitted = {name: trace.inputs[name] for name in graph.inputs} | {name: p.s for name, p in trace.populations.items()}
    driven = {}
    for name, population in trace.populations.items():
        ndim = population.i.ndim - 2
        bias = channelwise(graph.population(name).constants.bias, ndim)
        driven[name] = (population.i != bias).sum(axis=(0, *range(2, population.i.ndim)), dtype=np.int64)
    rates = {name: s.sum(axis=(0, 2), dtype=np.int64).reshape(trace.samples, -1) for name, s in emitted.items()}
    return Tallies(steps=trace.steps, samples=trace.samples, rates=rates, driven=driven)


@dataclass(frozen=True, slots=True, kw_only=True)
class SynapseReach:
    """What one synapse node does with the spikes of ``source``, the population or input behind pools and flattens.

    ``fan_out``: synapses that a spike meets, per emitting neuron. ``direct``: pairs of a value that the node itself reads and a neuron
    that it feeds, pools before it done; what one dense pass multiplies. ``graded``: the source emits codes beyond 0 and 1.
    """

    name: str
    source: str
    conv: bool
    graded: bool
    direct: int
    fan_out: NDArray[np.int64]

    @property
    def connections(self) -> int:
        """Pairs of a sending and a receiving neuron, zero weights included."""
        return int(self.fan_out.sum())

    @property
    def per_position(self) -> NDArray[np.int64]:
        """Fan-out per place of the map. All channels of a place have one: kernels, windows and groups treat them alike."""
        flat: NDArray[np.int64] = self.fan_out.reshape(self.fan_out.shape[0], -1)[0]
        return flat


Reaches = Mapping[str, tuple[SynapseReach, ...]]


def reaches_of(graph: QuantizedGraph) -> Reaches:
    """Return population or readout -> its synapses in edge order; worth keeping where many batches are counted."""
    return {name: tuple(_reach(graph, branch) for branch in graph.sources(name)) for name in (*graph.populations, graph.readout)}


def operations_of(graph: QuantizedGraph, tallies: Tallies, reaches: Reaches | None = None) -> tuple[LayerCounts, ...]:
    """Return the operations behind ``tallies``, as ``count_operations`` does for a trace."""
    return tuple(_layer(graph, tallies, name, branches) for name, branches in (reaches_of(graph) if reaches is None else reaches).items())


def joined_counts(parts: Sequence[tuple[LayerCounts, ...]]) -> tuple[LayerCounts, ...]:
    """Return the counts of several batches as those of one run, samples in the order of ``parts``."""
    if len(parts) == 1:
        return parts[0]
    per_sample = [f.name for f in fields(LayerCounts) if f.name not in ("name", "neurons", "conv")]
    return tuple(
        replace(layers[0], **{name: np.concatenate([getattr(y, name) for y in layers], axis=-1) for name in per_sample})
        for layers in zip(*parts, strict=True)
    )


def _reach(graph: QuantizedGraph, branch: str) -> SynapseReach:
    source, fan_out = fan_out_of(graph, branch)
    signal = signal_of(graph, source)
    graded = isinstance(graph.nodes[source], CodeInput) and (signal.low, signal.high) != (0, 1)
    return SynapseReach(
        name=branch,
        source=source,
        conv=isinstance(graph.nodes[branch], Conv2dCodes),
        graded=graded,
        direct=int(_own_fan_out(graph, branch).sum()),
        fan_out=fan_out,
    )


def _layer(graph: QuantizedGraph, tallies: Tallies, name: str, branches: tuple[SynapseReach, ...]) -> LayerCounts:
    samples, steps, neurons = tallies.samples, tallies.steps, int(np.prod(graph.shapes[name]))
    none = np.zeros(samples, np.int64)
    conv = any(branch.conv for branch in branches)
    arrivals = np.stack([none if branch.graded else tallies.rates[branch.source].sum(axis=1) for branch in branches])
    synops = sum((tallies.rates[branch.source] @ branch.per_position for branch in branches if not branch.graded), none)
    macs = none + sum(branch.connections for branch in branches if branch.graded) * steps
    updates = np.full(samples, neurons * steps, np.int64)
    node = graph.nodes[name]
    if not isinstance(node, Population):
        return LayerCounts(
            name=name, neurons=neurons, conv=conv, spikes=none, arrivals=arrivals, synops=synops, macs=macs, updates=updates,
            driven=updates, multiplies=none, quadratic_multiplies=none,
        )  # fmt: skip
    per_channel = neurons // node.constants.channels * steps
    quadratic = int(np.count_nonzero(node.constants.c2m)) * per_channel
    # A quadratic channel multiplies twice (Horner), a leaky one once, c1m = 0 with c2m = 0 not at all.
    linear = int(np.count_nonzero((node.constants.c1m != 0) | (node.constants.c2m != 0))) * per_channel
    return LayerCounts(
        name=name,
        neurons=neurons,
        conv=conv,
        spikes=tallies.rates[name].sum(axis=1),
        arrivals=arrivals,
        synops=synops,
        macs=macs,
        updates=updates,
        driven=tallies.driven[name],
        multiplies=np.full(samples, quadratic + linear, np.int64),
        quadratic_multiplies=np.full(samples, quadratic, np.int64),
    )


def fan_out_of(graph: QuantizedGraph, synapse: str) -> tuple[str, NDArray[np.int64]]:
    """Return the emitting node behind ``synapse`` and, per emitting neuron, the number of synapses that a spike meets.

    Pools and flattens in between are followed back; a neuron that no window or kernel covers has fan-out 0.
    """
    source = graph.sources(synapse)[0]
    fan_out = _own_fan_out(graph, synapse)
    while isinstance(between := graph.nodes[source], SumPool2d | Flatten):
        source = graph.sources(source)[0]
        shape = graph.shapes[source]
        fan_out = fan_out.reshape(shape) if isinstance(between, Flatten) else _unpool(fan_out, shape, between)
    return source, fan_out


def _own_fan_out(graph: QuantizedGraph, synapse: str) -> NDArray[np.int64]:
    """Per value that ``synapse`` itself reads."""
    node, shape = graph.nodes[synapse], graph.shapes[graph.sources(synapse)[0]]
    assert isinstance(node, DenseCodes | Conv2dCodes)
    return np.full(shape, node.weight.shape[0], np.int64) if isinstance(node, DenseCodes) else _conv_fan_out(node, shape)


def _conv_fan_out(node: Conv2dCodes, shape: Shape) -> NDArray[np.int64]:
    """Per input position: (rows that read it) x (columns that read it) x output channels of its group."""
    rows, columns = (links.sum(axis=(1, 2)) for links in conv_links(node, shape))
    per_position = rows[:, None] * columns[None, :] * (node.weight.shape[0] // node.geometry.groups)
    return np.broadcast_to(per_position, shape).astype(np.int64)


def axis_links(size: int, outputs: int, kernel: int, stride: int, padding: int, dilation: int) -> NDArray[np.bool_]:
    """``(position, output, tap)`` along one axis of a convolution or pool: where the output reads the position by the tap."""
    read = np.arange(outputs)[:, None] * stride + np.arange(kernel)[None, :] * dilation - padding
    found: NDArray[np.bool_] = np.arange(size)[:, None, None] == read
    return found


def conv_links(node: Conv2dCodes, shape: Shape) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return ``axis_links`` of a convolution along height and width, for an input of ``shape``."""
    g, kernel = node.geometry, (node.weight.shape[2], node.weight.shape[3])
    out = g.output_size((shape[1], shape[2]), kernel)
    rows, columns = (
        axis_links(size, n, k, s, p, d) for size, n, k, s, p, d in zip(shape[1:], out, kernel, g.stride, g.padding, g.dilation, strict=True)
    )
    return rows, columns


def _unpool(fan_out: NDArray[np.int64], shape: Shape, pool: SumPool2d) -> NDArray[np.int64]:
    """Hand each window's fan-out to every position that it covers."""
    spread = np.zeros(shape, np.int64)
    rows, columns = fan_out.shape[1:]
    (kh, kw), (sh, sw) = pool.kernel, pool.stride
    for y in range(kh):
        for x in range(kw):
            spread[:, y : y + sh * (rows - 1) + 1 : sh, x : x + sw * (columns - 1) + 1 : sw] += fan_out
    return spread
