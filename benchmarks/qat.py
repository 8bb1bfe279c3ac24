"""Quantisation-aware training on the 5,000 MNIST images, as rows of Markdown.

    python benchmarks/qat.py --what choice --out runs/qat
    python benchmarks/qat.py --what widths --out runs/qat

`choice` compares learning rates and numbers of epochs on a fifth of the training part that the float training had not seen either; the
test images stay unseen. `widths` takes the float checkpoints of the recipe as it stands, trains their codes for every width, and looks
at the test images once per row. Float checkpoints are trained where the folder lacks them.
"""

from __future__ import annotations

import argparse
import dataclasses
import platform
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from qif_deploy.datasets.catalogue import load_dataset
from qif_deploy.datasets.dataset import Dataset
from qif_deploy.fixedpoint import NumberFormat
from qif_deploy.ir.graph import Graph, QuantizedGraph
from qif_deploy.simulate.engine.batched import run_batched
from qif_deploy.simulate.float_sim import run_float
from qif_deploy.simulate.inputs import prepare_inputs
from qif_deploy.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from qif_deploy.training.qat.fit_codes import fit_codes
from qif_deploy.training.qat.options import QatOptions
from qif_deploy.training.recipe import load_recipe
from qif_deploy.training.to_graph import to_graph
from qif_deploy.training.trainer import fit
from qif_hardware.target import load_target

WIDTHS = (8, 6, 4, 3, 2)
VALIDATION_FRACTION = 0.2
AT_ONCE = 100
CHOICES = ((2, 0.003), (4, 0.01), (4, 0.003), (4, 0.001))
COLUMNS = {
    "choice": ("width, epochs, rate, seed", "float, validation %", "after training (PTQ) %", "QAT %", "units chosen anew"),
    "widths": (
        "width, seed",
        "float, test %",
        "QAT integer, test %",
        "wrong to right",
        "right to wrong",
        "spike agreement",
        "flips per spike",
        "seconds",
    ),
}


