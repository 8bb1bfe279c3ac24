"""Array aliases that carry their axes, and the operations that NumPy arrays and torch tensors share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from typing_extensions import Self

ChannelFloats = Annotated[NDArray[np.float64], "(channel,)"]
ChannelCodes = Annotated[NDArray[np.int64], "(channel,)"]
StateCodes = Annotated[NDArray[np.int64], "(batch, channel, ...)"]
InputCodes = Annotated[NDArray[np.int64], "(time, batch, channel, ...)"]
TraceCodes = Annotated[NDArray[np.int32], "(time, batch, channel, ...)"]
SpikeTrain = Annotated[NDArray[np.uint8], "(time, batch, channel, ...)"]
ReadoutCodes = Annotated[NDArray[np.int64], "(batch, class)"]
Shape = tuple[int, ...]


class SharedArray(Protocol):
    """What the float and integer steps use: operators and ``clip`` of NumPy arrays and torch tensors alike.

    Operands are ``Any`` because the two libraries' stubs disagree on scalars and promotion; the values are checked
    by the conformance tests.
    """

    @property
    def itemsize(self) -> int: ...
    def __add__(self, other: Any) -> Self: ...
    def __radd__(self, other: Any) -> Self: ...
    def __sub__(self, other: Any) -> Self: ...
    def __rsub__(self, other: Any) -> Self: ...
    def __mul__(self, other: Any) -> Self: ...
    def __rmul__(self, other: Any) -> Self: ...
    def __neg__(self) -> Self: ...
    def __rshift__(self, other: Any) -> Self: ...
    def __lshift__(self, other: Any) -> Self: ...
    def __and__(self, other: Any) -> Self: ...
    def __ge__(self, other: Any) -> Self: ...
    def clip(self, low: Any, high: Any) -> Self: ...


A = TypeVar("A", bound=SharedArray)


def channelwise(values: NDArray[Any], ndim: int) -> NDArray[Any]:
    """Reshape ``(channel,)`` so that it broadcasts over ``(channel, ...)`` with ``ndim`` axes behind the batch."""
    return values.reshape(values.shape[0], *([1] * (ndim - 1)))


def frozen(values: Any, dtype: Any) -> NDArray[Any]:
    """Copy ``values`` into a read-only C-contiguous array of ``dtype``."""
    array = np.array(values, dtype=dtype, order="C")
    array.setflags(write=False)
    return array
