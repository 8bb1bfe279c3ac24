"""What the engine may do with a network, and why: the narrowest exact sum per synapse, and the width of the state.

Decided from the codes and the range proof alone, before anything runs; printing a plan shows every decision with its reason.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from qif_deploy.analysis.fan_in import largest_fan_in
from qif_deploy.analysis.range_proof import PopulationProof, RangeProof, Verdict, prove_ranges
from qif_deploy.analysis.signal_range import Signal, signal_of
from qif_deploy.errors import BackendError
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import Conv2dCodes, DenseCodes, Population

FLOAT32_EXACT, FLOAT64_EXACT = 2**24, 2**53
"""Every integer below this, in magnitude, and every partial sum below it, is exact in that float."""

PAIR_LIMIT = 2**15 - 1
"""Largest sum of two products that byte instructions without VNNI hold: they add pairs into int16 and saturate there."""

INT32_PRODUCT_BITS = 32


class Sums(enum.Enum):
    """How the sums of a synapse are formed; DIRECT has no sum, each position is weighed by itself inside the neuron's pass."""

    INT8 = "int8"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    DIRECT = "direct"


class ByteUnits(enum.Enum):
    """Integer matrix instructions that were found right at start: WHOLE for any bytes, PAIRED up to ``PAIR_LIMIT`` per pair."""

    NONE = "none"
    PAIRED = "paired"
    WHOLE = "whole"


@dataclass(frozen=True, slots=True, kw_only=True)
class SynapsePlan:
    """``largest`` bounds every partial sum over the fan-in, in any order, in magnitude."""

    sums: Sums
    largest: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnginePlan:
    """Decisions for one network; ``state_bits`` is 32 or 64, ``unsaturated`` names the populations where proven nothing saturates."""

    synapses: Mapping[str, SynapsePlan]
    state_bits: int
    state_reason: str
    unsaturated: frozenset[str]

    def __str__(self) -> str:
        lines = [f"state: int{self.state_bits}, {self.state_reason}"]
        lines += [f"{name}: {plan.sums.value}, {plan.reason}" for name, plan in self.synapses.items()]
        return "\n".join(lines)


def plan_engine(graph: QuantizedGraph, units: ByteUnits, *, direct: bool = True) -> EnginePlan:
    """Decide for every synapse and for the state.

    Args:
        graph: the network.
        units: what the machine's byte instructions were found to do.
        direct: whether the neuron's pass can weigh an identity shortcut itself.

    Raises:
        BackendError: a sum that no float holds exactly.
    """
    synapses: dict[str, SynapsePlan] = {}
    for name in graph.order:
        node = graph.nodes[name]
        if isinstance(node, DenseCodes | Conv2dCodes):
            feeds_population = all(isinstance(graph.nodes[target], Population) for target in graph.targets(name))
            signal = signal_of(graph, graph.sources(name)[0])
            synapses[name] = _synapse(name, node, signal, units, direct=direct and feeds_population)
    proof = prove_ranges(graph, steps=graph.steps)
    bits, reason = _state(graph, proof)
    unsaturated = frozenset(name for name in graph.populations if proof.holds and _fits(proof.nodes[name]))
    return EnginePlan(synapses=MappingProxyType(synapses), state_bits=bits, state_reason=reason, unsaturated=unsaturated)


def _synapse(name: str, node: DenseCodes | Conv2dCodes, signal: Signal, units: ByteUnits, *, direct: bool) -> SynapsePlan:
    code, weight = max(abs(signal.low), abs(signal.high)), max(int(node.weight.max()), -int(node.weight.min()))
    largest = largest_fan_in(node.weight) * code
    if largest >= FLOAT64_EXACT:
        raise BackendError(
            f"synapse {name!r}: its sums may reach {largest}, beyond {FLOAT64_EXACT} exact in float64; use the reference backend"
        )
    byte_codes, byte_weights = signal.low >= 0 and signal.high <= 255, weight <= 127
    if direct and isinstance(node, Conv2dCodes) and byte_codes and is_identity(node):
        return SynapsePlan(sums=Sums.DIRECT, largest=largest, reason="depthwise 1x1: one product per position, formed in the neuron's pass")
    if largest >= FLOAT32_EXACT:
        return SynapsePlan(sums=Sums.FLOAT64, largest=largest, reason=f"sums may reach {largest}, beyond 2^24")
    if units is ByteUnits.NONE:
        reason = "no byte instructions were found right here"
    elif not byte_codes or not byte_weights:
        reason = f"codes {signal.low}..{signal.high} and weights up to {weight} are not unsigned and signed bytes"
    elif units is ByteUnits.PAIRED and 2 * code * weight > PAIR_LIMIT:
        reason = f"a pair of products may reach {2 * code * weight}, beyond {PAIR_LIMIT} of this processor's byte instructions"
    else:
        return SynapsePlan(sums=Sums.INT8, largest=largest, reason=f"bytes times bytes, sums up to {largest} < 2^24")
    return SynapsePlan(sums=Sums.FLOAT32, largest=largest, reason=f"{reason}; sums up to {largest} < 2^24")


def is_identity(node: Conv2dCodes) -> bool:
    """Whether a convolution weighs each channel at its own position: an identity shortcut."""
    g = node.geometry
    out_channels, per_group, *kernel = node.weight.shape
    depthwise = per_group == 1 and g.groups == out_channels
    return depthwise and kernel == [1, 1] and g.stride == (1, 1) and g.padding == (0, 0)


def _fits(proof: PopulationProof) -> bool:
    return all(proof.ranges[quantity].verdict is Verdict.FITS for quantity in ("h", "u", "r"))


def _state(graph: QuantizedGraph, proof: RangeProof) -> tuple[int, str]:
    """int32 where the proof holds for products of 32 bits (it counts ``nearest``'s half), else int64.

    Neither ``toward_zero`` nor ``floor`` forms anything wider than its operand, and a partial sum of branches may wrap,
    since the whole sum is proven to fit.
    """
    bits = graph.number_format.product_bits
    if bits > INT32_PRODUCT_BITS:
        return 64, f"format {graph.number_format.name!r} allows products of {bits} bits"
    if proof.holds:
        return 32, f"the range proof holds for products of {bits} bits"
    return 64, f"the range proof does not hold: {proof.failures()[0]}"
