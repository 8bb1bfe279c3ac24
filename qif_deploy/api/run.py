"""Execute an integer network."""

from __future__ import annotations

import time
from pathlib import Path

from qif_deploy.api.backends import Backend, Execution, execute, parse_backend
from qif_deploy.api.files import destination
from qif_deploy.api.loading import existing_file, load_network, read_inputs
from qif_deploy.api.results import RunOutcome
from qif_deploy.progress import Progress


def run(
    network: Path,
    *,
    backend: str = "reference",
    input: Path,  # noqa: A002  # the flag's name
    out: Path | None = None,
    steps: int | None = None,
    encode: bool = False,
    how: Execution | None = None,
    progress: Progress | None = None,
) -> RunOutcome:
    """Execute an integer network and write ``vectors.npz``.

    An exported ONNX file is run as it is by the backend ``onnx``; the other backends run the network that it holds.

    Args:
        network: ``net.nir``, or an ONNX file that was exported from one.
        backend: ``reference``, ``batched``, ``onnx``, ``onnx-reference``, ``nir`` or ``lava``.
        input: ``.npy`` of integer codes ``(time, batch, ...)``, or ``(batch, ...)`` to be held; ``.npz`` for several inputs.
        out: the vectors; None for ``vectors.npz`` beside the network.
        steps: T; None for what the network was made for. More than its proof covers is refused.
        encode: the input holds floats that are to be turned into codes.
        how: device and time limit.
        progress: called with the share done, 0..1.

    Raises:
        InputError: a file, a name, or codes that do not fit the network, or a choice of another backend.
        MissingDependencyError: the backend's package is not installed.
        BackendError: the backend failed while running.
    """
    how = Execution() if how is None else how
    chosen = parse_backend(backend)
    how.require_use((chosen,))
    path = existing_file(network)
    vectors = destination(out, default=path.parent / "vectors.npz", reads=(input,))
    start = time.perf_counter()
    if path.suffix == ".onnx" and chosen is Backend.ONNX:
        from qif_deploy.reading.array_file import read_arrays
        from qif_deploy.simulate.inputs import encode as encode_floats
        from qif_export.onnx.run import read_onnx_interface, run_onnx

        arrays = read_arrays(existing_file(input))
        trace = run_onnx(path, encode_floats(read_onnx_interface(path), arrays) if encode else arrays, steps=steps)
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
        rates={name: float(population.s.mean()) if population.s.size else 0.0 for name, population in trace.populations.items()},
        classes=classes,
        seconds=seconds,
    )
