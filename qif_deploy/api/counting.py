"""Count the operations of a run over batches of real inputs; no trace of it is kept."""

from __future__ import annotations

import numpy as np

from qif_deploy.api.backends import require_torch
from qif_deploy.api.input_batches import Batch, InputBatches
from qif_deploy.errors import MissingDependencyError
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.pricing.energy_report import CountedNetwork
from qif_deploy.pricing.neurobench_metrics import NeuroBenchMetrics, neurobench_metrics
from qif_deploy.simulate.op_counts import count_operations, joined_counts
from qif_deploy.simulate.reference import run_reference
from qif_deploy.simulate.trace import Trace

TRACED, TRACED_AT_ONCE = 64, 16
"""Samples for NeuroBench's metrics, which need states, and how many of their traces exist together."""


def count_network(inputs: InputBatches, *, activity: bool = False) -> CountedNetwork:
    """Run all of ``inputs``: by the engine's stream, or by the reference where torch is not installed.

    ``activity``: also sum the spikes of every neuron, which routes need.
    """
    graph = inputs.graph
    if _has_torch():
        from qif_deploy.simulate.engine.stream import run_stream

        result = run_stream(graph, inputs.batches(), activity=activity)
        counts, steps, classes, spikes = result.counts, result.steps, result.classes, result.activity
    else:
        parts, readouts, steps, spikes = [], [], 0, {name: np.zeros(graph.shapes[name], np.int64) for name in graph.populations}
        for batch in inputs.batches(size=TRACED_AT_ONCE):
            trace = run_reference(graph, batch)
            parts.append(count_operations(graph, trace))
            readouts.append(trace.readout)
            spikes = {name: spikes[name] + p.s.sum(axis=(0, 1), dtype=np.int64) for name, p in trace.populations.items()}
            steps = trace.steps
        counts, classes = joined_counts(parts), np.concatenate(readouts).argmax(axis=1)
    accuracy = None if inputs.labels is None else float((classes == inputs.labels).mean())
    return CountedNetwork(graph=graph, layers=counts, steps=steps, source=inputs.source, accuracy=accuracy, activity=spikes)


def neurobench_of(inputs: InputBatches) -> NeuroBenchMetrics:
    """Return NeuroBench's metrics over the first ``TRACED`` of ``inputs``."""
    graph = inputs.graph
    return neurobench_metrics(graph, (_trace(graph, batch) for batch in inputs.batches(size=TRACED_AT_ONCE, samples=TRACED)))


def _trace(graph: QuantizedGraph, batch: Batch) -> Trace:
    if not _has_torch():
        return run_reference(graph, batch)
    from qif_deploy.simulate.engine.batched import run_batched

    return run_batched(graph, batch)


def _has_torch() -> bool:
    try:
        require_torch()
    except MissingDependencyError:
        return False
    return True
