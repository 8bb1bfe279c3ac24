"""Twins: other networks of the same topology under the same prices, and the spike rate at which they would cost the same.

An ANN or QNN twin runs once with dense multiply-accumulates; pools add before the weights. Every operand is fetched where it is used, as
for the spiking network. The QNN holds activations of ``ceil(log2(T + 1))`` bits: what T binary steps can tell apart (Yan et al. 2024,
arXiv:2409.08290, who call it the fair comparison). A twin's accuracy is its own; nothing here says that it reaches the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, log2
from typing import Any

import numpy as np

from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.pricing.deployment import SystemCounts
from qif_deploy.pricing.estimate import EnergyEstimate, Range, estimate_energy
from qif_deploy.pricing.operations import LayerOperations, code_bits, operations_by
from qif_deploy.pricing.price_list import Counting, PriceList, load_price_list
from qif_deploy.pricing.terms import LEVELS, MEMORY, Term
from qif_deploy.simulate.op_counts import LayerCounts, Reaches

FALLBACK = "cmos45-int"
"""List that prices all twins; used where the chosen one does not."""

NEEDED = (
    Term.SYNOP_CONV,
    Term.SYNOP_DENSE,
    Term.UPDATE_DRIVEN,
    Term.UPDATE_IDLE,
    Term.QUADRATIC,
    Term.MAC_FP32,
    Term.MULTIPLY_8X8,
    Term.ADD,
)
NOWHERE = SystemCounts(counts={}, uncounted={}, time=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Twin:
    """One twin: its energy, what it is, and the rate of ours at which both cost the same (None: at no rate).

    ``break_even_rate``: "all" for everything priced, "arithmetic" without memory, each at three levels. Which memory traffic a chip
    saves by reuse is what the two disagree about; published comparisons lie between them.
    """

    estimate: EnergyEstimate
    basis: str
    break_even_rate: Mapping[str, Mapping[str, float | None]] | None
    activation_bits: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        found = self.estimate.summary()
        del found["boundary"]
        found |= {"basis": self.basis, "arithmetic": dict(self.estimate.sum_without(MEMORY))}
        if self.activation_bits is not None:
            found["activation_bits"] = self.activation_bits
        if self.break_even_rate is not None:
            found["break_even_rate"] = {boundary: dict(rates) for boundary, rates in self.break_even_rate.items()}
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Twins:
    """The network itself and its twins under one price list; ``rate`` is its spikes per neuron and step."""

    price_list: PriceList
    network: EnergyEstimate
    rate: float
    twins: Mapping[str, Twin]

    def as_json(self) -> dict[str, Any]:
        """Return the key ``twins`` of the ``energy`` contract."""
        network = self.network.summary() | {"arithmetic": dict(self.network.sum_without(MEMORY))}
        found = {"estimator": network.pop("estimator"), "boundary": network.pop("boundary"), "rate": self.rate, "network": network}
        return found | {name: twin.as_json() for name, twin in self.twins.items()}


def price_twins(
    graph: QuantizedGraph,
    layers: Sequence[LayerCounts],
    reaches: Reaches,
    price_list: PriceList,
    *,
    steps: int,
    lif: tuple[LayerOperations, ...] | None = None,
) -> Twins:
    """Price the twins of ``graph``.

    Args:
        graph: the network.
        layers: its counts.
        reaches: its synapses.
        price_list: used where it prices every twin, else ``cmos45-int``: two estimators are never mixed in one comparison.
        steps: T of the run.
        lif: operations of a trained LIF network on the same inputs; None takes this network's spikes without the quadratic term.
    """
    prices = price_list if set(NEEDED) <= set(price_list.prices) and price_list.counting is Counting.EVENTS else load_price_list(FALLBACK)
    network = operations_by(Counting.EVENTS, graph, layers, reaches)
    silent = operations_by(Counting.EVENTS, graph, [_silenced(layer) for layer in layers], reaches)
    priced, without_spikes = (estimate_energy(y, prices, NOWHERE) for y in (network, silent))
    populations = [layer for layer in layers if layer.name in graph.populations]
    rate = sum(float(y.spikes.mean()) for y in populations) / (steps * sum(y.neurons for y in populations)) if populations else 0.0
    weight_bits, qnn_bits = graph.number_format.weight_bits, ceil(log2(steps + 1))
    formal = {
        "ann_fp32": (_formal(graph, reaches, None, None), "one pass, float32 weights and activations", None),
        "ann_int8": (_formal(graph, reaches, 8, 8), "one pass, 8-bit weights and activations, 32-bit sums", 8),
        "qnn": (
            _formal(graph, reaches, weight_bits, qnn_bits),
            f"one pass, weights of {weight_bits} bits, activations of ceil(log2(T + 1)) = {qnn_bits} bits for T = {steps}",
            qnn_bits,
        ),
    }
    said = "a trained LIF network on the same inputs" if lif is not None else "the spikes of this network, without the quadratic term"
    twins = {
        "lif": Twin(estimate=estimate_energy(_linear(network) if lif is None else lif, prices, NOWHERE), basis=said, break_even_rate=None)
    }
    for name, (operations, basis, bits) in formal.items():
        estimate = estimate_energy(operations, prices, NOWHERE)
        even = {
            "all": _break_even(rate, estimate.at_least, priced.at_least, without_spikes.at_least),
            "arithmetic": _break_even(rate, *(y.sum_without(MEMORY) for y in (estimate, priced, without_spikes))),
        }
        twins[name] = Twin(estimate=estimate, basis=basis, break_even_rate=even, activation_bits=bits)
    return Twins(price_list=prices, network=priced, rate=rate, twins=twins)


def _break_even(rate: float, twin: Range, ours: Range, silent: Range) -> dict[str, float | None]:
    """Solve ``silent + (ours - silent) r / rate = twin`` for the rate r, per level: energy is affine in the number of spikes."""
    return {
        k: None if ours[k] <= silent[k] or twin[k] < silent[k] else rate * (twin[k] - silent[k]) / (ours[k] - silent[k]) for k in LEVELS
    }


def _silenced(layer: LayerCounts) -> LayerCounts:
    """The same layer without a spike; which updates were driven is left as it is."""
    return replace(layer, spikes=0 * layer.spikes, arrivals=0 * layer.arrivals, synops=0 * layer.synops)


def _linear(network: Sequence[LayerOperations]) -> tuple[LayerOperations, ...]:
    return tuple(replace(y, counts={term: count for term, count in y.counts.items() if term is not Term.QUADRATIC}) for y in network)


def _formal(graph: QuantizedGraph, reaches: Reaches, weight_bits: int | None, activation_bits: int | None) -> tuple[LayerOperations, ...]:
    """Dense operations of one pass. ``None`` bits are float32. A graded input keeps its own code width where that is smaller."""
    return tuple(
        LayerOperations(
            name=name, counts={t: np.array([n]) for t, n in _formal_layer(graph, name, reaches, weight_bits, activation_bits).items()}
        )
        for name in (*graph.populations, graph.readout)
    )


def _formal_layer(
    graph: QuantizedGraph, name: str, reaches: Reaches, weight_bits: int | None, activation_bits: int | None
) -> dict[Term, float]:
    neurons = int(np.prod(graph.shapes[name]))
    counts = dict.fromkeys((Term.MAC_FP32, Term.MULTIPLY_8X8, Term.ADD, Term.WEIGHT_BITS, Term.VALUE_BITS), 0.0)
    for branch in reaches[name]:
        macs = branch.direct
        if weight_bits is None or activation_bits is None:
            counts[Term.MAC_FP32] += macs
            counts[Term.WEIGHT_BITS] += macs * 32
            counts[Term.VALUE_BITS] += macs * 32
            continue
        bits = code_bits(graph, branch.source) if branch.graded else activation_bits
        counts[Term.MULTIPLY_8X8] += macs * weight_bits * bits / 64
        counts[Term.ADD] += macs
        counts[Term.WEIGHT_BITS] += macs * weight_bits
        counts[Term.VALUE_BITS] += macs * bits
    counts[Term.VALUE_BITS] += neurons * (32 if activation_bits is None else activation_bits)
    return counts


def range_ratio(numerator: Range, denominator: Range) -> dict[str, float | None]:
    """Return the ratio per level; None where the denominator is 0."""
    return {level: numerator[level] / denominator[level] if denominator[level] > 0 else None for level in LEVELS}
