"""Folding sum pools into the weights behind them, exactly: Lava has no pooling process.

With ``y[i] = sum_a x[i * p + a]``, ``a < k`` (pool stride p, window k), a tap of weight w on ``y[i]`` is a tap of the
same weight on each of ``x[i * p + a]``. So a dense weight is spread over the windows, and a convolution becomes one with
a spread kernel, ``stride * p`` and ``padding * p``.

A padded convolution also taps ``y[i]`` outside the pooled map, where it reads zero; the spread kernel must read zero
there too. It does beyond the border of ``x``, but not on rows of ``x`` that the pool leaves over (sizes that the stride
does not divide): those are to be blanked, which ``FoldedConv.keep`` says.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qif_deploy.errors import UnsupportedError
from qif_deploy.ir.nodes import ConvGeometry, Pair, SumPool2d


class FoldedConv(NamedTuple):
    """A convolution on the pool's input. ``keep`` (height, width): the signal beyond it must be blanked; None: nothing."""

    weight: NDArray[np.int64]
    geometry: ConvGeometry
    keep: Pair | None


def fold_into_dense(weight: NDArray[Any], pool: SumPool2d, size: Pair) -> NDArray[np.int64]:
    """Return ``(out, channel, height, width)`` over the pool's input of ``size``; what the pool leaves over weighs zero.

    Args:
        weight: ``(out, channel, pooled height, pooled width)``.
        pool: windows may overlap or leave gaps.
        size: height and width of the pool's input.
    """
    out = np.zeros((*weight.shape[:2], *size), np.int64)
    for a in range(pool.kernel[0]):
        for b in range(pool.kernel[1]):
            rows = slice(a, a + pool.stride[0] * (weight.shape[2] - 1) + 1, pool.stride[0])
            columns = slice(b, b + pool.stride[1] * (weight.shape[3] - 1) + 1, pool.stride[1])
            out[:, :, rows, columns] += weight
    return out


def fold_into_conv(name: str, conv: FoldedConv, pool: SumPool2d, size: Pair) -> FoldedConv:
    """Return the convolution on the pool's input of height and width ``size`` that equals pool, then ``conv``.

    Raises:
        UnsupportedError: overlapping windows before a padded convolution whose border taps cannot be folded.
    """
    (kh, kw), (ph, pw) = pool.kernel, pool.stride
    g = conv.geometry
    taps_h, taps_w = conv.weight.shape[2:]
    extent = [d * (taps - 1) * p + k for taps, d, p, k in zip((taps_h, taps_w), g.dilation, pool.stride, pool.kernel, strict=True)]
    weight = np.zeros((*conv.weight.shape[:2], *extent), np.int64)
    for row in range(taps_h):
        for column in range(taps_w):
            top, left = row * g.dilation[0] * ph, column * g.dilation[1] * pw
            weight[:, :, top : top + kh, left : left + kw] += conv.weight[:, :, row, column, None, None]
    keep = [_keep(name, conv, pool, size, axis) for axis in (0, 1)]
    geometry = ConvGeometry(
        stride=(g.stride[0] * ph, g.stride[1] * pw), padding=(g.padding[0] * ph, g.padding[1] * pw), dilation=(1, 1), groups=g.groups
    )
    blanked = any(k < n for k, n in zip(keep, size, strict=True))
    return FoldedConv(weight, geometry, (keep[0], keep[1]) if blanked else None)


def _keep(name: str, conv: FoldedConv, pool: SumPool2d, size: Pair, axis: int) -> int:
    """Return how many rows (axis 0) or columns of the pool's input may carry a signal; ``size`` when all may."""
    n, k, p = size[axis], pool.kernel[axis], pool.stride[axis]
    pooled = (n - k) // p + 1
    valid = pooled if conv.keep is None else conv.keep[axis]
    g = conv.geometry
    taps, s, pad, d = conv.weight.shape[2 + axis], g.stride[axis], g.padding[axis], g.dilation[axis]
    outputs = (pooled + 2 * pad - d * (taps - 1) - 1) // s + 1
    outside = [i for i in (m * s - pad + t * d for m in range(outputs) for t in range(taps)) if not 0 <= i < valid]
    if k > p and any(i * p + k > 0 for i in outside if i < 0):
        raise _border_error(name, pool)
    if not any(i * p < n for i in outside if i >= valid):
        return n
    if k > p:
        raise _border_error(name, pool)
    return valid * p


def _border_error(name: str, pool: SumPool2d) -> UnsupportedError:
    return UnsupportedError(
        f"synapse {name!r}: a padded convolution after overlapping pool windows {pool.kernel} with stride {pool.stride} has no equal "
        "on Lava; use a pool whose stride is at least its window, or no padding"
    )
