"""Which integers the file computes in: int32 where the range proof shows that nothing leaves it, else int64."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from qif_deploy.analysis.range_proof import PopulationProof, RangeProof, prove_ranges
from qif_deploy.analysis.signal_range import signal_of
from qif_deploy.errors import UnsupportedError, raise_findings
from qif_deploy.fixedpoint import RoundingMode
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import Conv2dCodes, DenseCodes
from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.neuron.params import ResetMode

INT32_LIMIT = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegerWidth:
    """The chosen dtype, why, and the ranges that it rests on, ``node -> quantity -> [lo, hi, bits, verdict]``."""

    dtype: type[np.int32] | type[np.int64]
    reason: str
    ranges: Mapping[str, Mapping[str, list[Any]]]


def choose_width(graph: QuantizedGraph) -> IntegerWidth:
    """Choose the dtype of the neuron arithmetic.

    int64 is always wide enough: the number format bounds coefficient times state squared to 62 bits and saturation bounds
    every state. int32 needs the proof, over the steps that the network covers.

    Raises:
        UnsupportedError: a sum over a fan-in that does not fit the int32 of the integer operators, or an input ``i`` of a
            population that does not fit the int32 of the vectors; all findings at once.
    """
    proof = prove_ranges(graph, steps=graph.steps)
    raise_findings(UnsupportedError, _int32_findings(graph, proof))
    growing = [name for name, p in proof.nodes.items() if p.unsettled.any()]
    # Sums and inputs do not depend on time; a state whose range still grows stays unproven.
    ranges = {name: _summary(p, ["acc", "i"] if name in growing else list(p.ranges)) for name, p in proof.nodes.items()}
    if growing:
        return IntegerWidth(dtype=np.int64, reason=f"the range of the state of {growing} is not proven", ranges=ranges)
    wide = [line for name, p in proof.nodes.items() for line in _beyond_int32(graph, name, p)]
    if wide:
        return IntegerWidth(dtype=np.int64, reason=f"{wide[0]} may leave int32", ranges=ranges)
    return IntegerWidth(dtype=np.int32, reason="every quantity is proven within int32", ranges=ranges)


def _int32_findings(graph: QuantizedGraph, proof: RangeProof) -> list[str]:
    found = []
    for name, p in proof.nodes.items():
        acc, i = p.ranges["acc"].interval.magnitude.max(), p.ranges["i"].interval.magnitude.max()
        if acc > INT32_LIMIT:
            found.append(f"node {name!r}: a sum over the fan-in may reach {acc}, beyond {INT32_LIMIT} of ConvInteger; use smaller weights")
        if i > INT32_LIMIT and name != graph.readout:
            found.append(f"population {name!r}: i may reach {i}, beyond {INT32_LIMIT} of the vectors; requantise with a larger Delta")
    return found


def _beyond_int32(graph: QuantizedGraph, name: str, proof: PopulationProof) -> list[str]:
    """Name every value that the file forms for ``name`` and that may leave int32."""
    # The readout adds up over time in int64 in any case.
    largest = {quantity: int(q.interval.magnitude.max()) for quantity, q in proof.ranges.items() if quantity != "sum"}
    largest["i"] = max(largest["i"], _partial_sums(graph, name))
    if name != graph.readout:
        k = graph.population(name).constants
        if k.number_format.rounding is RoundingMode.NEAREST:  # half is added before the division
            largest["c2m_r"] += (1 << int(k.s2.max())) >> 1
            largest["h_r"] += (1 << k.s1) >> 1
        largest["u - reset_by"] = _after_spike(k)
    return [f"node {name!r}: {quantity} ({value})" for quantity, value in largest.items() if value > INT32_LIMIT]


def _partial_sums(graph: QuantizedGraph, name: str) -> int:
    """Largest magnitude while the branches add up, in whatever order and before they cancel."""
    bias = graph.readout_node().bias if name == graph.readout else graph.population(name).constants.bias
    total = int(np.abs(bias).max())
    for branch in graph.sources(name):
        synapse = graph.nodes[branch]
        assert isinstance(synapse, DenseCodes | Conv2dCodes)
        signal = signal_of(graph, graph.sources(branch)[0])
        weight = np.abs(synapse.weight.astype(np.int64)).reshape(synapse.weight.shape[0], -1).sum(axis=1).max()
        total += int(weight) * max(abs(signal.low), abs(signal.high)) << synapse.shift
    return total


def _after_spike(k: FixedConstants) -> int:
    if k.reset_mode is ResetMode.HARD:
        return int(np.abs(k.reset).max())
    return k.number_format.state_limit + int(np.abs(k.reset_by).max())


def _summary(proof: PopulationProof, quantities: list[str]) -> dict[str, list[Any]]:
    return {q: [proof.ranges[q].lo, proof.ranges[q].hi, proof.ranges[q].bits, proof.ranges[q].verdict.value] for q in quantities}


__all__ = ["IntegerWidth", "choose_width"]
