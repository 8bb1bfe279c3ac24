"""Run an exported ONNX file in onnxruntime; nothing but the file and the input codes is needed."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qif_deploy.errors import InputError
from qif_deploy.fixedpoint import round_units
from qif_deploy.shapes import InputCodes
from qif_deploy.simulate.inputs import prepare_inputs
from qif_deploy.simulate.trace import PopulationTrace, Trace
from qif_export.onnx.load import load_model
from qif_export.onnx.metadata import SCHEMA, OnnxInterface
from qif_export.onnx.model import READOUT
from qif_export.onnx.network_step import QUANTITIES
from qif_export.onnx.read import interface_of, network_of
from qif_export.onnx.session import Arrays, OnnxSession

_CHUNK_ELEMENTS = 1 << 24
"""Elements that one call of the runtime may return (some 50 MB of recordings); more samples are run in several calls."""


def run_onnx(path: Path, inputs: Mapping[str, NDArray[np.generic]], *, steps: int | None = None) -> Trace:
    """Execute the file in a fresh session on the CPU, with the runtime's default options.

    The trace holds the populations that the file records. Values of an approximate profile are rounded to whole codes in it.

    Args:
        path: a file of ``write_onnx``.
        inputs: name -> integer codes ``(time, batch, ...)``, or ``(batch, ...)`` to be held; as ``prepare_inputs`` takes them.
        steps: T for held inputs; None takes the T that the file's proof covers.

    Raises:
        InputError: the file is missing, changed, or not an exported network, or the inputs do not fit it.
        BackendError: the runtime fails while running.
    """
    session = open_onnx(path)
    codes = prepare_inputs(session.interface, inputs, steps=steps)
    return trace_of(run_session(session, codes), codes, session.interface.recorded)


def read_onnx_interface(path: Path) -> OnnxInterface:
    """Return what an exported file says of its inputs, populations and covered steps, without running it.

    Raises:
        InputError: the file is missing, changed, or not an exported network.
    """
    return open_onnx(path).interface


def open_onnx(path: Path) -> OnnxSession:
    """Return a session on ``path``, once the file is shown to compute the network that it describes."""
    path = Path(path)
    try:
        model = load_model(path)
        interface = interface_of(model)
        if interface.schema == SCHEMA:
            network_of(model, interface, path)
        del model
        return OnnxSession.open(path, interface)
    except InputError as error:
        raise InputError(f"ONNX file {str(path)!r}: {error}") from None


def run_session(session: OnnxSession, codes: Mapping[str, InputCodes]) -> Arrays:
    """Run checked codes ``(T, B, ...)``, in chunks of samples where what is recorded would be large."""
    time, batch = next(iter(codes.values())).shape[:2]
    shapes = {output.name: output.shape for output in session.handle.get_outputs()}
    per_sample = time * sum(prod(n for n in shapes[name] if isinstance(n, int)) for name in session.outputs() if name != READOUT)
    chunk = max(1, _CHUNK_ELEMENTS // max(1, per_sample))
    slices = [slice(start, start + chunk) for start in range(0, batch, chunk)]
    parts = [session.run({name: values[:, samples] for name, values in codes.items()}) for samples in slices]
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts], axis=0 if name == READOUT else 1) for name in parts[0]}


def trace_of(arrays: Arrays, codes: Mapping[str, InputCodes], populations: tuple[str, ...]) -> Trace:
    """Return the arrays of a run as a trace, in the dtypes of the vectors."""
    kinds: dict[str, Any] = {"i": np.int32, "u": np.int32, "s": np.uint8}  # Any: keywords of mixed dtypes below
    traced = {p: PopulationTrace(**{q: in_codes(arrays[f"{p}/{q}"], kinds[q]) for q in QUANTITIES}) for p in populations}
    return Trace(inputs=codes, populations=traced, readout=in_codes(arrays[READOUT], np.int64))


def in_codes(values: NDArray[Any], dtype: Any) -> NDArray[Any]:
    """Return values of a file in the dtype of the vectors; floats are rounded, which changes nothing where they are whole."""
    if values.dtype == dtype:
        return values
    top = np.iinfo(dtype).max
    return np.asarray(round_units(values.astype(np.float64), limit=top)).astype(dtype)


__all__ = ["in_codes", "open_onnx", "read_onnx_interface", "run_onnx", "run_session", "trace_of"]
