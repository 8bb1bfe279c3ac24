"""Axes: torch's ``(channel, height, width)`` against Lava's ``(width, height, channel)``. A vector stays a vector."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qif_deploy.ir.nodes import Pair
from qif_deploy.shapes import Shape


def lava_shape(shape: Shape) -> Shape:
    """Return ``(width, height, channel)`` of ``(channel, height, width)``; ``(feature,)`` as it is."""
    return shape[::-1]


def frames_to_lava(codes: NDArray[Any]) -> NDArray[Any]:
    """Return ``(batch * time, width, height, channel)`` of ``(time, batch, channel, height, width)``: samples one after another."""
    axes = (1, 0, *range(codes.ndim - 1, 1, -1))
    streamed = codes.transpose(axes)
    return np.ascontiguousarray(streamed.reshape(-1, *streamed.shape[2:]))


def frames_from_lava(frames: NDArray[Any], steps: int) -> NDArray[Any]:
    """Undo ``frames_to_lava`` for runs of ``steps`` time steps; a copy in memory."""
    streamed = frames.reshape(-1, steps, *frames.shape[1:])
    axes = (1, 0, *range(streamed.ndim - 1, 1, -1))
    return np.array(streamed.transpose(axes), order="C", subok=False)


def conv_weight_to_lava(weight: NDArray[Any]) -> NDArray[Any]:
    """Return ``(out, width, height, in)`` of torch's ``(out, in, height, width)``, flipped: Lava convolves, torch correlates."""
    return np.ascontiguousarray(weight[:, :, ::-1, ::-1].transpose(0, 3, 2, 1))


def dense_weight_to_lava(weight: NDArray[Any], shape: Shape) -> NDArray[Any]:
    """Reorder the columns of ``(out, in)`` from torch's flatten of ``shape`` to the flatten of ``lava_shape(shape)``."""
    columns = weight.reshape(weight.shape[0], *shape)
    return np.ascontiguousarray(columns.transpose(0, *range(columns.ndim - 1, 0, -1)).reshape(weight.shape[0], -1))


def reversed_pair(pair: Pair) -> Pair:
    """Return ``(width, height)`` of ``(height, width)``."""
    return pair[1], pair[0]
