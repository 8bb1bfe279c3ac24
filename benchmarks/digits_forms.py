"""Accuracy of the digits recipes in both quadratic forms and as LIF twin, in floats and in the integers of `loihi2`.

    python benchmarks/digits_forms.py            the recipes as shipped: split 0, seeds 0 to 4
    python benchmarks/digits_forms.py --choice   settings around the default, on splits 1 to 3 of the same samples

Both print Markdown. Seconds are those of the training alone.
"""

from __future__ import annotations

import argparse
import dataclasses
import platform
import statistics
from typing import Any

import numpy as np
import torch

from qif_deploy.datasets.catalogue import load_dataset
from qif_deploy.datasets.dataset import Dataset
from qif_deploy.fidelity.compare import compare_fidelity
from qif_deploy.fidelity.report import Fidelity
from qif_deploy.passes.fold_batchnorm import fold_batchnorm
from qif_deploy.passes.quantize import quantize_graph
from qif_deploy.training.network import SpikingNetwork
from qif_deploy.training.neuron_form import LIFForm, RootsForm
from qif_deploy.training.recipe import Recipe, load_recipe
from qif_deploy.training.to_graph import to_graph
from qif_deploy.training.trainer import TrainingMetrics, fit
from qif_hardware.target import load_target

RECIPES = ("digits", "digits_roots", "digits_lif")
SEEDS = (0, 1, 2, 3, 4)
CHOICE_SPLITS = (1, 2, 3)
CHOICES: tuple[dict[str, Any], ...] = (
    {},
    {"hidden": 0},
    {"hidden": 128},
    {"channels": (8, 32)},
    {"alpha": 0.7},
    {"alpha": 1.0},
    {"alpha": 1.5},
    {"window": 0.25},
    {"window": 0.8},
    {"weight_decay": 0.01},
    {"weight_decay": 0.3},
    {"learning_rate": 0.003},
    {"shift_pixels": 1},
    {"neuron": RootsForm(a=0.25, u1=0.0, u2=0.5, theta=1.0)},
    {"neuron": LIFForm(decay=0.5, theta=1.0)},
)
HEADER = (
    "| {first} | float accuracy % | integer accuracy % | spike agreement | flips per spike "
    "| rate per population % | seconds | CPU seconds |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- |"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--choice", action="store_true", help="the settings that the recipes were chosen from")
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="how many of the seeds (splits with --choice)")
    arguments = parser.parse_args()
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, numpy {np.__version__}"
    print(f"{platform.processor() or platform.machine()}, one thread; {versions}")
    if arguments.choice:
        print("\n" + HEADER.format(first="change to recipe `digits`"))
        for change in CHOICES:
            runs = [
                measure(dataclasses.replace(load_recipe("digits"), **change), split, split) for split in CHOICE_SPLITS[: arguments.seeds]
            ]
            print(row(", ".join(f"{key} = {value}" for key, value in change.items()) or "none", runs), flush=True)
        return
    print("\n" + HEADER.format(first="recipe, seed"))
    for name in RECIPES:
        runs = []
        for seed in SEEDS[: arguments.seeds]:
            runs.append(measure(load_recipe(name), 0, seed))
            print(row(f"`{name}`, {seed}", runs[-1:]), flush=True)
        print(row(f"**`{name}`, mean**", runs), flush=True)


Run = tuple[TrainingMetrics, Fidelity]


def measure(recipe: Recipe, split: int, seed: int) -> Run:
    data = load_dataset(recipe.dataset, split_seed=split)
    network, metrics = fit(recipe, data, seed=seed)
    return metrics, fidelity(network, data)


def fidelity(network: SpikingNetwork, data: Dataset) -> Fidelity:
    """Float against integer network over the whole test part."""
    steps = network.spec.steps
    graph, _ = fold_batchnorm(to_graph(network))
    quantized, _ = quantize_graph(graph, load_target("loihi2").number_format, steps=steps)
    inputs = {network.spec.input.name: np.broadcast_to(data.x_test, (steps, *data.x_test.shape))}
    return compare_fidelity(graph, quantized, [(inputs, data.y_test)])


def row(first: str, runs: list[Run]) -> str:
    def mean(values: list[float | None]) -> float:
        return statistics.fmean(value for value in values if value is not None)

    accuracies = [100 * metrics.accuracy_test for metrics, _ in runs]
    spread = f" ({min(accuracies):.2f} to {max(accuracies):.2f})" if len(runs) > 1 else ""
    rates = [mean([metrics.rates[name] for metrics, _ in runs]) for name in runs[0][0].rates]
    cells = [
        first,
        f"{mean(list(accuracies)):.2f}{spread}",
        f"{100 * mean([f.accuracy_integer for _, f in runs]):.2f}",
        f"{mean([f.spike_agreement for _, f in runs]):.4f}",
        f"{mean([f.flips_per_spike for _, f in runs]):.4f}",
        " / ".join(f"{100 * rate:.0f}" for rate in rates),
        f"{mean([metrics.seconds for metrics, _ in runs]):.1f}",
        f"{mean([metrics.cpu_seconds for metrics, _ in runs]):.1f}",
    ]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
