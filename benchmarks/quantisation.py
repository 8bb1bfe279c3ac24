"""Quantisation after training on MNIST-5k, and the resolution of deep networks, as rows of Markdown.

    python benchmarks/quantisation.py --what accuracy --runs runs/quantisation
    python benchmarks/quantisation.py --what resolution --runs runs/quantisation

`accuracy` trains recipe `mnist5k` once on nine tenths of its training part and tries every width and scale method on the held-out tenth;
then it looks at the test part once per row, with the method that was best there, for networks trained as the recipe says. Checkpoints
stay in the folder of --runs and are used again.
`resolution` quantises four networks for `loihi2`: digits and MNIST-5k trained, VGGSNN and ResNet-19 at full width with drawn weights
whose tdBN statistics were taken on data.
"""

from __future__ import annotations

import argparse
import dataclasses
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from deep_networks import DEEP, calibrated
from numpy.typing import NDArray

from qif_deploy.analysis.check_network import check_network
from qif_deploy.api.loading import FloatModel, load_float_model
from qif_deploy.api.quantization import PostTraining, narrowed, provenance_bounds
from qif_deploy.datasets.catalogue import load_dataset
from qif_deploy.datasets.dataset import Dataset
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.passes.calibration import Calibration
from qif_deploy.passes.quantize import quantize_graph
from qif_deploy.passes.scale_method import QuantizeOptions, ScaleMethod
from qif_deploy.simulate.calibrate import calibrate
from qif_deploy.simulate.engine.batched import run_batched
from qif_deploy.simulate.float_sim import run_float
from qif_deploy.training.checkpoint import save_checkpoint
from qif_deploy.training.recipe import load_recipe
from qif_deploy.training.trainer import VALIDATION_SEED, fit
from qif_hardware.target import load_target

