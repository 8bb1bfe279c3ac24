"""The speed and memory table: every row with its goal, what was found, and MET, MISSED or NOT RUN.

    python benchmarks/run.py            VGG-like 32x32 and ResNet-19, full width; about half an hour on two cores
    python benchmarks/run.py --small    narrow networks, few rounds: shows that it works, not how fast it is
    python benchmarks/run.py --json     the rows as one JSON object
    python benchmarks/run.py --only onnx --only lava

Weights are random, with the norms' statistics taken from a few batches. Outputs are compared before anything is timed; rivals run in
interleaved rounds of one process under inference_mode, and the best round of each counts. SpikingJelly and snnTorch: see rivals.py.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from counters import counters
from engine_speed import against_float, against_onnx, growth, sparsity
from limits import distance
from memory import memory_rows
from networks import Model, float_network
from rivals import against_float_frameworks, against_lava
from rows import HEADER, Row
from timing import CHOSEN, Clock, machine

from qif_deploy.passes.fold_batchnorm import fold_batchnorm
from qif_deploy.passes.quantize import quantize_graph
from qif_deploy.training.to_graph import to_graph
from qif_export.nir.write import write_nir
from qif_hardware.target import load_target

SECTIONS = ("rates", "float", "onnx", "lava", "frameworks", "growth", "counters", "memory", "limits", "resnet34", "cuda")
RESNET34 = Model(name="resnet34", shape=(3, 224, 224), classes=1000)
BATCHES, ROUNDS = (1, 8, 64), 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object; progress goes to stderr")
    parser.add_argument("--small", action="store_true", help="narrow networks")
    parser.add_argument("--only", action="append", choices=SECTIONS, help="these rows alone; may be repeated")
    parser.add_argument("--threads", type=int, help="for all sides; default: as many as torch takes")
    parser.add_argument(
        "--clock", choices=[clock.value for clock in Clock], default="wall", help="cpu: for a busy machine, with --threads 1"
    )
    parser.add_argument("--batches", type=int, nargs="+", help="instead of 1, 8 and 64")
    parser.add_argument("--rounds", type=int, help="instead of 3")
    parser.add_argument("--network", action="append", choices=["vggsnn", "resnet19"], help="instead of both; may be repeated")
    parser.add_argument("--width", type=float, help="multiplier of all channel numbers, instead of 1")
    arguments = parser.parse_args()
    CHOSEN.clock = Clock(arguments.clock)
    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    batches, rounds = ((1, 4), 1) if arguments.small else (BATCHES, ROUNDS)
    chosen = sections(
        small=arguments.small,
        width=arguments.width or (1 / 16 if arguments.small else 1.0),
        batches=tuple(arguments.batches or batches),
        rounds=arguments.rounds or rounds,
        networks=tuple(arguments.network or ("vggsnn", "resnet19")),
    )
    rows: list[Row] = []
    if not arguments.json:
        print(machine() + "\n\n" + HEADER, flush=True)
    for name in arguments.only or chosen:
        for row in chosen[name]():
            rows.append(row)
            print(row.as_markdown(), file=sys.stderr if arguments.json else sys.stdout, flush=True)
    if arguments.json:
        print(json.dumps({"machine": machine(), "rows": [row.as_json() for row in rows]}, indent=2))


def sections(
    *, small: bool, width: float, batches: tuple[int, ...], rounds: int, networks: tuple[str, ...]
) -> dict[str, Callable[[], Iterator[Row]]]:
    """Return name -> rows; nothing runs before they are taken."""
    models = tuple(Model(name=name, width=width) for name in networks)

    def each(rows: Callable[[Model], Iterator[Row]]) -> Callable[[], Iterator[Row]]:
        return lambda: (row for model in models for row in rows(model))

    return {
        "rates": each(lambda model: iter([sparsity(model, 4)])),
        "float": each(lambda model: against_float(model, batches, rounds)),
        "onnx": each(lambda model: against_onnx(model, 8 if 8 in batches else batches[-1], rounds)),
        "lava": lambda: against_lava(rounds),
        "frameworks": lambda: against_float_frameworks(Model(name="vggsnn", width=width), batches, rounds),
        "growth": lambda: growth(Model(name="vggsnn", width=width / 2), rounds),
        "counters": lambda: counters(models[0], rounds),
        "memory": lambda: memory_rows(models, batches),
        "limits": lambda: distance(models, batches[-1], rounds),
        "resnet34": lambda: quantize_prove_write(Model(name="resnet34", shape=(3, 64, 64), width=1 / 16) if small else RESNET34),
        "cuda": cuda,
    }


def quantize_prove_write(model: Model) -> Iterator[Row]:
    """Seconds from the folded float graph to the written artefact, which holds the proof."""
    graph, _ = fold_batchnorm(to_graph(float_network(model)))
    start = time.perf_counter()
    quantized, _ = quantize_graph(graph, load_target("loihi2").number_format, steps=model.steps)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.nir"
        write_nir(quantized, path)
        seconds, size = time.perf_counter() - start, path.stat().st_size
    detail = f"seconds; {size / 2**20:.0f} MiB written, {model.shape} input"
    yield Row(what=f"quantise, prove and write {model.name}", ratio=seconds, at_most=60, detail=detail)


def cuda() -> Iterator[Row]:
    """Within 2 times of half-precision inference; there is nothing to say without a device."""
    detail = "no CUDA device was at hand" if not torch.cuda.is_available() else "not measured by this script"
    yield Row(what="engine / float model in half precision, CUDA", ratio=None, detail=detail)


if __name__ == "__main__":
    main()
