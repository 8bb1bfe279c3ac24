"""A spiking network built from its spec: torch modules by layer name, run in the order of the spec."""

from __future__ import annotations

from collections.abc import Iterator

from typing_extensions import assert_never

from qif_deploy._torch import torch
from qif_deploy.ir.nodes import Reduce
from qif_deploy.neuron.params import QIFParams
from qif_deploy.sound_conv2d import SoundConv2d
from qif_deploy.training.answering import Answering
from qif_deploy.training.layers import IdentityShortcut, SampleDropout, TimeFirst
from qif_deploy.training.neuron import QIFNeuron
from qif_deploy.training.spec import (
    ConvLayer,
    DenseLayer,
    DropoutLayer,
    FlattenLayer,
    NetworkSpec,
    NormLayer,
    PoolLayer,
    PopulationLayer,
    ReadoutLayer,
    ShortcutLayer,
    sources_of,
)
from qif_deploy.training.stable_map import LearnedConstant
from qif_deploy.training.surrogate import Surrogate
from qif_deploy.training.tdbn import ThresholdDependentBatchNorm

Tensor = torch.Tensor


class SpikingNetwork(Answering):
    """One kind of neuron throughout; direct coding: a frame of codes is held for all steps as ``code * scale``.

    Args:
        spec: layers and number of steps.
        params: the neuron to start from, one value per parameter.
        alpha: of the threshold-dependent batch normalisation, which makes the input of a population N(0, (alpha theta)^2).
        surrogate: what stands for the derivative of a spike.
        detach_reset: cut the gradient through the reset.
        learned: constants that every population learns for itself; a derived window then follows them.

    Raises:
        InputError: learned constants that start outside their stable range.
    """

    def __init__(
        self,
        spec: NetworkSpec,
        *,
        params: QIFParams,
        alpha: float,
        surrogate: Surrogate,
        detach_reset: bool = True,
        learned: frozenset[LearnedConstant] = frozenset(),
    ) -> None:
        super().__init__()
        self.spec = spec
        modules: dict[str, torch.nn.Module] = {}
        for layer in spec.layers:
            match layer:
                case NormLayer():
                    theta = params.broadcast(layer.channels).theta
                    modules[layer.name] = ThresholdDependentBatchNorm(theta, alpha=alpha * layer.alpha_share)
                case ShortcutLayer():
                    modules[layer.name] = IdentityShortcut(layer.channels, weight=layer.weight)
                case DropoutLayer():
                    modules[layer.name] = SampleDropout(layer.rate)
                case PopulationLayer():
                    modules[layer.name] = QIFNeuron(
                        params,
                        spike=surrogate.spike(params),
                        detach_reset=detach_reset,
                        learned=learned,
                        window=surrogate.window if learned else None,
                    )
                case ConvLayer() | DenseLayer() | PoolLayer() | FlattenLayer():
                    modules[layer.name] = TimeFirst(_stateless(layer))
                case ReadoutLayer():
                    pass
                case _:
                    assert_never(layer)
        # ModuleDict takes no name that torch's own attributes use; a spec's names are free, so they stand below one prefix.
        self.by_name = torch.nn.ModuleDict(modules)

    def forward(self, codes: Tensor) -> Tensor:
        """Return the readout's current at every step, ``(time, batch, class)``.

        Args:
            codes: ``(batch, channel, height, width)`` to be held for all steps, or ``(time, batch, ...)``.
        """
        return dict(self.signals(codes))[self.spec.readout.name]

    def reduce(self, currents: Tensor) -> Tensor:
        """Return the readout's value per class, ``(batch, class)``; its argmax is the answer."""
        return currents.sum(0) if self.spec.readout.reduce is Reduce.SUM else currents[-1]

    def signals(self, codes: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield name and signal ``(time, batch, ...)`` of every layer, in the order of the spec.

        What a held frame alone decides has one time step: the first synapse and its normalisation are computed once,
        and the copies for the other steps appear where the state begins.
        """
        dtype = next(self.parameters()).dtype
        held = codes.ndim == len(self.spec.input.shape) + 1
        frame = codes.to(dtype) * self.spec.input.scale
        found = {self.spec.input.name: frame.unsqueeze(0) if held else frame}
        for layer in self.spec.layers:
            feeding = [found[source] for source in sources_of(layer)]
            current = sum(feeding[1:], feeding[0])
            if isinstance(layer, PopulationLayer | ReadoutLayer) and held:
                current = current.expand(self.spec.steps, *current.shape[1:])
            found[layer.name] = current if isinstance(layer, ReadoutLayer) else self.by_name[layer.name](current)
            yield layer.name, found[layer.name]

    def populations(self) -> tuple[str, ...]:
        """Names of the populations in the order of the spec."""
        return tuple(layer.name for layer in self.spec.layers if isinstance(layer, PopulationLayer))


def _stateless(layer: ConvLayer | DenseLayer | PoolLayer | FlattenLayer) -> torch.nn.Module:
    match layer:
        case ConvLayer():
            return SoundConv2d(
                layer.in_channels,
                layer.out_channels,
                layer.kernel,
                stride=layer.stride,
                padding=layer.padding,
                groups=layer.groups,
                bias=False,
            )
        case DenseLayer():
            return torch.nn.Linear(layer.in_features, layer.out_features, bias=layer.bias)
        case PoolLayer():
            return torch.nn.AvgPool2d(layer.kernel)
        case FlattenLayer():
            return torch.nn.Flatten()
        case _:
            assert_never(layer)
