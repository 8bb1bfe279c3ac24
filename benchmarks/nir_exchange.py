"""Every model family through NIR at full width: seconds, memory, and whether what comes back is the same; printed as Markdown.

    python benchmarks/nir_exchange.py                        # all families
    python benchmarks/nir_exchange.py --only resnet34        # one
    python benchmarks/nir_exchange.py --vectors              # also run both sides in the reference, one sample

Weights are random. Each family is measured in a process of its own: it reads the integer network, writes it, which reads it back and
compares, and reads it again. Memory is the peak above the imports, the network itself included.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from peak_memory import forget_peak, status_bytes
from rows import HEADER, Row

FAMILIES = ("mlp", "conv", "vggsnn", "resnet19", "resnet34")
GOAL_S, GOAL_TIMES = 60.0, 4.0
MEGABYTE = 2.0**20


def main() -> None:
    arguments = parsed()
    print(f"{platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}, h5py and nir as installed\n\n{HEADER}")
    missed = False
    for name in (arguments.only,) if arguments.only else FAMILIES:
        with tempfile.TemporaryDirectory() as folder:
            child("prepare", name, folder)
            found = json.loads(child("measure", name, folder, *(["--vectors"] if arguments.vectors else [])))
        for row in rows(name, found):
            missed = missed or row.verdict == "MISSED"
            print(row.as_markdown(), flush=True)
    sys.exit(1 if missed else 0)


def rows(name: str, found: dict[str, float]) -> tuple[Row, ...]:
    size = found["weights"] / MEGABYTE
    deep = name == "resnet34"
    vectors = f", {found['arrays']:.0f} arrays of a run equal" if "arrays" in found else ""
    return (
        Row(
            what=f"{name}: write, read back and compare, seconds",
            ratio=found["write"],
            at_most=GOAL_S if deep else None,
            detail=f"{found['file'] / MEGABYTE:.1f} MB file, {size:.1f} MB of float32 weights; content hash equal{vectors}",
        ),
        Row(what=f"{name}: read, seconds", ratio=found["read"], detail="verified against its hashes"),
        Row(what=f"{name}: peak memory over weights", ratio=found["peak"] / found["weights"], at_most=GOAL_TIMES if deep else None,
            detail=f"{found['peak'] / MEGABYTE:.0f} MB"),
        Row(what=f"{name}: float graph, write, read back and compare, seconds", ratio=found["float"], detail="BatchNorm folded, float64"),
    )  # fmt: skip


def child(*arguments: str) -> str:
    return subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True, check=True).stdout


def prepare(name: str, folder: Path) -> None:
    """Write the integer network and the float graph, so that measuring needs no torch."""
    from networks import Model, float_network

    from qif_deploy.passes.fold_batchnorm import fold_batchnorm
    from qif_deploy.passes.quantize import quantize_graph
    from qif_deploy.training.to_graph import to_graph
    from qif_export.nir.float_write import write_float_nir
    from qif_export.nir.write import write_nir
    from qif_hardware.target import load_target

    if name == "resnet34":
        from quantisation_cost import drawn_network

        from qif_deploy.training.recipe import load_recipe

        network = drawn_network(load_recipe("imagenet-resnet34"))
    else:
        shapes = {"mlp": (1, 28, 28), "conv": (1, 28, 28), "vggsnn": (2, 48, 48), "resnet19": (3, 32, 32)}
        channels = {"mlp": (512, 512), "conv": (32, 64)}.get(name, ())
        network = float_network(Model(name=name, shape=shapes[name], channels=channels))
    graph, _ = fold_batchnorm(to_graph(network))
    del network
    write_float_nir(graph, folder / "graph.nir")
    quantized, _ = quantize_graph(graph, load_target("loihi2").number_format, steps=4)
    write_nir(quantized, folder / "net.nir")


def measure(folder: Path, *, vectors: bool) -> dict[str, float]:
    from qif_deploy.ir.nodes import Conv2dCodes, DenseCodes
    from qif_export.nir.float_write import write_float_nir
    from qif_export.nir.importing.importer import read_float_nir
    from qif_export.nir.read import read_nir
    from qif_export.nir.write import write_nir

    before = status_bytes("VmRSS")
    start = time.perf_counter()
    graph = read_nir(folder / "net.nir")
    read = time.perf_counter() - start
    weights = 4 * sum(n.weight.size for n in graph.nodes.values() if isinstance(n, DenseCodes | Conv2dCodes))
    forget_peak()
    start = time.perf_counter()
    write_nir(graph, folder / "again.nir")
    found = {"write": time.perf_counter() - start, "read": read, "peak": status_bytes("VmHWM") - before, "weights": weights}
    again = read_nir(folder / "again.nir")
    assert again == graph
    assert again.content_hash == graph.content_hash
    if vectors:
        found["arrays"] = equal_arrays(graph, again)
    floats = read_float_nir(folder / "graph.nir").graph
    start = time.perf_counter()
    write_float_nir(floats, folder / "graph2.nir")
    return found | {"float": time.perf_counter() - start, "file": (folder / "again.nir").stat().st_size}


def equal_arrays(graph, again) -> int:
    """Run one sample through both in the reference and compare all arrays."""
    from qif_deploy.simulate.reference import run_reference

    rng = np.random.default_rng(0)
    inputs = {}
    for name in graph.inputs:
        node = graph.code_input(name)
        inputs[name] = np.broadcast_to(rng.integers(node.low, node.high + 1, (1, *node.shape)), (4, 1, *node.shape))
    expected, found = run_reference(graph, inputs), run_reference(again, inputs)
    pairs = list(zip(expected.computed(), found.computed(), strict=True))
    assert all(a[0] == b[0] and np.array_equal(a[1], b[1]) for a, b in pairs)
    return len(pairs)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=FAMILIES)
    parser.add_argument("--vectors", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["prepare", name, folder]:
            prepare(name, Path(folder))
        case ["measure", _, folder, *rest]:
            print(json.dumps(measure(Path(folder), vectors="--vectors" in rest)))
        case _:
            main()
