"""Execute an integer network."""

from __future__ import annotations

import time
from pathlib import Path

from qif_deploy.api.backends import Backend, Execution, execute, parse_backend
from qif_deploy.api.files import destination
from qif_deploy.api.loading import existing_file, load_network, read_inputs
from qif_deploy.api.results import RunOutcome
from qif_deploy.errors import InputError
from qif_deploy.progress import Progress


def run(
    network: Path,
    *,
    backend: str,
    input: Path,  # noqa: A002  # the flag's name
    out: Path | None = None,
    steps: int | None = None,
    encode: bool = False,
    how: Execution | None = None,
    progress: Progress | None = None,
) -> RunOutcome:
    """Execute an integer network (or, for onnx, its exported file) and write ``vectors.npz``."""
    how = Execution() if how is None else how
    chosen = parse_backend(backend)
    path = existing_file(network)
    vectors = destination(out, default=path.parent / "vectors.npz")
    start = time.perf_counter()
    if path.suffix == ".onnx":
        if chosen is not Backend.ONNX:
            raise InputError(f"file {str(path)!r} is an exported ONNX file, backend {backend!r} needs the .nir; use --backend onnx")
        from qif_deploy.simulate.trace import load_arrays
        from qif_export.onnx.run import run_onnx

        if encode:
            raise InputError("--encode needs the .nir, which knows the value of an input code; give the .nir or integer codes")
        trace = run_onnx(path, load_arrays(existing_file(input)), steps=steps)
    else:
        graph = load_network(path)
        trace = execute(chosen, graph, read_inputs(graph, input, steps=steps, encode=encode), how=how, progress=progress)
    seconds = time.perf_counter() - start
    trace.save(vectors)
    classes = tuple(int(c) for c in trace.readout.argmax(axis=1))
    return RunOutcome(
        backend=chosen.value,
        vectors=vectors,
        samples=trace.samples,
        steps=trace.steps,
        spikes=trace.spikes(),
        classes=classes,
        seconds=seconds,
    )
