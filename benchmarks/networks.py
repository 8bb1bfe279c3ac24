"""Networks that the speed benchmarks run: random weights with the statistics of a few training batches, and their integer form."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch

from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.neuron.params import QIFParams
from qif_deploy.passes.fold_batchnorm import fold_batchnorm
from qif_deploy.passes.quantize import quantize_graph
from qif_deploy.shapes import InputCodes
from qif_deploy.training.models.registry import model_spec
from qif_deploy.training.network import SpikingNetwork
from qif_deploy.training.spec import InputSpec, NetworkSpec
from qif_deploy.training.surrogate import FixedWindow, Surrogate
from qif_deploy.training.to_graph import to_graph
from qif_hardware.target import load_target

QIF = QIFParams.from_fixed_points(a=0.25, u_rest=0.0, u_crit=0.5)
LIF = QIFParams.lif(decay=0.5)
WINDOW = Surrogate(window=FixedWindow(width=1.0))
"""Nothing here is trained; a module asks for one."""

CALIBRATION = 12
"""Batches of 8 frames from which the norms take their statistics, so that every population fires."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model of the registry at one size; ``codes`` is the highest input code."""

    name: str
    steps: int = 4
    width: float = 1.0
    shape: tuple[int, ...] = (3, 32, 32)
    channels: tuple[int, ...] = ()
    hidden: int = 0
    codes: int = 255
    classes: int = 10

    @property
    def title(self) -> str:
        """Name, with the width where it is not the published one."""
        return self.name if self.width == 1 else f"{self.name} (width {self.width:g})"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pair:
    """The float network, ready for inference, and what it was quantised to."""

    model: Model
    network: SpikingNetwork
    graph: QuantizedGraph

    def frames(self, samples: int) -> torch.Tensor:
        """Return random codes ``(sample, ...)``, a new tensor of the same values each time."""
        generator = torch.Generator().manual_seed(1)
        return torch.randint(0, self.model.codes + 1, (samples, *self.model.shape), generator=generator)

    def codes(self, samples: int) -> dict[str, InputCodes]:
        """Return the same frames as held input codes."""
        frames = self.frames(samples).numpy()
        return {self.graph.inputs[0]: np.broadcast_to(frames, (self.model.steps, *frames.shape))}


def spec_of(model: Model) -> NetworkSpec:
    """Return the layers of ``model``."""
    input_spec = InputSpec(shape=model.shape, low=0, high=model.codes, scale=1 / model.codes, classes=model.classes)
    return model_spec(model.name, input_spec, steps=model.steps, width=model.width, channels=model.channels, hidden=model.hidden)


def float_network(model: Model, params: QIFParams = QIF) -> SpikingNetwork:
    """Build the network with random weights, settle its norms, and switch it to evaluation."""
    torch.manual_seed(0)
    network = SpikingNetwork(spec_of(model), params=params, alpha=1.0, surrogate=WINDOW).train()
    with torch.no_grad():
        for _ in range(CALIBRATION):
            network(torch.randint(0, model.codes + 1, (8, *model.shape)))
    return network.eval()


@functools.cache
def pair(model: Model) -> Pair:
    """Return the network in both forms."""
    network = float_network(model)
    folded, _ = fold_batchnorm(to_graph(network))
    graph, _ = quantize_graph(folded, load_target("loihi2").number_format, steps=model.steps)
    return Pair(model=model, network=network, graph=graph)
