"""Mapping of the demo network, VGGSNN, ResNet-19 and ResNet-34: cores, use, time, seconds taken; against a greedy baseline; and its growth.

    python benchmarks/mapping.py --make runs/map        # draws, calibrates and quantises the networks: net.nir and codes.npy each
    python benchmarks/mapping.py runs/map               # the tables of docs/mapping.md
    python benchmarks/mapping.py runs/map --growth      # seconds against layers and cores
    python benchmarks/mapping.py --anchors              # the time model against published measurements

No network but the demo's is trained: weights are drawn, and norms take their statistics from data (VGGSNN, ResNet-19) or from noise
(ResNet-34), so that every population fires; spikes are counted on the samples that lie beside the network.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from timing import machine

from qif_deploy.api.backends import tally_run
from qif_deploy.api.loading import load_network, read_inputs
from qif_deploy.ir.graph import Graph, QuantizedGraph
from qif_deploy.simulate.op_counts import Tallies
from qif_hardware.chip import LEVELS, Chip
from qif_hardware.mapping.activity import activity_of
from qif_hardware.mapping.anchors import compare_anchors
from qif_hardware.mapping.choose import Choice, Objective
from qif_hardware.mapping.cores import cut_layers
from qif_hardware.mapping.layer import consumers_of
from qif_hardware.mapping.layer_fit import rule_tile
from qif_hardware.mapping.lowering import lower
from qif_hardware.mapping.mapping import NetworkMapping, map_network
from qif_hardware.mapping.memory import Tile
from qif_hardware.mapping.timing import core_time_ns
from qif_hardware.target import load_target
from qif_hardware.verify_placement import verify_placement

NAMES = ("demo", "vggsnn", "resnet19", "resnet34")
STEPS = 4
TARGETS = ("loihi2-lava", "loihi2-brief")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Case:
    """A network with the spikes that it fires."""

    name: str
    graph: QuantizedGraph
    tallies: Tallies


def make(folder: Path, names: tuple[str, ...]) -> None:
    """Write every network and its samples."""
    from deep_networks import DEEP, calibrated

    from qif_deploy.api.loading import load_float_model
    from qif_deploy.api.train import train
    from qif_deploy.datasets.catalogue import load_dataset

    for name in names:
        start = time.perf_counter()
        if name == "demo":
            trained = train("digits", out=folder / name)
            graph, codes = load_float_model(trained.model).graph, load_dataset("digits").x_test[:64]
        elif name in DEEP:
            deep = calibrated(name)
            graph, codes = deep.model.graph, deep.samples
        else:
            graph, codes = on_noise("imagenet-resnet34", (3, 224, 224), classes=1000)
        write(graph, codes, folder / name)
        print(f"{name}: {time.perf_counter() - start:.0f} s", flush=True)


def on_noise(recipe_name: str, shape: tuple[int, int, int], *, classes: int) -> tuple[Graph, np.ndarray]:
    """Draw the weights of a recipe's network, take the statistics of its norms on random frames, and return two more such frames."""
    import torch

    from qif_deploy.passes.fold_batchnorm import fold_batchnorm
    from qif_deploy.training.assembly import build_network
    from qif_deploy.training.recipe import load_recipe
    from qif_deploy.training.spec import InputSpec
    from qif_deploy.training.tdbn import ThresholdDependentBatchNorm
    from qif_deploy.training.to_graph import to_graph

    spec = InputSpec(shape=shape, low=0, high=255, scale=1 / 255, classes=classes)
    network = build_network(replace(load_recipe(recipe_name), steps=STEPS), spec, seed=0).train()
    frames = torch.randint(0, 256, (2, 2, *shape), generator=torch.Generator().manual_seed(0))
    for module in network.modules():
        if isinstance(module, ThresholdDependentBatchNorm):
            module.momentum = 1.0
    with torch.no_grad():
        network(frames[0])
    graph, _ = fold_batchnorm(to_graph(network.eval()))
    return graph, frames[1].numpy()


def write(graph: Graph, codes: np.ndarray, folder: Path) -> None:
    """Quantise and write ``net.nir`` and ``codes.npy``."""
    from qif_deploy.passes.quantize import quantize_graph
    from qif_export.nir.write import write_nir

    folder.mkdir(parents=True, exist_ok=True)
    quantized, _ = quantize_graph(graph, load_target("loihi2").number_format, steps=STEPS)
    write_nir(quantized, folder / "net.nir")
    np.save(folder / "codes.npy", np.asarray(codes, np.int64))


def load(name: str, folder: Path) -> Case:
    """Read a network and count its spikes; the counts are kept beside it, since running the large ones takes minutes."""
    graph = load_network(folder / name / "net.nir")
    kept = folder / name / "spikes.npz"
    if not kept.exists():
        inputs = read_inputs(graph, folder / name / "codes.npy", steps=graph.steps, encode=False)
        found = tally_run(graph, inputs)
        np.savez(kept, steps=found.steps, samples=found.samples, **found.rates)
    with np.load(kept) as arrays:
        rates = {key: arrays[key] for key in arrays.files if key not in ("steps", "samples")}
        tallies = Tallies(steps=int(arrays["steps"]), samples=int(arrays["samples"]), rates=rates, driven={})
    return Case(name=name, graph=graph, tallies=tallies)


