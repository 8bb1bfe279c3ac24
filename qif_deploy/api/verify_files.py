"""Exported files and stored vectors against the network that they should hold: what lies in them, and what they compute."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qif_deploy.api.backends import BackendCheck, compared
from qif_deploy.api.loading import existing_file
from qif_deploy.errors import BackendError, InputError, MissingDependencyError
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.shapes import InputCodes
from qif_deploy.simulate.inputs import prepare_inputs
from qif_deploy.simulate.reference import run_reference
from qif_deploy.simulate.trace import Trace

if TYPE_CHECKING:
    from qif_export.stored_difference import StoredDifference

VECTORS = ".npz"
KINDS = (".onnx", ".nir", VECTORS)

OWN_INPUTS = "the inputs in the vectors"
"""The source of what vectors are compared on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a network is run on: prepared codes, what the reference makes of them, and where they come from."""

    codes: Mapping[str, InputCodes]
    reference: Trace
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCheck:
    """One file: ``stored`` is the first value in it that is not the network's, ``run`` what it computes on ``source`` beside the reference.

    A file that holds another number is not the network's, whether or not these inputs reach that number.
    """

    path: Path
    stored: StoredDifference | None
    run: BackendCheck
    source: str

    @property
    def exact(self) -> bool | None:
        """False where a stored number or a computed array differs, or the file cannot be run; True only with full evidence."""
        if self.stored is not None and self.stored.numeric:
            return False
        return self.run.exact

    def as_json(self) -> dict[str, Any]:
        """Return what the run says, on what, and the stored difference."""
        stored = None if self.stored is None else self.stored.as_json()
        return self.run.as_json() | {"exact": self.exact, "input": self.source, "stored": stored}


def require_kind(path: Path) -> Path:
    """Return a file that can be verified.

    Raises:
        InputError: missing, or of another kind.
    """
    path = existing_file(path)
    if path.suffix not in KINDS:
        raise InputError(f"file {str(path)!r} is none of {', '.join(KINDS)}; give an exported network, or vectors of a run")
    return path


def check_file(path: Path, graph: QuantizedGraph, shown: Shown | None) -> FileCheck:
    """Compare a file with ``graph``: ``.onnx`` in a fresh session, ``.nir`` by the reference, ``.npz`` as the vectors of somebody's run.

    Vectors bring their own inputs, and the reference runs those; only other files need ``shown``.
    """
    start = time.perf_counter()
    stored: StoredDifference | None = None
    source = OWN_INPUTS if path.suffix == VECTORS or shown is None else shown.source
    try:
        stored = _stored(path, graph)
        expected, found = _runs(path, graph, shown)
    except MissingDependencyError as error:
        return FileCheck(path=path, stored=stored, run=_without_run(start, skipped=str(error)), source=source)
    except (InputError, BackendError) as error:
        return FileCheck(path=path, stored=stored, run=_without_run(start, failed=str(error)), source=source)
    seconds = time.perf_counter() - start
    unseen = [name for name in expected.populations if name not in found.populations]
    if path.suffix != ".onnx" or not unseen:
        return FileCheck(path=path, stored=stored, run=compared(graph, expected, found, seconds=seconds), source=source)
    kept = {name: trace for name, trace in expected.populations.items() if name in found.populations}
    seen = Trace(inputs=expected.inputs, populations=kept, readout=expected.readout)
    run = _without_states(compared(graph, seen, found, seconds=seconds), unseen)
    return FileCheck(path=path, stored=stored, run=run, source=source)


def _without_states(check: BackendCheck, unseen: list[str]) -> BackendCheck:
    """An exported file that leaves states out may be equal in all that it shows, which is no evidence for what it does not."""
    comparison = check.comparison
    if comparison is None or comparison.exact is False:
        return check
    reason = f"all arrays of the file equal, but it has no states of {unseen}; `qif-deploy export --states all` writes one that has them"
    return replace(check, comparison=replace(comparison, exact=None, reason=reason))


def _stored(path: Path, graph: QuantizedGraph) -> StoredDifference | None:
    match path.suffix:
        case ".onnx":
            from qif_export.onnx.stored import onnx_difference

            return onnx_difference(path, graph)
        case ".nir":
            from qif_export.nir.stored import nir_difference

            return nir_difference(path, graph)
        case _:
            return None


def _runs(path: Path, graph: QuantizedGraph, shown: Shown | None) -> tuple[Trace, Trace]:
    """Return the reference's run and that of the file, on the same inputs."""
    if path.suffix == VECTORS:
        found = Trace.load(path)
        return run_reference(graph, prepare_inputs(graph, found.inputs, steps=None)), found
    assert shown is not None
    if path.suffix == ".onnx":
        from qif_export.onnx.run import run_onnx

        return shown.reference, run_onnx(path, shown.codes)
    from qif_export.nir.read import read_nir

    return shown.reference, run_reference(read_nir(path), shown.codes)


def _without_run(start: float, *, skipped: str | None = None, failed: str | None = None) -> BackendCheck:
    return BackendCheck(comparison=None, seconds=time.perf_counter() - start, skipped=skipped, failed=failed)


__all__ = ["KINDS", "OWN_INPUTS", "VECTORS", "FileCheck", "Shown", "check_file", "require_kind"]
