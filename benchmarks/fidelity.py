"""Fidelity of MNIST-5k networks at 8, 6 and 4 bits, QIF beside its LIF twin, as rows of Markdown.

    python benchmarks/fidelity.py --runs runs/fidelity

Trains what the folder of --runs does not hold yet: the recipes `mnist5k` and `mnist5k_lif`, and ResNet-19 at a sixteenth of its width
with the same settings. Everything is quantised after training with the default choices and compared on the 1,000 test images.
"""

from __future__ import annotations

import argparse
import dataclasses
import platform
import sys
import time
from pathlib import Path

import numpy as np
import torch

from qif_deploy.api.backends import prepared
from qif_deploy.api.input_batches import input_batches
from qif_deploy.api.loading import FloatModel, load_float_model
from qif_deploy.api.quantization import PostTraining, quantize_after_training
from qif_deploy.datasets.catalogue import load_dataset
from qif_deploy.fidelity.compare import Comparing, compare_fidelity
from qif_deploy.fidelity.report import Fidelity
from qif_deploy.training.checkpoint import save_checkpoint
from qif_deploy.training.recipe import Recipe, load_recipe
from qif_deploy.training.trainer import fit
from qif_hardware.target import load_target

WIDTHS = (8, 6, 4)
NEURONS = {"qif": "mnist5k", "lif": "mnist5k_lif"}
NETWORKS = ("conv", "resnet")
HEADER = (
    "| network, bits | float accuracy % | integer accuracy % | difference, 95 % interval | p | agreement | flips / spike "
    "| rounding / history | unexplained | alone: flips / spike, first and worst | costs most alone |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs/fidelity"), help="folder of the checkpoints")
    parser.add_argument("--samples", type=int, default=None, help="only the first N test images")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS)
    chosen = parser.parse_args()
    print(
        f"{platform.machine()}, {torch.get_num_threads()} threads; Python {platform.python_version()}, torch {torch.__version__}, "
        f"numpy {np.__version__}\n\n{HEADER}",
        flush=True,
    )
    for network in chosen.networks:
        for neuron in NEURONS:
            model = trained(network, neuron, chosen.runs)
            for bits in WIDTHS:
                start = time.perf_counter()
                found = compared(model, bits, chosen.samples)
                print(row(f"{network}, {neuron.upper()}, {bits}", found), flush=True)
                print(f"{found.samples} samples in {time.perf_counter() - start:.1f} s", file=sys.stderr, flush=True)


def recipe_of(network: str, neuron: str) -> Recipe:
    """The recipe of MNIST-5k, or its settings for a small residual network."""
    recipe = load_recipe(NEURONS[neuron])
    if network == "conv":
        return recipe
    return dataclasses.replace(recipe, name=f"{recipe.name}_resnet", model="resnet19", width=1 / 16, channels=(), hidden=0)


def trained(network: str, neuron: str, runs: Path) -> FloatModel:
    path = runs / f"{network}-{neuron}.safetensors"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        recipe = recipe_of(network, neuron)
        net, metrics = fit(recipe, load_dataset(recipe.dataset))
        save_checkpoint(path, net, recipe, metrics)
    return load_float_model(path)


def compared(model: FloatModel, bits: int, samples: int | None) -> Fidelity:
    network = quantize_after_training(model, load_target("loihi2"), steps=None, how=PostTraining(weight_bits=bits)).network
    # One more float run per layer: what that costs grows with the square of the depth, so the residual network does without.
    shallow = len(model.graph.populations) < 8
    how = Comparing(prepare=prepared, noise=(), membranes=False, accuracy_by_layer=shallow)
    return compare_fidelity(model.graph, network, input_batches(network, data=None, samples=samples).labelled(), how=how)


def row(first: str, found: Fidelity) -> str:
    paired, causes = found.accuracy, found.causes
    assert paired is not None
    low, high = (100 * end for end in paired.difference_interval)
    alone = [(layer.forced.flips_per_spike or 0.0, layer.name) for layer in found.layers]
    worst, most = max(alone), found.loses_most
    cells = (
        first,
        f"{100 * paired.accuracy_float:.1f}",
        f"{100 * paired.accuracy_integer:.1f}",
        f"{100 * paired.difference:+.1f} ({low:+.1f} to {high:+.1f})",
        f"{paired.p_value:.2g}",
        f"{found.spike_agreement:.4f}",
        f"{found.flips_per_spike:.4f}",
        f"{causes.rounding / causes.total:.3f} / {causes.history / causes.total:.3f}",
        causes.unexplained,
        f"{alone[0][0]:.4f}; {worst[0]:.4f} ({worst[1]})",
        "not run"
        if not found.solo
        else "none"
        if most is None
        else f"{most.name}: {100 * most.paired.difference:+.1f} (p = {most.paired.p_value:.2g})",
    )
    return "| " + " | ".join(map(str, cells)) + " |"


if __name__ == "__main__":
    main()