def short(value: float) -> str:
    """Three digits, without an exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def greedy(case: Case, chip: Chip) -> tuple[int, float]:
    """One layer per core, tiles as full as the published rule makes them: cores, and nanoseconds of the slowest core."""
    lowered = lower(case.graph, chip)
    activity = activity_of(case.graph, lowered, case.tallies, source="")
    tiles: dict[str, Tile] = {}
    splits: dict[str, int] = {}
    for layer in reversed(lowered.layers):
        tiles[layer.name] = rule_tile(layer, chip, consumers_of(layer.name, lowered.layers, splits))
        splits[layer.name] = -(-layer.shape[0] // tiles[layer.name].c)
    tiles = {layer.name: tiles[layer.name] for layer in lowered.layers}
    logical = cut_layers(
        lowered, Choice(tiles=tiles, shared=(), cores=0, bound_ns=np.inf, impossible={}, messages={}), chip, activity, ("typical",)
    )
    return logical.count, float(np.max(core_time_ns(tuple(logical.terms_ns["typical"].T), chip)))


def mapped(case: Case, chip: Chip, objective: Objective) -> tuple[NetworkMapping, float, float]:
    """Map and return wall and CPU seconds, the least of two runs."""
    wall, cpu = [], []
    for _ in range(2):
        start = time.perf_counter(), time.process_time()
        found = map_network(case.graph, chip, tallies=case.tallies, source="counted", objective=objective, grow=True)
        wall.append(time.perf_counter() - start[0])
        cpu.append(time.process_time() - start[1])
    return found, min(wall), min(cpu)


def table(folder: Path) -> None:
    """Print the rows of both tables."""
    cases = [load(name, folder) for name in NAMES]
    header(
        "network", "target", "objective", "cores", "chips of system", "mean use", "slowest core us", "step us low / typical / high",
        "latency ms", "messages per step", "hops before, after swaps", "seconds, CPU seconds",
    )  # fmt: skip
    rivals = []
    for case in cases:
        for target in TARGETS:
            chip = load_target(target).cores()
            count, slowest = greedy(case, chip)
            for objective in Objective:
                found, wall, cpu = mapped(case, chip, objective)
                assert found.placed is not None, found.findings
                assert verify_placement(case.graph, found.as_json(), chip).holds
                t, mesh, used = found.placed.time, found.placed.mesh, found.utilisation()
                steps = " / ".join(short(t.levels[n].step_ns / 1000) for n in LEVELS)
                hops = f"{mesh.hops_before:,.0f}, {mesh.hops:,.0f}"
                print(
                    f"| {case.name} | {target} | {objective.value} | {found.cores} | {mesh.chips_used} of {found.chip.chips} | "
                    f"{used['fullest_resource']:.0%} | {short(t.levels['typical'].core_ns / 1000)} | {steps} | "
                    f"{t.latency_s('typical') * 1e3:.3g} | {found.placed.traffic.total:,.0f} | {hops} | {wall:.1f}, {cpu:.1f} |",
                    flush=True,
                )
                rivals.append((case.name, target, objective.value, count, slowest, found.cores, t.levels["typical"].core_ns))
    print()
    header("network", "target", "greedy: cores", "slowest core us", "ours: objective", "cores", "slowest core us", "fewer cores or faster")
    for name, target, objective, count, slowest, cores, ours in rivals:
        words = [w for w, holds in (("fewer cores", cores < count), (f"faster {slowest / ours:.2f}x", ours < slowest * 0.999)) if holds]
        verdict = ", ".join(words) or "neither"
        print(f"| {name} | {target} | {count} | {short(slowest / 1000)} | {objective} | {cores} | {short(ours / 1000)} | {verdict} |")


def header(*columns: str) -> None:
    """Print the head of a table."""
    print("| " + " | ".join(columns) + " |\n" + "| --- " * len(columns) + "|")


def growth(folder: Path) -> None:
    """Print CPU seconds over ``layers * log2(cores)`` for deeper networks, and for more chips under one network."""
    from growth_networks import chain_of_blocks

    chip = load_target("loihi2-lava").cores().sized(chips=1152)
    header("blocks", "layers", "cores", "chips", "CPU seconds", "CPU ms per layer and log2(cores)")
    for blocks in (8, 16, 32, 64, 128):
        graph = chain_of_blocks(blocks)
        start = time.process_time()
        found = map_network(graph, chip)
        seconds = time.process_time() - start
        assert found.placed is not None
        scale = len(found.layers) * np.log2(found.cores)
        chips = found.placed.mesh.chips_used
        print(f"| {blocks} | {len(found.layers)} | {found.cores} | {chips} | {seconds:.1f} | {seconds / scale * 1e3:.1f} |", flush=True)
    case = load("resnet19", folder)
    print()
    header("chips", "cores used", "CPU seconds")
    for chips in (8, 16, 64, 256, 1152):
        start = time.process_time()
        found = map_network(case.graph, chip.sized(chips=chips), tallies=case.tallies, source="counted")
        print(f"| {chips} | {found.cores} | {time.process_time() - start:.1f} |", flush=True)


def anchors() -> None:
    """Print predicted over measured step time per published case."""
    header("case", "target", "measured us", "predicted us low / typical / high", "measured / typical", "within range")
    for row in compare_anchors():
        predicted = " / ".join(f"{row.predicted_us[n]:.3g}" for n in LEVELS)
        within = ("yes" if row.within else "no") + (", bound taken from it" if row.derives_bound else "")
        print(f"| {row.name} | {row.target} | {row.measured_us:.4g} | {predicted} | {row.ratio:.1f} | {within} |")


def main() -> None:
    """Read the command line and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("runs/map"))
    parser.add_argument("--make", action="store_true")
    parser.add_argument("--only", choices=NAMES, action="append", help="with --make: these networks only")
    parser.add_argument("--growth", action="store_true")
    parser.add_argument("--anchors", action="store_true")
    chosen = parser.parse_args()
    if chosen.make:
        make(chosen.folder, tuple(chosen.only or NAMES))
        return
    print(machine(), end="\n\n")
    if chosen.anchors:
        anchors()
    elif chosen.growth:
        growth(chosen.folder)
    else:
        table(chosen.folder)


if __name__ == "__main__":
    main()
