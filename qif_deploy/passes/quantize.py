"""Float graph to integer graph: scales chosen, codes formed exactly, ranges proven."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from qif_deploy.analysis.range_proof import RangeProof, branch_ranges, prove_population, prove_ranges
from qif_deploy.analysis.reachable import require_coverable
from qif_deploy.errors import FormatError, QifError
from qif_deploy.fixedpoint import NumberFormat
from qif_deploy.ir.graph import Graph, QuantizedGraph
from qif_deploy.ir.nodes import (
    QIF,
    AvgPool2d,
    CodeInput,
    CodeNode,
    Conv2dCodes,
    DenseCodes,
    Flatten,
    Input,
    Population,
    Readout,
    ReadoutCodes,
    SumPool2d,
)
from qif_deploy.passes.branches import Branch, branches_of, summed_bias
from qif_deploy.passes.choose_scales import Scales, choose_scales, finest_weight_unit
from qif_deploy.passes.population_codes import bias_codes, branch_shift, population_constants, synapse_codes
from qif_deploy.shapes import ChannelFlags, ChannelFloats

WIDENING = 1.02
"""Factor on Delta of a channel whose final codes fail the proof by a hair (rounded weights may sum to a little more)."""

READOUT_LEVEL = 8
"""Level of the readout: its bias step is 1/256 of a weight step, and beyond that only width would be spent."""

WIDENINGS = 64
"""Tries with that factor: in all about a factor of 3.5."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PopulationReport:
    """What quantising one population decided; arrays have one value per channel."""

    scales: Scales
    shifts: Mapping[str, int]
    curvature_lost: tuple[int, ...]

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        bounds = [b.value for b in self.scales.bound_by]
        return {
            "s1": self.scales.s1,
            "level": self.scales.level,
            "noise": self.scales.noise,
            "delta_median": float(np.median(self.scales.delta)),
            "branch_shifts": dict(self.shifts),
            "bound_by": {name: bounds.count(name) for name in sorted(set(bounds))},
            "curvature_lost_channels": list(self.curvature_lost),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeReport:
    """What quantising a network decided, with its range proof."""

    populations: Mapping[str, PopulationReport]
    proof: RangeProof


def quantize_graph(
    graph: Graph, number_format: NumberFormat, *, steps: int | None, provenance: Mapping[str, str] | None = None
) -> tuple[QuantizedGraph, QuantizeReport]:
    """Quantise a graph without BatchNorm.

    Args:
        graph: the float network; fold its BatchNorm first.
        number_format: the target's integers.
        steps: number of time steps to prove, None for any.
        provenance: text facts that travel with the artefact.

    Raises:
        FormatError: a population cannot be kept within the format; names population, channel, value and limit.
        InputError: fewer than one step.
    """
    require_coverable(steps)
    nodes: dict[str, CodeNode] = {}
    reports: dict[str, PopulationReport] = {}
    for name in graph.order:
        node = graph.nodes[name]
        match node:
            case Input():
                nodes[name] = CodeInput(shape=node.shape, low=node.low, high=node.high, scale=node.scale)
            case AvgPool2d():
                nodes[name] = SumPool2d(kernel=node.kernel, stride=node.stride)
            case SumPool2d() | Flatten():
                nodes[name] = node
            case QIF():
                reports[name] = _quantize_population(graph, name, node, nodes, number_format, steps)
            case Readout():
                try:
                    _quantize_readout(graph, name, node, nodes, number_format)
                except FormatError as error:
                    raise FormatError(f"readout {name!r}: {error}") from None
            case _:
                pass  # synapses are formed with the population that they feed
    ordered = {name: nodes[name] for name in graph.nodes}
    quantized = QuantizedGraph(
        nodes=ordered, edges=graph.edges, number_format=number_format, steps=steps, provenance={} if provenance is None else provenance
    )
    proof = prove_ranges(quantized, steps=steps)
    if not proof.holds:
        raise FormatError("; ".join(proof.failures()))
    return quantized, QuantizeReport(populations=MappingProxyType(reports), proof=proof)


def _quantize_population(
    graph: Graph, name: str, node: QIF, nodes: dict[str, CodeNode], number_format: NumberFormat, steps: int | None
) -> PopulationReport:
    branches = branches_of(graph, name)
    params = node.params.broadcast(branches[0].rows.shape[0])
    bias = summed_bias(branches, params.c0)
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # values beyond float64 fail the proof at every unit, and are told so
            scales = choose_scales(params, branches, np.array([float(b) for b in bias]), number_format, steps=steps)
        delta = scales.delta
        for _ in range(WIDENINGS):
            shifts = {branch.name: branch_shift(branch, delta, number_format) for branch in branches}
            codes = {branch.name: synapse_codes(branch, delta, shifts[branch.name]) for branch in branches}
            constants, curvature = population_constants(params, bias, delta, scales.s1, number_format)
            failing = _failing(branches, codes, Population(constants=constants, delta=delta), steps)
            if not failing.any():
                nodes |= codes
                nodes[name] = Population(constants=constants, delta=delta)
                return PopulationReport(scales=replace(scales, delta=delta), shifts=MappingProxyType(shifts), curvature_lost=curvature.lost)
            delta = np.where(failing, delta * WIDENING, delta)
    except QifError as error:
        raise FormatError(f"population {name!r}: {error}") from None
    raise FormatError(
        f"population {name!r}, channel {np.flatnonzero(failing)[0]}: no Delta near {delta.min():.3g} satisfies the range proof"
    )


def _failing(
    branches: tuple[Branch, ...],
    codes: Mapping[str, DenseCodes | Conv2dCodes],
    population: Population,
    steps: int | None,
) -> ChannelFlags:
    signals = {branch.name: branch.signal for branch in branches}
    acc, current = branch_ranges(codes, signals, population.constants.bias)
    return prove_population(population.constants, acc, current, steps=steps).failing_channels


def _quantize_readout(graph: Graph, name: str, node: Readout, nodes: dict[str, CodeNode], number_format: NumberFormat) -> None:
    """One Delta for all classes, since argmax compares codes; the level makes the bias finer than a weight step."""
    branches = branches_of(graph, name)
    bias = summed_bias(branches)
    finest = finest_weight_unit(branches, number_format)
    alive = finest[np.isfinite(finest)]
    if not alive.size:
        raise FormatError("every weight is zero; the network decides nothing, check the checkpoint")
    signals = {branch.name: branch.signal for branch in branches}
    for level in range(READOUT_LEVEL, -1, -1):
        delta: ChannelFloats = np.full(len(bias), float(alive.max()) / 2.0**level)
        rounded = bias_codes(bias, delta)
        shifts = {branch.name: branch_shift(branch, delta, number_format) for branch in branches}
        codes = {branch.name: synapse_codes(branch, delta, shifts[branch.name]) for branch in branches}
        _, current = branch_ranges(codes, signals, rounded)
        if current.magnitude.max() <= number_format.product_limit:
            nodes |= codes
            nodes[name] = ReadoutCodes(bias=rounded, delta=float(delta[0]), reduce=node.reduce)
            return
    raise FormatError(
        f"its sums reach {current.magnitude.max()}, beyond {number_format.product_limit} (product_bits = {number_format.product_bits}); "
        "use a wider format or smaller weights"
    )
