"""What the input current of a population may differ by, on the same spikes: rounding, and what quantisation chose beyond it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_never

from qif_deploy.fidelity.bound import Sources
from qif_deploy.fidelity.finding import Finding, Severity
from qif_deploy.fidelity.ideal_codes import IdealBranch, IdealNode
from qif_deploy.fixedpoint import rint_codes
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, Conv2dCodes, DenseCodes, Flatten, Population, SumPool2d
from qif_deploy.shapes import ChannelFloats, InputCodes, SpikeTrain, TraceCodes, channelwise
from qif_deploy.simulate.synapses import conv2d, dense, sum_pool2d

Course = NDArray[np.float64]


class CurrentErrors:
    """Computes, per population, the errors of the input current that rounding and choices make.

    Where all codes are the rounded ones the forced run of the network has that error already; else the rounded codes are run.

    Args:
        quantized: the integer network.
        ideal: its populations with the codes that rounding gives.
        findings: of the audit; only a node without damage has its other deviations told as choices.
    """

    def __init__(self, quantized: QuantizedGraph, ideal: dict[str, IdealNode], findings: tuple[Finding, ...]) -> None:
        self.quantized = quantized
        self.ideal = ideal
        self.damaged = {finding.place for finding in findings if finding.severity is Severity.DAMAGE}
        self._signals: dict[str, Course] = {}

    def start_batch(self, inputs: dict[str, InputCodes], spikes: dict[str, SpikeTrain]) -> None:
        """Forget the signals of the batch before."""
        self._inputs, self._spikes = inputs, spikes
        self._signals.clear()

    def sources(self, name: str, x: Course, forced: TraceCodes, free: TraceCodes | None) -> Sources:
        """Return the errors of one population in float units.

        Args:
            name: the population.
            x: the float network's input current, without ``c0``.
            forced: ``i`` of the integer network on the float network's spikes.
            free: ``i`` of the integer network on its own spikes; None where it is ``forced``.
        """
        node, ndim = self.ideal[name], x.ndim - 2
        assert node.params is not None
        delta, bias = channelwise(node.delta, ndim), _rounded(node.bias)
        wanted = x + channelwise(node.params.c0, ndim)
        choice: Course | float = 0.0
        constants = self.quantized.population(name).constants
        if node.holds and np.array_equal(bias, constants.bias):
            ideal: Any = forced
        else:
            ideal = sum(self._current(branch) for branch in node.branches) + channelwise(bias, ndim)
            if name not in self.damaged:
                choice = np.abs(forced - ideal) * delta
        rounding = np.abs(ideal * delta - wanted)
        history: Course | float = 0.0 if free is None else np.abs(free.astype(np.float64) - forced) * delta
        return Sources(rounding=rounding, choice=choice, history=history)

    def _current(self, branch: IdealBranch) -> Course:
        """Return the shifted sums of the rounded codes on the float network's spikes."""
        signal = self._signal(self.quantized.sources(branch.name)[0])
        merged = signal.reshape(-1, *signal.shape[2:])
        match branch.node:
            case DenseCodes():
                sums = dense(merged, branch.ideal_weight)
            case Conv2dCodes():
                sums = conv2d(merged, branch.ideal_weight, branch.node.geometry)
            case _:
                assert_never(branch.node)
        return sums.reshape(*signal.shape[:2], *sums.shape[1:]) * 2.0**branch.shift

    def _signal(self, name: str) -> Course:
        """Return what a node emits in codes, with the float network's spikes."""
        if name not in self._signals:
            node = self.quantized.nodes[name]
            match node:
                case CodeInput():
                    found = np.asarray(self._inputs[name], np.float64)
                case Population():
                    found = self._spikes[name].astype(np.float64)
                case Flatten():
                    source = self._signal(self.quantized.sources(name)[0])
                    found = source.reshape(*source.shape[:2], -1)
                case SumPool2d():
                    source = self._signal(self.quantized.sources(name)[0])
                    pooled = sum_pool2d(source.reshape(-1, *source.shape[2:]), node.kernel, node.stride)
                    found = pooled.reshape(*source.shape[:2], *pooled.shape[1:])
                case _:
                    raise AssertionError(f"{name} emits a current")
            self._signals[name] = found
        return self._signals[name]


def _rounded(exact: ChannelFloats) -> ChannelFloats:
    return rint_codes(exact, 1.0).astype(np.float64)


__all__ = ["CurrentErrors"]
