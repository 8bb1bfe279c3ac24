"""Which surrogate a population trains with: a shape, and a width that is given or follows from the neuron's parameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qif_deploy.errors import InputError
from qif_deploy.neuron.moments import MomentMethod, surrogate_window
from qif_deploy.neuron.params import QIFParams
from qif_deploy.shapes import ChannelFloats
from qif_deploy.training.spike import SurrogateShape, SurrogateSpike


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedWindow:
    """A half width in units of theta above reset, whatever the other parameters are: for comparison.

    Raises:
        InputError: a width that is not positive.
    """

    width: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.width) and self.width > 0):
            raise InputError(f"fixed surrogate window: width {self.width} is not positive and finite; give it in units of theta - u_reset")

    def half_width(self, params: QIFParams) -> ChannelFloats:
        """Return ``w`` per channel."""
        width: ChannelFloats = self.width * (params.theta - params.u_reset)
        return width


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivedWindow:
    """A half width of ``multiple`` standard deviations of the membrane potential under Gaussian input.

    Args:
        multiple: of ``sqrt(Var[u])``, mean variance over the steps.
        steps: T.
        input_std: standard deviation of the input, ``alpha * theta`` behind tdBN.
        input_mean: mean of the input, 0 behind tdBN.
        method: the propagated density, or the cheap closure.

    Raises:
        InputError: ``multiple`` or ``input_std`` not positive, no step.
    """

    multiple: float
    steps: int
    input_std: float
    input_mean: float = 0.0
    method: MomentMethod = MomentMethod.DENSITY

    def __post_init__(self) -> None:
        for name in ("multiple", "input_std"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0):
                raise InputError(f"derived surrogate window: {name} {value} is not positive and finite; give a positive number")
        if self.steps < 1:
            raise InputError(f"derived surrogate window: steps {self.steps} is below 1; give the number of time steps")

    def half_width(self, params: QIFParams) -> ChannelFloats:
        """Return ``w`` per channel."""
        return surrogate_window(
            params,
            input_mean=self.input_mean,
            input_var=self.input_std**2,
            steps=self.steps,
            multiple=self.multiple,
            method=self.method,
        )


Window = FixedWindow | DerivedWindow


@dataclass(frozen=True, slots=True, kw_only=True)
class Surrogate:
    """Shape and window; the rectangular shape on a derived window is the project's default."""

    window: Window
    shape: SurrogateShape = SurrogateShape.RECTANGULAR

    def spike(self, params: QIFParams) -> SurrogateSpike:
        """Return the torch module for a neuron of these parameters."""
        return SurrogateSpike(self.window.half_width(params), shape=self.shape, on_equal=params.spike_on_equal)
