"""The files of one run in its folder: what the parent writes, the models fill and the parent reads back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qif_deploy.shapes import InputCodes
from qif_deploy.simulate.float_sim import FloatPopulationTrace, FloatTrace
from qif_deploy.simulate.trace import PopulationTrace, Trace
from qif_hardware.lava.executor_kind import Arithmetic
from qif_hardware.lava.layout import frames_from_lava, frames_to_lava
from qif_hardware.lava.plan import LavaPlan

FOLDER_PREFIX = "qif_lava_"
_create_array: Any = np.lib.format.open_memmap  # Any: untyped in numpy 1
Recorded = type[np.int32] | type[np.float64] | type[np.uint8]
TRACE_DTYPES: dict[Arithmetic, dict[str, Recorded]] = {
    Arithmetic.FIXED_PT: {"i": np.int32, "u": np.int32, "s": np.uint8},
    Arithmetic.FLOATING_PT: {"i": np.float64, "u": np.float64, "s": np.uint8},
}
READOUT_DTYPES = {Arithmetic.FIXED_PT: np.int64, Arithmetic.FLOATING_PT: np.float64}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFiles:
    """Paths in ``directory``. Numbered by position in the plan, since names of nodes may be too long for a file.

    ``arithmetic`` says what the models record: integers or floats.
    """

    directory: Path
    arithmetic: Arithmetic = Arithmetic.FIXED_PT

    def codes(self, index: int) -> Path:
        """Input codes int32 ``(frame, ...)`` in Lava's axes."""
        return self.directory / f"input{index}.npy"

    def trace(self, index: int, quantity: str) -> Path:
        """One recorded quantity of a population, ``(frame, ...)`` in Lava's axes."""
        return self.directory / f"population{index}.{quantity}.npy"

    @property
    def readout(self) -> Path:
        """Readout int64 or float64 ``(sample, class)``."""
        return self.directory / "readout.npy"

    @property
    def progress(self) -> Path:
        """One int64: frames that have reached the readout."""
        return self.directory / "progress.npy"

    @property
    def failure(self) -> Path:
        """JSON with ``message`` and ``traceback``, written by a worker that failed."""
        return self.directory / "failure.json"

    @property
    def log(self) -> Path:
        """Standard output and error of the worker and its children."""
        return self.directory / "log.txt"

    def write(self, plan: LavaPlan, inputs: Mapping[str, InputCodes], samples: int) -> None:
        """Write the input codes, and traces full of zeros for the models to fill."""
        for index, source in enumerate(plan.inputs):
            np.save(self.codes(index), frames_to_lava(inputs[source.name]).astype(np.int32))
        frames = plan.steps * samples
        for index, population in enumerate(plan.populations):
            for quantity, dtype in TRACE_DTYPES[self.arithmetic].items():
                # A sparse file: the pages that the models write are the only ones that take memory or disk.
                _create_array(self.trace(index, quantity), mode="w+", dtype=dtype, shape=(frames, *population.shape))
        np.save(self.readout, np.zeros((samples, plan.readout.bias.size), READOUT_DTYPES[self.arithmetic]))
        np.save(self.progress, np.zeros(1, np.int64))

    def read(self, plan: LavaPlan, inputs: Mapping[str, InputCodes]) -> Trace:
        """Return what the models recorded, in torch's axes and aligned to the reference's steps."""
        populations = {p.name: PopulationTrace(**self._recorded(plan, index)) for index, p in enumerate(plan.populations)}
        return Trace(inputs=inputs, populations=populations, readout=np.load(self.readout))

    def read_float(self, plan: LavaPlan) -> FloatTrace:
        """Return what the float models recorded, as ``read`` does; ``x`` is the current without bias, in codes."""
        populations = {}
        for index, population in enumerate(plan.populations):
            recorded = self._recorded(plan, index)
            populations[population.name] = FloatPopulationTrace(x=recorded["i"], u=recorded["u"], s=recorded["s"])
        return FloatTrace(populations=populations, readout=np.load(self.readout))

    def _recorded(self, plan: LavaPlan, index: int) -> dict[str, NDArray[Any]]:
        quantities = TRACE_DTYPES[self.arithmetic]
        return {q: frames_from_lava(np.load(self.trace(index, q), mmap_mode="r"), plan.steps) for q in quantities}

    def frames_done(self) -> int:
        """Frames that have reached the readout so far."""
        return int(np.load(self.progress)[0])

    def write_failure(self, message: str, traceback: str) -> None:
        """Leave word for the parent."""
        self.failure.write_text(json.dumps({"message": message, "traceback": traceback}), encoding="utf-8")

    def read_failure(self) -> tuple[str, str] | None:
        """Return message and traceback of a failed worker, None when it left none."""
        try:
            content = json.loads(self.failure.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        return content["message"], content["traceback"]
