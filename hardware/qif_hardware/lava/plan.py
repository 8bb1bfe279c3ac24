"""LavaPlan: a QuantizedGraph in Lava's layout. NumPy only; what each process gets, before any process exists.

All shapes and arrays here are Lava's: ``(width, height, channel)``, kernels flipped, pairs ``(width, height)``. Constants
per channel are ``(channel,)`` and broadcast over the last axis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from qif_deploy.ir.nodes import Pair, Reduce
from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.shapes import ChannelCodes, Shape, frozen

DENSE_HALVINGS = 1
"""Lava's Dense and Sparse keep even weights only when signs are mixed: they get ``2 * w``, the neuron halves the sum once."""

CONV_HALVINGS = 0
"""Lava's Conv keeps every weight, and doubling would cost a bit of its 24-bit sums."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """How a synapse hears its source.

    ``delay`` relay steps make the paths into a join equally long. ``keep``: the source beyond this ``(width, height)``
    is blanked, None when nothing is. ``message_bits`` is 0 for spikes; graded codes pass with a positive width.
    """

    source: str
    delay: int
    keep: Pair | None
    message_bits: int

    @property
    def direct(self) -> bool:
        """Whether source and synapse are joined without a relay."""
        return self.delay == 0 and self.keep is None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ConvPlan:
    """One Conv process: ``(weight * s) << shift``, a true convolution."""

    name: str
    wire: Wire
    weight: Annotated[NDArray[np.int32], "(out, width, height, in / groups)"]
    input_shape: Shape
    stride: Pair
    padding: Pair
    dilation: Pair
    groups: int
    shift: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", frozen(self.weight, np.int32))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DensePlan:
    """One Dense process on the flattened source: ``(weight @ s / 2) << shift``; ``weight`` holds even numbers."""

    name: str
    wire: Wire
    weight: Annotated[NDArray[np.int32], "(out, in)"]
    shift: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", frozen(self.weight, np.int32))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SparsePlan:
    """One Sparse process on the flattened source: ``(weight @ s / 2) << shift``, laid out as ``shape``.

    The matrix ``(out, in)`` in compressed rows: row n holds ``values[starts[n]:starts[n + 1]]``, which are even, in ``columns``.
    """

    name: str
    wire: Wire
    values: Annotated[NDArray[np.int32], "(entry,)"]
    columns: Annotated[NDArray[np.int32], "(entry,)"]
    starts: Annotated[NDArray[np.int32], "(out + 1,)"]
    inputs: int
    shape: Shape
    shift: int

    def __post_init__(self) -> None:
        for name in ("values", "columns", "starts"):
            object.__setattr__(self, name, frozen(getattr(self, name), np.int32))


SynapsePlan = ConvPlan | DensePlan | SparsePlan


def halvings(synapse: SynapsePlan) -> int:
    """Return how often the neuron halves the sums of ``synapse``, exactly."""
    return CONV_HALVINGS if isinstance(synapse, ConvPlan) else DENSE_HALVINGS


@dataclass(frozen=True, slots=True, kw_only=True)
class InputPlan:
    """A source of codes."""

    name: str
    shape: Shape


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PopulationPlan:
    """One neuron process; ``depth`` synapses lie between it and the inputs. Several synapses add up in it."""

    name: str
    shape: Shape
    depth: int
    constants: FixedConstants
    branches: tuple[SynapsePlan, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReadoutPlan:
    """The integrator at the end; its depth is the latency of the network in steps."""

    name: str
    depth: int
    bias: ChannelCodes
    reduce: Reduce
    branches: tuple[SynapsePlan, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "bias", frozen(self.bias, np.int64))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LavaPlan:
    """A whole network for runs of ``steps`` time steps per sample; populations in topological order."""

    steps: int
    inputs: tuple[InputPlan, ...]
    populations: tuple[PopulationPlan, ...]
    readout: ReadoutPlan

    @property
    def latency(self) -> int:
        """Steps that the pipeline adds to a run."""
        return self.readout.depth

    @property
    def synapses(self) -> tuple[SynapsePlan, ...]:
        """Every synapse process."""
        return sum((node.branches for node in self.populations), ()) + self.readout.branches

    def lava_steps(self, samples: int) -> int:
        """Return the steps of one run over ``samples`` samples streamed back to back."""
        return samples * self.steps + self.latency
