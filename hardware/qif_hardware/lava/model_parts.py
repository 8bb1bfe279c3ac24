"""What the integer and the float models of a process do alike: join branches, fill the files of a trace, reduce into the readout's file.

Outside the folder of the models, since Lava executes every module in there once per kind of process. Plain functions and a plain class:
ports, tags and arithmetic are the models' own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qif_deploy.ir.nodes import Reduce
from qif_hardware.lava.qif.process import IN_PORTS, BranchScale, TraceFiles
from qif_hardware.lava.sample_window import SampleWindow

Values = NDArray[Any]
Trace = tuple[Values, ...]


def joined(model: Any, scaled: Callable[[Values, BranchScale], Values]) -> Values:
    """Receive every branch of a process and return what they add up to.

    Args:
        model: with in-ports IN_PORTS; ``Any`` since Lava ships no types.
        scaled: what the sum of one branch contributes to the input current.
    """
    branches = model.proc_params["branches"]
    currents = [scaled(getattr(model, port).recv(), branch) for port, branch in zip(IN_PORTS, branches, strict=False)]
    return sum(currents[1:], currents[0])


def opened(files: TraceFiles | None) -> Trace:
    """Map the files of ``i``, ``u`` and ``s`` into memory, to be written; nothing where no trace is asked for."""
    return () if files is None else tuple(np.load(file, mmap_mode="r+", allow_pickle=False) for file in files)


def record(trace: Trace, frame: int, i: Values, u: Values, s: Values) -> None:
    """Write one frame of a trace that is opened."""
    if trace:
        for array, values in zip(trace, (i, u, s), strict=True):
            array[frame] = values


class ReducesIntoFile:
    """The end of a readout: a row per sample in ``readout_file``, and how far it is in ``progress_file``."""

    proc_params: Any
    time_step: int

    @cached_property
    def _result(self) -> Values:
        return np.load(self.proc_params["readout_file"], mmap_mode="r+", allow_pickle=False)  # type: ignore[no-any-return]  # numpy's stub

    @cached_property
    def _progress(self) -> Values:
        return np.load(self.proc_params["progress_file"], mmap_mode="r+", allow_pickle=False)  # type: ignore[no-any-return]  # numpy's stub

    def _reduce(self, current: Values) -> None:
        """Add the current of this Lava step, bias included, or replace the sample's row by it."""
        window: SampleWindow = self.proc_params["window"]
        frame = window.frame(self.time_step)
        if frame is None:
            return
        sample = frame // window.steps
        match self.proc_params["reduce"]:
            case Reduce.SUM:
                self._result[sample] += current
            case Reduce.LAST:
                self._result[sample] = current
        self._progress[0] = frame + 1


__all__ = ["ReducesIntoFile", "Trace", "joined", "opened", "record"]
