"""Energy of trained MNIST-5k networks under every estimator, and estimates against published measurements, as rows of Markdown.

    python benchmarks/energy.py --what anchors
    python benchmarks/energy.py --what networks --runs runs/energy

`networks` takes a convolutional network and a ResNet-19 of a sixteenth of its width, each with quadratic and with leaky neurons, quantises
them to 8, 6 and 4 bits and counts over the 1,000 test images. Checkpoints are trained where the folder lacks them (half an hour on two
cores for all four).
"""

from __future__ import annotations

import argparse
import dataclasses
import platform
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from qif_deploy.api.loading import FloatModel, load_float_model
from qif_deploy.api.quantization import PostTraining, quantize_after_training
from qif_deploy.datasets.catalogue import load_dataset
from qif_deploy.datasets.dataset import Dataset
from qif_deploy.passes.scale_method import ScaleMethod
from qif_deploy.pricing.anchors import compare_anchor, load_anchors
from qif_deploy.pricing.deployment import Deployment
from qif_deploy.pricing.energy_report import CountedNetwork, EnergyReport, energy_report
from qif_deploy.pricing.estimate import EnergyEstimate
from qif_deploy.pricing.price_list import load_price_list
from qif_deploy.pricing.terms import LEVELS, MEMORY
from qif_deploy.simulate.engine.stream import in_batches, run_stream
from qif_deploy.simulate.inputs import prepare_inputs
from qif_deploy.training.checkpoint import save_checkpoint
from qif_deploy.training.recipe import load_recipe
from qif_deploy.training.trainer import fit
from qif_hardware.target import load_target

PARTS = ("conv", "resnet")
NEURONS = {"qif": "mnist5k", "lif": "mnist5k_lif"}
RESNET = {"model": "resnet19", "width": 1 / 16, "channels": (), "hidden": 0}
WIDTHS = {
    8: PostTraining(bias_correction=True),
    6: PostTraining(bias_correction=True),
    4: PostTraining(bias_correction=True, scales=ScaleMethod.PERCENTILE, percentile=99.0),
}
"""The best method per width of docs/experiments.md, quantisation after training."""

