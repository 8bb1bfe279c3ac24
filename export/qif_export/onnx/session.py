"""A session of onnxruntime on an exported file: codes in, arrays out, whichever the form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_never

from qif_deploy.errors import BackendError, InputError
from qif_deploy.shapes import InputCodes, channelwise
from qif_export.onnx._onnx import onnxruntime
from qif_export.onnx.load import first_line
from qif_export.onnx.metadata import OnnxInterface
from qif_export.onnx.model import READOUT
from qif_export.onnx.network_step import QUANTITIES, Dtypes
from qif_export.onnx.options import Form

Arrays = dict[str, NDArray[Any]]


class ArraysOnDisk(Mapping[str, NDArray[Any]]):
    """Arrays by name in a folder, each read when it is asked for; takes them out of ``arrays``."""

    def __init__(self, folder: Path, arrays: Arrays) -> None:
        self._files = {name: folder / f"{number}.npy" for number, name in enumerate(arrays)}
        for name, file in self._files.items():
            np.save(file, arrays.pop(name))

    def __getitem__(self, name: str) -> NDArray[Any]:
        return np.asarray(np.load(self._files[name], allow_pickle=False))

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxSession:
    """Runs the file; ``handle`` is onnxruntime's session, ``Any`` since it ships no types."""

    handle: Any
    interface: OnnxInterface
    path: Path

    @classmethod
    def open(cls, path: Path, interface: OnnxInterface) -> OnnxSession:
        """Load ``path`` on the CPU with the runtime's default options.

        Raises:
            InputError: onnxruntime refuses it, or its inputs and outputs are not those that its metadata names.
        """
        try:
            handle = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises a dozen types of its own below Exception, for the same cause
            raise InputError(f"it cannot be loaded ({first_line(error)}); export the network again") from None
        session = cls(handle=handle, interface=interface, path=path)
        names = {o.name for o in handle.get_outputs()}, {i.name for i in handle.get_inputs()}
        if names != (set(session.outputs()), session.inputs()):
            raise InputError("its inputs and outputs are not those that its metadata names; export the network again")
        return session

    @property
    def dtypes(self) -> Dtypes:
        """Dtypes of inputs, states and outputs."""
        return Dtypes.of(self.interface.options.profile, self.interface.width)

    def inputs(self) -> set[str]:
        """Names of the inputs that the file should have."""
        names = set(self.interface.inputs)
        if self.interface.options.form is Form.STEP:
            names |= {f"{owner}/r" for owner in (*self.interface.populations, self.interface.readout)}
        return names

    def outputs(self) -> list[str]:
        """Names of the outputs that the file should have."""
        recorded = [f"{p}/{what}" for p in self.interface.recorded for what in QUANTITIES]
        states = [f"{p}/r_next" for p in self.interface.populations] if self.interface.options.form is Form.STEP else []
        return [*states, *recorded, READOUT]

    def run(self, codes: Mapping[str, InputCodes]) -> Arrays:
        """Return recordings ``(T, B, ...)`` and readout ``(B, class)`` for codes ``(T, B, ...)``, in the file's own dtypes."""
        fed = {name: values.astype(self.dtypes.input) for name, values in codes.items()}
        match self.interface.options.form:
            case Form.SEQUENCE:
                return self._call(self.outputs(), fed)
            case Form.STEP:
                return self._steps(fed)
            case form:
                assert_never(form)

    def _steps(self, fed: Arrays) -> Arrays:
        """Carry the states from step to step by hand."""
        steps, batch = next(iter(fed.values())).shape[:2]
        states = self._starts(batch)
        rows: list[Arrays] = []
        for t in range(steps):
            found = self._call(self.outputs(), {name: values[t] for name, values in fed.items()} | states)
            states = {f"{p}/r": found[f"{p}/r_next"] for p in self.interface.populations}
            states[f"{self.interface.readout}/r"] = found[READOUT]
            rows.append(found)
        recorded = [f"{p}/{what}" for p in self.interface.recorded for what in QUANTITIES]
        return {name: np.stack([row[name] for row in rows]) for name in recorded} | {READOUT: rows[-1][READOUT]}

    def _starts(self, batch: int) -> Arrays:
        shapes = {one.name: one.shape for one in self.handle.get_inputs()}
        found = {}
        for owner in (*self.interface.populations, self.interface.readout):
            shape = tuple(shapes[f"{owner}/r"][1:])
            codes = np.array(self.interface.starts.get(owner, [0] * shape[0]))
            dtype = self.dtypes.readout if owner == self.interface.readout else self.dtypes.state
            found[f"{owner}/r"] = np.broadcast_to(channelwise(codes, len(shape)), (batch, *shape)).astype(dtype)
        return found

    def _call(self, names: list[str], fed: Arrays) -> Arrays:
        try:
            values = {name: onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(codes)) for name, codes in fed.items()}
            found = self.handle.run_with_ort_values(names, values)
            # One by one, so that recordings are not all in memory twice.
            return {name: found.pop(0).numpy() for name in names}
        except Exception as error:  # as above
            raise BackendError(f"ONNX file {str(self.path)!r}: onnxruntime failed while running ({first_line(error)})") from error


__all__ = ["OnnxSession"]
