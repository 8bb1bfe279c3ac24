"""Accuracy and firing rates of a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from qif_deploy.datasets.dataset import SampleCodes
from qif_deploy.datasets.source import Labels
from qif_deploy.training._torch import torch
from qif_deploy.training.network import SpikingNetwork

EVALUATION_BATCH = 512
"""Samples per forward pass; only memory depends on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Accuracy 0..1 and firing rate (spikes per neuron and step) of every population."""

    accuracy: float
    rates: Mapping[str, float]

    def __post_init__(self) -> None:
        object.__setattr__(self, "rates", MappingProxyType(dict(self.rates)))


def evaluate(network: SpikingNetwork, x: SampleCodes, y: Labels) -> Evaluation:
    """Run the network in evaluation mode over codes ``(sample, channel, height, width)``; its mode is restored."""
    spikes, neuron_steps = dict.fromkeys(network.populations(), 0), dict.fromkeys(network.populations(), 0)
    right, was_training = 0, network.training
    network.eval()
    with torch.no_grad():
        for start in range(0, len(x), EVALUATION_BATCH):
            part = slice(start, start + EVALUATION_BATCH)
            signals = dict(network.signals(torch.tensor(x[part])))
            for name in spikes:
                spikes[name] += int(signals[name].count_nonzero())
                neuron_steps[name] += signals[name].numel()
            answers = network.reduce(signals[network.spec.readout.name]).argmax(1).numpy()
            right += int((answers == y[part]).sum())
    network.train(was_training)
    return Evaluation(accuracy=right / len(x), rates={name: spikes[name] / neuron_steps[name] for name in spikes})
