"""Counts of a run in the words of price lists: operations of a layer per sample, and those of the whole system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, log2

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_never

from qif_deploy.analysis.signal_range import signal_of
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.pricing.analytical_model import analytical_operations
from qif_deploy.pricing.price_list import Counting
from qif_deploy.pricing.terms import Term
from qif_deploy.simulate.op_counts import LayerCounts, Reaches, SynapseReach

SampleValues = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerOperations:
    """Operations of one layer: term -> count per inference, ``(sample,)`` float64."""

    name: str
    counts: Mapping[Term, SampleValues]


def operations_by(
    counting: Counting, graph: QuantizedGraph, layers: Sequence[LayerCounts], reaches: Reaches
) -> tuple[LayerOperations, ...]:
    """Return the operations of every layer as ``counting`` has them."""
    match counting:
        case Counting.EVENTS:
            return tuple(LayerOperations(name=y.name, counts=_events(graph, y, reaches[y.name])) for y in layers)
        case Counting.LEMAIRE:
            return tuple(LayerOperations(name=y.name, counts=analytical_operations(graph, y, reaches[y.name])) for y in layers)
        case _:
            assert_never(counting)


def _events(graph: QuantizedGraph, layer: LayerCounts, branches: tuple[SynapseReach, ...]) -> dict[Term, SampleValues]:
    """One by one as they occur; every operand is fetched where it is used, nothing is reused.

    A synaptic operation or MAC reads a weight, and reads and writes the target's sum (``product_bits`` wide, what the range proof
    grants a sum); a neuron reads and writes its state in every step; a spike's address is written once and read by each branch.
    """
    fmt = graph.number_format
    meetings = layer.synops + layer.macs
    arriving = sum(layer.arrivals[n] * address_bits(graph, branch.source) for n, branch in enumerate(branches))
    graded_bits = max((code_bits(graph, branch.source) for branch in branches if branch.graded), default=0)
    own_address = address_bits(graph, layer.name)
    counts = {
        Term.SYNOP_DENSE: np.zeros_like(layer.synops) if layer.conv else layer.synops,
        Term.SYNOP_CONV: layer.synops if layer.conv else np.zeros_like(layer.synops),
        Term.MAC: layer.macs,
        Term.UPDATE_DRIVEN: layer.driven,
        Term.UPDATE_IDLE: layer.updates - layer.driven,
        Term.QUADRATIC: layer.quadratic_multiplies,
        Term.SPIKE: layer.spikes,
        Term.WEIGHT_BITS: meetings * fmt.weight_bits,
        Term.SUM_BITS: 2 * meetings * fmt.product_bits,
        Term.STATE_BITS: 2 * layer.updates * fmt.state_bits,
        Term.SPIKE_BITS: layer.spikes * own_address + arriving,
        Term.VALUE_BITS: layer.macs * graded_bits,
    }
    return {term: np.asarray(count, np.float64) for term, count in counts.items()}


def address_bits(graph: QuantizedGraph, name: str) -> int:
    """Bits that name one neuron of the node ``name``."""
    return max(1, ceil(log2(int(np.prod(graph.shapes[name])))))


def code_bits(graph: QuantizedGraph, name: str) -> int:
    """Bits of one code of the signal ``name``, with a sign where it has one."""
    signal = signal_of(graph, name)
    return max(abs(signal.low), abs(signal.high)).bit_length() + (signal.low < 0)
