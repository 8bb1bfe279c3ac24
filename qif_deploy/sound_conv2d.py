"""Convolution of floats by torch, past the kernels of oneDNN that read beyond their operands.

Found by random networks on oneDNN 3.3.6 (torch 2.3.1) with AVX-512, for float32 and for bytes: some convolutions whose result is one
place wide at a stride above 1 come out wrong, and some that have a place which sees nothing but padding end the process, in training
too. The kernel is chosen by batch size, memory order and processor as well, so that a trial at start may pass, or itself end the
process. Networks hardly have such layers, and those are small.
"""

from __future__ import annotations

import functools

from qif_deploy._torch import torch
from qif_deploy.ir.nodes import ConvGeometry, Pair


def sound_geometry(geometry: ConvGeometry, size: Pair, kernel: Pair) -> bool:
    """Whether every place of the result sees some of the signal, and no stride is above 1 along a result of one place.

    Args:
        geometry: of the convolution.
        size: height and width of the signal.
        kernel: height and width of the kernel.
    """
    axes = zip(size, kernel, geometry.stride, geometry.padding, geometry.dilation, geometry.output_size(size, kernel), strict=True)
    return all(_sound_along(*axis) for axis in axes)


@functools.cache
def _sound_along(n: int, k: int, stride: int, padding: int, dilation: int, places: int) -> bool:
    taps = range(0, k * dilation, dilation)
    starts = range(-padding, places * stride - padding, stride)
    return not (places == 1 and stride > 1) and all(any(0 <= start + tap < n for tap in taps) for start in starts)


def conv2d(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, geometry: ConvGeometry) -> torch.Tensor:
    """Convolve, also where oneDNN would not: there as one product of matrices, with its gradients.

    Args:
        x: ``(batch, channel, height, width)``.
        weight: ``(output, channel / groups, height, width)``, of the dtype of ``x``.
        bias: ``(output,)`` or None.
        geometry: stride, padding, dilation and groups.
    """
    g, kernel = geometry, (weight.shape[2], weight.shape[3])
    size = (x.shape[2], x.shape[3])
    if x.device.type != "cpu" or sound_geometry(g, size, kernel):
        return torch.nn.functional.conv2d(x, weight, bias, g.stride, g.padding, g.dilation, g.groups)
    columns = torch.nn.functional.unfold(x, kernel, g.dilation, g.padding, g.stride)  # (batch, channel * tap, place)
    rows = weight.reshape(g.groups, weight.shape[0] // g.groups, -1)
    sums = torch.matmul(rows, columns.reshape(len(x), g.groups, rows.shape[2], -1))
    out = sums.reshape(len(x), weight.shape[0], *g.output_size(size, kernel))
    return out if bias is None else out + bias.reshape(-1, 1, 1)


class SoundConv2d(torch.nn.Conv2d):
    """``torch.nn.Conv2d`` with zeros around its signal, by ``conv2d``: same parameters, same start, same state."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002  # torch's name
        """Return ``(batch, output, height, width)``."""
        geometry = ConvGeometry(stride=_pair(self.stride), padding=_pair(self.padding), dilation=_pair(self.dilation), groups=self.groups)
        return conv2d(input, self.weight, self.bias, geometry)


def _pair(values: object) -> Pair:
    assert isinstance(values, tuple)
    height, width = values
    return height, width


__all__ = ["SoundConv2d", "conv2d", "sound_geometry"]
