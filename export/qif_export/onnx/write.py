"""Write an integer network as ONNX, profile "exact", and prove the file before it appears.

How it is carried: model.py (time, states, names), synapses.py (8-bit operands), neuron_function.py (the step as ``qif::QIF``),
integer_width.py (int32 or int64), metadata.py (inputs, steps, format, proof, content hash).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from qif_deploy.atomic import atomic_path
from qif_deploy.errors import BackendError, InputError, UnsupportedError
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.shapes import InputCodes
from qif_deploy.simulate.compare import compare_traces
from qif_deploy.simulate.reference import run_reference
from qif_export.export_report import Carried, ExportReport, FieldOutcome, sha256_of
from qif_export.onnx._onnx import onnx
from qif_export.onnx.model import to_onnx
from qif_export.onnx.run import run_onnx

_VERIFIED_STEPS = 4


def write_onnx(graph: QuantizedGraph, path: Path) -> ExportReport:
    """Write ``graph`` to ``path``; check the file and run it against the reference. It appears only when all is equal.

    Raises:
        UnsupportedError: ONNX cannot carry what the network needs; all findings at once.
        InputError: the file cannot be written there.
        BackendError: the file fails ONNX's checker, does not load, or computes something else than the reference.
    """
    model = to_onnx(graph)
    try:
        data = model.SerializeToString(deterministic=True)
    except (ValueError, RuntimeError):  # protobuf's limit of 2 GiB; the type differs by release
        raise UnsupportedError(f"ONNX file {str(path)!r} would exceed 2 GiB, the limit of the format; use a smaller network") from None
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
        _verify(graph, temporary, path)
        digest = sha256_of(temporary)
    return ExportReport(path=Path(path), sha256=digest, outcomes=_OUTCOMES)


def _verify(graph: QuantizedGraph, written: Path, path: Path) -> None:
    where = f"ONNX file {str(path)!r}"
    try:
        onnx.checker.check_model(str(written), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise BackendError(f"{where} fails the checker ({_first_line(error)}); nothing was written, please report this") from error
    inputs = _probe(graph)
    try:
        found = run_onnx(written, inputs)
    except InputError as error:
        raise BackendError(f"{where} does not run ({error}); nothing was written, please report this") from error
    mismatch = compare_traces(run_reference(graph, inputs), found).first_mismatch
    if mismatch is not None:
        raise BackendError(
            f"{where}: {mismatch.array} at {mismatch.index} is {mismatch.found}, the reference has {mismatch.expected} "
            f"({mismatch.reason}); nothing was written, please report this"
        )


def _probe(graph: QuantizedGraph) -> dict[str, InputCodes]:
    """Return four samples: the lowest and the highest code throughout, and two of random codes."""
    rng = np.random.default_rng(0)
    steps = _VERIFIED_STEPS if graph.steps is None else min(graph.steps, _VERIFIED_STEPS)
    probes = {}
    for name in graph.inputs:
        node = graph.code_input(name)
        codes = rng.integers(node.low, node.high + 1, (steps, 4, *node.shape), dtype=np.int64)
        codes[:, 0], codes[:, 1] = node.low, node.high
        probes[name] = codes
    return probes


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


_OUTCOMES = (
    FieldOutcome(field="weight", carried=Carried.EXACT, reason="uint8 with zero point 128"),
    FieldOutcome(field="shift", carried=Carried.EXACT),
    FieldOutcome(field="geometry", carried=Carried.EXACT),
    FieldOutcome(field="population codes", carried=Carried.EXACT, reason="inputs of the function qif::QIF; shifts as powers of two"),
    FieldOutcome(field="input codes and scale", carried=Carried.EXACT, reason="metadata"),
    FieldOutcome(field="readout", carried=Carried.EXACT, reason="bias and reduction as operators, delta in the metadata"),
    FieldOutcome(field="number format", carried=Carried.EXACT, reason="metadata; limits and rounding are operators"),
    FieldOutcome(field="steps", carried=Carried.EXACT, reason="metadata; a longer run is refused"),
    FieldOutcome(field="provenance", carried=Carried.EXACT, reason="metadata"),
    FieldOutcome(field="delta", carried=Carried.DROPPED, reason="per population, for reporting only; it is in the NIR file"),
    FieldOutcome(field="reset_by under hard reset", carried=Carried.DROPPED, reason="it decides no result"),
)

__all__ = ["write_onnx"]
