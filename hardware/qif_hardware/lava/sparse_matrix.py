"""A convolution, and the pools before it, as one sparse matrix over Lava's flattened maps. NumPy only.

Exact for every geometry: what Lava's Conv cannot carry (overlapping windows before a padded convolution, extents beyond
int8, sums beyond 24 bits) its Sparse can. Output and source are flat in the order of ``(width, height, channel)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qif_deploy.ir.nodes import Conv2dCodes, SumPool2d
from qif_deploy.shapes import Shape

Indices = NDArray[np.int64]


class Entries(NamedTuple):
    """Entries ``(row, column, value)`` of a matrix ``(out, in)``, one axis each; ``shape`` is the map of the rows, Lava's axes."""

    rows: Indices
    columns: Indices
    values: Indices
    shape: Shape


class CompressedRows(NamedTuple):
    """Row n holds ``values[starts[n]:starts[n + 1]]`` in ``columns``, which ascend."""

    values: Indices
    columns: Indices
    starts: Indices


def count_entries(node: Conv2dCodes, size: tuple[int, int], pools: Sequence[SumPool2d]) -> int:
    """Return an upper bound on the entries of ``conv_entries``, without forming them. ``size``: of the convolution's output."""
    windows = int(np.prod([pool.kernel[0] * pool.kernel[1] for pool in pools], dtype=np.int64))
    return int(np.count_nonzero(node.weight)) * size[0] * size[1] * windows


def conv_entries(node: Conv2dCodes, shape: Shape) -> Entries:
    """Return the matrix of ``node`` on a map ``(channel, height, width)`` of ``shape``."""
    g = node.geometry
    outputs, per_group, kh, kw = node.weight.shape
    height, width = g.output_size((shape[1], shape[2]), (kh, kw))
    o, c, a, b = np.nonzero(node.weight)
    channel = o // (outputs // g.groups) * per_group + c
    y, x = (index.ravel() for index in np.mgrid[:height, :width])
    source_y = y * g.stride[0] - g.padding[0] + (a * g.dilation[0])[:, None]  # (tap, place)
    source_x = x * g.stride[1] - g.padding[1] + (b * g.dilation[1])[:, None]
    inside = (source_y >= 0) & (source_y < shape[1]) & (source_x >= 0) & (source_x < shape[2])
    rows = _flat(x, y, o[:, None], height, outputs)
    columns = _flat(source_x, source_y, channel[:, None], shape[1], shape[0])
    values = np.broadcast_to(node.weight[o, c, a, b].astype(np.int64)[:, None], inside.shape)
    return Entries(rows[inside], columns[inside], values[inside], (width, height, outputs))


def through_pool(entries: Entries, pool: SumPool2d, shape: Shape) -> Entries:
    """Return ``entries``, whose columns are the pooled map, over the pool's input ``(channel, height, width)`` of ``shape``."""
    channels, height, _ = shape
    pooled_height = (height - pool.kernel[0]) // pool.stride[0] + 1
    column, channel = np.divmod(entries.columns, channels)
    x, y = np.divmod(column, pooled_height)
    dy, dx = (index.ravel() for index in np.mgrid[: pool.kernel[0], : pool.kernel[1]])
    spread = _flat((x * pool.stride[1])[:, None] + dx, (y * pool.stride[0])[:, None] + dy, channel[:, None], height, channels)
    rows, values = (np.repeat(array, dx.size) for array in (entries.rows, entries.values))
    return Entries(rows, spread.ravel(), values, entries.shape)


def compressed(entries: Entries, inputs: int) -> CompressedRows:
    """Return ``entries`` in compressed rows: entries of one place added up, zeros left out."""
    outputs = int(np.prod(entries.shape))
    place = entries.rows * inputs + entries.columns
    order = np.argsort(place, kind="stable")
    place, first = np.unique(place[order], return_index=True)
    values = np.add.reduceat(entries.values[order], first) if first.size else np.zeros(0, np.int64)
    rows, columns = np.divmod(place[values != 0], inputs)
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=outputs))])
    return CompressedRows(values[values != 0], columns, starts)


def largest_row_sum(matrix: CompressedRows, low: int, high: int) -> int:
    """Return the largest magnitude of a row's sum over signals ``low..high``."""
    rows = np.repeat(np.arange(matrix.starts.size - 1), np.diff(matrix.starts))
    top, bottom = (np.zeros(matrix.starts.size - 1, np.int64) for _ in range(2))
    np.add.at(top, rows, np.maximum(matrix.values * low, matrix.values * high))
    np.add.at(bottom, rows, np.minimum(matrix.values * low, matrix.values * high))
    return int(max(top.max(), -bottom.min()))


def _flat(x: Indices, y: Indices, channel: Indices, height: int, channels: int) -> Indices:
    flat: Indices = (x * height + y) * channels + channel
    return flat
