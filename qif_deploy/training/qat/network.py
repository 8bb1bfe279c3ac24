"""A network whose forward pass is its integer network, at every moment of its training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from typing_extensions import assert_never

from qif_deploy._torch import torch
from qif_deploy.ir.nodes import CodeInput, Conv2dCodes, DenseCodes, Flatten, Population, ReadoutCodes, Reduce, SumPool2d
from qif_deploy.training.answering import Answering
from qif_deploy.training.qat.codes import TrainedCodes
from qif_deploy.training.qat.population import run_population

Tensor = torch.Tensor


class LayerSignal(NamedTuple):
    """What a node emits, ``(time, batch, ...)``: a signal or current in exact floats, and of a population also ``u`` in int32."""

    name: str
    value: Tensor
    u: Tensor | None


class QatNetwork(Answering):
    """A float graph under training, seen through the codes that it has at this moment.

    The forward pass sums codes exactly, in floats that hold them, and runs the integer step; in training and in evaluation mode
    alike it equals, array by array, a run of the network that ``codes.export`` returns. The gradient takes codes for the values
    behind them, and spikes for their surrogate.

    BatchNorm is folded before, with the statistics of the float training: what is trained is what is deployed, and the codes of a
    channel do not depend on the batch.

    Args:
        codes: the integer network and what is trained of it.
    """

    def __init__(self, codes: TrainedCodes) -> None:
        super().__init__()
        self.codes = codes

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
        return currents.sum(0) if self.codes.wiring.readout_node().reduce is Reduce.SUM else currents[-1]

    def currents(self, codes: Tensor) -> Tensor:
        """Return ``forward`` in float units, ``(time, batch, class)``, float32: what a loss sees."""
        found: Tensor = (self(codes) * self.codes.bias(self.codes.wiring.readout).delta).float()
        return found

    def signals(self, codes: Tensor) -> Iterator[LayerSignal]:
        """Yield what every node emits, inputs and synapses included, the readout last; a held frame has one time step."""
        input_name, dtype = self.codes.wiring.inputs[0], self.codes.integers()
        held = codes.ndim == len(self.codes.wiring.code_input(input_name).shape) + 1
        steps = self.codes.steps if held else codes.shape[0]
        # A GPU's float32 convolution may transform its operands, which is inexact at any size.
        frame = codes.to(torch.float32 if self.codes.single and not codes.is_cuda else torch.float64)
        found = {input_name: frame.unsqueeze(0) if held else frame}
        for name in self.codes.wiring.order:
            node, sources = self.codes.wiring.nodes[name], self.codes.wiring.sources(name)
            u = None
            match node:
                case CodeInput():
                    pass
                case DenseCodes() | Conv2dCodes():
                    found[name] = self.codes.synapse(name)(found[sources[0]])
                case SumPool2d():
                    x = found[sources[0]]
                    pooled = torch.nn.functional.avg_pool2d(x.flatten(0, 1), node.kernel, node.stride, divisor_override=1)
                    found[name] = pooled.reshape(*x.shape[:2], *pooled.shape[1:])
                case Flatten():
                    found[name] = found[sources[0]].flatten(2)
                case Population():
                    sums = [found[source] for source in sources]
                    population = self.codes.population(name)
                    shifts = [int(self.codes.synapse(source).shift) for source in sources]
                    step = population.step(ndim=sums[0].ndim - 2, steps=steps, dtype=dtype)
                    found[name], u = run_population(population.bias(), sums, shifts, step)
                case ReadoutCodes():
                    parts = [found[source].double() * 2.0 ** int(self.codes.synapse(source).shift) for source in sources]
                    current = sum(parts[1:], parts[0]) + self.codes.bias(name)()
                    found[name] = current.expand(steps, *current.shape[1:])
                case _:
                    assert_never(node)
            yield LayerSignal(name, found[name], u)
