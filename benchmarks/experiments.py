"""QIF in both forms against the LIF twin on real data, as rows of Markdown.

    python benchmarks/experiments.py --dataset digits --what neurons
    python benchmarks/experiments.py --dataset mnist5k --what windows --seeds 3

`neurons` looks at the test part, once per row: the recipe as it stands, one row per neuron and seed, and the mean. `windows`
(derived window against fixed ones), `norm` (tdBN on and off) and `choice` (settings around the recipe) are comparisons to choose
from, so they train on four fifths of the training part and measure on the rest; the test images stay unseen.
"""

from __future__ import annotations

import argparse
import dataclasses
import platform
import statistics
import sys
from typing import Any

import torch

from qif_deploy.datasets.catalogue import load_dataset
from qif_deploy.datasets.dataset import Dataset
from qif_deploy.training.recipe import Recipe, load_recipe
from qif_deploy.training.recipe_options import WindowKind
from qif_deploy.training.run_options import RunOptions
from qif_deploy.training.spike import SurrogateShape
from qif_deploy.training.trainer import VALIDATION_SEED, TrainingMetrics, fit

TWINS = ("", "_roots", "_lif")
VALIDATION_FRACTION = 0.2
Change = dict[str, Any]
COMPARISONS: dict[str, tuple[tuple[str, Change], ...]] = {
    "windows": (
        ("derived, 0.5 deviations", {}),
        ("derived, 0.25", {"window": 0.25}),
        ("derived, 1.0", {"window": 1.0}),
        *((f"fixed, {width} theta", {"window_kind": WindowKind.FIXED, "window": width}) for width in (0.25, 0.5, 1.0)),
        ("derived 0.5, triangular", {"surrogate": SurrogateShape.TRIANGULAR}),
        ("derived 0.5, arctan", {"surrogate": SurrogateShape.ARCTAN}),
    ),
    "norm": (("tdBN", {}), ("no normalisation", {"normalise": False}), ("no normalisation, rate / 10", {"normalise": False, "_rate": 0.1})),
    "choice": (
        ("recipe", {}),
        ("alpha 1.0", {"alpha": 1.0}),
        ("shift 1", {"shift_pixels": 1}),
        ("learning rate / 2", {"_rate": 0.5}),
        ("20 epochs", {"epochs": 20}),
        ("each step (TET)", {"loss": "each_step"}),
    ),
}
HEADER = (
    "| {first} | accuracy, {part} % | accuracy, train % | rate per population % | seconds | CPU seconds |\n"
    "| --- | --- | --- | --- | --- | --- |"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", choices=("digits", "mnist5k"), required=True)
    parser.add_argument("--what", choices=("neurons", *COMPARISONS), default="neurons")
    parser.add_argument("--seeds", type=int, default=3, help="seeds 0..N - 1")
    parser.add_argument("--epochs", type=int, help="instead of the recipe's, to try the script")
    parser.add_argument("--threads", type=int, default=1, help="of torch; 1 gives the same figures on any number of cores")
    chosen = parser.parse_args()
    print(f"    python benchmarks/experiments.py {' '.join(sys.argv[1:])}\n")
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    print(f"{platform.processor() or platform.machine()}, CPU, {chosen.threads} thread(s); {versions}\n")
    data = load_dataset(chosen.dataset)
    options = RunOptions(threads=chosen.threads)
    if chosen.what == "neurons":
        print(HEADER.format(first="recipe, seed", part="test"))
        rows = [(f"`{chosen.dataset}{twin}`", load_recipe(chosen.dataset + twin)) for twin in TWINS]
    else:
        data = data.validation(VALIDATION_FRACTION, seed=VALIDATION_SEED)
        print(HEADER.format(first="setting, seed", part="validation"))
        base = load_recipe(chosen.dataset)
        rows = [(name, changed(base, change)) for name, change in COMPARISONS[chosen.what]]
    for name, recipe in rows:
        recipe = recipe if chosen.epochs is None else dataclasses.replace(recipe, epochs=chosen.epochs)
        print_rows(name, recipe, data, seeds=chosen.seeds, options=options)


def changed(recipe: Recipe, change: Change) -> Recipe:
    """Apply a change; ``_rate`` multiplies the learning rate, a loss is given by its word."""
    found = {key: value for key, value in change.items() if not key.startswith("_")}
    if "loss" in found:
        found["loss"] = type(recipe.loss)(found["loss"])
    return dataclasses.replace(recipe, learning_rate=recipe.learning_rate * change.get("_rate", 1.0), **found)


def print_rows(name: str, recipe: Recipe, data: Dataset, *, seeds: int, options: RunOptions) -> None:
    """One row per seed as soon as it is known, then their mean."""
    runs = []
    for seed in range(seeds):
        _, metrics = fit(recipe, data, seed=seed, options=options)
        runs.append(metrics)
        print(row(f"{name}, {seed}", [metrics]), flush=True)
    if len(runs) > 1:
        print(row(f"**{name}, mean**", runs), flush=True)


def row(first: str, runs: list[TrainingMetrics]) -> str:
    """Mean over runs; the spread of the accuracy where there are several."""
    tests, trains = [100 * run.accuracy_test for run in runs], [100 * (run.accuracy_train or 0.0) for run in runs]
    spread = f" +- {statistics.stdev(tests):.2f}" if len(runs) > 1 else ""
    rates = [100 * statistics.fmean(run.rates[name] for run in runs) for name in runs[0].rates]
    cells = [
        first,
        f"{statistics.fmean(tests):.2f}{spread}",
        f"{statistics.fmean(trains):.2f}",
        " / ".join(f"{rate:.1f}" for rate in rates),
        f"{statistics.fmean(run.seconds for run in runs):.1f}",
        f"{statistics.fmean(run.cpu_seconds for run in runs):.1f}",
    ]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
