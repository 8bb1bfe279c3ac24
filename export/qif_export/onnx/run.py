"""Run an exported ONNX file in onnxruntime; nothing but the file and the input codes is needed."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qif_deploy.errors import BackendError, InputError
from qif_deploy.shapes import InputCodes
from qif_deploy.simulate.inputs import prepare_inputs
from qif_deploy.simulate.trace import PopulationTrace, Trace
from qif_export.onnx._onnx import onnxruntime
from qif_export.onnx.metadata import OnnxInterface, from_metadata

_CHUNK_ELEMENTS = 1 << 24
"""Elements that one call of the runtime may return (some 50 MB of recordings); more samples are run in several calls."""


def run_onnx(path: Path, inputs: Mapping[str, NDArray[np.generic]], *, steps: int | None = None) -> Trace:
    """Execute the file in a fresh session on the CPU, with the runtime's default options.

    Args:
        path: a file of ``write_onnx``.
        inputs: name -> integer codes ``(time, batch, ...)``, or ``(batch, ...)`` to be held; as ``prepare_inputs`` takes them.
        steps: T for held inputs; None takes the T that the file's proof covers.

    Raises:
        InputError: the file is missing or not an exported network, or the inputs do not fit it.
        BackendError: the runtime fails while running.
    """
    session, interface = _open(Path(path))
    codes = prepare_inputs(interface, inputs, steps=steps)
    shapes = {output.name: output.shape for output in session.get_outputs()}
    time, batch = next(iter(codes.values())).shape[:2]
    per_sample = time * sum(prod(shape[2:]) for name, shape in shapes.items() if name != "readout")
    chunk = max(1, _CHUNK_ELEMENTS // max(1, per_sample))
    parts = [_run_chunk(session, path, list(shapes), codes, slice(start, start + chunk)) for start in range(0, batch, chunk)]

    def joined(name: str) -> NDArray[Any]:
        return np.concatenate([part[name] for part in parts], axis=0 if name == "readout" else 1)

    return Trace(
        inputs=codes,
        populations={p: PopulationTrace(i=joined(f"{p}/i"), u=joined(f"{p}/u"), s=joined(f"{p}/s")) for p in interface.populations},
        readout=joined("readout"),
    )


def read_onnx_interface(path: Path) -> OnnxInterface:
    """Return what an exported file says of its inputs, populations and covered steps, without running it.

    Raises:
        InputError: the file is missing or not an exported network.
    """
    return _open(Path(path))[1]


def _open(path: Path) -> tuple[Any, OnnxInterface]:
    """Return session and interface; the session is ``Any`` since onnxruntime ships no types."""
    where = f"ONNX file {str(path)!r}"
    if not path.is_file():
        raise InputError(f"{where}: it does not exist or is no file; check the path")
    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises a dozen types of its own below Exception, for the same cause
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise InputError(f"{where}: it cannot be loaded ({reason}); export the network again") from None
    try:
        interface = from_metadata(session.get_modelmeta().custom_metadata_map)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    wanted = {f"{p}/{what}" for p in interface.populations for what in "ius"} | {"readout"}
    if {o.name for o in session.get_outputs()} != wanted or {i.name for i in session.get_inputs()} != set(interface.inputs):
        raise InputError(f"{where}: its inputs and outputs are not those that its metadata names; export the network again")
    return session, interface


def _run_chunk(session: Any, path: Path, names: list[str], codes: Mapping[str, InputCodes], samples: slice) -> dict[str, NDArray[Any]]:
    try:
        arrays = session.run(names, {name: values[:, samples].astype(np.int32) for name, values in codes.items()})
    except Exception as error:  # as above
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise BackendError(f"ONNX file {str(path)!r}: onnxruntime failed while running ({reason})") from error
    return dict(zip(names, arrays, strict=True))


__all__ = ["read_onnx_interface", "run_onnx"]
