"""Small torch networks with running statistics of real data, built without a training run. Seeded."""

from __future__ import annotations

import copy
import dataclasses
import functools
from typing import Any

import numpy as np
import torch

from qif_deploy.ir.nodes import Reduce
from qif_deploy.neuron.params import QIFParams
from qif_deploy.training.network import SpikingNetwork
from qif_deploy.training.recipe import Recipe, load_recipe
from qif_deploy.training.spec import (
    ConvLayer,
    DenseLayer,
    FlattenLayer,
    InputSpec,
    NetworkSpec,
    NormLayer,
    PoolLayer,
    PopulationLayer,
    ReadoutLayer,
)
from qif_deploy.training.surrogate import DerivedWindow, Surrogate
from qif_deploy.training.trainer import build_network

torch.set_num_threads(1)  # networks this small gain nothing from more, and beside other work threads wait for each other

HALF_DEVIATION = Surrogate(window=DerivedWindow(multiple=0.5, steps=4, input_std=1.0))
IMAGE = InputSpec(shape=(1, 8, 8), low=0, high=16, scale=1 / 16, classes=10)


def small_recipe(**changes: Any) -> Recipe:
    return dataclasses.replace(load_recipe("digits"), channels=(4, 6), hidden=8, epochs=1, **changes)


def codes(samples: int = 16, seed: int = 1, shape: tuple[int, ...] = IMAGE.shape) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 17, (samples, *shape))


def settled(network: SpikingNetwork) -> SpikingNetwork:
    """Give the norms jittered gains, shifts and running statistics of real activity, as training would."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith(("gain", "shift")):
                parameter += 0.3 * torch.randn(parameter.shape, generator=generator)
        network.train()
        frames = torch.tensor(codes(16, shape=network.spec.input.shape))
        for _ in range(100):  # of the initial running variance, 0.9^100 = 3e-5 is left
            network(frames)
    return network.eval()


def chain_network(**changes: Any) -> SpikingNetwork:
    """Return conv, pool, conv, pool, hidden population, readout: a copy of its own for every caller."""
    return copy.deepcopy(_chain(small_recipe(**changes)))


@functools.cache
def _chain(recipe: Recipe) -> SpikingNetwork:
    return settled(build_network(recipe, IMAGE, seed=0))


def residual_network(params: QIFParams, reduce: Reduce = Reduce.SUM) -> SpikingNetwork:
    """Two branches into one population, a non-square kernel with stride, and a readout without hidden population."""
    layers = (
        ConvLayer(name="conv1", source="image", in_channels=2, out_channels=4, kernel=(3, 5), padding=(1, 2)),
        NormLayer(name="bn1", source="conv1", channels=4),
        PopulationLayer(name="qif1", sources=("bn1",)),
        ConvLayer(name="conv2", source="qif1", in_channels=4, out_channels=4, groups=2),
        NormLayer(name="bn2", source="conv2", channels=4),
        ConvLayer(name="skip", source="qif1", in_channels=4, out_channels=4, kernel=(1, 1), padding=(0, 0), groups=4),
        PopulationLayer(name="qif2", sources=("bn2", "skip")),
        ConvLayer(name="conv3", source="qif2", in_channels=4, out_channels=6, stride=(1, 2)),
        NormLayer(name="bn3", source="conv3", channels=6),
        PopulationLayer(name="qif3", sources=("bn3",)),
        PoolLayer(name="pool", source="qif3", kernel=(3, 2)),
        FlattenLayer(name="flatten", source="pool"),
        DenseLayer(name="fc", source="flatten", in_features=6 * 2 * 2, out_features=5, bias=True),
        ReadoutLayer(name="readout", sources=("fc",), reduce=reduce),
    )
    image = InputSpec(shape=(2, 6, 8), low=0, high=16, scale=1 / 16, classes=5)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = SpikingNetwork(NetworkSpec(input=image, layers=layers, steps=4), params=params, alpha=1.0, surrogate=HALF_DEVIATION)
    return settled(network)


__all__ = ["HALF_DEVIATION", "IMAGE", "chain_network", "codes", "residual_network", "settled", "small_recipe"]
