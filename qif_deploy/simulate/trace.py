"""Trace: what every integer backend returns, and its file form ``vectors.npz`` (docs/numerics.md, section 7)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qif_deploy.atomic import atomic_path
from qif_deploy.errors import InputError
from qif_deploy.reading.array_file import read_arrays, write_arrays
from qif_deploy.rebuilding import Rebuilt
from qif_deploy.shapes import InputCodes, ReadoutCodes, SpikeTrain, TraceCodes


@dataclass(frozen=True, slots=True, kw_only=True)
class PopulationTrace:
    """Input ``i`` (after shifts, with bias), ``u`` before reset, spikes ``s``; all ``(time, batch, channel, ...)``."""

    i: TraceCodes
    u: TraceCodes
    s: SpikeTrain


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace(Rebuilt):
    """One run: inputs as codes, every population in topological order, and the readout ``(batch, class)`` int64."""

    inputs: Mapping[str, InputCodes]
    populations: Mapping[str, PopulationTrace]
    readout: ReadoutCodes

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", MappingProxyType(dict(self.inputs)))
        object.__setattr__(self, "populations", MappingProxyType(dict(self.populations)))

    @property
    def samples(self) -> int:
        """Number of samples."""
        return int(self.readout.shape[0])

    @property
    def steps(self) -> int:
        """Number of time steps."""
        return int(next(iter(self.inputs.values())).shape[0])

    def computed(self) -> Iterator[tuple[str, NDArray[np.generic]]]:
        """Name and array of everything that a backend computed, in the order of the vectors file."""
        for name, population in self.populations.items():
            yield f"{name}/i", population.i
            yield f"{name}/u", population.u
            yield f"{name}/s", population.s
        yield "readout", self.readout

    def spikes(self) -> dict[str, int]:
        """Number of spikes per population."""
        return {name: int(p.s.sum(dtype=np.int64)) for name, p in self.populations.items()}

    def save(self, path: Path) -> None:
        """Write ``vectors.npz``; the file appears whole or not at all."""
        arrays = {f"input/{name}": codes for name, codes in self.inputs.items()} | dict(self.computed())
        with atomic_path(path) as temporary, temporary.open("wb") as stream:
            write_arrays(stream, arrays)

    @classmethod
    def load(cls, path: Path) -> Trace:
        """Read ``vectors.npz``.

        Raises:
            InputError: the file is missing, is no archive of arrays, or lacks an array.
        """
        arrays = read_arrays(path)
        names = list(dict.fromkeys(key.rpartition("/")[0] for key in arrays if "/" in key and not key.startswith("input/")))

        def take(key: str, dtype: type[np.signedinteger[Any] | np.unsignedinteger[Any]]) -> NDArray[Any]:
            if key not in arrays:
                raise InputError(f"vectors {str(path)!r}: array {key!r} is missing; write the file with `qif-deploy run`")
            if arrays[key].dtype != dtype:
                raise InputError(
                    f"vectors {str(path)!r}: array {key!r} is {arrays[key].dtype}, not {np.dtype(dtype)}; see docs/numerics.md, section 7"
                )
            return arrays[key]

        inputs = {key.removeprefix("input/"): value for key, value in arrays.items() if key.startswith("input/")}
        odd = [name for name, value in inputs.items() if not np.issubdtype(value.dtype, np.integer)]
        if odd:
            raise InputError(f"vectors {str(path)!r}: input {odd[0][:80]!r} is {str(inputs[odd[0]].dtype)[:80]}, not whole numbers")
        return cls(
            inputs={name: value.astype(np.int64) for name, value in inputs.items()},
            populations={
                n: PopulationTrace(i=take(f"{n}/i", np.int32), u=take(f"{n}/u", np.int32), s=take(f"{n}/s", np.uint8)) for n in names
            },
            readout=take("readout", np.int64),
        )
