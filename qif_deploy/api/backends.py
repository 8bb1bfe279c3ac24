"""The backends behind one signature, and their comparison with the reference."""

from __future__ import annotations

import enum
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from typing_extensions import assert_never

from qif_deploy.errors import BackendError, InputError, MissingDependencyError, UnsupportedError, raise_findings
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.progress import Progress
from qif_deploy.shapes import InputCodes
from qif_deploy.simulate.as_if import as_if
from qif_deploy.simulate.compare import Comparison, compare_traces
from qif_deploy.simulate.op_counts import Tallies, tally
from qif_deploy.simulate.reference import run_reference
from qif_deploy.simulate.trace import Trace
from qif_deploy.suggestion import unknown_word


class Backend(enum.Enum):
    """What can execute an integer network."""

    REFERENCE = "reference"
    BATCHED = "batched"
    ONNX = "onnx"
    ONNX_REFERENCE = "onnx-reference"
    NIR = "nir"
    LAVA = "lava"


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """How to run.

    Args:
        device: of torch, for the batched engine: ``cpu``, ``cuda`` or ``cuda:0``; None for ``cpu``.
        time_limit_s: seconds after which a run on Lava is ended; None for ``TIME_LIMIT_S``.
    """

    device: str | None = None
    time_limit_s: float | None = None

    def require_use(self, backends: Collection[Backend]) -> None:
        """Check that every choice serves one of the backends that are to run.

        Raises:
            InputError: a choice of a backend that is not among them.
        """
        names = ", ".join(backend.value for backend in backends) or "no backend"
        findings = []
        if self.device is not None and Backend.BATCHED not in backends:
            findings.append(f"device {self.device!r} has no use here: it serves the backend batched, and what runs is {names}")
        if self.time_limit_s is not None and Backend.LAVA not in backends:
            findings.append(f"time limit {self.time_limit_s:g} s has no use here: it serves the backend lava, and what runs is {names}")
        raise_findings(InputError, [f"{finding}; leave it out" for finding in findings])


TIME_LIMIT_S = 300.0
"""Seconds of a run on Lava where nothing else is said."""


def execute(
    backend: Backend,
    graph: QuantizedGraph,
    inputs: Mapping[str, InputCodes],
    *,
    how: Execution,
    exported: Path | None = None,
    progress: Progress | None = None,
) -> Trace:
    """Run ``graph`` on one backend.

    Args:
        backend: which one; NIR writes the network, reads it back and runs the reference on what came back.
        graph: the network.
        inputs: codes ``(time, batch, ...)`` from ``prepare_inputs``.
        how: device and limits.
        exported: for both runtimes of ONNX: the file to run; without it one is written to a temporary folder.
        progress: called with the share done, where the backend can tell.
    """
    match backend:
        case Backend.REFERENCE:
            return run_reference(graph, inputs)
        case Backend.BATCHED:
            require_torch()
            from qif_deploy.simulate.engine.batched import run_batched

            return run_batched(graph, inputs, device="cpu" if how.device is None else how.device, progress=progress)
        case Backend.ONNX:
            return _run_onnx(graph, inputs, exported)
        case Backend.ONNX_REFERENCE:
            return _run_onnx_reference(graph, inputs, exported)
        case Backend.NIR:
            return _run_nir(graph, inputs)
        case Backend.LAVA:
            from qif_hardware.lava.run import run_lava

            limit_s = TIME_LIMIT_S if how.time_limit_s is None else how.time_limit_s
            return run_lava(graph, inputs, time_limit_s=limit_s, progress=progress)
        case _:
            assert_never(backend)


def tally_run(graph: QuantizedGraph, inputs: Mapping[str, InputCodes]) -> Tallies:
    """Return spikes per position of a run: by the engine's stream, or by the reference where torch is not installed."""
    try:
        require_torch()
    except MissingDependencyError:
        return tally(graph, run_reference(graph, inputs))
    from qif_deploy.simulate.engine.stream import in_batches, run_stream

    tallies = run_stream(graph, in_batches(inputs, TALLIED_AT_ONCE), keep_tallies=True).tallies
    assert tallies is not None
    return tallies


def prepared(graph: QuantizedGraph, *, device: str = "cpu") -> Callable[[Mapping[str, InputCodes]], Trace]:
    """Return ``graph`` made ready for many batches: the batched engine, or the reference where torch or an exact sum is missing."""
    try:
        require_torch()
        from qif_deploy.simulate.engine.batched import run_prepared
        from qif_deploy.simulate.engine.engine import Engine
        from qif_deploy.simulate.engine.workers import usable_device

        return partial(run_prepared, Engine(graph, usable_device(device)))
    except (MissingDependencyError, BackendError):
        return partial(run_reference, graph)


