"""Codes under training: from values to codes and back, units, export with its proof."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np
from typing_extensions import assert_never

from qif_deploy._torch import torch
from qif_deploy.analysis.range_proof import prove_ranges
from qif_deploy.analysis.signal_range import signal_of
from qif_deploy.errors import FormatError
from qif_deploy.fixedpoint import NumberFormat
from qif_deploy.ir.graph import Graph, QuantizedGraph
from qif_deploy.ir.nodes import (
    QIF,
    CodeInput,
    CodeNode,
    Conv2d,
    Conv2dCodes,
    Dense,
    DenseCodes,
    Flatten,
    FloatNode,
    Population,
    ReadoutCodes,
    SumPool2d,
)
from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.passes.branches import branches_of, summed_bias
from qif_deploy.passes.quantize import quantize_graph
from qif_deploy.passes.quantize_report import QuantizeReport, SynapseReport
from qif_deploy.passes.scale_method import QuantizeOptions
from qif_deploy.shapes import ChannelFloats
from qif_deploy.training.qat.modules import QatBias, QatPopulation, QatSynapse
from qif_deploy.training.qat.population import BackwardRule

EXACT_FLOAT32 = 2**24
"""Every integer up to this, in magnitude, and every sum whose parts stay below it, is exact in float32."""


class TrainedCodes(torch.nn.Module):
    """The integer network that a float graph is at this moment of its training.

    Units, shifts and constants are those that ``quantize_graph`` chooses, at the start and whenever ``choose_units`` is called; in
    between they stay. ``single`` says that no sum can reach 2^24 with weights of this width, so that float32 adds codes exactly.

    Args:
        graph: the float network, BatchNorm folded.
        number_format: the target's integers.
        steps: T; the range proof covers so many.
        rules: of the backward pass, per population.
        fixed: synapses whose weights are not learned.

    Raises:
        FormatError: the float network cannot be quantised.
    """

    def __init__(
        self,
        graph: Graph,
        number_format: NumberFormat,
        *,
        steps: int,
        rules: Mapping[str, BackwardRule],
        fixed: Collection[str] = (),
    ) -> None:
        super().__init__()
        self.graph, self.number_format, self.steps = graph, number_format, steps
        quantized, self.report = quantize_graph(graph, number_format, steps=steps)
        self.wiring = quantized
        modules: dict[str, torch.nn.Module] = {}
        for name, node in quantized.nodes.items():
            match node:
                case DenseCodes() | Conv2dCodes():
                    modules[name] = QatSynapse(node, limit=number_format.weight_limit, learned=name not in fixed)
                case Population():
                    modules[name] = QatPopulation(node.constants, rules[name])
                case ReadoutCodes():
                    modules[name] = QatBias(node.bias.size)
                case CodeInput() | SumPool2d() | Flatten():
                    pass
                case _:
                    assert_never(node)
        self.by_name = torch.nn.ModuleDict(modules)
        self._proven = False
        self._proven_of: tuple[int, ...] = ()
        self.single = _largest_sum(quantized) < EXACT_FLOAT32
        self._load(graph, quantized, self._targets())

    def float_graph(self) -> Graph:
        """Return the float network behind the codes: weights and biases as they are before rounding; structure and neurons as given."""
        nodes: dict[str, FloatNode] = dict(self.graph.nodes)
        for target in self._targets():
            node = self.graph.nodes[target]
            bias = self.bias(target).bias.detach().cpu().numpy()
            if isinstance(node, QIF):
                bias = bias - node.params.broadcast(bias.size).c0
            for n, name in enumerate(self.graph.sources(target)):
                synapse, module = nodes[name], self.synapse(name)
                assert isinstance(synapse, Dense | Conv2d)
                value = float(signal_of(self.graph, self.graph.sources(name)[0]).code_value)
                weight = module.units() * (self._unit(target, name) / value)[:, None]
                nodes[name] = replace(synapse, weight=weight.reshape(synapse.weight.shape), bias=bias if n == 0 else None)
        return Graph(nodes=nodes, edges=self.graph.edges)

    def choose_units(self, targets: Collection[str]) -> None:
        """Let ``quantize_graph`` choose units, shifts and constants of these populations or the readout anew.

        Raises:
            FormatError: a population cannot be kept within the format.
        """
        graph = self.float_graph()
        quantized, report = quantize_graph(graph, self.number_format, steps=self.steps)
        self._load(graph, quantized, targets)
        chosen = {name: (report if name in targets else self.report).populations[name] for name in self.wiring.populations}
        self.report = replace(report, populations=chosen)

    def export(self, provenance: Mapping[str, str] | None = None) -> tuple[QuantizedGraph, QuantizeReport]:
        """Return the integer network of this moment with its range proof.

        Raises:
            FormatError: the proof does not hold, or a bias is beyond the state; ``settle`` mends that.
        """
        network = self._codes(provenance)
        proof = prove_ranges(network, steps=self.steps)
        if not proof.holds:
            raise FormatError("; ".join(proof.failures()))
        synapses = {name: self._synapse_report(node) for name, node in network.nodes.items() if isinstance(node, DenseCodes | Conv2dCodes)}
        return network, replace(self.report, synapses=synapses, proof=proof)

    def settle(self) -> dict[str, str]:
        """Choose new units where a moved weight or bias has broken the range proof; return what broke, by population.

        Raises:
            FormatError: no unit keeps the proof.
        """
        try:
            proof = prove_ranges(self._codes(None), steps=self.steps)
        except FormatError as error:  # a constant that cannot be formed, so nothing is known of the others
            broken = dict.fromkeys(self._targets(), str(error))
        else:
            lines = proof.failures()
            broken = {name: next(y for y in lines if repr(name) in y) for name, entry in proof.nodes.items() if not entry.holds}
        if broken:
            self.choose_units(tuple(broken))
        return broken

    def integers(self) -> torch.dtype:
        """Return int32 where the range proof of this moment's codes allows it, which it does for nearly every update, else int64."""
        if self.number_format.product_bits > 32:
            return torch.int64
        versions = tuple(number for t in (*self.parameters(), *self.buffers()) for number in (t._version, t.data_ptr()))
        if versions != self._proven_of:
            try:
                self._proven = prove_ranges(self._codes(None), steps=self.steps).holds
            except FormatError:
                self._proven = False
            self._proven_of = versions
        return torch.int32 if self._proven else torch.int64

    def _codes(self, provenance: Mapping[str, str] | None) -> QuantizedGraph:
        nodes: dict[str, CodeNode] = {}
        for name, node in self.wiring.nodes.items():
            match node:
                case DenseCodes() | Conv2dCodes():
                    nodes[name] = self.synapse(name).node()
                case Population():
                    nodes[name] = Population(constants=self._constants(name), delta=self._delta(name))
                case ReadoutCodes():
                    nodes[name] = replace(node, bias=self.bias(name).codes(), delta=float(self._delta(name)[0]))
                case CodeInput() | SumPool2d() | Flatten():
                    nodes[name] = node
                case _:
                    assert_never(node)
        return QuantizedGraph(
            nodes=nodes,
            edges=self.wiring.edges,
            number_format=self.number_format,
            steps=self.steps,
            provenance={} if provenance is None else provenance,
        )

    def _constants(self, name: str) -> FixedConstants:
        try:
            return self.population(name).constants()
        except FormatError as error:
            raise FormatError(f"population {name!r}: {error}") from None

    def _load(self, graph: Graph, quantized: QuantizedGraph, targets: Collection[str]) -> None:
        """Take units, constants and values of ``targets`` from a float graph and what it was quantised to."""
        for target in targets:
            branches = branches_of(graph, target, self.number_format, QuantizeOptions())
            node = quantized.nodes[target]
            if isinstance(node, Population):
                source = graph.nodes[target]
                assert isinstance(source, QIF)
                c0 = source.params.broadcast(node.constants.channels).c0
                bias = np.array([float(b) for b in summed_bias(branches, c0)])
                self.population(target).load(node.constants, node.delta, bias)
            else:
                assert isinstance(node, ReadoutCodes)
                bias = np.array([float(b) for b in summed_bias(branches)])
                self.bias(target).load(bias, np.full(bias.size, node.delta), node.bias)
            for branch in branches:
                synapse = quantized.nodes[branch.name]
                assert isinstance(synapse, DenseCodes | Conv2dCodes)
                module = self.synapse(branch.name)
                module.shift.fill_(synapse.shift)
                value = float(branch.signal.code_value)
                module.load(branch.rows / (self._unit(target, branch.name) / value)[:, None], synapse)

    def _synapse_report(self, node: DenseCodes | Conv2dCodes) -> SynapseReport:
        """Trained codes are the weights, so none of them is clipped."""
        largest = np.abs(node.weight.reshape(node.weight.shape[0], -1).astype(np.int64)).max(axis=1)
        return SynapseReport(
            weight_bits=self.number_format.weight_bits,
            shift=node.shift,
            largest_code=largest,
            clipped=np.zeros_like(largest),
            clip_error=np.zeros(largest.shape),
        )

    def _targets(self) -> tuple[str, ...]:
        return (*self.wiring.populations, self.wiring.readout)

    def _delta(self, target: str) -> ChannelFloats:
        delta: ChannelFloats = self.bias(target).delta.cpu().numpy().copy()
        return delta

    def _unit(self, target: str, synapse: str) -> ChannelFloats:
        """Value of one weight code per channel, times the value of an input code."""
        unit: ChannelFloats = self._delta(target) * 2.0 ** int(self.synapse(synapse).shift)
        return unit

    def synapse(self, name: str) -> QatSynapse:
        """Return the module of a synapse."""
        module = self.by_name[name]
        assert isinstance(module, QatSynapse)
        return module

    def population(self, name: str) -> QatPopulation:
        """Return the module of a population."""
        module = self.by_name[name]
        assert isinstance(module, QatPopulation)
        return module

    def bias(self, name: str) -> QatBias:
        """Return the bias of a population or readout."""
        module = self.by_name[name]
        found = module.bias if isinstance(module, QatPopulation) else module
        assert isinstance(found, QatBias)
        return found


def _largest_sum(graph: QuantizedGraph) -> int:
    """Return the largest sum over a fan-in, or pooled count, that weights within their limit can form."""
    largest = 0
    for name, node in graph.nodes.items():
        match node:
            case DenseCodes() | Conv2dCodes():
                signal = signal_of(graph, graph.sources(name)[0])
                fan_in = int(np.prod(node.weight.shape[1:]))
                largest = max(largest, fan_in * graph.number_format.weight_limit * max(abs(signal.low), abs(signal.high)))
            case CodeInput() | SumPool2d() | Flatten() | Population():
                signal = signal_of(graph, name)
                largest = max(largest, abs(signal.low), abs(signal.high))
            case ReadoutCodes():
                pass
            case _:
                assert_never(node)
    return largest
