"""A network whose forward pass is its integer network, at every moment of its training."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from typing_extensions import assert_never

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
    Reduce,
    SumPool2d,
)
from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.passes.branches import branches_of, summed_bias
from qif_deploy.passes.quantize import QuantizeReport, quantize_graph
from qif_deploy.shapes import ChannelFloats
from qif_deploy.training._torch import torch
from qif_deploy.training.answering import Answering
from qif_deploy.training.qat.modules import QatBias, QatPopulation, QatSynapse
from qif_deploy.training.qat.population import BackwardRule, run_population

Tensor = torch.Tensor

EXACT_FLOAT32 = 2**24
"""Every integer up to this, in magnitude, and every sum whose parts stay below it, is exact in float32."""


class LayerSignal(NamedTuple):
    """What a node emits, ``(time, batch, ...)``: a signal or current in exact floats, and of a population also ``u`` in int32."""

    name: str
    value: Tensor
    u: Tensor | None


class QatNetwork(Answering):
    """A float graph under training, seen through the codes that it has at this moment.

    The forward pass sums codes exactly (float32 where no sum can reach 2^24 with weights of this width, else float64) and runs the
    integer step; in training and in evaluation mode alike it equals, array by array, a run of the network that ``export`` returns.
    Units, shifts and constants are those that ``quantize_graph`` chooses, at the start and whenever ``choose_units`` is called; in
    between they stay. The gradient takes codes for the values behind them, and spikes for their surrogate.

    BatchNorm is folded before, with the statistics of the float training: what is trained is what is deployed, and the codes of a
    channel do not depend on the batch.

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
        self._single = _largest_sum(quantized) < EXACT_FLOAT32
        self._load(graph, quantized, self._targets())

    def forward(self, codes: Tensor) -> Tensor:
        """Return the readout's current at every step in codes, ``(time, batch, class)``, float64, exact.

        Args:
            codes: ``(batch, channel, height, width)`` to be held for all steps, or ``(time, batch, ...)``.
        """
        for signal in self.signals(codes):
            last = signal.value
        return last

    def reduce(self, currents: Tensor) -> Tensor:
        """Return the readout's value per class in codes, ``(batch, class)``; its argmax is the answer."""
        return currents.sum(0) if self.wiring.readout_node().reduce is Reduce.SUM else currents[-1]

    def currents(self, codes: Tensor) -> Tensor:
        """Return ``forward`` in float units, ``(time, batch, class)``, float32: what a loss sees."""
        found: Tensor = (self(codes) * self._bias(self.wiring.readout).delta).float()
        return found

    def signals(self, codes: Tensor) -> Iterator[LayerSignal]:
        """Yield what every node emits, inputs and synapses included, the readout last; a held frame has one time step."""
        input_name, dtype = self.wiring.inputs[0], self._integers()
        held = codes.ndim == len(self.wiring.code_input(input_name).shape) + 1
        # A GPU's float32 convolution may transform its operands, which is inexact at any size.
        frame = codes.to(torch.float32 if self._single and not codes.is_cuda else torch.float64)
        found = {input_name: frame.unsqueeze(0) if held else frame}
        for name in self.wiring.order:
            node, sources = self.wiring.nodes[name], self.wiring.sources(name)
            u = None
            match node:
                case CodeInput():
                    pass
                case DenseCodes() | Conv2dCodes():
                    found[name] = self._synapse(name)(found[sources[0]])
                case SumPool2d():
                    x = found[sources[0]]
                    pooled = torch.nn.functional.avg_pool2d(x.flatten(0, 1), node.kernel, node.stride, divisor_override=1)
                    found[name] = pooled.reshape(*x.shape[:2], *pooled.shape[1:])
                case Flatten():
                    found[name] = found[sources[0]].flatten(2)
                case Population():
                    sums = [found[source] for source in sources]
                    population = self._population(name)
                    shifts = [int(self._synapse(source).shift) for source in sources]
                    step = population.step(ndim=sums[0].ndim - 2, steps=self.steps, dtype=dtype)
                    found[name], u = run_population(population.bias(), sums, shifts, step)
                case ReadoutCodes():
                    parts = [found[source].double() * 2.0 ** int(self._synapse(source).shift) for source in sources]
                    current = sum(parts[1:], parts[0]) + self._bias(name)()
                    found[name] = current.expand(self.steps, *current.shape[1:]) if current.shape[0] == 1 and held else current
                case _:
                    assert_never(node)
            yield LayerSignal(name, found[name], u)

    def float_graph(self) -> Graph:
        """Return the float network behind the codes: weights and biases as they are before rounding; structure and neurons as given."""
        nodes: dict[str, FloatNode] = dict(self.graph.nodes)
        for target in self._targets():
            node = self.graph.nodes[target]
            bias = self._bias(target).bias.detach().cpu().numpy()
            if isinstance(node, QIF):
                bias = bias - node.params.broadcast(bias.size).c0
            for n, name in enumerate(self.graph.sources(target)):
                synapse, module = nodes[name], self._synapse(name)
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
        self.report = QuantizeReport(populations=chosen, proof=report.proof)

    def export(self, provenance: Mapping[str, str] | None = None) -> tuple[QuantizedGraph, QuantizeReport]:
        """Return the integer network of this moment with its range proof.

        Raises:
            FormatError: the proof does not hold, or a bias is beyond the state; ``settle`` mends that.
        """
        network = self._codes(provenance)
        proof = prove_ranges(network, steps=self.steps)
        if not proof.holds:
            raise FormatError("; ".join(proof.failures()))
        return network, QuantizeReport(populations=self.report.populations, proof=proof)

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

    def _integers(self) -> torch.dtype:
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
                    nodes[name] = self._synapse(name).node()
                case Population():
                    nodes[name] = Population(constants=self._constants(name), delta=self._delta(name))
                case ReadoutCodes():
                    nodes[name] = replace(node, bias=self._bias(name).codes(), delta=float(self._delta(name)[0]))
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
            return self._population(name).constants()
        except FormatError as error:
            raise FormatError(f"population {name!r}: {error}") from None

    def _load(self, graph: Graph, quantized: QuantizedGraph, targets: Collection[str]) -> None:
        """Take units, constants and values of ``targets`` from a float graph and what it was quantised to."""
        for target in targets:
            branches = branches_of(graph, target)
            node = quantized.nodes[target]
            if isinstance(node, Population):
                source = graph.nodes[target]
                assert isinstance(source, QIF)
                c0 = source.params.broadcast(node.constants.channels).c0
                bias = np.array([float(b) for b in summed_bias(branches, c0)])
                self._population(target).load(node.constants, node.delta, bias)
            else:
                assert isinstance(node, ReadoutCodes)
                bias = np.array([float(b) for b in summed_bias(branches)])
                self._bias(target).load(bias, np.full(bias.size, node.delta), node.bias)
            for branch in branches:
                synapse = quantized.nodes[branch.name]
                assert isinstance(synapse, DenseCodes | Conv2dCodes)
                module = self._synapse(branch.name)
                module.shift.fill_(synapse.shift)
                value = float(branch.signal.code_value)
                module.load(branch.rows / (self._unit(target, branch.name) / value)[:, None], synapse)

    def _targets(self) -> tuple[str, ...]:
        return (*self.wiring.populations, self.wiring.readout)

    def _delta(self, target: str) -> ChannelFloats:
        delta: ChannelFloats = self._bias(target).delta.cpu().numpy().copy()
        return delta

    def _unit(self, target: str, synapse: str) -> ChannelFloats:
        """Value of one weight code per channel, times the value of an input code."""
        unit: ChannelFloats = self._delta(target) * 2.0 ** int(self._synapse(synapse).shift)
        return unit

    def _synapse(self, name: str) -> QatSynapse:
        module = self.by_name[name]
        assert isinstance(module, QatSynapse)
        return module

    def _population(self, name: str) -> QatPopulation:
        module = self.by_name[name]
        assert isinstance(module, QatPopulation)
        return module

    def _bias(self, name: str) -> QatBias:
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