class Run(NamedTuple):
    """Answers and spikes of one network on the test images."""

    right: np.ndarray
    spikes: dict[str, np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--what", choices=tuple(COLUMNS), default="widths")
    parser.add_argument("--out", type=Path, default=Path("runs/qat"), help="folder of float checkpoints, SEED/ and held-SEED/")
    parser.add_argument("--target", default="loihi2")
    parser.add_argument("--widths", type=int, nargs="+", default=list(WIDTHS))
    parser.add_argument("--seeds", type=int, default=3, help="seeds 0..N - 1")
    parser.add_argument("--epochs", type=int, default=QatOptions().epochs)
    parser.add_argument("--learning-rate", type=float, default=QatOptions().learning_rate)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    print(f"    python benchmarks/qat.py {' '.join(sys.argv[1:])}\n")
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    print(f"{platform.processor() or platform.machine()}, CPU, 1 thread; {versions}; target {chosen.target} with weights of that width\n")
    columns = COLUMNS[chosen.what]
    print(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}", flush=True)
    data = load_dataset("mnist5k")
    if chosen.what == "choice":
        for width in chosen.widths:
            for epochs, rate in CHOICES:
                options = QatOptions(epochs=epochs, learning_rate=rate)
                print_choice(chosen.out, data, chosen.target, width, options, seeds=chosen.seeds)
    else:
        options = QatOptions(epochs=chosen.epochs, learning_rate=chosen.learning_rate)
        checkpoints = [float_checkpoint(chosen.out / str(seed), data, seed=seed) for seed in range(chosen.seeds)]
        floats = [run_on_test(to_graph(y.network), data, steps=y.recipe.steps) for y in checkpoints]
        for width in chosen.widths:
            print_width(checkpoints, floats, data, chosen.target, width, options)


def print_choice(out: Path, data: Dataset, target: str, width: int, options: QatOptions, *, seeds: int) -> None:
    """One row per seed, then their mean."""
    rows = []
    for seed in range(seeds):
        checkpoint = float_checkpoint(out / f"held-{seed}", data, seed=seed, validation_fraction=VALIDATION_FRACTION)
        _, report = fit_codes(checkpoint, data, number_format(target, width), options=options)
        rows.append((checkpoint.metrics["accuracy_validation"], report.accuracy_before, report.accuracy_after, len(report.widened)))
        print(choice_row(f"{width}, {options.epochs}, {options.learning_rate}, {seed}", rows[-1]), flush=True)
    means = tuple(statistics.fmean(column) for column in zip(*rows, strict=True))
    print(choice_row(f"**{width}, {options.epochs}, {options.learning_rate}, mean**", means), flush=True)


def choice_row(first: str, row: tuple[float, ...]) -> str:
    return f"| {first} | {100 * row[0]:.2f} | {100 * row[1]:.2f} | {100 * row[2]:.2f} | {row[3]:g} |"


def print_width(checkpoints: list[Checkpoint], floats: list[Run], data: Dataset, target: str, width: int, options: QatOptions) -> None:
    """One row per seed, then their mean."""
    rows = []
    for seed, (checkpoint, real) in enumerate(zip(checkpoints, floats, strict=True)):
        network, report = fit_codes(checkpoint, data, number_format(target, width), options=options)
        found = run_on_test(network.codes.export()[0], data, steps=checkpoint.recipe.steps)
        flips = sum(int((found.spikes[name] != s).sum()) for name, s in real.spikes.items())
        decisions, spikes = (sum(int(f(s)) for s in real.spikes.values()) for f in (np.size, np.sum))
        gained, lost = int((found.right & ~real.right).sum()), int((real.right & ~found.right).sum())
        rows.append((real.right.mean(), found.right.mean(), gained, lost, 1 - flips / decisions, flips / spikes, report.seconds))
        print(width_row(f"{width}, {seed}", rows[-1]), flush=True)
    print(width_row(f"**{width}, mean**", tuple(statistics.fmean(column) for column in zip(*rows, strict=True))), flush=True)


def width_row(first: str, row: tuple[float, ...]) -> str:
    real, found, gained, lost, agreement, flips, seconds = row
    return f"| {first} | {100 * real:.2f} | {100 * found:.2f} | {gained:.3g} | {lost:.3g} | {agreement:.4f} | {flips:.4f} | {seconds:.0f} |"


def float_checkpoint(folder: Path, data: Dataset, *, seed: int, validation_fraction: float = 0.0) -> Checkpoint:
    """Return the recipe's float network, trained now where the folder has none."""
    path = folder / "model.safetensors"
    if not path.exists():
        recipe = dataclasses.replace(load_recipe("mnist5k"), seed=seed, validation_fraction=validation_fraction)
        network, metrics = fit(recipe, data)
        folder.mkdir(parents=True, exist_ok=True)
        save_checkpoint(path, network, recipe, metrics)
    return load_checkpoint(path)


def number_format(target: str, width: int) -> NumberFormat:
    return dataclasses.replace(load_target(target).number_format, weight_bits=width)


def run_on_test(graph: Graph | QuantizedGraph, data: Dataset, *, steps: int) -> Run:
    """Run the float graph in float64, or the integer network, on all test images."""
    right, spikes = [], []
    for x, y in parts(data):
        if isinstance(graph, QuantizedGraph):
            trace = run_batched(graph, prepare_inputs(graph, {graph.inputs[0]: x}, steps=steps))
        else:
            trace = run_float(graph, {graph.inputs[0]: np.broadcast_to(x.astype(np.int64), (steps, *x.shape))})
        right.append(trace.readout.argmax(axis=1) == y)
        spikes.append({name: p.s.astype(np.uint8) for name, p in trace.populations.items()})
    return Run(np.concatenate(right), {name: np.concatenate([part[name] for part in spikes], axis=1) for name in spikes[0]})


def parts(data: Dataset) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for start in range(0, len(data.x_test), AT_ONCE):
        yield data.x_test[start : start + AT_ONCE], data.y_test[start : start + AT_ONCE]


if __name__ == "__main__":
    main()
