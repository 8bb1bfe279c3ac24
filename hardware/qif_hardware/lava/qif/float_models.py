"""Float models of the processes: the same constants, read as floats, in the float equation, without rounding or saturation.

The integer network in units of one code is itself a QIF network, ``c2 = c2m 2^-(s1+s2)``, ``c1 = c1m 2^-s1`` (docs/numerics.md,
section 2). Beside the integer models they show what the rounding in the step does. Sums are exact below 2^53.
"""

from __future__ import annotations

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

from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.neuron.float_step import FloatStep, float_step
from qif_hardware.lava.model_parts import ReducesIntoFile, Trace, joined, opened, record
from qif_hardware.lava.qif.process import QIF, BranchScale, QIFJoin, Readout
from qif_hardware.lava.sample_window import SampleWindow

Floats = NDArray[np.float64]


def scaled(acc: Floats, branch: BranchScale) -> Floats:
    """Return the branch's contribution to the input current, in codes."""
    return acc * 2.0 ** (branch.shift - branch.halvings)


def float_constants(k: FixedConstants) -> dict[str, Any]:
    """Return the keyword arguments of ``float_step`` for ``k``, in codes; every one is exact."""
    return {
        "c2": np.ldexp(k.c2m.astype(np.float64), -(k.s2 + k.s1)),
        "c1": np.ldexp(k.c1m.astype(np.float64), -k.s1),
        "c0": k.bias.astype(np.float64),
        "theta": np.inf if k.theta is None else k.theta.astype(np.float64),
        "u_reset": k.reset.astype(np.float64),
        "reset_by": k.reset_by.astype(np.float64),
        "u_min": None if k.u_min is None else k.u_min.astype(np.float64),
        "reset": k.reset_mode,
    }


class AbstractFloatJoin(PyLoihiProcessModel):  # type: ignore[misc]  # Lava ships no types
    """The in-ports of a process that joins branches."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    b_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    c_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    d_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    e_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    f_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    g_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    h_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)


class AbstractFloatQIF(PyLoihiProcessModel):  # type: ignore[misc]  # Lava ships no types
    """What one branch and several share; the timing is that of the integer models."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=1)
    r: Floats = LavaPyType(np.ndarray, float)

    @cached_property
    def _float_constants(self) -> dict[str, Any]:
        return float_constants(self.proc_params["constants"])

    @cached_property
    def _trace(self) -> Trace:
        return opened(self.proc_params["trace"])

    def _advance(self, current: Floats) -> None:
        """Take the summed branches of this Lava step, without bias; send the spikes."""
        window: SampleWindow = self.proc_params["window"]
        frame = window.frame(self.time_step)
        if frame is None:
            self.s_out.send(np.zeros(self.proc_params["shape"], np.int32))
            return
        if window.starts_sample(frame):
            self.r[...] = self.proc_params["constants"].r0
        step: FloatStep = float_step(self.r, current, spike=lambda u, theta: (u >= theta).astype(np.float64), **self._float_constants)
        self.r[...] = step.r
        record(self._trace, frame, current, step.u, step.s)
        self.s_out.send(step.s.astype(np.int32))


@implements(proc=QIF, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyFloatQIF(AbstractFloatQIF):
    """A population with one branch."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)

    def run_spk(self) -> None:
        """One step."""
        (branch,) = self.proc_params["branches"]
        self._advance(scaled(self.a_in.recv(), branch))


@implements(proc=QIFJoin, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyFloatQIFJoin(AbstractFloatQIF, AbstractFloatJoin):
    """A population that joins branches."""

    def run_spk(self) -> None:
        """One step."""
        self._advance(joined(self, scaled))


@implements(proc=Readout, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyFloatReadout(ReducesIntoFile, AbstractFloatJoin):
    """Integrates into its file, float64."""

    def run_spk(self) -> None:
        """Add one frame, or replace the sample's row by it."""
        self._reduce(joined(self, scaled) + self.proc_params["bias"])
