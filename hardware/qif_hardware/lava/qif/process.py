"""The processes: source of codes, relay, QIF population of one branch or of several, two kinds of readout. Ports and states only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var

from qif_deploy.ir.nodes import Pair, Reduce
from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.shapes import ChannelCodes, Shape
from qif_hardware.lava.sample_window import SampleWindow

IN_PORTS = ("a_in", "b_in", "c_in", "d_in", "e_in", "f_in", "g_in", "h_in")
"""In-ports of a process that joins branches, one for each, in their order; those without a branch stay unconnected."""


class BranchScale(NamedTuple):
    """What the neuron does to the sum of one branch: halve it ``halvings`` times (exactly), then ``<< shift``."""

    halvings: int
    shift: int


class TraceFiles(NamedTuple):
    """Paths of ``.npy`` files ``(frame, width, height, channel)`` that a population fills: ``i``, ``u`` before reset, ``s``.

    Integers, or floats where the float models run.
    """

    i: str
    u: str
    s: str


class CodeSource(AbstractProcess):  # type: ignore[misc]  # Lava ships no types
    """Sends the frames of an ``.npy`` file ``(frame, ...)``, one a step, and zeros after the last."""

    def __init__(self, *, name: str, shape: Shape, codes_file: str) -> None:
        super().__init__(name=name, shape=shape, codes_file=codes_file)
        self.s_out = OutPort(shape=shape)


class Relay(AbstractProcess):  # type: ignore[misc]  # Lava ships no types
    """Passes a signal on ``delay`` steps later, and zeros beyond ``keep`` (width, height), where given."""

    def __init__(self, *, name: str, shape: Shape, delay: int, keep: Pair | None) -> None:
        super().__init__(name=name, shape=shape, delay=delay, keep=keep)
        self.s_in = InPort(shape=shape)
        self.s_out = OutPort(shape=shape)


class QIF(AbstractProcess):  # type: ignore[misc]  # Lava ships no types
    """A population: integer step per neuron, constants per channel, channel on the last axis.

    ``r`` is the state after reset. ``window`` says when which frame arrives; the population starts each sample in r0.
    """

    def __init__(
        self,
        *,
        name: str,
        shape: Shape,
        constants: FixedConstants,
        branches: Sequence[BranchScale],
        window: SampleWindow,
        trace: TraceFiles | None = None,
    ) -> None:
        super().__init__(name=name, shape=shape, constants=constants, branches=tuple(branches), window=window, trace=trace)
        self.a_in = InPort(shape=shape)
        self.s_out = OutPort(shape=shape)
        self.r = Var(shape=shape, init=np.broadcast_to(constants.r0, shape))


class QIFJoin(AbstractProcess):  # type: ignore[misc]  # Lava ships no types
    """A population that joins branches; each has its own port, since their shifts differ. Otherwise as QIF."""

    def __init__(
        self,
        *,
        name: str,
        shape: Shape,
        constants: FixedConstants,
        branches: Sequence[BranchScale],
        window: SampleWindow,
        trace: TraceFiles | None = None,
    ) -> None:
        super().__init__(name=name, shape=shape, constants=constants, branches=tuple(branches), window=window, trace=trace)
        for port in IN_PORTS:
            setattr(self, port, InPort(shape=shape))
        self.s_out = OutPort(shape=shape)
        self.r = Var(shape=shape, init=np.broadcast_to(constants.r0, shape))


class Readout(AbstractProcess):  # type: ignore[misc]  # Lava ships no types
    """Sums its input over a sample, or keeps the last, into row ``sample`` of ``readout_file``.

    ``progress_file`` holds the number of frames that have arrived: one int64.
    """

    def __init__(
        self,
        *,
        name: str,
        bias: ChannelCodes,
        reduce: Reduce,
        branches: Sequence[BranchScale],
        window: SampleWindow,
        readout_file: str,
        progress_file: str,
    ) -> None:
        super().__init__(
            name=name,
            bias=bias,
            reduce=reduce,
            branches=tuple(branches),
            window=window,
            readout_file=readout_file,
            progress_file=progress_file,
        )
        for port in IN_PORTS:
            setattr(self, port, InPort(shape=bias.shape))


class CurrentOut(AbstractProcess):  # type: ignore[misc]  # Lava ships no types
    """Passes its input current on as a graded message, shifts and bias included; zeros before the first and after the last frame."""

    def __init__(self, *, name: str, shape: Shape, bias: ChannelCodes, branch: BranchScale, window: SampleWindow) -> None:
        super().__init__(name=name, shape=shape, bias=bias, branch=branch, window=window)
        self.a_in = InPort(shape=shape)
        self.s_out = OutPort(shape=shape)
