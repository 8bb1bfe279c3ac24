"""Time and memory of quantising, proving and writing ResNet-34 at ImageNet size, printed as Markdown.

    python benchmarks/quantisation_cost.py

Weights are drawn, not trained, and the norms get the statistics that drawn weights give at a spike rate of 20 %. Memory is the peak
resident size above that after the imports, the float32 network and everything that is made of it included. Goals: 60 s, and four
times the 87 MB of the float32 weights.
"""

from __future__ import annotations

import gc
import platform
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from qif_deploy.passes.quantize import quantize_graph
from qif_deploy.training.assembly import build_network
from qif_deploy.training.network import SpikingNetwork
from qif_deploy.training.recipe import Recipe, load_recipe
from qif_deploy.training.spec import InputSpec
from qif_deploy.training.tdbn import ThresholdDependentBatchNorm
from qif_deploy.training.to_graph import to_graph
from qif_export.nir.write import write_nir
from qif_hardware.target import load_target

GOAL_S, GOAL_TIMES = 60.0, 4.0
MEGABYTE = 2.0**20


def main() -> None:
    target = load_target("loihi2").number_format
    recipe = load_recipe("imagenet-resnet34")  # imports what loads data sets
    before = resident()
    rows: list[tuple[str, float, float, float]] = []

    @contextmanager
    def stage(what: str) -> Iterator[None]:
        start, cpu_start = time.perf_counter(), time.process_time()
        yield
        rows.append((what, time.perf_counter() - start, time.process_time() - cpu_start, peak() - before))

    network = drawn_network(recipe)
    weights = sum(p.numel() for p in network.parameters()) * 4 / MEGABYTE
    with stage("to graph"):
        graph = to_graph(network)
    del network
    gc.collect()
    with stage("quantise and prove"):
        quantized, report = quantize_graph(graph, target, steps=4)
    del graph
    with tempfile.TemporaryDirectory() as folder, stage("write and read back"):
        write_nir(quantized, Path(folder) / "net.nir")
    seconds, memory = sum(row[1] for row in rows), rows[-1][3]
    print(f"{platform.machine()}, {torch.get_num_threads()} threads; Python {platform.python_version()}, numpy {np.__version__}\n")
    print("| stage | seconds | CPU seconds | peak so far, MB |\n| --- | --- | --- | --- |")
    for what, spent, cpu, used in rows:
        print(f"| {what} | {spent:.1f} | {cpu:.1f} | {used:.0f} |")
    verdict = "met" if seconds < GOAL_S else "MISSED"
    print(f"\nTogether {seconds:.1f} s of {GOAL_S:.0f} s: {verdict}.")
    verdict = "met" if memory < GOAL_TIMES * weights else "MISSED"
    print(
        f"Peak {memory:.0f} MB, {memory / weights:.2f} times the {weights:.0f} MB of the float32 network, goal {GOAL_TIMES:.0f}: {verdict}."
    )
    print(f"The proof holds: {report.proof.holds}.")


def drawn_network(recipe: Recipe) -> SpikingNetwork:
    spec = InputSpec(shape=(3, 224, 224), low=0, high=255, scale=1 / 255, classes=1000)
    network = build_network(recipe, spec, seed=0)
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, ThresholdDependentBatchNorm):
            channels = len(module.running_var)
            # torch draws weights with a variance of 1 / (3 fan_in); a fifth of the inputs are ones.
            module.running_var.copy_((0.2 / 3) * (0.5 + torch.rand(channels, generator=generator)))
            module.running_mean.copy_(0.1 * torch.randn(channels, generator=generator))
    return network.eval()


def resident() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / MEGABYTE


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
