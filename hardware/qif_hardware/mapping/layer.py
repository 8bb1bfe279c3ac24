"""Layers as cores see them: who fires, and through which projections. Axes are ``(channel, height, width)``; a vector is ``(n, 1, 1)``."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from qif_deploy.ir.nodes import Pair

Shape3 = tuple[int, int, int]


class LayerKind(enum.Enum):
    """What the neurons of a layer are."""

    INPUT = "input"
    POPULATION = "population"
    READOUT = "readout"
    POOL = "pool"
    RELAY = "relay"


class Storage(enum.Enum):
    """How the synapses of a projection lie in memory."""

    SHARED = "shared"
    DENSE = "dense"
    SPARSE = "sparse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taps:
    """One axis of a convolution: output ``o`` reads inputs ``o * stride - padding + t`` for every ``t`` of ``taps``."""

    stride: int = 1
    padding: int = 0
    taps: tuple[int, ...] = (0,)

    def of_pool(self, kernel: int, stride: int) -> Taps:
        """Return the axis on a pool's input that equals the pool, then this axis."""
        taps = sorted({t * stride + a for t in self.taps for a in range(kernel)})
        return Taps(stride=self.stride * stride, padding=self.padding * stride, taps=tuple(taps))

    def span(self, first: int, last: int, size: int) -> Pair:
        """Return the half-open range of inputs below ``size`` that outputs ``first .. last - 1`` read; empty where there is none."""
        low = max(0, first * self.stride - self.padding + self.taps[0])
        high = min(size, (last - 1) * self.stride - self.padding + self.taps[-1] + 1)
        return low, max(low, high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """Synapses from one layer into another, or from a source that is on no core.

    ``bits`` is the width of a weight; ``delay`` the steps that spikes wait beyond the one that every connection takes. ``rows`` holds
    the synapses per source neuron of a sparse projection. ``copies`` counts the input entries that one edge takes.
    """

    name: str
    source: str
    source_shape: Shape3
    storage: Storage
    bits: int
    y: Taps = Taps()
    x: Taps = Taps()
    groups: int = 1
    delay: int = 0
    copies: int = 1
    rows: tuple[int, ...] = ()

    @property
    def fan_in(self) -> int:
        """Synapses of one target neuron, the largest where they differ."""
        if self.storage is Storage.SHARED:
            return len(self.y.taps) * len(self.x.taps) * (self.source_shape[0] // self.groups)
        return self.sources

    @property
    def sources(self) -> int:
        """Neurons of the source."""
        channels, height, width = self.source_shape
        return channels * height * width


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """What listens to a layer: through shared kernels or not, in how many splits of its channels (of its neurons, if it is dense)."""

    shared: bool
    splits: int = 1
    groups: int = 1

    @property
    def destinations(self) -> int:
        """Cores that one position and channel has to reach, halos aside: a group is on one of the splits only."""
        return max(1, -(-self.splits // self.groups))


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreLayer:
    """Neurons of one kind with everything that drives them."""

    name: str
    kind: LayerKind
    shape: Shape3
    projections: tuple[Projection, ...]
    quadratic: bool = False

    @property
    def neurons(self) -> int:
        """Number of neurons."""
        channels, height, width = self.shape
        return channels * height * width


def consumers_of(name: str, layers: Sequence[CoreLayer], splits: dict[str, int] | None = None) -> tuple[Consumer, ...]:
    """Return who listens to layer ``name``; ``splits`` are those of each layer's channels, 1 where it is not named."""
    known = {} if splits is None else splits
    return tuple(
        Consumer(shared=p.storage is Storage.SHARED, splits=known.get(layer.name, 1), groups=p.groups)
        for layer in layers
        for p in layer.projections
        if p.source == name
    )
