"""Counts of one population over all batches, step by step: what agreement, rates, errors and causes are computed from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from qif_deploy.fidelity.bound import CAUSES, Bounds, PopulationRun
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.neuron.params import QIFParams
from qif_deploy.shapes import ChannelFloats, channelwise

PerStep = Annotated[NDArray[np.float64], "(time,)"]
StepCounts = Annotated[NDArray[np.int64], "(time,)"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flips:
    """Spikes that differ: index ``(time, batch, channel, ...)``, distance of the float membrane to its threshold, and cause."""

    where: tuple[NDArray[np.int64], ...]
    distance: NDArray[np.float64]
    cause: NDArray[np.int64] | None

    def __len__(self) -> int:
        return int(self.distance.size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Float view of an integer population: unit, threshold and span per channel, laid out over ``(channel, ...)``."""

    delta: Any
    theta: Any
    span: Any

    @classmethod
    def of(cls, params: QIFParams, delta: ChannelFloats, ndim: int) -> Scale:
        """Lay out the constants of a population."""
        return cls(
            delta=channelwise(delta, ndim), theta=channelwise(params.theta, ndim), span=channelwise(params.theta - params.u_reset, ndim)
        )


class Tally:
    """Running counts of one population in one mode (free, or fed with the float network's spikes).

    Args:
        steps: T.
        channels: of the population.
    """

    def __init__(self, steps: int, channels: int) -> None:
        self.decisions: StepCounts = np.zeros(steps, np.int64)
        self.flips: StepCounts = np.zeros(steps, np.int64)
        self.spikes_float: StepCounts = np.zeros(steps, np.int64)
        self.spikes_integer: StepCounts = np.zeros(steps, np.int64)
        self.squared_error: PerStep = np.zeros(steps)
        self.causes: NDArray[np.int64] = np.zeros((steps, len(CAUSES)), np.int64)
        self.bound: PerStep = np.zeros(steps)
        self.flips_by_channel: NDArray[np.int64] = np.zeros(channels, np.int64)
        self.unexplained_by_channel: NDArray[np.int64] = np.zeros(channels, np.int64)
        self.beyond_by_channel: NDArray[np.int64] = np.zeros(channels, np.int64)
        self.classified = True

    def add(self, run: PopulationRun, scale: Scale, bounds: Bounds | None, *, state_limit: int) -> Flips:
        """Count a batch and return its flips.

        Args:
            run: both courses.
            scale: units of the population.
            bounds: what explains a difference; None where nothing is to be explained.
            state_limit: a membrane that stands there is saturated, and its error says nothing.
        """
        axes = tuple(range(1, run.v.ndim))
        error = (run.u * scale.delta - run.v) / scale.span
        differ = run.s_float != run.s_codes
        self.decisions += int(np.prod(run.v.shape[1:]))
        self.flips += differ.sum(axis=axes, dtype=np.int64)
        self.spikes_float += run.s_float.sum(axis=axes, dtype=np.int64)
        self.spikes_integer += run.s_codes.sum(axis=axes, dtype=np.int64)
        self.squared_error += np.square(error).sum(axis=axes)
        where = np.nonzero(differ)
        np.add.at(self.flips_by_channel, where[2], 1)
        distance = np.abs(run.v[where] - np.broadcast_to(scale.theta, run.v.shape)[where])
        if bounds is None:
            self.classified = False
            return Flips(where=where, distance=distance, cause=None)
        cause = bounds.causes(distance, where)
        np.add.at(self.causes, (where[0], cause), 1)
        np.add.at(self.unexplained_by_channel, where[2][cause == len(CAUSES) - 1], 1)
        total = bounds.total / scale.span
        self.bound += total.sum(axis=axes)
        beyond = (np.abs(error) > total) & (np.abs(run.u) < state_limit)
        self.beyond_by_channel += beyond.sum(axis=(0, 1, *axes[2:]), dtype=np.int64)
        return Flips(where=where, distance=distance, cause=cause)


def tallies(quantized: QuantizedGraph, steps: int) -> dict[str, Tally]:
    """Return empty counts of every population."""
    return {name: Tally(steps, quantized.population(name).constants.channels) for name in quantized.populations}


__all__ = ["Flips", "Scale", "Tally", "tallies"]