TALLIED_AT_ONCE = 1024
"""Samples per batch of a run that is tallied; results do not depend on it."""


def require_torch() -> None:
    """Raise MissingDependencyError where the batched engine cannot run."""
    try:
        import torch  # noqa: F401  # only whether it is there
    except ImportError:
        raise MissingDependencyError("the batched engine needs torch; install it with: pip install 'qif-deploy[engine]'") from None


def _run_onnx(graph: QuantizedGraph, inputs: Mapping[str, InputCodes], exported: Path | None) -> Trace:
    from qif_export.onnx.run import run_onnx

    with _onnx_file(graph, exported) as path:
        return run_onnx(path, inputs)


def _run_onnx_reference(graph: QuantizedGraph, inputs: Mapping[str, InputCodes], exported: Path | None) -> Trace:
    from qif_export.onnx.reference_run import run_onnx_reference

    with _onnx_file(graph, exported) as path:
        return run_onnx_reference(path, inputs)


@contextmanager
def _onnx_file(graph: QuantizedGraph, exported: Path | None) -> Iterator[Path]:
    """The exported file, or one written for this run."""
    from qif_export.onnx.write import write_onnx

    if exported is not None:
        yield exported
        return
    with tempfile.TemporaryDirectory(prefix="qif_deploy_") as folder:
        path = Path(folder) / "net.onnx"
        write_onnx(graph, path)
        yield path


def _run_nir(graph: QuantizedGraph, inputs: Mapping[str, InputCodes]) -> Trace:
    from qif_export.nir.read import read_nir
    from qif_export.nir.write import write_nir

    with tempfile.TemporaryDirectory(prefix="qif_deploy_") as folder:
        path = Path(folder) / "net.nir"
        write_nir(graph, path)
        return run_reference(read_nir(path), inputs)


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendCheck:
    """Outcome of one backend against the reference; ``skipped`` says why it did not run, ``failed`` why it broke.

    ``as_if`` names mistakes of arithmetic that give the values of the step where the difference begins.
    """

    comparison: Comparison | None
    seconds: float
    skipped: str | None = None
    failed: str | None = None
    as_if: tuple[str, ...] = ()

    @property
    def exact(self) -> bool | None:
        """True only with full evidence, see Comparison; False for a difference or a failure, None when not run."""
        if self.comparison is not None:
            return self.comparison.exact
        return None if self.failed is None else False

    def as_json(self) -> dict[str, Any]:
        """Return the keys of the ``verify`` contract."""
        if self.comparison is None:
            return {"exact": self.exact, **({"skipped": self.skipped} if self.failed is None else {"failed": self.failed})}
        speed = self.comparison.samples / self.seconds if self.seconds > 0 else None
        found = self.comparison.as_json() | {"seconds": self.seconds, "samples_per_second": speed}
        return found | {"as_if": list(self.as_if)} if self.as_if else found


def check_backend(
    backend: Backend,
    graph: QuantizedGraph,
    inputs: Mapping[str, InputCodes],
    reference: Trace,
    *,
    how: Execution,
    exported: Path | None = None,
    progress: Progress | None = None,
) -> BackendCheck:
    """Run one backend and compare every array with the reference; what is missing or breaks is reported, not raised."""
    start = time.perf_counter()
    try:
        trace = execute(backend, graph, inputs, how=how, exported=exported, progress=progress)
    except (MissingDependencyError, UnsupportedError) as error:
        return BackendCheck(comparison=None, seconds=time.perf_counter() - start, skipped=str(error))
    except BackendError as error:
        return BackendCheck(comparison=None, seconds=time.perf_counter() - start, failed=str(error))
    seconds = time.perf_counter() - start
    return compared(graph, reference, trace, seconds=seconds)


def compared(graph: QuantizedGraph, reference: Trace, found: Trace, *, seconds: float) -> BackendCheck:
    """Compare a run with the reference, and try to explain a difference."""
    comparison = compare_traces(reference, found)
    mismatch = comparison.first_mismatch
    causes = () if mismatch is None else as_if(graph, reference, found, mismatch)
    return BackendCheck(comparison=comparison, seconds=seconds, as_if=causes)


def parse_backend(name: str, among: Iterable[Backend] = Backend) -> Backend:
    """Return the backend called ``name``, one of ``among``.

    Raises:
        InputError: none of them.
    """
    known = [backend.value for backend in among]
    if name not in known:
        raise unknown_word("backend", name, known)
    return Backend(name)
