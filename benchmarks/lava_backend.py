"""Lava next to the batched engine: time per step and its growth, deep networks, and a trained network's accuracy.

    python benchmarks/lava_backend.py growth                    # layers and neurons, both executors
    python benchmarks/lava_backend.py synapses                  # one step of a 3x3 convolution, Lava's Conv against its Sparse
    python benchmarks/lava_backend.py deep                      # VGGSNN and ResNet-19, narrow
    python benchmarks/lava_backend.py accuracy NET.nir --samples 200

Every run is compared with the reference, array by array, before its time counts. The time of a step is the difference of
two runs of different length, so that no start is in it; the smallest of several differences.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from networks import Model, pair
from rivals import _graph, _population
from timing import best_seconds, machine

from qif_deploy.analysis.range_proof import prove_ranges
from qif_deploy.api.loading import dataset_inputs, load_network
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, Conv2dCodes, ConvGeometry, DenseCodes, ReadoutCodes
from qif_deploy.shapes import InputCodes
from qif_deploy.simulate.compare import compare_traces
from qif_deploy.simulate.engine.batched import run_batched
from qif_deploy.simulate.reference import run_reference
from qif_hardware.lava.balance import balance_of
from qif_hardware.lava.executor_kind import Executor
from qif_hardware.lava.layout import conv_weight_to_lava
from qif_hardware.lava.lowering import lower
from qif_hardware.lava.plan import SparsePlan
from qif_hardware.lava.run import run_lava
from qif_hardware.lava.sparse_matrix import compressed, conv_entries

STEPS, FEWER, MORE = 4, 50, 300
LIMIT_S = 1200.0
Inputs = Mapping[str, InputCodes]


def chain_of_dense(layers: int, neurons: int) -> QuantizedGraph:
    """``layers`` populations of ``neurons``, dense between them, spikes in."""
    rng = np.random.default_rng(layers + neurons)
    nodes: dict[str, CodeInput | DenseCodes | ReadoutCodes | object] = {"events": CodeInput(shape=(neurons,), low=0, high=1, scale=1.0)}
    for n in range(layers):
        weight = np.clip(np.rint(rng.normal(2, 45 * (64 / neurons) ** 0.5, (neurons, neurons))), -127, 127).astype(np.int32)
        nodes |= {f"fc{n}": DenseCodes(weight=weight, shift=0), f"q{n}": _population(neurons)}
    nodes |= {
        "last": DenseCodes(weight=np.ones((10, neurons), np.int32), shift=0),
        "out": ReadoutCodes(bias=np.zeros(10, np.int64), delta=1.0),
    }
    return _graph(nodes)


def lively(graph: QuantizedGraph) -> QuantizedGraph:
    """The network with a third of theta added to every bias: with drawn weights the later populations would stay silent."""
    nodes = dict(graph.nodes)
    for name in graph.populations:
        node = graph.population(name)
        k = node.constants
        assert k.theta is not None
        nodes[name] = replace(node, constants=replace(k, bias=k.bias + k.theta // 3))
    graph = replace(graph, nodes=nodes)
    proof = prove_ranges(graph, steps=graph.steps)
    if not proof.holds:
        raise SystemExit(proof.failures()[0])
    return graph


def drawn(graph: QuantizedGraph, samples: int, steps: int = STEPS) -> Inputs:
    """Codes over the whole range of the one input."""
    (name,) = graph.inputs
    node = graph.code_input(name)
    return {name: np.random.default_rng(1).integers(node.low, node.high + 1, (steps, samples, *node.shape))}


def checked_seconds(graph: QuantizedGraph, inputs: Inputs, executor: Executor) -> float:
    """Seconds of one run that equals the reference: wall for the normal runtime, CPU for the one process, which waits for nobody."""
    start, used = time.perf_counter(), os.times()
    trace = run_lava(graph, inputs, executor=executor, time_limit_s=LIMIT_S)
    seconds = time.perf_counter() - start
    if executor is Executor.IN_PROCESS:
        now = os.times()
        seconds = now.children_user + now.children_system - used.children_user - used.children_system
    comparison = compare_traces(run_reference(graph, inputs), trace)
    if comparison.first_mismatch is not None:
        raise SystemExit(f"not equal to the reference: {comparison.first_mismatch}; nothing is timed")
    return seconds


def step_seconds(graph: QuantizedGraph, executor: Executor, rounds: int) -> float:
    """Seconds of one Lava step, from runs of two lengths; the smallest difference that is positive."""
    found = []
    for _ in range(rounds):
        few, more = (checked_seconds(graph, drawn(graph, samples), executor) for samples in (FEWER, MORE))
        found.append((more - few) / (STEPS * (MORE - FEWER)))
    return min((seconds for seconds in found if seconds > 0), default=float("nan"))


def growth(rounds: int) -> None:
    """Print the table of time per step."""
    print("| layers x neurons | Lava ms/step | in process, CPU ms/step | engine ms per sample and step, batch 300 | OS processes |")
    print("| --- | --- | --- | --- | --- |")
    for layers, neurons in ((1, 64), (2, 64), (4, 64), (8, 64), (16, 64), (2, 16), (2, 256), (2, 1024)):
        graph = chain_of_dense(layers, neurons)
        inputs = drawn(graph, MORE)
        engine = best_seconds({"engine": lambda graph=graph, inputs=inputs: run_batched(graph, inputs)}, rounds=3)["engine"]  # type: ignore[misc]
        lava, in_process = (step_seconds(graph, executor, rounds) * 1e3 for executor in (Executor.PROCESS, Executor.IN_PROCESS))
        # one for each population and synapse, source and readout with its synapse; three for the runtime itself
        processes = 2 * layers + 3 + 3
        print(f"| {layers} x {neurons} | {lava:.2f} | {in_process:.2f} | {engine / (STEPS * MORE) * 1e3:.4f} | {processes} |", flush=True)


def synapses(rounds: int) -> None:
    """Print the arithmetic of one step of a 3x3 convolution as Lava's Conv and as the product of its Sparse; 10 % spikes."""
    from lava.proc.conv.utils import conv
    from scipy.sparse import csr_matrix

    print("| map, channels in and out | weights of the matrix | Conv ms | Sparse ms | ratio |")
    print("| --- | --- | --- | --- | --- |")
    for size, inputs, outputs in ((8, 8, 8), (16, 16, 16), (32, 8, 8), (32, 16, 16), (16, 32, 32), (8, 64, 64), (32, 32, 32)):
        rng = np.random.default_rng(size)
        node = Conv2dCodes(weight=rng.integers(1, 128, (outputs, inputs, 3, 3)), shift=0, geometry=ConvGeometry(padding=(1, 1)))
        rows = compressed(conv_entries(node, (inputs, size, size)), inputs * size * size)
        matrix = csr_matrix((rows.values.astype(np.int32), rows.columns, rows.starts), shape=(rows.starts.size - 1, inputs * size * size))
        kernel, spikes = conv_weight_to_lava(node.weight), rng.random((size, size, inputs)) < 0.1
        flat, pairs = spikes.ravel().astype(np.int32), ((3, 3), (1, 1), (1, 1), (1, 1))
        if not np.array_equal(conv(spikes, kernel, *pairs, 1).ravel(), matrix.dot(flat)):
            raise SystemExit("Conv and Sparse differ; nothing is timed")
        ways = {"conv": partial(conv, spikes, kernel, *pairs, 1), "sparse": partial(matrix.dot, flat)}
        found = best_seconds(ways, rounds=10 * rounds)
        took = [found[name] * 1e3 for name in ("conv", "sparse")]
        print(
            f"| {size}x{size}, {inputs} -> {outputs} | {matrix.nnz} | {took[0]:.2f} | {took[1]:.2f} | {took[0] / took[1]:.1f} |", flush=True
        )