ANCHOR_COLUMNS = (
    "case", "boundary", "measured", "estimator", "estimate over measurement: low, typical, high", "operations alone, typical",
    "modelled step over measured",
)  # fmt: skip
COUNT_COLUMNS = (
    "network, bits", "neuron", "accuracy %", "spikes per neuron and step %", "spikes", "SynOps", "MACs", "neuron updates",
    "loihi1-fitted, at least (low to high) uJ", "95 % over inputs", "quadratic term of it: low, typical, high %",
)  # fmt: skip
TWIN_COLUMNS = (
    "network, bits", "this QIF network", "the same without the quadratic term", "LIF trained", "ANN fp32", "ANN int8", "QNN", "spikes at %",
    "costs what the QNN costs at % (arithmetic alone)",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--what", choices=("anchors", "networks"), required=True)
    parser.add_argument("--runs", type=Path, default=Path("runs/energy"), help="folder of the checkpoints")
    parser.add_argument("--part", action="append", choices=PARTS, help="only this network; may be given twice")
    chosen = parser.parse_args()
    if chosen.what == "anchors":
        anchors()
    else:
        networks(chosen.runs, tuple(chosen.part or PARTS))


def anchors() -> None:
    heading(ANCHOR_COLUMNS)
    for anchor in load_anchors():
        for name in ("loihi1-fitted", "loihi1-published"):
            found = compare_anchor(anchor, load_price_list(name))
            ratios = ", ".join(f"{found.ratio[level]:.2f}" for level in LEVELS)
            time = "" if found.time_ratio is None else f"{found.time_ratio['typical']:.2f}"
            print(
                f"| {anchor.name} | {anchor.boundary.value} | {_joules(anchor.measured_j)} | {name} | {ratios} "
                f"| {found.dynamic_ratio['typical']:.2f} | {time} |"
            )


def networks(runs: Path, parts: tuple[str, ...]) -> None:
    print(f"{platform.machine()}; Python {platform.python_version()}, torch {torch.__version__}, numpy {np.__version__}\n", flush=True)
    dataset = load_dataset("mnist5k")
    reports: dict[tuple[str, int], dict[str, EnergyReport]] = {}
    for part in parts:
        models = {neuron: trained(runs, part, neuron, dataset) for neuron in NEURONS}
        for bits in WIDTHS:
            counted = {neuron: count(model, bits, dataset) for neuron, model in models.items()}
            reports[part, bits] = {
                "qif": energy_report(counted["qif"], load_price_list("loihi1-fitted"), Deployment(), lif=counted["lif"]),
                "lif": energy_report(counted["lif"], load_price_list("loihi1-fitted"), Deployment()),
            }
    count_table(reports)
    twin_table(reports)
    estimator_table(reports)


def trained(runs: Path, part: str, neuron: str, dataset: Dataset) -> FloatModel:
    """Return the checkpoint of one network, trained by its recipe where it is missing."""
    path = runs / f"{part}-{neuron}.safetensors"
    if not path.exists():
        recipe = load_recipe(NEURONS[neuron])
        if part == "resnet":
            recipe = dataclasses.replace(recipe, name=f"{recipe.name}_resnet", **RESNET)
        runs.mkdir(parents=True, exist_ok=True)
        network, metrics = fit(recipe, dataset)
        save_checkpoint(path, network, recipe, metrics)
    return load_float_model(path)


def count(model: FloatModel, bits: int, dataset: Dataset) -> CountedNetwork:
    """Quantise, run the test part and count."""
    how = dataclasses.replace(WIDTHS[bits], weight_bits=bits)
    graph = quantize_after_training(model, load_target("loihi2"), steps=None, how=how).network
    result = run_stream(graph, in_batches(prepare_inputs(graph, {"": dataset.x_test}, steps=None), 250))
    accuracy = float((result.classes == dataset.y_test).mean())
    return CountedNetwork(graph=graph, layers=result.counts, steps=result.steps, source="mnist5k, test part", accuracy=accuracy)


def count_table(reports: Mapping[tuple[str, int], Mapping[str, EnergyReport]]) -> None:
    heading(COUNT_COLUMNS)
    for (part, bits), pair in reports.items():
        for neuron, report in pair.items():
            network, at_least = report.network, report.estimate.at_least
            intervals, share = report.estimate.intervals, report.quadratic_share()["share"]
            assert intervals is not None
            shares = ", ".join(f"{100 * share[level]:.2f}" for level in LEVELS) if neuron == "qif" else ""
            sums = [sum(float(getattr(y, name).mean()) for y in network.layers) for name in ("spikes", "synops", "macs", "updates")]
            print(
                f"| {part}, {bits} | {neuron} | {100 * network.accuracy:.2f} | {100 * report.twins.rate:.1f} "
                f"| {' | '.join(f'{n:,.0f}' for n in sums)} "
                f"| {at_least['typical'] * 1e6:.1f} ({at_least['low'] * 1e6:.1f} to {at_least['high'] * 1e6:.1f}) "
                f"| {intervals['typical'].low * 1e6:.1f} to {intervals['typical'].high * 1e6:.1f} | {shares} |"
            )
    print()


def twin_table(reports: Mapping[tuple[str, int], Mapping[str, EnergyReport]]) -> None:
    names = ("lif", "ann_fp32", "ann_int8", "qnn")
    print("cmos45-int, typical uJ; in brackets arithmetic alone:\n")
    heading(TWIN_COLUMNS)
    for (part, bits), pair in reports.items():
        twins = pair["qif"].twins
        linear = twins.network.at_least["typical"] - twins.network.by_term["quadratic_multiply"]["typical"]
        bare = twins.network.sum_without(MEMORY)["typical"] - twins.network.by_term["quadratic_multiply"]["typical"]
        cells = [_both(twins.network), f"{linear * 1e6:.2f} ({bare * 1e6:.3f})", *(_both(twins.twins[name].estimate) for name in names)]
        even = twins.twins["qnn"].break_even_rate
        assert even is not None
        rates = " ".join(form.format(_rate(even[kind]["typical"])) for form, kind in (("{}", "all"), ("({})", "arithmetic")))
        print(f"| {part}, {bits} | {' | '.join(cells)} | {100 * twins.rate:.1f} | {rates} |")
    print()


def estimator_table(reports: Mapping[tuple[str, int], Mapping[str, EnergyReport]]) -> None:
    print("QIF over the trained LIF network, typical, and the quadratic term's share of the QIF network's energy, low to high %:\n")
    names = ("loihi1-fitted", "loihi1-published", "cmos45-int", "cmos45-fp32", "lemaire")
    heading(("network, bits", *names))
    for (part, bits), pair in reports.items():
        cells = []
        for name in names:
            qif, lif = ({report.estimate.price_list.name: report.estimate} | dict(report.others) for report in pair.values())
            ratio = qif[name].at_least["typical"] / lif[name].at_least["typical"]
            shares = [100 * qif[name].by_term["quadratic_multiply"][k] / qif[name].at_least[k] for k in LEVELS]
            cells.append(f"{ratio:.3f}; {min(shares):.2f} to {max(shares):.2f}")
        print(f"| {part}, {bits} | {' | '.join(cells)} |")


def heading(columns: tuple[str, ...]) -> None:
    print(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}")


def _both(estimate: EnergyEstimate) -> str:
    return f"{estimate.at_least['typical'] * 1e6:.2f} ({estimate.sum_without(MEMORY)['typical'] * 1e6:.3f})"


def _rate(rate: float | None) -> str:
    return "never" if rate is None else f"{100 * rate:.1f}"


def _joules(energy_j: float) -> str:
    return f"{energy_j * 1e3:.3g} mJ" if energy_j >= 1e-3 else f"{energy_j * 1e6:.3g} uJ"


if __name__ == "__main__":
    main()
