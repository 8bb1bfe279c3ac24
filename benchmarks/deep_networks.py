"""VGGSNN and ResNet-19 at full width with drawn weights, brought into a real regime: tdBN statistics taken on data.

VGGSNN gets saccade events made from MNIST images, four frames enlarged to 48x48. ResNet-19 gets MNIST images enlarged to 32x32 with
three equal channels, which have the shape of CIFAR images and nothing else of them. Neither network is trained.
"""

from __future__ import annotations

import dataclasses
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray

from qif_deploy.api.loading import FloatModel
from qif_deploy.datasets.catalogue import load_dataset
from qif_deploy.passes.fold_batchnorm import fold_batchnorm
from qif_deploy.training.assembly import build_network
from qif_deploy.training.recipe import load_recipe
from qif_deploy.training.spec import InputSpec
from qif_deploy.training.tdbn import ThresholdDependentBatchNorm
from qif_deploy.training.to_graph import to_graph

DEEP = MappingProxyType({"vggsnn": "cifar10dvs-vggsnn", "resnet19": "cifar10-resnet19"})
"""Network -> recipe whose model, neuron and alpha it has; T is 4 for both."""

STEPS = 4
BATCHES, BATCH_SIZE, SAMPLES = 4, 16, 8


@dataclasses.dataclass(frozen=True)
class DeepNetwork:
    """A float model and held-out samples for it: frames ``(sample, ...)`` or ``(time, sample, ...)``."""

    model: FloatModel
    samples: NDArray[np.int64]


def calibrated(name: str, *, seed: int = 0) -> DeepNetwork:
    """Draw the weights of ``name`` and take the statistics of its norms, each batch with the same weight, in training mode."""
    recipe = dataclasses.replace(load_recipe(DEEP[name]), steps=STEPS)
    learned, held, spec = event_frames() if name == "vggsnn" else enlarged_images()
    network = build_network(recipe, spec, seed=seed).train()
    norms = [module for module in network.modules() if isinstance(module, ThresholdDependentBatchNorm)]
    with torch.no_grad():
        for batch in range(BATCHES):
            for norm in norms:
                norm.momentum = 1 / (batch + 1)
            part = slice(batch * BATCH_SIZE, (batch + 1) * BATCH_SIZE)
            network(learned[:, part] if name == "vggsnn" else learned[part])
    graph, fold = fold_batchnorm(to_graph(network.eval()))
    return DeepNetwork(model=FloatModel(graph=graph, fold=fold, steps=STEPS, dataset=None), samples=held.numpy().astype(np.int64))


def enlarged_images() -> tuple[torch.Tensor, torch.Tensor, InputSpec]:
    """Codes 0..255, ``(sample, 3, 32, 32)``: of the training part, and of the test part."""
    dataset = load_dataset("mnist5k")
    parts = []
    for images, count in ((dataset.x_train, BATCHES * BATCH_SIZE), (dataset.x_test, SAMPLES)):
        frames = torch.tensor(images[drawn(len(images), count)]).float()
        large = torch.nn.functional.interpolate(frames, size=(32, 32), mode="bilinear", align_corners=False)
        parts.append(large.round().clamp(0, 255).to(torch.uint8).expand(-1, 3, -1, -1).contiguous())
    return parts[0], parts[1], InputSpec(shape=(3, 32, 32), low=0, high=255, scale=1 / 255, classes=10)


def event_frames() -> tuple[torch.Tensor, torch.Tensor, InputSpec]:
    """Event counts, ``(time, sample, 2, 48, 48)``: of the training part, and of the test part."""
    dataset = load_dataset("mnist5k-saccade", frames=STEPS)
    parts = []
    for samples, count in ((dataset.x_train, BATCHES * BATCH_SIZE), (dataset.x_test, SAMPLES)):
        frames = torch.tensor(samples[drawn(len(samples), count)]).float()
        large = torch.nn.functional.interpolate(frames.flatten(0, 1), size=(48, 48), mode="nearest")
        parts.append(large.reshape(count, STEPS, 2, 48, 48).transpose(0, 1).to(torch.int64).contiguous())
    spec = InputSpec(shape=(2, 48, 48), low=dataset.low, high=dataset.high, scale=dataset.scale, classes=dataset.classes)
    return parts[0], parts[1], spec


def drawn(total: int, count: int) -> NDArray[np.int64]:
    return np.random.default_rng(0).permutation(total)[:count]
