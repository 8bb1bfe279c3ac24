"""Peak memory of a run above what code needs, each in a fresh process; ``memory.py WAY FOLDER BATCH`` is that process.

Code is what is resident after all imports and a run of a tiny network on both sides: compiled kernels and library buffers are the same
for every network. What they take with the engine is a figure of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import h5py  # noqa: F401  # what loading imports later would count as the network's memory
import nir  # noqa: F401
import numba  # noqa: F401
import numpy as np
import torch
from networks import QIF, WINDOW, Model, pair, spec_of
from peak_memory import forget_peak, status_bytes
from rivals import conv_graph
from rows import Row

from qif_deploy.simulate.engine.engine import Engine
from qif_deploy.simulate.engine.runner import Runner
from qif_deploy.training.network import SpikingNetwork
from qif_export.nir.read import read_nir
from qif_export.nir.write import write_nir

FORMATS = {"contiguous": torch.contiguous_format, "channels-last": torch.channels_last}


def memory_rows(models: tuple[Model, ...], batches: tuple[int, ...]) -> Iterator[Row]:
    """Engine over float inference; the better memory format of the float side counts."""
    with tempfile.TemporaryDirectory() as folder:
        code = _peak("code", folder, 0) / 2**20
    yield Row(
        what="memory of the engine's code, once per process", ratio=code, detail="MiB above imports: compiled kernels and oneDNN's buffers"
    )
    for model in models:
        p = pair(model)
        with tempfile.TemporaryDirectory() as folder:
            write_nir(p.graph, Path(folder) / "net.nir")
            torch.save(p.network.state_dict(), Path(folder) / "net.pt")
            (Path(folder) / "model.json").write_text(json.dumps({name: getattr(model, name) for name in Model.__slots__}))
            for batch in batches:
                ours = _peak("engine", folder, batch)
                floats = {way: _peak(way, folder, batch) for way in FORMATS}
                best = min(floats, key=lambda way: floats[way])
                detail = f"{ours / 2**20:.0f} against {floats[best] / 2**20:.0f} MiB ({best}), weights included, code not"
                yield Row(what=f"peak memory, {model.title}, batch {batch}", ratio=ours / floats[best], at_most=1, detail=detail)


def _peak(way: str, folder: str, batch: int) -> int:
    done = subprocess.run([sys.executable, __file__, way, folder, str(batch)], capture_output=True, text=True, check=True)
    return int(done.stdout.splitlines()[-1])


def measured(way: str, folder: Path, batch: int) -> int:
    """Load the network, forget the peak of loading, run a batch twice, and return the peak above the imports in bytes."""
    imported = status_bytes("VmRSS")
    _tiny_run(way)
    before = status_bytes("VmRSS")
    if way == "code":
        return before - imported
    settings = json.loads((folder / "model.json").read_text())
    model = Model(**{name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()})
    frames = torch.randint(0, model.codes + 1, (batch, *model.shape), dtype=torch.uint8)
    if way == "engine":
        graph = read_nir(folder / "net.nir")
        forget_peak()
        codes = {graph.inputs[0]: np.broadcast_to(frames.numpy(), (model.steps, *frames.shape))}
        with Runner(Engine(graph, torch.device("cpu"))) as runner:
            for _ in range(2):
                list(runner.run(codes))
    else:
        network = SpikingNetwork(spec_of(model), params=QIF, alpha=1.0, surrogate=WINDOW).eval()
        network.load_state_dict(torch.load(folder / "net.pt", mmap=True), assign=False)
        network.to(memory_format=FORMATS[way])
        forget_peak()
        with torch.inference_mode():
            for _ in range(2):
                network(frames.contiguous(memory_format=FORMATS[way]))
    return status_bytes("VmHWM") - before


def _tiny_run(way: str) -> None:
    """Load whatever code a run needs."""
    if way in FORMATS:
        tiny = Model(name="conv", channels=(4, 4), shape=(1, 16, 16))
        with torch.inference_mode():
            SpikingNetwork(spec_of(tiny), params=QIF, alpha=1.0, surrogate=WINDOW).eval()(torch.zeros(2, *tiny.shape))
        return
    graph = conv_graph()
    with Runner(Engine(graph, torch.device("cpu"))) as runner:
        list(runner.run({graph.inputs[0]: np.zeros((4, 2, 2, 16, 16), np.int64)}))


if __name__ == "__main__":
    print(measured(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
