"""Geometries of convolutions that oneDNN's kernels read beyond their operands for, so that they are never asked.

Found by random networks on oneDNN 3.3.6 (torch 2.3.1) with AVX-512, for float32 and for bytes: some convolutions whose result is one
place wide at a stride above 1 come out wrong, and some that have a place which sees nothing but padding end the process. The
kernel is chosen by batch size, memory order and processor too, so that a trial at start may pass, or itself end the process.
Networks hardly have such layers, and those are small.
"""

from __future__ import annotations

from qif_deploy.ir.nodes import ConvGeometry, Pair


def sound_geometry(geometry: ConvGeometry, size: Pair, kernel: Pair) -> bool:
    """Whether every place of the result sees some of the signal, and no stride is above 1 along a result of one place.

    Args:
        geometry: of the convolution.
        size: height and width of the signal.
        kernel: height and width of the kernel.
    """
    for n, k, s, p, d, places in zip(
        size, kernel, geometry.stride, geometry.padding, geometry.dilation, geometry.output_size(size, kernel), strict=True
    ):
        if places == 1 and s > 1:
            return False
        taps = range(0, k * d, d)
        if any(all(not 0 <= first + tap < n for tap in taps) for first in range(-p, places * s - p, s)):
            return False
    return True


__all__ = ["sound_geometry"]
