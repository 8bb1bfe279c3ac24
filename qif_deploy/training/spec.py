"""What a spiking network consists of: typed layers with names and sources, in the order of computation.

A layer's name is its node's name in the Graph; dropout alone has no node. Any population or readout may have several
sources, so shortcuts are written like everything else: a ShortcutLayer from the earlier population, as a second source.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from qif_deploy.errors import InputError
from qif_deploy.ir.nodes import Pair, Reduce
from qif_deploy.shapes import Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvLayer:
    """Convolution without bias; the normalisation behind it has the shift."""

    name: str
    source: str
    in_channels: int
    out_channels: int
    kernel: Pair = (3, 3)
    stride: Pair = (1, 1)
    padding: Pair = (1, 1)
    groups: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseLayer:
    """Linear layer."""

    name: str
    source: str
    in_features: int
    out_features: int
    bias: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NormLayer:
    """Threshold-dependent batch normalisation for the population that it feeds.

    ``alpha_share`` multiplies the network's ``alpha``: ``1/sqrt(n)`` in each of n branches, so that their sum has the variance of one.
    Source: Zheng et al., AAAI 2021, section "Threshold-dependent batch normalization".

    Raises:
        InputError: a share that is not positive.
    """

    name: str
    source: str
    channels: int
    alpha_share: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.alpha_share) and self.alpha_share > 0):
            raise InputError(f"layer {self.name!r}: alpha_share {self.alpha_share} is not positive and finite; use 1 / sqrt(branches)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortcutLayer:
    """Identity shortcut: every channel times its own fixed weight, so that two spike trains are never added without weights.

    It is the depthwise 1x1 convolution that it becomes in the Graph, computed as one multiplication. The weights start at
    ``weight``; they are stored with the network and not learned, as in the published residual networks, which add the spikes
    as they are (``weight`` 1).

    Raises:
        InputError: a weight that is 0 or not finite.
    """

    name: str
    source: str
    channels: int
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not math.isfinite(self.weight) or self.weight == 0:
            raise InputError(f"layer {self.name!r}: weight {self.weight} is 0 or not finite; give what one spike adds, 1 in the literature")


@dataclass(frozen=True, slots=True, kw_only=True)
class PopulationLayer:
    """A population; its sources add up."""

    name: str
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolLayer:
    """Average pool without padding."""

    name: str
    source: str
    kernel: Pair = (2, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class DropoutLayer:
    """Dropout that is the same at all time steps of a sample; nothing outside training, so it has no node in the Graph.

    Raises:
        InputError: a rate outside 0..1, 1 excluded.
    """

    name: str
    source: str
    rate: float

    def __post_init__(self) -> None:
        if not 0 <= self.rate < 1:
            raise InputError(f"layer {self.name!r}: dropout rate {self.rate} is outside 0..1, 1 excluded; give the share to leave out")


@dataclass(frozen=True, slots=True, kw_only=True)
class FlattenLayer:
    """Channels, height and width into features."""

    name: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadoutLayer:
    """The end: sums its currents over time."""

    name: str
    sources: tuple[str, ...]
    reduce: Reduce = Reduce.SUM


Layer = ConvLayer | DenseLayer | NormLayer | ShortcutLayer | PopulationLayer | PoolLayer | DropoutLayer | FlattenLayer | ReadoutLayer


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpec:
    """Codes ``low..high`` of ``shape``; the network computes on ``code * scale``."""

    shape: Shape
    low: int
    high: int
    scale: float
    classes: int
    name: str = "image"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSpec:
    """Input and layers, sources before their readers, one readout, last.

    Raises:
        InputError: a name given twice, a source that is not defined above its reader, no readout at the end.
    """

    input: InputSpec
    layers: tuple[Layer, ...]
    steps: int

    def __post_init__(self) -> None:
        known = {self.input.name}
        for layer in self.layers:
            missing = [source for source in sources_of(layer) if source not in known]
            if missing or not sources_of(layer):
                raise InputError(f"layer {layer.name!r}: sources {missing} are not defined above it; order the layers by computation")
            if layer.name in known:
                raise InputError(f"layer name {layer.name!r} is given twice; name every layer differently")
            known.add(layer.name)
        ends = [layer for layer in self.layers if isinstance(layer, ReadoutLayer)]
        if len(ends) != 1 or not isinstance(self.layers[-1], ReadoutLayer):
            raise InputError(f"the network has {len(ends)} readouts; give exactly one, and as the last layer")
        if self.steps < 1:
            raise InputError(f"steps {self.steps} is below 1; give the number of time steps")

    @property
    def readout(self) -> ReadoutLayer:
        """The last layer."""
        last = self.layers[-1]
        assert isinstance(last, ReadoutLayer)
        return last


def sources_of(layer: Layer) -> tuple[str, ...]:
    """Names that feed ``layer``."""
    return layer.sources if isinstance(layer, PopulationLayer | ReadoutLayer) else (layer.source,)


def convolutional_spec(input_spec: InputSpec, *, channels: tuple[int, ...], hidden: int, steps: int) -> NetworkSpec:
    """Conv 3x3 - norm - population - average pool 2x2 per entry of ``channels``; flatten; linear; readout.

    With ``hidden`` > 0 a linear layer with norm and population stands before the readout's linear layer; with 0 the
    readout's linear layer follows the flatten.

    Raises:
        InputError: the image is too small for that many pools.
    """
    planes, height, width = input_spec.shape
    layers: list[Layer] = []
    last = input_spec.name
    for n, out in enumerate(channels, start=1):
        if min(height, width) < 2:
            raise InputError(f"image {input_spec.shape} is too small for {len(channels)} pools; give fewer channels")
        layers += [
            ConvLayer(name=f"conv{n}", source=last, in_channels=planes, out_channels=out),
            NormLayer(name=f"bn{n}", source=f"conv{n}", channels=out),
            PopulationLayer(name=f"qif{n}", sources=(f"bn{n}",)),
            PoolLayer(name=f"pool{n}", source=f"qif{n}"),
        ]
        planes, height, width, last = out, height // 2, width // 2, f"pool{n}"
    layers.append(FlattenLayer(name="flatten", source=last))
    features, last = planes * height * width, "flatten"
    if hidden:
        n = len(channels) + 1
        layers += [
            DenseLayer(name="fc1", source=last, in_features=features, out_features=hidden),
            NormLayer(name=f"bn{n}", source="fc1", channels=hidden),
            PopulationLayer(name=f"qif{n}", sources=(f"bn{n}",)),
        ]
        features, last = hidden, f"qif{n}"
    end = "fc2" if hidden else "fc1"
    layers += [
        DenseLayer(name=end, source=last, in_features=features, out_features=input_spec.classes, bias=True),
        ReadoutLayer(name="readout", sources=(end,)),
    ]
    return NetworkSpec(input=input_spec, layers=tuple(layers), steps=steps)
