"""Accuracy and firing rates of a network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from qif_deploy._torch import torch
from qif_deploy.datasets.dataset import SampleCodes
from qif_deploy.datasets.source import Labels
from qif_deploy.training.answering import Answering
from qif_deploy.training.batches import Batch, time_first
from qif_deploy.training.network import SpikingNetwork

EVALUATION_BATCH = 512
"""Samples per forward pass, at most; only memory depends on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Accuracy 0..1 and firing rate (spikes per neuron and step) of every population."""

    accuracy: float
    rates: Mapping[str, float]

    def __post_init__(self) -> None:
        object.__setattr__(self, "rates", MappingProxyType(dict(self.rates)))


def evaluate(network: SpikingNetwork, x: SampleCodes, y: Labels) -> Evaluation:
    """Run the network in evaluation mode over codes ``(sample, channel, height, width)``, or ``(sample, time, ...)``."""
    return evaluate_batches(network, _parts(network, x, y))


def evaluate_batches(network: SpikingNetwork, batches: Iterable[Batch]) -> Evaluation:
    """Run the network in evaluation mode, on the device where it is; its mode is restored."""
    spikes, neuron_steps = dict.fromkeys(network.populations(), 0), dict.fromkeys(network.populations(), 0)
    right, samples, was_training = 0, 0, network.training
    device = next(network.parameters()).device
    network.eval()
    with torch.no_grad():
        for codes, labels in batches:
            signals = dict(network.signals(codes.to(device)))
            for name in spikes:
                spikes[name] += int(signals[name].count_nonzero())
                neuron_steps[name] += signals[name].numel()
            answers = network.reduce(signals[network.spec.readout.name]).argmax(1)
            right += int((answers.cpu() == labels).sum())
            samples += len(labels)
    network.train(was_training)
    return Evaluation(accuracy=right / samples, rates={name: spikes[name] / neuron_steps[name] for name in spikes})


def count_right(network: Answering, batches: Iterable[Batch]) -> int:
    """Count right answers in evaluation mode; the mode is restored."""
    was_training, device, right = network.training, next(network.parameters()).device, 0
    network.eval()
    with torch.no_grad():
        for codes, labels in batches:
            right += int((network.reduce(network(codes.to(device))).argmax(1).cpu() == labels).sum())
    network.train(was_training)
    return right


def _parts(network: SpikingNetwork, x: SampleCodes, y: Labels) -> Iterator[Batch]:
    framed = x.ndim == len(network.spec.input.shape) + 2
    for start in range(0, len(x), EVALUATION_BATCH):
        part = slice(start, start + EVALUATION_BATCH)
        yield time_first(torch.tensor(x[part]), framed=framed), torch.tensor(y[part])
