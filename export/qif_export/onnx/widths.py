"""Which numbers the file computes in, narrow where the range proof shows that nothing leaves them.

Profile exact: int32, else int64. Profile float: float32 while everything stays within 2^24, else float64. Profile qdq: float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from typing_extensions import assert_never

from qif_deploy.analysis.range_proof import PopulationProof, RangeProof, prove_ranges
from qif_deploy.analysis.signal_range import signal_of
from qif_deploy.errors import UnsupportedError, raise_findings
from qif_deploy.fixedpoint import RoundingMode
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import Conv2dCodes, DenseCodes
from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.neuron.params import ResetMode
from qif_export.onnx.builder import Dtype
from qif_export.onnx.options import Profile

INT32_LIMIT = 2**31 - 1
FLOAT32_LIMIT = 2**24
"""Whole numbers up to here are float32 values, so sums of them that stay below are exact in any order."""

FLOAT64_LIMIT = 2**53


@dataclass(frozen=True, slots=True, kw_only=True)
class Width:
    """Dtype of the neurons and of the readout's sum, why, and the ranges behind it, ``node -> quantity -> [lo, hi, bits, verdict]``."""

    dtype: Dtype
    readout: Dtype
    reason: str
    ranges: Mapping[str, Mapping[str, list[Any]]]


def choose_width(graph: QuantizedGraph, profile: Profile = Profile.EXACT) -> Width:
    """Choose the dtypes for ``graph``.

    int64 is always wide enough: the number format bounds coefficient times state squared to 62 bits and saturation bounds
    every state. Everything narrower needs the proof, over the steps that the network covers.

    Raises:
        UnsupportedError: a sum that the operators of the profile cannot form exactly, or an input ``i`` of a population that does not
            fit the int32 of the vectors; all findings at once.
    """
    proof = prove_ranges(graph, steps=graph.steps)
    raise_findings(UnsupportedError, _sum_findings(graph, proof, profile))
    growing = [name for name, p in proof.nodes.items() if p.unsettled.any()]
    # Sums and inputs do not depend on time; a state whose range still grows stays unproven.
    ranges = {name: _summary(p, ["acc", "i"] if name in growing else list(p.ranges)) for name, p in proof.nodes.items()}
    narrow: Dtype
    wide: Dtype
    readout: Dtype
    match profile:
        case Profile.EXACT:
            narrow, wide, limit, readout = np.int32, np.int64, INT32_LIMIT, np.int64
        case Profile.FLOAT:
            narrow, wide, limit = np.float32, np.float64, FLOAT32_LIMIT
            readout = np.float32 if _readout_sum(graph, proof) <= FLOAT32_LIMIT else np.float64
            raise_findings(UnsupportedError, _float64_findings(graph))
        case Profile.QDQ:
            reason = "an approximation: float32 throughout, nothing is rounded"
            return Width(dtype=np.float32, readout=np.float32, reason=reason, ranges=ranges)
        case _:
            assert_never(profile)
    if growing:
        return Width(dtype=wide, readout=readout, reason=f"the range of the state of {growing} is not proven", ranges=ranges)
    beyond = [line for name, p in proof.nodes.items() for line in _beyond(graph, name, p, limit)]
    if beyond:
        return Width(dtype=wide, readout=readout, reason=f"{beyond[0]} may leave {narrow.__name__}", ranges=ranges)
    return Width(dtype=narrow, readout=readout, reason=f"every quantity is proven within {narrow.__name__}", ranges=ranges)


def _sum_findings(graph: QuantizedGraph, proof: RangeProof, profile: Profile) -> list[str]:
    found = []
    limit, operator = (FLOAT32_LIMIT, "whole numbers in a float32 sum") if profile is Profile.FLOAT else (INT32_LIMIT, "ConvInteger")
    remedy = "use smaller weights" + (" or the profile exact" if profile is Profile.FLOAT else "")
    for name, p in proof.nodes.items():
        acc, i = p.ranges["acc"].interval.magnitude.max(), p.ranges["i"].interval.magnitude.max()
        if acc > limit:
            found.append(f"node {name!r}: a sum over the fan-in may reach {acc}, beyond {limit} of {operator}; {remedy}")
        if i > INT32_LIMIT and name != graph.readout:
            found.append(f"population {name!r}: i may reach {i}, beyond {INT32_LIMIT} of the vectors; requantise with a larger Delta")
    return found


def _float64_findings(graph: QuantizedGraph) -> list[str]:
    """Products and sums of any legal state have to be whole numbers of a float64."""
    f = graph.number_format
    largest = f.state_limit * max(f.coef_limit, f.state_limit)
    return [f"number format {f.name!r}: products may reach {largest}, beyond 2^53 of float64; use the profile exact"] * (
        largest > FLOAT64_LIMIT
    )


def _readout_sum(graph: QuantizedGraph, proof: RangeProof) -> int:
    ranges = proof.nodes[graph.readout].ranges
    return int(ranges["sum"].interval.magnitude.max()) if "sum" in ranges else FLOAT64_LIMIT


def _beyond(graph: QuantizedGraph, name: str, proof: PopulationProof, limit: int) -> list[str]:
    """Name every value that the file forms for ``name`` and that may be beyond ``limit``."""
    # The readout adds up over time in a dtype of its own.
    largest = {quantity: int(q.interval.magnitude.max()) for quantity, q in proof.ranges.items() if quantity != "sum"}
    largest["i"] = max(largest["i"], _partial_sums(graph, name))
    if name != graph.readout:
        k = graph.population(name).constants
        if k.number_format.rounding is RoundingMode.NEAREST:  # half is added before the division
            largest["c2m_r"] += (1 << int(k.s2.max())) >> 1
            largest["h_r"] += (1 << k.s1) >> 1
        largest["u - reset_by"] = _after_spike(k)
        # What stands in the file as it is, compared with or added to a state.
        largest["sat"] = k.number_format.state_limit + 1
    return [f"node {name!r}: {quantity} ({value})" for quantity, value in largest.items() if value > limit]


def _partial_sums(graph: QuantizedGraph, name: str) -> int:
    """Largest magnitude while the branches add up, in whatever order and before they cancel."""
    bias = graph.readout_node().bias if name == graph.readout else graph.population(name).constants.bias
    total = int(np.abs(bias).max())
    for branch in graph.sources(name):
        synapse = graph.nodes[branch]
        assert isinstance(synapse, DenseCodes | Conv2dCodes)
        signal = signal_of(graph, graph.sources(branch)[0])
        weight = np.abs(synapse.weight).reshape(synapse.weight.shape[0], -1).sum(axis=1, dtype=np.int64).max()
        total += int(weight) * max(abs(signal.low), abs(signal.high)) << synapse.shift
    return total


def _after_spike(k: FixedConstants) -> int:
    if k.reset_mode is ResetMode.HARD:
        return int(np.abs(k.reset).max())
    return k.number_format.state_limit + int(np.abs(k.reset_by).max())


def _summary(proof: PopulationProof, quantities: list[str]) -> dict[str, list[Any]]:
    return {q: [proof.ranges[q].lo, proof.ranges[q].hi, proof.ranges[q].bits, proof.ranges[q].verdict.value] for q in quantities}


__all__ = ["Width", "choose_width"]
