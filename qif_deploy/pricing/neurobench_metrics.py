"""Counts under the names and by the rules of NeuroBench 2.3 (neurobench.metrics), so that figures can be held beside published ones.

Where its rules differ from ``LayerCounts``: a synaptic operation needs a weight other than zero, not only a spike; a value that went
through a pool is one operand however many spikes it holds, and multiplies (a MAC) where it may exceed 1; a membrane counts as updated
only where its state after the step differs from the one before (every one in the first step). Its Neuron Operations know no quadratic
neuron and are left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qif_deploy.analysis.signal_range import signal_of
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import Conv2dCodes, DenseCodes, Flatten, Population, SumPool2d
from qif_deploy.neuron.fixed_step import fixed_step
from qif_deploy.shapes import channelwise
from qif_deploy.simulate.op_counts import conv_links, reaches_of
from qif_deploy.simulate.synapses import sum_pool2d
from qif_deploy.simulate.trace import Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class NeuroBenchMetrics:
    """Metrics per sample, as NeuroBench averages them.

    ``footprint_bytes`` packs every weight and constant into its width; NeuroBench itself measures the torch tensors that hold them.
    """

    samples: int
    footprint_bytes: float
    connection_sparsity: float
    activation_sparsity: float
    effective_macs: float
    effective_acs: float
    dense: float
    membrane_updates: float

    def as_json(self) -> dict[str, Any]:
        """Return plain values under NeuroBench's own names."""
        return {
            "samples": self.samples,
            "footprint": self.footprint_bytes,
            "connection_sparsity": self.connection_sparsity,
            "activation_sparsity": self.activation_sparsity,
            "synaptic_operations": {"Effective_MACs": self.effective_macs, "Effective_ACs": self.effective_acs, "Dense": self.dense},
            "membrane_updates": self.membrane_updates,
        }


def neurobench_metrics(graph: QuantizedGraph, traces: Iterable[Trace]) -> NeuroBenchMetrics:
    """Return the metrics over all samples of ``traces``, one at a time so that memory holds one."""
    synapses = [name for name in graph.order if isinstance(graph.nodes[name], DenseCodes | Conv2dCodes)]
    effective = {name: _effective_fan_out(graph, name) for name in synapses}
    direct = sum(branch.direct for branches in reaches_of(graph).values() for branch in branches)
    samples = spikes = activations = acs = macs = dense = updates = 0
    for trace in traces:
        samples += trace.samples
        spikes += sum(trace.spikes().values())
        activations += sum(population.s.size for population in trace.populations.values())
        updates += sum(_changed_states(graph, trace, name) for name in trace.populations)
        dense += direct * trace.steps * trace.samples
        for name in synapses:
            source = graph.sources(name)[0]
            operations = int((np.count_nonzero(_signal(graph, trace, source), axis=(0, 1)) * effective[name]).sum())
            binary = signal_of(graph, source).low >= -1 and signal_of(graph, source).high <= 1
            acs, macs = (acs + operations, macs) if binary else (acs, macs + operations)
    weights = [getattr(graph.nodes[name], "weight") for name in synapses]  # noqa: B009  # every synapse has one; the union of nodes not
    zeros, size = sum(int((w == 0).sum()) for w in weights), sum(w.size for w in weights)
    return NeuroBenchMetrics(
        samples=samples,
        footprint_bytes=footprint_bytes(graph),
        connection_sparsity=zeros / size,
        activation_sparsity=1 - spikes / activations if activations else 0.0,
        effective_macs=macs / samples,
        effective_acs=acs / samples,
        dense=dense / samples,
        membrane_updates=updates / samples,
    )


def footprint_bytes(graph: QuantizedGraph) -> float:
    """Weights and constants of a network, each packed into its width: what a chip has to hold before the first input."""
    fmt, bits = graph.number_format, 0
    for node in graph.nodes.values():
        match node:
            case DenseCodes() | Conv2dCodes():
                bits += node.weight.size * fmt.weight_bits
            case Population():
                # c2m and c1m with sign; bias, theta, reset and r0 as states.
                bits += node.constants.channels * (2 * (fmt.coef_bits + 1) + 4 * fmt.state_bits)
    return bits / 8


def _effective_fan_out(graph: QuantizedGraph, name: str) -> NDArray[np.int64]:
    """Return per value that the synapse reads how many weights other than zero it meets."""
    node, shape = graph.nodes[name], graph.shapes[graph.sources(name)[0]]
    if isinstance(node, DenseCodes):
        return np.asarray(np.count_nonzero(node.weight, axis=0), np.int64)
    assert isinstance(node, Conv2dCodes)
    groups, (out, within, kh, kw) = node.geometry.groups, node.weight.shape
    taps = np.count_nonzero(node.weight.reshape(groups, out // groups, within, kh, kw), axis=1).reshape(-1, kh, kw)
    rows, columns = (links.sum(axis=1) for links in conv_links(node, shape))  # a tap serves one output per position at most
    return np.asarray(rows @ taps @ columns.T, np.int64)


def _signal(graph: QuantizedGraph, trace: Trace, name: str) -> NDArray[Any]:
    """Codes that node ``name`` emits, ``(time, sample, ...)``."""
    node = graph.nodes[name]
    match node:
        case SumPool2d():
            x = _signal(graph, trace, graph.sources(name)[0]).astype(np.int64)
            pooled = sum_pool2d(x.reshape(-1, *x.shape[2:]), node.kernel, node.stride)
            return pooled.reshape(*x.shape[:2], *pooled.shape[1:])
        case Flatten():
            x = _signal(graph, trace, graph.sources(name)[0])
            return x.reshape(*x.shape[:2], -1)
        case Population():
            return trace.populations[name].s
        case _:
            return trace.inputs[name]


def _changed_states(graph: QuantizedGraph, trace: Trace, name: str) -> int:
    """Neurons and steps after which the state is another than before; every neuron in the first step."""
    i = trace.populations[name].i.astype(np.int64)
    ndim = i.ndim - 2
    constants = graph.population(name).constants
    k = constants.laid_out(ndim)
    r: NDArray[np.int64] = np.broadcast_to(channelwise(constants.r0, ndim), i.shape[1:])
    changed = 0
    for t in range(i.shape[0]):
        after = fixed_step(r, i[t], k).r
        changed += after.size if t == 0 else int(np.count_nonzero(after != r))
        r = after
    return changed
