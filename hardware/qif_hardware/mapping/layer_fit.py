"""One layer on its own: tile, cores and words from its shape, kernel, stride and bits, without a network.

    >>> fit_layer(ConvLayer(width=28, height=28, channels=128, in_channels=64, kernel=(3, 3), bits=5)).tile
    (4, 7, 128)

The tile rule is the one that all published convolution rows obey; which of several equal tiles the compiler takes is unknown, so only
``c``, ``w * h * c`` and the number of cores can be compared with its tables.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from math import prod
from typing import Any

from qif_deploy.errors import InputError, UnsupportedError
from qif_deploy.ir.nodes import Pair
from qif_hardware.chip import Chip
from qif_hardware.mapping.layer import Consumer, CoreLayer, LayerKind, Projection, Storage, Taps
from qif_hardware.mapping.memory import Tile, Words, fits, fullest, shares, tile_words
from qif_hardware.target import load_target

DEFAULT_TARGET = "loihi2-lava"


class Listener(enum.Enum):
    """What listens to the layer: a convolution, a dense layer, or the reader of its neurons."""

    CONV = "conv"
    DENSE = "dense"
    READ_OUT = "read out"


class TileRule(enum.Enum):
    """Which tile is taken.

    DIVISORS: channels halved until the kernels fit, then the largest ``w * h * c`` with ``w`` a power of two and ``h`` a divisor of the
    height (the newer tables). FULL_HEIGHT: all channels and rows, ``w`` the largest power of two that fits (the older tables).
    """

    DIVISORS = "divisors"
    FULL_HEIGHT = "full height"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvLayer:
    """A convolution: ``width``, ``height``, ``channels`` are those of its output; ``kernel`` and ``stride`` are ``(height, width)``.

    ``in_size`` is ``(height, width)`` of the input, by default what a "same" padding would need; ``listener_splits`` says over how many
    pieces the channels of the layer behind are cut. ``groups`` as in torch (``channels`` for depthwise). ``copies`` is 2 for the three
    layers of the older table that take two entries per edge, for a reason that is not known.
    """

    width: int
    height: int
    channels: int
    in_channels: int
    kernel: Pair = (3, 3)
    stride: Pair = (1, 1)
    bits: int = 8
    groups: int = 1
    in_size: Pair | None = None
    listener: Listener = Listener.CONV
    listener_splits: int = 1
    copies: int = 1

    def as_layer(self) -> CoreLayer:
        """Return the layer with its one projection."""
        _require_positive(
            self, width=self.width, height=self.height, channels=self.channels, in_channels=self.in_channels, bits=self.bits,
            groups=self.groups, listener_splits=self.listener_splits, copies=self.copies, kernel=min(self.kernel), stride=min(self.stride),
        )  # fmt: skip
        if self.in_channels % self.groups or self.channels % self.groups:
            raise InputError(f"conv layer: {self.groups} groups do not divide {self.in_channels} and {self.channels} channels")
        size = (self.height * self.stride[0], self.width * self.stride[1]) if self.in_size is None else self.in_size
        y, x = (Taps(stride=s, padding=max(0, (k - 1) // 2), taps=tuple(range(k))) for s, k in zip(self.stride, self.kernel, strict=True))
        projection = Projection(
            name="synapses", source="source", source_shape=(self.in_channels, *size), storage=Storage.SHARED, bits=self.bits, y=y, x=x,
            groups=self.groups, copies=self.copies,
        )  # fmt: skip
        kind = LayerKind.READOUT if self.listener is Listener.READ_OUT else LayerKind.POPULATION
        return CoreLayer(name="layer", kind=kind, shape=(self.channels, self.height, self.width), projections=(projection,))


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseLayer:
    """A dense layer of ``outputs`` neurons, each fed by all ``inputs``; with ``rows``, a sparse one: its synapses per input."""

    inputs: int
    outputs: int
    bits: int = 8
    rows: tuple[int, ...] | None = None
    listener: Listener = Listener.DENSE
    listener_splits: int = 1

    def as_layer(self) -> CoreLayer:
        """Return the layer with its one projection."""
        _require_positive(self, inputs=self.inputs, outputs=self.outputs, bits=self.bits, listener_splits=self.listener_splits)
        if self.rows is not None and (len(self.rows) != self.inputs or not all(0 <= n <= self.outputs for n in self.rows)):
            raise InputError(f"sparse layer: {len(self.rows)} rows for {self.inputs} inputs; give one count of 0..{self.outputs} per input")
        projection = Projection(
            name="synapses", source="source", source_shape=(self.inputs, 1, 1), bits=self.bits,
            storage=Storage.DENSE if self.rows is None else Storage.SPARSE, rows=() if self.rows is None else self.rows,
        )  # fmt: skip
        kind = LayerKind.READOUT if self.listener is Listener.READ_OUT else LayerKind.POPULATION
        return CoreLayer(name="layer", kind=kind, shape=(self.outputs, 1, 1), projections=(projection,))


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayLayer:
    """Neurons that pass spikes on: a delay of one step (``kernel`` 1x1), a sum pool (its window), or an input (``fed`` false)."""

    width: int
    height: int
    channels: int
    kernel: Pair = (1, 1)
    fed: bool = True
    bits: int = 2
    listener: Listener = Listener.CONV
    listener_splits: int = 1

    def as_layer(self) -> CoreLayer:
        """Return the layer; what feeds it is a depthwise kernel of ones."""
        conv = ConvLayer(
            width=self.width, height=self.height, channels=self.channels, in_channels=self.channels, kernel=self.kernel, stride=self.kernel,
            bits=self.bits, groups=self.channels, listener_splits=self.listener_splits,
        ).as_layer()  # fmt: skip
        kind = LayerKind.RELAY if self.fed else LayerKind.INPUT
        return CoreLayer(name="layer", kind=kind, shape=conv.shape, projections=conv.projections if self.fed else ())


Layer = ConvLayer | DenseLayer | RelayLayer


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerFit:
    """How a layer sits on cores: the tile, how many cores that makes, and the words of a full tile."""

    tile: tuple[int, int, int]
    cores: int
    words: Words
    used: dict[str, float]

    @property
    def binding(self) -> str:
        """The resource, or ``total``, of which a full tile uses the largest share."""
        return fullest(self.used)

    @property
    def total_percent(self) -> float:
        """Used words of all words of a core, as the printed tables have it."""
        return 100 * self.used.get("total", float("nan"))

    def as_json(self) -> dict[str, Any]:
        """Return plain values; ``used`` holds shares of the ceilings, 0..1."""
        return {
            "tile": list(self.tile),
            "cores": self.cores,
            "words": self.words.as_json(),
            "used": dict(self.used),
            "binding": self.binding,
        }


def fit_layer(
    layer: Layer, *, target: str | Chip = DEFAULT_TARGET, rule: TileRule = TileRule.DIVISORS, tile: tuple[int, int, int] | None = None
) -> LayerFit:
    """Return tile, cores and words of one layer.

    Args:
        layer: its shape, kernel, stride and bits.
        target: a profile with cores by name or path, or a Chip, e.g. ``load_target("loihi2-lava").cores().limited(synmem=12000)``.
        rule: how the tile is chosen.
        tile: ``(w, h, c)`` to evaluate instead; it is not held against the limits.

    Raises:
        InputError: a size below 1, or a tile larger than the layer.
        UnsupportedError: not even one neuron fits; names the resource, its words and the ceiling.
    """
    chip = load_target(target).cores() if isinstance(target, str) else target
    plain, consumers = layer.as_layer(), _consumers(layer)
    if tile is not None and not all(1 <= n <= size for n, size in zip(tile, reversed(plain.shape), strict=True)):
        raise InputError(f"tile {tile} is not within the layer's (w, h, c) = {tuple(reversed(plain.shape))}")
    chosen = _tile_by_rule(plain, chip, consumers, rule) if tile is None else Tile(*tile)
    words = Words(*map(int, tile_words(plain, chosen, chip, consumers)))
    cores = prod(-(-size // n) for n, size in zip(chosen, reversed(plain.shape), strict=True))
    return LayerFit(tile=(chosen.w, chosen.h, chosen.c), cores=cores, words=words, used=shares(words, chip.limits))


def _consumers(layer: Layer) -> tuple[Consumer, ...]:
    match layer.listener:
        case Listener.READ_OUT:
            return ()
        case Listener.CONV | Listener.DENSE:
            return (Consumer(shared=layer.listener is Listener.CONV, splits=layer.listener_splits),)


def rule_tile(layer: CoreLayer, chip: Chip, consumers: tuple[Consumer, ...]) -> Tile:
    """Return the tile that the published compiler would take, as far as its rule is known.

    Raises:
        UnsupportedError: not even one neuron fits.
    """
    return _tile_by_rule(layer, chip, consumers, TileRule.DIVISORS)


def _tile_by_rule(layer: CoreLayer, chip: Chip, consumers: tuple[Consumer, ...], rule: TileRule) -> Tile:
    channels, height, width = layer.shape
    powers = [2**k for k in range(width.bit_length()) if 2**k <= width]
    divisors = [h for h in range(1, height + 1) if height % h == 0]
    if rule is TileRule.FULL_HEIGHT:
        found = [Tile(w, height, channels) for w in powers]
        good = [t for t in found if fits(tile_words(layer, t, chip, consumers), chip.limits)]
        if good:
            return good[-1]
    if layer.projections and all(p.storage is not Storage.SHARED for p in layer.projections):
        return _most_neurons(layer, chip, consumers)
    c = channels
    while True:
        tiles = [Tile(w, h, c) for w in powers for h in divisors]
        good = [t for t in tiles if fits(tile_words(layer, t, chip, consumers), chip.limits)]
        if good:
            # The compiler's choice among equal tiles is unknown; ours is the one with the fewest cores, then the squarest.
            return max(good, key=lambda t: (t.w * t.h, -(-(-width // t.w) * -(-height // t.h)), -abs(t.w - t.h), t.w))
        if c == 1:
            raise _too_large(layer, chip, consumers)
        c = -(-c // 2)


def _most_neurons(layer: CoreLayer, chip: Chip, consumers: tuple[Consumer, ...]) -> Tile:
    """A dense layer: as many neurons as fit."""
    low, high = 0, layer.shape[0]
    while low < high:
        middle = (low + high + 1) // 2
        if fits(tile_words(layer, Tile(1, 1, middle), chip, consumers), chip.limits):
            low = middle
        else:
            high = middle - 1
    if low == 0:
        raise _too_large(layer, chip, consumers)
    cores = -(-layer.shape[0] // low)
    return Tile(1, 1, -(-layer.shape[0] // cores))  # spread evenly over the cores that it needs


def _too_large(layer: CoreLayer, chip: Chip, consumers: tuple[Consumer, ...]) -> UnsupportedError:
    used = shares(Words(*map(int, tile_words(layer, Tile(1, 1, 1), chip, consumers))), chip.limits)
    worst = max(used, key=lambda name: used[name])
    what = "in all" if worst == "total" else f"of {worst}"
    return UnsupportedError(
        f"layer {layer.name!r}: one neuron alone needs {used[worst] * chip.limits[worst]:.0f} words {what}, a core of {chip.name!r} "
        f"has {chip.limits[worst]}; reduce its fan-in"
    )


def _require_positive(layer: object, **values: int) -> None:
    low = [name for name, value in values.items() if value < 1]
    if low:
        raise InputError(f"{type(layer).__name__}: {low[0]} {values[low[0]]} is below 1")
