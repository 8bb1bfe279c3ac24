"""The engine against float inference of the same network, against ONNX, and its growth in time, batch and size."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from math import prod
from pathlib import Path

import numpy as np
import torch
from networks import Model, Pair, pair
from numpy.typing import NDArray
from rows import Row
from timing import best_seconds

from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import Conv2dCodes, DenseCodes
from qif_deploy.shapes import InputCodes
from qif_deploy.simulate.engine.engine import Engine
from qif_deploy.simulate.engine.runner import Runner
from qif_deploy.simulate.engine.stream import run_stream
from qif_deploy.simulate.reference import run_reference

LARGE = 64
"""Samples from which one round is enough: a minute of work has its own average."""

CHECKED = 1
"""Samples whose readout is compared with the reference before anything is timed; the reference takes seconds for each."""


def prepared(p: Pair) -> Runner:
    """Return a running engine whose readouts have been compared with the reference."""
    codes = p.codes(CHECKED)
    runner = Runner(Engine(p.graph, torch.device("cpu")))
    if not np.array_equal(answers(runner, codes), run_reference(p.graph, codes).readout):
        raise SystemExit(f"{p.model}: the engine differs from the reference; nothing is timed")
    return runner


def answers(runner: Runner, codes: dict[str, InputCodes]) -> NDArray[np.int64]:
    """Readouts of a batch, as a caller of the engine gets them."""
    return np.concatenate([part.readout for part in runner.run(codes)])


def float_ways(p: Pair, frames: torch.Tensor) -> dict[str, Callable[[], object]]:
    """The float network in both memory formats, eager."""

    def run(memory: torch.memory_format, held: torch.Tensor) -> object:
        p.network.to(memory_format=memory)
        return p.network(held)

    formats = {"contiguous": torch.contiguous_format, "channels-last": torch.channels_last}
    return {name: partial(run, memory, frames.float().contiguous(memory_format=memory)) for name, memory in formats.items()}


def against_float(model: Model, batches: tuple[int, ...], rounds: int) -> Iterator[Row]:
    """Same T, batch and threads, best memory format of the float side; then the best batch size of each side."""
    p = pair(model)
    runner = prepared(p)
    rates: dict[tuple[str, int], float] = {}
    with torch.inference_mode():
        for batch in batches:
            codes, frames = p.codes(batch), p.frames(batch)
            ways = float_ways(p, frames) | {"engine": partial(answers, runner, codes)}
            for name, seconds in best_seconds(ways, rounds=rounds if batch < LARGE else 1).items():
                rates[name, batch] = batch / seconds
            rival = max((rates[name, batch], name) for name in ways if name != "engine")
            yield Row(
                what=f"engine / eager float32, {model.title}, batch {batch}",
                ratio=rates["engine", batch] / rival[0],
                at_least=3,
                detail=f"{rates['engine', batch]:.1f} against {rival[0]:.1f} samples/s ({rival[1]}), T = {model.steps}",
            )
    runner.workers.close()
    floats = {key: rate for key, rate in rates.items() if key[0] != "engine"}
    best_float = max(floats, key=lambda key: floats[key])
    best = max((rates["engine", batch], batch) for batch in batches)
    yield Row(
        what=f"engine / eager float32, {model.title}, best of each",
        ratio=best[0] / floats[best_float],
        at_least=3,
        detail=f"{best[0]:.1f} at batch {best[1]} against {floats[best_float]:.1f} samples/s ({best_float[0]}, batch {best_float[1]})",
    )


def against_onnx(model: Model, batch: int, rounds: int) -> Iterator[Row]:
    """The exported exact model in onnxruntime with as many threads, readouts compared first."""
    what = f"engine / exact ONNX in onnxruntime, {model.title}, batch {batch}"
    try:
        import onnxruntime

        from qif_export.onnx.options import OnnxOptions
        from qif_export.onnx.write import write_onnx
    except ImportError as error:
        yield Row(what=what, ratio=None, detail=f"{error.name} is not installed")
        return
    p = pair(model)
    runner = prepared(p)
    codes = p.codes(batch)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.onnx"
        write_onnx(p.graph, path, OnnxOptions(record=()))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    feeds = {}
    for node in session.get_inputs():
        kind = {"tensor(uint8)": np.uint8, "tensor(int8)": np.int8, "tensor(int32)": np.int32, "tensor(int64)": np.int64}[node.type]
        feeds[node.name] = np.ascontiguousarray(codes[p.graph.inputs[0]]).astype(kind)
    readout = next(node.name for node in session.get_outputs() if node.name == "readout")
    if not np.array_equal(session.run([readout], feeds)[0], answers(runner, codes)):
        raise SystemExit(f"{model}: onnxruntime differs from the engine; nothing is timed")
    found = best_seconds({"engine": partial(answers, runner, codes), "onnx": lambda: session.run([readout], feeds)}, rounds=rounds)
    runner.workers.close()
    yield Row(
        what=what,
        ratio=found["onnx"] / found["engine"],
        at_least=2,
        detail=f"{batch / found['engine']:.1f} against {batch / found['onnx']:.1f} samples/s; the file records nothing but the readout",
    )


def growth(model: Model, rounds: int) -> Iterator[Row]:
    """Seconds per unit, large over small: 1 is linear. The first layer of a held input does not grow with T."""
    base = pair(model)
    runner = prepared(base)
    small, large = base.codes(8), base.codes(32)
    found = best_seconds({"small": partial(answers, runner, small), "large": partial(answers, runner, large)}, rounds=rounds)
    runner.workers.close()
    yield Row(
        what=f"growth in batch, {model.title}, 8 to 32", ratio=found["large"] / found["small"] / 4, at_most=1.1, detail="cost per sample"
    )
    longer = pair(Model(name=model.name, steps=4 * model.steps, width=model.width))
    runners = {1: prepared(base), 4: prepared(longer)}
    codes = {1: base.codes(8), 4: longer.codes(8)}
    found = best_seconds({str(n): partial(answers, runners[n], codes[n]) for n in (1, 4)}, rounds=rounds)
    yield Row(
        what=f"growth in time, {model.title}, T = {model.steps} to {4 * model.steps}",
        ratio=found["4"] / found["1"] / 4, at_most=1.1, detail="cost per step",
    )  # fmt: skip
    wide = pair(Model(name=model.name, steps=model.steps, width=2 * model.width))
    runners = {1: runners[1], 4: prepared(wide)}
    work = {1: macs_per_sample(base.graph), 4: macs_per_sample(wide.graph)}
    codes = {1: base.codes(8), 4: wide.codes(8)}
    found = best_seconds({str(n): partial(answers, runners[n], codes[n]) for n in (1, 4)}, rounds=rounds)
    yield Row(
        what=f"growth in network size, {model.title}, width {model.width:g} to {2 * model.width:g}",
        ratio=found["4"] / found["1"] * work[1] / work[4], at_most=1.3, detail=f"cost per product, {work[4] / work[1]:.2f} times as many",
    )  # fmt: skip


def macs_per_sample(graph: QuantizedGraph) -> int:
    """Dense synaptic products of one sample: those of a held first layer once, all others at every step."""
    total = 0
    for name in graph.order:
        node = graph.nodes[name]
        if isinstance(node, DenseCodes | Conv2dCodes):
            per_step = prod(graph.shapes[name][1:]) * node.weight.size
            total += per_step * (1 if graph.sources(name)[0] in graph.inputs else graph.steps or 1)
    return total


def sparsity(model: Model, samples: int) -> Row:
    """Rates of the network that the other rows time, so that they can be judged."""
    p = pair(model)
    counts = run_stream(p.graph, [p.codes(samples)]).counts[:-1]
    rates = [layer.spikes.sum() / (layer.neurons * p.model.steps * samples) for layer in counts]
    listed = ", ".join(f"{100 * rate:.1f}" for rate in rates)
    return Row(what=f"spikes per neuron and step, {model.title}", ratio=float(np.mean(rates)), detail=f"per population in %: {listed}")
