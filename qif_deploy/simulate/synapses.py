"""Synapses, pools and flattens over NumPy arrays, generic in dtype: exact for integers, float for floats."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from qif_deploy.ir.nodes import ConvGeometry, Pair

Array = NDArray[Any]
_AXES: Any = (2, 3)  # Any: numpy's stub refuses the axis pair that its documentation shows


def dense(x: Array, weight: Array) -> Array:
    """``(n, in)`` times ``(out, in)`` to ``(n, out)``."""
    out: Array = x @ weight.T
    return out


def conv2d(x: Array, weight: Array, g: ConvGeometry) -> Array:
    """Cross-correlation ``(n, in, h, w)`` with ``(out, in / groups, kh, kw)``, zero padding."""
    (ph, pw), (sh, sw), (dh, dw) = g.padding, g.stride, g.dilation
    padded = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    out_channels, per_group, kh, kw = weight.shape
    windows = sliding_window_view(padded, (dh * (kh - 1) + 1, dw * (kw - 1) + 1), axis=_AXES)[:, :, ::sh, ::sw, ::dh, ::dw]
    n, _, oh, ow = windows.shape[:4]
    per_out = out_channels // g.groups
    out = np.empty((n, out_channels, oh, ow), dtype=x.dtype)
    for group in range(g.groups):
        inputs, outputs = slice(group * per_group, (group + 1) * per_group), slice(group * per_out, (group + 1) * per_out)
        taps = windows[:, inputs].transpose(0, 2, 3, 1, 4, 5).reshape(n * oh * ow, per_group * kh * kw)
        rows = taps @ weight[outputs].reshape(per_out, -1).T
        out[:, outputs] = rows.reshape(n, oh, ow, per_out).transpose(0, 3, 1, 2)
    return out


def sum_pool2d(x: Array, kernel: Pair, stride: Pair) -> Array:
    """Sum over windows without padding, ``(n, c, h, w)``."""
    windows = sliding_window_view(x, kernel, axis=_AXES)[:, :, :: stride[0], :: stride[1]]
    out: Array = windows.sum(axis=(4, 5), dtype=x.dtype)
    return out
