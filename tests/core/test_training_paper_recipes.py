"""The recipes of the paper's rows run from files in the original formats to an integer network, at small width."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from qif_deploy.datasets.catalogue import open_dataset
from qif_deploy.passes.fold_batchnorm import fold_batchnorm
from qif_deploy.passes.quantize import quantize_graph
from qif_deploy.training.assembly import build_network, input_spec
from qif_deploy.training.recipe import load_recipe
from qif_deploy.training.to_graph import to_graph
from qif_deploy.training.trainer import fit, frames_of
from tests.core.data_files import random_events, write_aedat2, write_cifar
from tests.networks import LOIHI2


def write_cifar10_dvs(root: Path) -> None:
    rng = np.random.default_rng(0)
    for label in ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"):
        for n in range(6):  # a tenth, rounded, is the test part
            write_aedat2(root / "CIFAR10DVS" / label / f"{n}.aedat", random_events(rng, 400, side=128, last_us=10_000))


@pytest.mark.parametrize("name", ["cifar100-resnet19-t2", "cifar10dvs-vggsnn"])
def test_a_recipe_trains_from_original_files_and_leaves_into_integers(tmp_path: Path, name: str) -> None:
    full = load_recipe(name)
    recipe = dataclasses.replace(full, width=1 / 32, epochs=1, warmup_epochs=0, batch_size=10)
    if name.startswith("cifar10dvs"):
        write_cifar10_dvs(tmp_path)
    else:
        write_cifar(tmp_path, full.dataset, samples=20)
    data = open_dataset(recipe.dataset, root=tmp_path, frames=frames_of(recipe))
    untrained = build_network(recipe, input_spec(data), seed=recipe.seed).state_dict()
    network, metrics = fit(recipe, data)
    state = network.state_dict()
    assert 0 <= metrics.accuracy_test <= 1
    assert np.isfinite(metrics.losses).all()
    moved = [key for key, value in state.items() if key.endswith("layer.weight") and not value.equal(untrained[key])]
    assert moved == [key for key in state if key.endswith("layer.weight")]  # every synapse, so the gradient reached the first
    graph, _ = fold_batchnorm(to_graph(network))
    quantized, _ = quantize_graph(graph, LOIHI2, steps=recipe.steps)
    assert quantized.populations == graph.populations