def deep(width: float, samples: int) -> None:
    """Print one line per deep network, run in the normal runtime."""
    print("| network | T | samples | exact | spikes | populations | Conv / Sparse / Dense | latency, relay neurons | seconds |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for model in (Model(name="vggsnn", width=width, shape=(2, 48, 48), codes=1), Model(name="resnet19", width=width)):
        graph = lively(pair(model).graph)
        inputs = drawn(graph, samples, model.steps)
        plan = lower(graph, steps=model.steps)
        kinds = [type(synapse).__name__.removesuffix("Plan") for synapse in plan.synapses]
        balance = balance_of(plan)
        start = time.perf_counter()
        comparison = compare_traces(run_reference(graph, inputs), run_lava(graph, inputs, time_limit_s=LIMIT_S))
        seconds = time.perf_counter() - start
        counts = " / ".join(str(kinds.count(kind)) for kind in ("Conv", "Sparse", "Dense"))
        verdict = "yes" if comparison.exact is True else comparison.reason or str(comparison.first_mismatch)
        print(
            f"| {model.title} | {model.steps} | {samples} | {verdict} | {comparison.spikes} | {len(graph.populations)} | {counts} "
            f"| {balance.latency} steps, {balance.relay_neurons} | {seconds:.0f} |",
            flush=True,
        )
        largest = max((synapse.values.size for synapse in plan.synapses if isinstance(synapse, SparsePlan)), default=0)
        print(f"<!-- largest sparse matrix: {largest} weights -->", flush=True)


def accuracy(network: Path, samples: int) -> None:
    """Print the integer accuracy and Lava's on the same test samples."""
    graph = load_network(network)
    real = dataset_inputs(graph, None, samples=samples)
    if real.labels is None:
        raise SystemExit("the data set has no labels")
    reference, trace = run_reference(graph, real.codes), run_lava(graph, real.codes, time_limit_s=LIMIT_S)
    comparison = compare_traces(reference, trace)
    right = [int((run.readout.argmax(axis=1) == real.labels).sum()) for run in (reference, trace)]
    print(f"{real.source}: {samples} samples, right {right[0]} by the reference, {right[1]} by Lava; all arrays equal: {comparison.exact}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("growth", "synapses", "deep", "accuracy"))
    parser.add_argument("network", nargs="?", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=32)
    parser.add_argument("--width", type=float, default=1 / 16)
    chosen = parser.parse_args()
    print(machine(), "\n")
    match chosen.what:
        case "growth":
            growth(chosen.rounds)
        case "synapses":
            synapses(chosen.rounds)
        case "deep":
            deep(chosen.width, chosen.samples)
        case _:
            if chosen.network is None:
                parser.error("accuracy needs the network's file")
            accuracy(chosen.network, chosen.samples)


if __name__ == "__main__":
    main()
