"""Node types. Float ones stand in a Graph, ``...Codes`` and Population in a QuantizedGraph, structural ones in both.

Axes: a signal is ``(channel, height, width)`` or ``(feature,)``, without time and batch. All weights follow torch.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, fields
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from qif_deploy.errors import GraphError
from qif_deploy.fixedpoint import MAX_SHIFT
from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.neuron.params import QIFParams
from qif_deploy.rebuilding import Rebuilt
from qif_deploy.shapes import ChannelCodes, ChannelFloats, Shape, frozen

Pair = tuple[int, int]
FloatWeight = NDArray[np.float32] | NDArray[np.float64]
"""Weights of a float synapse; float32 stays float32, at half the memory, and is exact in float64 wherever it is computed with."""


class Reduce(enum.Enum):
    """How the readout turns T inputs into one value per class."""

    SUM = "sum"
    LAST = "last"


class _ValueEquality(Rebuilt):
    """Equality by value over array fields, defined once for all nodes."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(_same(getattr(self, f.name), getattr(other, f.name)) for f in fields(self))  # type: ignore[arg-type]  # every child is a dataclass

    __hash__ = None  # type: ignore[assignment]  # holds arrays


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return a is not None and b is not None and a.dtype == b.dtype and np.array_equal(a, b)
    return bool(a == b)


def _check_pair(what: str, pair: Pair, low: int) -> None:
    if not (isinstance(pair, tuple) and len(pair) == 2 and all(isinstance(n, int) and n >= low for n in pair)):
        raise GraphError(f"{what} {pair!r} is not a pair of integers >= {low}; give (height, width)")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ConvGeometry(_ValueEquality):
    """Geometry of a two-dimensional convolution, ``(height, width)`` each."""

    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1

    def __post_init__(self) -> None:
        for name, low in (("stride", 1), ("padding", 0), ("dilation", 1)):
            _check_pair(f"convolution {name}", getattr(self, name), low)
        if self.groups < 1:
            raise GraphError(f"convolution groups {self.groups} is below 1; use 1 for a plain convolution")

    def output_size(self, size: Pair, kernel: Pair) -> Pair:
        """Return output height and width for an input of ``size``."""
        out = [
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, k, s, p, d in zip(size, kernel, self.stride, self.padding, self.dilation, strict=True)
        ]
        return out[0], out[1]


# ---------------------------------------------------------------- structural, in both stages


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Flatten(_ValueEquality):
    """``(channel, height, width)`` to ``(feature,)``, channel slowest, as torch does."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SumPool2d(_ValueEquality):
    """Sum over windows without padding: spikes in, counts out."""

    kernel: Pair
    stride: Pair

    def __post_init__(self) -> None:
        _check_pair("pool kernel", self.kernel, 1)
        _check_pair("pool stride", self.stride, 1)


# ---------------------------------------------------------------- float stage


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Input(_ValueEquality):
    """A signal of integer codes ``low..high``; the network was trained on ``code * scale``.

    Held for all T steps it is direct coding; codes 0..1 with scale 1 are spikes.
    """

    shape: Shape
    low: int = 0
    high: int = 1
    scale: float = 1.0

    def __post_init__(self) -> None:
        _check_range(self.shape, self.low, self.high)
        _check_scale(self.scale)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dense(_ValueEquality):
    """``weight @ s + bias``."""

    weight: Annotated[FloatWeight, "(out, in)"]
    bias: ChannelFloats | None = None

    def __post_init__(self) -> None:
        _freeze_floats(self, "weight", 2, keep=np.float32)
        _freeze_bias(self)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Conv2d(_ValueEquality):
    """Two-dimensional cross-correlation, zero padding, as torch does. Depthwise 1x1 carries an identity shortcut."""

    weight: Annotated[FloatWeight, "(out, in / groups, height, width)"]
    bias: ChannelFloats | None = None
    geometry: ConvGeometry = field(default_factory=ConvGeometry)

    def __post_init__(self) -> None:
        _freeze_floats(self, "weight", 4, keep=np.float32)
        _freeze_bias(self)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AvgPool2d(_ValueEquality):
    """Mean over windows without padding; becomes SumPool2d with the factor folded into the next weights."""

    kernel: Pair
    stride: Pair

    def __post_init__(self) -> None:
        _check_pair("pool kernel", self.kernel, 1)
        _check_pair("pool stride", self.stride, 1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BatchNorm(_ValueEquality):
    """``gain * (x - mean) / sqrt(var + eps) + shift`` per channel; tdBN's ``alpha * theta`` is part of ``gain``."""

    gain: ChannelFloats
    shift: ChannelFloats
    mean: ChannelFloats
    var: ChannelFloats
    eps: float

    def __post_init__(self) -> None:
        for name in ("gain", "shift", "mean", "var"):
            _freeze_floats(self, name, 1)
        sizes = {name: getattr(self, name).size for name in ("gain", "shift", "mean", "var")}
        if len(set(sizes.values())) > 1:
            raise GraphError(f"batch norm: sizes {sizes} differ; give one value per channel")
        if not (self.eps >= 0 and (self.var + self.eps > 0).all()):
            raise GraphError(f"batch norm: var + eps is not positive (eps = {self.eps}); check the running variance")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class QIF(_ValueEquality):
    """A population; all incoming branches add up."""

    params: QIFParams


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Readout(_ValueEquality):
    """Non-spiking output: reduces its input current over time; argmax is the class."""

    reduce: Reduce = Reduce.SUM


