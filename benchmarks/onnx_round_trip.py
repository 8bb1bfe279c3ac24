"""Every model family at full width through ONNX and back: codes and vectors equal, seconds, memory; and onnxruntime's speed.

    python benchmarks/onnx_round_trip.py                 mlp, conv, vggsnn, resnet19, resnet34; some ten minutes on two cores
    python benchmarks/onnx_round_trip.py --check         exits 1 where something differs or a goal is missed
    python benchmarks/onnx_round_trip.py --network resnet34 --network mlp

Each network is exported in a process of its own. Memory is the peak above what the code needs (imports, and a run of a tiny network through
all of it), in multiples of the weights as the network holds them, int32. The file records nothing (``--states none``) where speed is
taken, the reference simulator runs the same codes; readouts are compared before anything is timed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from networks import Model, pair
from peak_memory import forget_peak, status_bytes
from rows import HEADER, Row
from timing import best_seconds, machine

from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import Conv2dCodes, DenseCodes
from qif_deploy.simulate.compare import compare_traces
from qif_deploy.simulate.engine.batched import run_batched
from qif_deploy.simulate.reference import run_reference
from qif_export.nir.read import read_nir
from qif_export.nir.write import write_nir
from qif_export.onnx import verify as onnx_verify
from qif_export.onnx.options import OnnxOptions
from qif_export.onnx.read import read_onnx
from qif_export.onnx.run import open_onnx, run_onnx, run_session
from qif_export.onnx.write import write_onnx

MODELS = {
    "mlp": Model(name="mlp", shape=(784,), channels=(512, 512)),
    "conv": Model(name="conv", shape=(1, 28, 28), channels=(32, 64)),
    "vggsnn": Model(name="vggsnn", shape=(2, 48, 48), codes=8),
    "resnet19": Model(name="resnet19"),
    "resnet34": Model(name="resnet34", shape=(3, 224, 224), classes=1000),
}
SECONDS_GOAL, MEMORY_GOAL = 60, 4
ROUNDS = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", action="append", choices=list(MODELS), help="instead of all; may be repeated")
    parser.add_argument("--check", action="store_true", help="exit 1 where a goal is missed")
    parser.add_argument("--no-speed", action="store_true", help="leave the speed of onnxruntime out")
    parser.add_argument("--keep", type=Path, help="folder that keeps the networks, which take minutes to make, from run to run")
    arguments = parser.parse_args()
    print(machine() + "\n\n" + HEADER, flush=True)
    missed = False
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) if arguments.keep is None else arguments.keep
        for name in arguments.network or MODELS:
            network = folder / f"{name}.nir"
            if not network.exists():
                write_nir(pair(MODELS[name]).graph, network)
            for row in [*round_trip(name, network), *([] if arguments.no_speed else speed(name, network))]:
                print(row.as_markdown(), flush=True)
                missed |= row.verdict == "MISSED"
    if arguments.check and missed:
        sys.exit(1)


def round_trip(name: str, network: Path) -> Iterator[Row]:
    """Export and verify in a fresh process, then read back here and compare vectors."""
    path = network.with_suffix(".onnx")
    done = subprocess.run([sys.executable, __file__, "export", str(network), str(path)], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    graph, start = read_nir(network), time.perf_counter()
    again = read_onnx(path)
    seconds = time.perf_counter() - start
    equal = again == graph and again.content_hash == graph.content_hash
    codes = codes_for(graph, samples=1, steps=found["steps"])
    vectors = compare_traces(run_batched(again, codes), run_onnx(path, codes))
    verified = f"{found['against']}, {found['samples']} samples, {found['steps']} steps, {found['spikes']} spikes"
    yield Row(
        what=f"{name}: export and verify",
        ratio=found["seconds"],
        at_most=SECONDS_GOAL,
        detail=f"seconds; {found['mib']:.1f} MiB; {verified}",
    )
    detail = f"of {found['weights_mib']:.1f} MiB of weights"
    # Smaller networks take what one run of two steps records, whatever their weights.
    goal = MEMORY_GOAL if name == "resnet34" else None
    yield Row(what=f"{name}: peak memory", ratio=found["memory"], at_most=goal, detail=detail)
    arrays = f"read back in {seconds:.1f} s: codes {'equal' if equal else 'DIFFER'}, {vectors.arrays} arrays"
    different = int(not equal) + int(vectors.first_mismatch is not None)
    yield Row(what=f"{name}: differences after the round trip", ratio=different, at_most=0, detail=arrays)


def speed(name: str, network: Path) -> Iterator[Row]:
    """Onnxruntime on a file that records nothing, against the reference simulator; one step of one sample where that takes minutes."""
    graph = read_nir(network)
    large = onnx_verify.products(graph) > 10**9
    samples, steps = (1, 1) if large else (4, graph.steps or 4)
    codes = codes_for(graph, samples=samples, steps=steps)
    path = network.with_suffix(".lean.onnx")
    write_onnx(graph, path, OnnxOptions(record=()))
    session = open_onnx(path)
    ways = {"onnxruntime": lambda: run_session(session, codes)["readout"], "reference": lambda: run_reference(graph, codes).readout}
    start = time.perf_counter()
    expected = ways["reference"]()
    once = time.perf_counter() - start
    if not np.array_equal(ways["onnxruntime"](), expected):
        raise SystemExit(f"{name}: readouts differ; nothing is timed")
    found = best_seconds({"onnxruntime": ways["onnxruntime"]} if large else ways, rounds=ROUNDS)
    slow = found.get("reference", once)
    detail = f"{samples / found['onnxruntime']:.2f} against {samples / slow:.2f} samples/s, batch {samples}, T = {steps}"
    yield Row(what=f"{name}: onnxruntime / reference", ratio=slow / found["onnxruntime"], detail=detail)


def codes_for(graph: QuantizedGraph, *, samples: int, steps: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(2)
    node = graph.code_input(graph.inputs[0])
    return {graph.inputs[0]: rng.integers(node.low, node.high + 1, (steps, samples, *node.shape))}


def export(network: Path, path: Path) -> dict[str, object]:
    """Read, export and verify a network; what a process of its own prints."""
    from rivals import conv_graph

    graded = onnx_verify.REFERENCE_PRODUCTS
    onnx_verify.REFERENCE_PRODUCTS = 0  # so that the engine's code is loaded too
    write_onnx(conv_graph(), path)
    onnx_verify.REFERENCE_PRODUCTS = graded
    before = status_bytes("VmRSS")
    graph = read_nir(network)
    forget_peak()
    weights = sum(node.weight.nbytes for node in graph.nodes.values() if isinstance(node, DenseCodes | Conv2dCodes))
    start = time.perf_counter()
    report = write_onnx(graph, path)
    seconds = time.perf_counter() - start
    one = report.details["verified"][0]
    memory = (status_bytes("VmHWM") - before) / weights
    sizes = {"weights_mib": weights / 2**20, "mib": path.stat().st_size / 2**20}
    return {"seconds": seconds, "memory": memory, **sizes, **{key: one[key] for key in ("against", "samples", "steps", "spikes")}}


if __name__ == "__main__":
    if sys.argv[1:2] == ["export"]:
        print(json.dumps(export(Path(sys.argv[2]), Path(sys.argv[3]))))
    else:
        main()