SEEDS = (0, 1, 2)
WIDTHS = (8, 6, 4, 3, 2)
HELD_OUT, CHOICE_SEED = 0.1, 0
CALIBRATION_SAMPLES = PostTraining().most_samples
METHODS = tuple(
    (f"{name}{' + bias' if corrected else ''}", QuantizeOptions(scales=scales, percentile=percentile, bias_correction=corrected))
    for name, scales, percentile in (
        ("max", ScaleMethod.MAX, 99.9),
        ("percentile 99", ScaleMethod.PERCENTILE, 99.0),
        ("mse", ScaleMethod.MSE, 99.9),
    )
    for corrected in (False, True)
)
LOIHI2 = load_target("loihi2").number_format
Frames = NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class FloatRun:
    """What the float network did: classes per sample, spikes per population."""

    frames: Frames
    classes: NDArray[np.int64]
    spikes: tuple[Mapping[str, NDArray[np.uint8]], ...]
    batch: int


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Integer against float: classes of both, and counts over all populations and steps."""

    classes: NDArray[np.int64]
    flips: int
    spikes: int
    decisions: int

    @property
    def flips_per_spike(self) -> float:
        """Spikes that differ, per float spike."""
        return self.flips / self.spikes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--what", choices=("accuracy", "resolution"), required=True)
    parser.add_argument("--runs", type=Path, default=Path("runs/quantisation"), help="folder of the checkpoints")
    chosen = parser.parse_args()
    print(
        f"{platform.machine()}, {torch.get_num_threads()} threads; Python {platform.python_version()}, torch {torch.__version__}, "
        f"numpy {np.__version__}\n",
        flush=True,
    )
    match chosen.what:
        case "accuracy":
            accuracy(chosen.runs)
        case "resolution":
            resolution(chosen.runs)


def accuracy(runs: Path) -> None:
    dataset = load_dataset("mnist5k")
    best = chosen_methods(runs, dataset)
    print(
        "\n| bits, seed | scales | float accuracy % | integer accuracy % | right to wrong | wrong to right "
        "| spike agreement | flips per spike |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- |"
    )
    models = {seed: trained("mnist5k", seed, runs, held_out=0.0) for seed in SEEDS}
    calibrations = {seed: calibrated_on(model, dataset.x_train) for seed, model in models.items()}
    floats = {seed: float_run(model, dataset.x_test) for seed, model in models.items()}
    for bits in WIDTHS:
        name, options = best[bits]
        for seed in SEEDS:
            found = compared(models[seed], floats[seed], quantised(models[seed], bits, options, calibrations[seed]))
            print(test_row(f"{bits}, {seed}", name, floats[seed].classes == dataset.y_test, found, dataset.y_test), flush=True)


def chosen_methods(runs: Path, dataset: Dataset) -> dict[int, tuple[str, QuantizeOptions]]:
    """Try every method on images that neither training nor calibration saw; the best per width by accuracy, then by fewer flips."""
    held = dataset.validation(HELD_OUT, seed=VALIDATION_SEED)
    model = trained("mnist5k", CHOICE_SEED, runs, held_out=HELD_OUT)
    calibration, run = calibrated_on(model, held.x_train), float_run(model, held.x_test)
    print(f"Float network of the choice on {len(held.x_test)} held-out images: {100 * (run.classes == held.y_test).mean():.2f} %.\n")
    print("| bits | scales | accuracy, held out % | flips per spike | clipped weights |\n| --- | --- | --- | --- | --- |")
    best: dict[int, tuple[float, float, str, QuantizeOptions]] = {}
    for bits in WIDTHS:
        for name, options in METHODS:
            network, report = quantize_graph(
                model.graph, narrowed(LOIHI2, bits), steps=model.steps, options=options, calibration=calibration
            )
            found = compared(model, run, network)
            right = 100 * float((found.classes == held.y_test).mean())
            clipped = sum(int(synapse.clipped.sum()) for synapse in report.synapses.values())
            print(f"| {bits} | {name} | {right:.2f} | {found.flips_per_spike:.4f} | {clipped} |", flush=True)
            if bits not in best or (right, -found.flips_per_spike) > best[bits][:2]:
                best[bits] = (right, -found.flips_per_spike, name, options)
    return {bits: (name, options) for bits, (_, _, name, options) in best.items()}


def test_row(first: str, method: str, before: NDArray[np.bool_], found: Comparison, labels: NDArray[np.int64]) -> str:
    after = found.classes == labels
    lost, won = int((before & ~after).sum()), int((~before & after).sum())
    agreement = 1 - found.flips / found.decisions
    cells = (
        first,
        method,
        f"{100 * before.mean():.2f}",
        f"{100 * after.mean():.2f}",
        lost,
        won,
        f"{agreement:.4f}",
        f"{found.flips_per_spike:.4f}",
    )
    return "| " + " | ".join(map(str, cells)) + " |"


def resolution(runs: Path) -> None:
    print(
        "| network | weights | populations | verdict | theta code, least median | weight code, least median "
        "| flips per spike | float32 against float64 | bound by |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    )
    for name in ("digits", "mnist5k", *DEEP):
        if name in DEEP:
            deep = calibrated(name)
            model, frames, weights, batch = deep.model, deep.samples, "drawn, tdBN calibrated", 2
        else:
            model = trained(name, 0, runs, held_out=0.0 if name == "digits" else HELD_OUT)
            frames, weights, batch = load_dataset(name).x_test, "trained", 64
        network = quantised(model, LOIHI2.weight_bits, QuantizeOptions(), None)
        report = check_network(network)
        run = float_run(model, frames, batch=batch)
        single = float_run(model, frames[:, :batch] if frames.ndim == 5 else frames[:batch], batch=batch, dtype=np.float32)
        floor = sum(int((single.spikes[0][n] != s).sum()) for n, s in run.spikes[0].items())
        first = sum(int(s.sum(dtype=np.int64)) for s in run.spikes[0].values())
        found = compared(model, run, network)
        bounds: dict[str, int] = {}
        for row in report.resolution.values():
            for bound, count in row["bound_by"].items():
                bounds[bound] = bounds.get(bound, 0) + count
        theta, weight = (min(row[k] for row in report.resolution.values()) for k in ("theta_code_median", "weight_code_max_median"))
        cells = (name, weights, len(report.resolution), report.verdict, f"{theta:.0f}", f"{weight:.0f}", f"{found.flips_per_spike:.4f}",
                 f"{floor / first:.1e}", ", ".join(f"{b} {n}" for b, n in sorted(bounds.items())))  # fmt: skip
        print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def trained(recipe: str, seed: int, runs: Path, *, held_out: float) -> FloatModel:
    path = runs / f"{recipe}-{held_out}-{seed}.safetensors"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        loaded = dataclasses.replace(load_recipe(recipe), seed=seed, validation_fraction=held_out)
        network, metrics = fit(loaded, load_dataset(loaded.dataset))
        save_checkpoint(path, network, loaded, metrics)
    return load_float_model(path)


def quantised(model: FloatModel, bits: int, options: QuantizeOptions, calibration: Calibration | None) -> QuantizedGraph:
    network, report = quantize_graph(model.graph, narrowed(LOIHI2, bits), steps=model.steps, options=options, calibration=calibration)
    return dataclasses.replace(network, provenance=provenance_bounds(report))


def calibrated_on(model: FloatModel, frames: Frames) -> Calibration:
    order = np.random.default_rng(0).permutation(len(frames))[:CALIBRATION_SAMPLES]
    return calibrate(model.graph, {model.graph.inputs[0]: held_for(model, frames[order])}, source="mnist5k, training part")


def held_for(model: FloatModel, frames: Frames) -> Frames:
    """Frames of one image each are held for all steps; five axes have time already."""
    return frames.astype(np.int64) if frames.ndim == 5 else np.broadcast_to(frames, (model.steps, *frames.shape)).astype(np.int64)


def batches_of(model: FloatModel, frames: Frames, batch: int) -> Iterator[Mapping[str, Frames]]:
    samples = frames.shape[1] if frames.ndim == 5 else len(frames)
    for start in range(0, samples, batch):
        part = frames[:, start : start + batch] if frames.ndim == 5 else frames[start : start + batch]
        yield {model.graph.inputs[0]: held_for(model, part)}


def float_run(model: FloatModel, frames: Frames, *, batch: int = 100, dtype: type[np.float32] | type[np.float64] = np.float64) -> FloatRun:
    classes, spikes = [], []
    for inputs in batches_of(model, frames, batch):
        trace = run_float(model.graph, inputs, dtype=dtype)
        classes.append(trace.readout.argmax(axis=1))
        spikes.append({name: p.s for name, p in trace.populations.items()})
    return FloatRun(frames=frames, classes=np.concatenate(classes), spikes=tuple(spikes), batch=batch)


def compared(model: FloatModel, run: FloatRun, network: QuantizedGraph) -> Comparison:
    classes, flips, spikes, decisions = [], 0, 0, 0
    for inputs, expected in zip(batches_of(model, run.frames, run.batch), run.spikes, strict=True):
        trace = run_batched(network, inputs)
        classes.append(trace.readout.argmax(axis=1))
        for name, s in expected.items():
            flips += int((trace.populations[name].s != s).sum())
            spikes += int(s.sum(dtype=np.int64))
            decisions += s.size
    return Comparison(classes=np.concatenate(classes), flips=flips, spikes=spikes, decisions=decisions)


if __name__ == "__main__":
    main()
