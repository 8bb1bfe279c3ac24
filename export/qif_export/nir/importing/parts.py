"""What a node of a float NIR file means, before it is known where it stands: float IR nodes, and what has no node of its own."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qif_deploy.ir.nodes import AvgPool2d, Conv2d, Dense, Input, Readout, SumPool2d
from qif_deploy.neuron.params import QIFParams
from qif_deploy.shapes import Shape

Floats = NDArray[np.float64]


class NeuronKind(enum.Enum):
    """Spiking neurons of the format that are one first-order state."""

    IF = "IF"
    LIF = "LIF"
    THRESHOLD = "Threshold"


@dataclass(frozen=True, slots=True, kw_only=True)
class InputPort:
    """A boundary node; ``shape`` is () where the file gives none."""

    shape: Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputPort:
    """A boundary node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleBy:
    """Elementwise product with constants that broadcast over the signal."""

    factor: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class FlattenAxes:
    """Axes ``start..end`` become one. By the format the batch does not count; some writers count it."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Neuron:
    """Parameters as in the file, of any shape; what they mean in discrete time is for a convention to say.

    ``tau`` and ``v_leak`` are None for IF, all but ``v_threshold`` are for Threshold; ``v_reset`` is None where the file has none.
    """

    kind: NeuronKind
    v_threshold: Floats
    tau: Floats | None = None
    r: Floats | None = None
    v_leak: Floats | None = None
    v_reset: Floats | None = None
    single_precision: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Integrator:
    """A neuron without spikes, I (``tau`` None) or LI."""

    r: Floats
    tau: Floats | None
    v_leak: Floats | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quadratic:
    """A QIF node: discrete parameters, and the gain of its input current, per channel."""

    params: QIFParams
    gain: Floats


Part = (
    InputPort
    | OutputPort
    | ScaleBy
    | FlattenAxes
    | Neuron
    | Integrator
    | Quadratic
    | Input
    | Dense
    | Conv2d
    | SumPool2d
    | AvgPool2d
    | Readout
)
Fields = dict[str, Any]  # Any: whatever the file holds

__all__ = [
    "Fields",
    "FlattenAxes",
    "Floats",
    "InputPort",
    "Integrator",
    "Neuron",
    "NeuronKind",
    "OutputPort",
    "Part",
    "Quadratic",
    "ScaleBy",
]
