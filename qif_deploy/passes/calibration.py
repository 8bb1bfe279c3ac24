"""What calibration data say of each synapse's input, and what weight rounding does under that input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from qif_deploy.shapes import ChannelFloats, frozen

Taps = Annotated[NDArray[np.float64], "(group, fan_in)"]
Rows = Annotated[NDArray[np.float64], "(channel, fan_in)"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SynapseInput:
    """Mean and mean square of what each weight of a synapse is multiplied with, over time, samples and output positions.

    In the float network's own units: spikes count 1, input codes their scale. Zero padding is part of the mean.
    """

    mean: Taps
    mean_square: Taps

    def __post_init__(self) -> None:
        for name in ("mean", "mean_square"):
            object.__setattr__(self, name, frozen(getattr(self, name), np.float64))

    def through(self, errors: Rows, part: slice, channels: int) -> tuple[ChannelFloats, ChannelFloats]:
        """Return mean and mean square of the current that weight errors add, per channel of ``part``.

        The mean square takes the inputs of different weights as independent, up to their means.

        Args:
            errors: coded minus float weights of the channels in ``part``.
            part: which of the output channels.
            channels: number of all output channels; they share the groups evenly.
        """
        group = np.arange(part.start, min(part.stop, channels)) * len(self.mean) // channels
        if len(self.mean) == 1:
            mean, power = errors @ self.mean[0], np.square(errors) @ (self.mean_square[0] - self.mean[0] ** 2)
        else:
            mean = (errors * self.mean[group]).sum(axis=1)
            power = (np.square(errors) * (self.mean_square[group] - self.mean[group] ** 2)).sum(axis=1)
        return mean, power + mean**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Inputs of every synapse in a float run over ``samples`` samples of ``source``, and the spread of the readout's current there.

    ``readout_spread`` is the standard deviation of one step's current over samples, steps and classes: the readout has no threshold
    that its noise could be measured in.
    """

    inputs: Mapping[str, SynapseInput]
    readout_spread: float
    samples: int
    source: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", MappingProxyType(dict(self.inputs)))
