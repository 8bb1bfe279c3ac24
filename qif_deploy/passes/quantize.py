"""Float graph to integer graph: scales chosen, codes formed exactly, ranges proven."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from types import MappingProxyType

import numpy as np

from qif_deploy.analysis.range_proof import branch_ranges, prove_population, prove_ranges
from qif_deploy.analysis.reachable import require_coverable
from qif_deploy.errors import FormatError, InputError, QifError
from qif_deploy.fixedpoint import NumberFormat
from qif_deploy.ir.graph import Graph, QuantizedGraph
from qif_deploy.ir.nodes import (
    QIF,
    AvgPool2d,
    CodeInput,
    CodeNode,
    Conv2d,
    Conv2dCodes,
    Dense,
    DenseCodes,
    Flatten,
    Input,
    Population,
    Readout,
    ReadoutCodes,
    SumPool2d,
)
from qif_deploy.neuron.params import QIFParams
from qif_deploy.passes.branches import Branch, branches_of, summed_bias
from qif_deploy.passes.calibration import Calibration
from qif_deploy.passes.choose_scales import choose_scales, finest_weight_unit
from qif_deploy.passes.fold_batchnorm import folded_edges
from qif_deploy.passes.population_codes import SynapseCoding, bias_codes, branch_shift, code_synapse, population_constants
from qif_deploy.passes.quantize_report import PopulationReport, QuantizeReport, SynapseReport
from qif_deploy.passes.scale_method import QuantizeOptions
from qif_deploy.shapes import ChannelFlags, ChannelFloats

WIDENING = 1.02
"""Factor on Delta of a channel whose final codes fail the proof by a hair (rounded weights may sum to a little more)."""

READOUT_LEVEL = 8
"""Level of the readout: its bias step is 1/256 of a weight step, and beyond that only width would be spent."""

WIDENINGS = 64
"""Tries with that factor: in all about a factor of 3.5."""


def quantize_graph(
    graph: Graph,
    number_format: NumberFormat,
    *,
    steps: int | None,
    provenance: Mapping[str, str] | None = None,
    options: QuantizeOptions | None = None,
    calibration: Calibration | None = None,
) -> tuple[QuantizedGraph, QuantizeReport]:
    """Quantise a graph; BatchNorm that is still in it is folded on the way, population by population.

    Args:
        graph: the float network.
        number_format: the target's integers.
        steps: number of time steps to prove, None for any.
        provenance: text facts that travel with the artefact.
        options: scales, widths and bias correction; None for the defaults.
        calibration: statistics of the synapses' inputs on data, for bias correction.

    Raises:
        FormatError: a population cannot be kept within the format; names population, channel, value and limit.
        InputError: options that do not fit the graph, bias correction without calibration, or fewer than one step.
    """
    require_coverable(steps)
    options = QuantizeOptions() if options is None else options
    _check_options(graph, options, calibration)
    work = _Work(graph=graph, number_format=number_format, steps=steps, options=options, calibration=calibration)
    for name in graph.order:
        node = graph.nodes[name]
        match node:
            case Input():
                work.nodes[name] = CodeInput(shape=node.shape, low=node.low, high=node.high, scale=node.scale)
            case AvgPool2d():
                work.nodes[name] = SumPool2d(kernel=node.kernel, stride=node.stride)
            case SumPool2d() | Flatten():
                work.nodes[name] = node
            case QIF():
                _quantize_population(work, name, node)
            case Readout():
                try:
                    _quantize_readout(work, name, node)
                except FormatError as error:
                    raise FormatError(f"readout {name!r}: {error}") from None
            case _:
                pass  # synapses and their norms are formed with the population that they feed
    quantized = QuantizedGraph(
        nodes={name: work.nodes[name] for name in graph.nodes if name in work.nodes},
        edges=folded_edges(graph),
        number_format=number_format,
        steps=steps,
        provenance={} if provenance is None else provenance,
    )
    proof = prove_ranges(quantized, steps=steps)
    if not proof.holds:
        raise FormatError("; ".join(proof.failures()))
    report = QuantizeReport(
        populations=MappingProxyType(work.populations),
        synapses=MappingProxyType(work.synapses),
        proof=proof,
        options=options,
        calibrated_on=None if calibration is None else f"{calibration.samples} samples of {calibration.source}",
    )
    return quantized, report


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """One run of the pass: what it was asked, and what it has found so far."""

    graph: Graph
    number_format: NumberFormat
    steps: int | None
    options: QuantizeOptions
    calibration: Calibration | None
    nodes: dict[str, CodeNode] = field(default_factory=dict)
    populations: dict[str, PopulationReport] = field(default_factory=dict)
    synapses: dict[str, SynapseReport] = field(default_factory=dict)

    def code(self, branches: tuple[Branch, ...], delta: ChannelFloats) -> dict[str, SynapseCoding]:
        inputs = {} if self.calibration is None or not self.options.bias_correction else self.calibration.inputs
        return {b.name: code_synapse(b, delta, branch_shift(b, delta), inputs.get(b.name)) for b in branches}

    def keep(self, branches: tuple[Branch, ...], coded: Mapping[str, SynapseCoding]) -> None:
        self.nodes.update({name: coding.codes for name, coding in coded.items()})
        self.synapses.update({b.name: SynapseReport.of(b, coded[b.name]) for b in branches})


def _check_options(graph: Graph, options: QuantizeOptions, calibration: Calibration | None) -> None:
    synapses = [name for name, node in graph.nodes.items() if isinstance(node, Dense | Conv2d)]
    unknown = sorted(set(options.weight_bits) - set(synapses))
    if unknown:
        raise InputError(f"weight_bits names {unknown}, the network has the synapses {sorted(synapses)}; name one of those")
    if options.bias_correction and calibration is None:
        raise InputError("bias correction needs calibration data; give a data set to calibrate on")


def _quantize_population(work: _Work, name: str, node: QIF) -> None:
    try:
        branches = branches_of(work.graph, name, work.number_format, work.options)
        params = node.params.broadcast(branches[0].rows.shape[0])
        bias = summed_bias(branches, params.c0)
        with np.errstate(over="ignore", invalid="ignore"):  # values beyond float64 fail the proof at every unit, and are told so
            scales = choose_scales(params, branches, np.array([float(b) for b in bias]), work.number_format, steps=work.steps)
        delta = scales.delta
        for _ in range(WIDENINGS):
            coded = work.code(branches, delta)
            added = _mean_shift(coded)
            constants, curvature = population_constants(params, _corrected(bias, added), delta, scales.s1, work.number_format)
            population = Population(constants=constants, delta=delta)
            failing = _failing(branches, coded, population, work.steps)
            if not failing.any():
                work.keep(branches, coded)
                work.nodes[name] = population
                work.populations[name] = PopulationReport(
                    scales=replace(scales, delta=delta),
                    shifts=MappingProxyType({branch: coding.codes.shift for branch, coding in coded.items()}),
                    curvature_lost=curvature.lost,
                    bias_correction=None if added is None else _in_spans(added, params),
                )
                return
            delta = np.where(failing, delta * WIDENING, delta)
    except QifError as error:
        raise type(error)(f"population {name!r}: {error}") from None
    raise FormatError(
        f"population {name!r}, channel {np.flatnonzero(failing)[0]}: no Delta near {delta.min():.3g} satisfies the range proof"
    )


def _mean_shift(coded: Mapping[str, SynapseCoding]) -> ChannelFloats | None:
    """Sum over the branches of what rounding adds to the mean current; None without calibration."""
    parts = [coding.shift_of_mean for coding in coded.values() if coding.shift_of_mean is not None]
    return np.sum(parts, axis=0) if parts else None


def _corrected(bias: list[Fraction], added: ChannelFloats | None) -> list[Fraction]:
    """Take the shift of the mean back, exactly, before the one rounding of the bias."""
    return bias if added is None else [b - Fraction(float(a)) for b, a in zip(bias, added, strict=True)]


def _in_spans(added: ChannelFloats, params: QIFParams) -> ChannelFloats:
    found: ChannelFloats = added / (params.theta - params.u_reset)
    return found


def _failing(branches: tuple[Branch, ...], coded: Mapping[str, SynapseCoding], population: Population, steps: int | None) -> ChannelFlags:
    signals = {branch.name: branch.signal for branch in branches}
    acc, current = branch_ranges(_codes(coded), signals, population.constants.bias)
    return prove_population(population.constants, acc, current, steps=steps).failing_channels


def _codes(coded: Mapping[str, SynapseCoding]) -> dict[str, DenseCodes | Conv2dCodes]:
    return {name: coding.codes for name, coding in coded.items()}


def _quantize_readout(work: _Work, name: str, node: Readout) -> None:
    """One Delta for all classes, since argmax compares codes; the level makes the bias finer than a weight step."""
    branches = branches_of(work.graph, name, work.number_format, work.options)
    bias = summed_bias(branches)
    finest = finest_weight_unit(branches)
    alive = finest[np.isfinite(finest)]
    if not alive.size:
        raise FormatError("every weight is zero; the network decides nothing, check the checkpoint")
    signals = {branch.name: branch.signal for branch in branches}
    limit = work.number_format.product_limit
    for level in range(READOUT_LEVEL, -1, -1):
        delta: ChannelFloats = np.full(len(bias), float(alive.max()) / 2.0**level)
        coded = work.code(branches, delta)
        rounded = bias_codes(_corrected(bias, _mean_shift(coded)), delta)
        _, current = branch_ranges(_codes(coded), signals, rounded)
        if current.magnitude.max() <= limit:
            work.keep(branches, coded)
            work.nodes[name] = ReadoutCodes(bias=rounded, delta=float(delta[0]), reduce=node.reduce)
            return
    raise FormatError(
        f"its sums reach {current.magnitude.max()}, beyond {limit} (product_bits = {work.number_format.product_bits}); "
        "use a wider format or smaller weights"
    )