# ---------------------------------------------------------------- integer stage


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CodeInput(_ValueEquality):
    """Integer input codes ``low..high``; ``scale`` is the value of one code, for reporting and encoding only."""

    shape: Shape
    low: int
    high: int
    scale: float

    def __post_init__(self) -> None:
        _check_range(self.shape, self.low, self.high)
        _check_scale(self.scale)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DenseCodes(_ValueEquality):
    """``(weight @ s) << shift``; ``shift`` is k_b of docs/numerics.md."""

    weight: Annotated[NDArray[np.int32], "(out, in)"]
    shift: int

    def __post_init__(self) -> None:
        _freeze_codes(self, 2)
        _check_shift(self.shift)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Conv2dCodes(_ValueEquality):
    """Convolution of codes, then ``<< shift``."""

    weight: Annotated[NDArray[np.int32], "(out, in / groups, height, width)"]
    shift: int
    geometry: ConvGeometry = field(default_factory=ConvGeometry)

    def __post_init__(self) -> None:
        _freeze_codes(self, 4)
        _check_shift(self.shift)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Population(_ValueEquality):
    """An integer population; ``delta`` is the float value of one code per channel, for reporting only."""

    constants: FixedConstants
    delta: ChannelFloats

    def __post_init__(self) -> None:
        _freeze_floats(self, "delta", 1)
        if self.delta.shape != self.constants.c2m.shape:
            raise GraphError(
                f"population: delta has {self.delta.size} values, the constants {self.constants.channels} channels; give one per channel"
            )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReadoutCodes(_ValueEquality):
    """Integer readout; one ``delta`` for all classes, since argmax compares codes."""

    bias: ChannelCodes
    delta: float
    reduce: Reduce = Reduce.SUM

    def __post_init__(self) -> None:
        if self.bias.ndim != 1 or self.bias.size == 0 or not np.issubdtype(self.bias.dtype, np.integer):
            raise GraphError(
                f"readout bias: dtype {self.bias.dtype}, shape {self.bias.shape}; give integers of shape (class,), at least one"
            )
        if not (np.isfinite(self.delta) and self.delta > 0):
            raise GraphError(f"readout delta {self.delta} is not positive and finite; give the value of one code")
        object.__setattr__(self, "bias", frozen(self.bias, np.int64))


FloatNode = Input | Dense | Conv2d | AvgPool2d | SumPool2d | Flatten | BatchNorm | QIF | Readout
CodeNode = CodeInput | DenseCodes | Conv2dCodes | SumPool2d | Flatten | Population | ReadoutCodes
Node = FloatNode | CodeNode


def _check_range(shape: Shape, low: int, high: int) -> None:
    if len(shape) not in (1, 3) or not all(isinstance(n, int) and n > 0 for n in shape):
        raise GraphError(f"input shape {shape!r} is neither (feature,) nor (channel, height, width); leave time and batch out")
    if not -(2**31) < low < high < 2**31:
        raise GraphError(f"input code range {low}..{high} is empty or beyond 32 bits; give the smallest and largest code")


def _check_scale(scale: float) -> None:
    if not (np.isfinite(scale) and scale > 0):
        raise GraphError(f"input scale {scale} is not positive and finite; give the value of one input code")


def _freeze_floats(node: Any, name: str, ndim: int, *, keep: type[np.float32] | None = None) -> None:
    value = np.asarray(getattr(node, name))
    if value.ndim != ndim or value.size == 0:
        raise GraphError(f"{type(node).__name__} {name}: shape {value.shape} has not {ndim} non-empty axes")
    if not np.isfinite(value).all():
        first = np.argwhere(~np.isfinite(value))[0]
        raise GraphError(
            f"{type(node).__name__} {name}, channel {first[0]}: value {value[tuple(first)]} is not finite; check the checkpoint"
        )
    object.__setattr__(node, name, frozen(value, np.float64 if value.dtype != keep else keep))


def _freeze_bias(node: Any) -> None:
    if node.bias is None:
        return
    _freeze_floats(node, "bias", 1)
    if node.bias.shape[0] != node.weight.shape[0]:
        raise GraphError(f"{type(node).__name__} bias: {node.bias.shape[0]} values for {node.weight.shape[0]} outputs; give one per output")


def _freeze_codes(node: Any, ndim: int) -> None:
    value = np.asarray(node.weight)
    if value.ndim != ndim or value.size == 0 or not np.issubdtype(value.dtype, np.integer):
        raise GraphError(
            f"{type(node).__name__} weight: dtype {value.dtype}, shape {value.shape}; give integers with {ndim} non-empty axes"
        )
    largest = max(abs(int(value.min())), abs(int(value.max())))
    if largest >= 2**31:
        raise GraphError(f"{type(node).__name__} weight: code {largest} is beyond 32 bits; requantise")
    object.__setattr__(node, "weight", frozen(value, np.int32))


def _check_shift(shift: int) -> None:
    if not isinstance(shift, int) or not 0 <= shift <= MAX_SHIFT:
        raise GraphError(f"branch shift {shift!r} is outside 0..{MAX_SHIFT}")
