"""Array aliases that carry their axes, and the operations that NumPy arrays and torch tensors share."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

ChannelFloats = Annotated[NDArray[np.float64], "(channel,)"]
ChannelFlags = Annotated[NDArray[np.bool_], "(channel,)"]
ChannelCodes = Annotated[NDArray[np.int64], "(channel,)"]
StateCodes = Annotated[NDArray[np.int64], "(batch, channel, ...)"]
InputCodes = Annotated[NDArray[np.int64], "(time, batch, channel, ...)"]
TraceCodes = Annotated[NDArray[np.int32], "(time, batch, channel, ...)"]
SpikeTrain = Annotated[NDArray[np.uint8], "(time, batch, channel, ...)"]
ReadoutCodes = Annotated[NDArray[np.int64], "(batch, class)"]
Shape = tuple[int, ...]


SharedArray: TypeAlias = Any
"""A NumPy array or a torch tensor. The steps use only what both share: ``+ - * >> << & >=``, ``clip`` and ``itemsize``.

``Any``, because the two libraries' stubs disagree on scalars and promotion; the conformance tests check the values.
"""


def channelwise(values: NDArray[Any], ndim: int) -> NDArray[Any]:
    """Reshape ``(channel,)`` so that it broadcasts over ``(channel, ...)`` with ``ndim`` axes behind the batch."""
    return values.reshape(values.shape[0], *([1] * (ndim - 1)))


def frozen(values: Any, dtype: Any) -> NDArray[Any]:
    """Copy ``values`` into a read-only C-contiguous array of ``dtype``."""
    array = np.array(values, dtype=dtype, order="C")
    array.setflags(write=False)
    return array
