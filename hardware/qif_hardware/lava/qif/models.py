"""Integer models of the processes. The step is the project's one; here are only ports, timing and recording.

Each model records into memory-mapped files: reading a Var back moves one value at a time, and a Monitor doubles the
time of a step. Everything is computed in int64 and sent as int32, the width of Lava's channels.
"""

from __future__ import annotations

from collections import deque
from functools import cached_property
from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from numpy.typing import NDArray

from qif_deploy.fixedpoint import RoundingMode, rshift
from qif_deploy.neuron.constants import FixedConstants, StepConstants
from qif_deploy.neuron.fixed_step import fixed_step
from qif_hardware.lava.model_parts import ReducesIntoFile, Trace, joined, opened, record
from qif_hardware.lava.qif.process import QIF, BranchScale, CodeSource, CurrentOut, QIFJoin, Readout, Relay
from qif_hardware.lava.sample_window import SampleWindow

Codes = NDArray[Any]


def scaled(acc: Codes, branch: BranchScale) -> Codes:
    """Return the branch's contribution to ``i`` in int64. The halved sums are even, so that the rounding is none."""
    halved: NDArray[np.int64] = rshift(acc.astype(np.int64), branch.halvings, rounding=RoundingMode.FLOOR)
    return halved << branch.shift


@implements(proc=CodeSource, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "floating_pt")
class PyCodeSource(PyLoihiProcessModel):  # type: ignore[misc]  # Lava ships no types
    """Sends frame ``time_step - 1``."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)

    @cached_property
    def _codes(self) -> Codes:
        return np.load(self.proc_params["codes_file"], mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]  # numpy's stub

    def run_spk(self) -> None:
        """Send one frame."""
        frame = self.time_step - 1
        if frame < len(self._codes):
            self.s_out.send(self._codes[frame])
        else:
            self.s_out.send(np.zeros(self.proc_params["shape"], np.int32))


@implements(proc=Relay, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "floating_pt")
class PyRelay(PyLoihiProcessModel):  # type: ignore[misc]  # Lava ships no types
    """Sends what arrived ``delay`` steps ago; with no delay it is a gate without latency."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)

    @cached_property
    def _pending(self) -> deque[Codes]:
        return deque(np.zeros(self.proc_params["shape"], np.int32) for _ in range(self.proc_params["delay"]))

    def run_spk(self) -> None:
        """Receive, send; a delayed relay sends first, as Lava's synapses do, so that it waits for nobody."""
        waiting = bool(self._pending)
        if waiting:
            self.s_out.send(self._pending.popleft())
        signal = self._blanked(self.s_in.recv())
        if waiting:
            self._pending.append(signal)
        else:
            self.s_out.send(signal)

    def _blanked(self, signal: Codes) -> Codes:
        keep = self.proc_params["keep"]
        if keep is not None:
            signal[keep[0] :] = 0
            signal[:, keep[1] :] = 0
        return signal


class AbstractJoin(PyLoihiProcessModel):  # type: ignore[misc]  # Lava ships no types
    """The in-ports of a process that joins branches."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    b_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    c_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    d_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    e_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    f_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    g_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    h_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)


class AbstractPyQIF(PyLoihiProcessModel):  # type: ignore[misc]  # Lava ships no types
    """What one branch and several share: held start, reset per sample, the step, the trace."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=1)
    r: Codes = LavaPyType(np.ndarray, np.int32, precision=24)

    @cached_property
    def _step_constants(self) -> StepConstants:
        return self._constants.laid_out(1)  # (channel,), which broadcasts over the last axis

    @property
    def _constants(self) -> FixedConstants:
        return self.proc_params["constants"]  # type: ignore[no-any-return]  # Lava's parameters are untyped

    @cached_property
    def _trace(self) -> Trace:
        return opened(self.proc_params["trace"])

    def _advance(self, current: Codes) -> None:
        """Take the summed branches of this Lava step, send the spikes."""
        window: SampleWindow = self.proc_params["window"]
        frame = window.frame(self.time_step)
        if frame is None:
            self.s_out.send(np.zeros(self.proc_params["shape"], np.int32))
            return
        if window.starts_sample(frame):
            self.r[...] = self._constants.r0
        i = current + self._constants.bias
        step = fixed_step(self.r.astype(np.int64), i, self._step_constants)
        self.r[...] = step.r
        record(self._trace, frame, i, step.u, step.s)
        self.s_out.send(step.s.astype(np.int32))


@implements(proc=QIF, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyQIF(AbstractPyQIF):
    """A population with one branch."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)

    def run_spk(self) -> None:
        """One step."""
        (branch,) = self.proc_params["branches"]
        self._advance(scaled(self.a_in.recv(), branch))


@implements(proc=QIFJoin, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyQIFJoin(AbstractPyQIF, AbstractJoin):
    """A population that joins branches."""

    def run_spk(self) -> None:
        """One step."""
        self._advance(joined(self, scaled))


@implements(proc=Readout, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyReadout(ReducesIntoFile, AbstractJoin):
    """Integrates into its file, int64."""

    def run_spk(self) -> None:
        """Add one frame, or replace the sample's row by it."""
        self._reduce(joined(self, scaled) + self.proc_params["bias"])


@implements(proc=CurrentOut, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyCurrentOut(PyLoihiProcessModel):  # type: ignore[misc]  # Lava ships no types
    """Sends ``i`` of the step."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)

    def run_spk(self) -> None:
        """One step."""
        current = scaled(self.a_in.recv(), self.proc_params["branch"]) + self.proc_params["bias"]
        frame = self.proc_params["window"].frame(self.time_step)
        self.s_out.send((current if frame is not None else np.zeros_like(current)).astype(np.int32))
