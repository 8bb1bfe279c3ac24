"""oneDNN's byte convolution and linear layer, as torch binds them: exact sums of uint8 codes times int8 weights, as float32.

The operators are made for quantised networks; with all scales 1 and all zero points 0 they return the plain sums. They are no public
interface of torch: names and signatures have changed between versions, so that they enter here alone, tried at start on values that
show every known way to be wrong, and are left out where they are missing or wrong.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import torch

from qif_deploy.analysis.signal_range import Signal
from qif_deploy.ir.nodes import Conv2dCodes, ConvGeometry, DenseCodes
from qif_deploy.simulate.engine.plan import PAIR_LIMIT, ByteUnits
from qif_deploy.simulate.engine.trial import REFUSALS, Trial

Tensor = torch.Tensor
Summation = Callable[[Tensor], Tensor]


def _operators() -> Any:
    """Return torch's name space of oneDNN operators; its stubs do not have it."""
    untyped: Any = torch
    return untyped.ops.onednn


def byte_convolution(weight: Tensor, geometry: ConvGeometry) -> Summation:
    """Return the convolution by ``weight`` (int8) of uint8 frames ``(n, channel, height, width)`` in channels-last order.

    The result is float32, ``(n, channel, height, width)``, channels-last too.
    """
    stride, padding, dilation = list(geometry.stride), list(geometry.padding), list(geometry.dilation)
    scales, zeros = torch.ones(weight.shape[0]), torch.zeros(weight.shape[0], dtype=torch.long)
    ops = _operators()
    packed = ops.qconv_prepack(weight, scales, 1.0, 0, stride, padding, dilation, geometry.groups, None)
    operator = ops.qconv_pointwise if hasattr(ops, "qconv_pointwise") else ops.qconv2d_pointwise

    def summation(x: Tensor) -> Tensor:
        sums: Tensor = operator(
            x, 1.0, 0, packed, scales, zeros, None, stride, padding, dilation, geometry.groups, 1.0, 0, torch.float32, "none", [], ""
        )
        return sums

    return summation


def byte_linear(weight: Tensor) -> Summation:
    """Return the product of uint8 rows ``(n, in)`` with ``weight`` (int8) ``(out, in)``, float32."""
    scales, zeros = torch.ones(weight.shape[0]), torch.zeros(weight.shape[0], dtype=torch.long)
    ops = _operators()
    packed = ops.qlinear_prepack(weight, None)

    def summation(x: Tensor) -> Tensor:
        sums: Tensor = ops.qlinear_pointwise(x, 1.0, 0, packed, scales, zeros, None, 1.0, 0, torch.float32, "none", [], "")
        return sums

    return summation


@functools.cache
def byte_units() -> ByteUnits:
    """Try both operators on extreme and random bytes against sums in float64, which are exact there."""
    try:
        if _right(255, 127):
            return ByteUnits.WHOLE
        if _right(PAIR_LIMIT // (2 * 127), 127):
            return ByteUnits.PAIRED
    except REFUSALS:
        pass
    return ByteUnits.NONE


def _right(code: int, limit: int) -> bool:
    """Codes up to ``code`` times weights up to ``limit``: all largest, of one sign and alternating, and random; several kernels."""
    rng = np.random.default_rng(0)
    signal, cpu = Signal(0, code, Fraction(1)), torch.device("cpu")
    for channels, out, kernel, groups in ((64, 32, 3, 1), (3, 16, 5, 1), (16, 8, 1, 1), (8, 8, 3, 8)):
        codes = rng.integers(-limit, limit + 1, (out, channels // groups, kernel, kernel))
        codes[0], codes[1] = limit, -limit
        codes[2] = limit * (1 - 2 * (np.arange(codes[2].size) % 2)).reshape(codes[2].shape)
        node = Conv2dCodes(weight=codes.astype(np.int32), shift=0, geometry=ConvGeometry(padding=(kernel // 2, kernel // 2), groups=groups))
        weight = torch.from_numpy(codes)
        sums = byte_convolution(weight.to(torch.int8), node.geometry)
        if not Trial(node, weight, (channels, 9, 7), signal, cpu).passes(lambda x: channels_last(sums)(x.to(torch.uint8))):  # noqa: B023  # called here
            return False
    codes = rng.integers(-limit, limit + 1, (24, 130))
    codes[0], codes[1] = limit, -limit
    weight = torch.from_numpy(codes)
    linear = byte_linear(weight.to(torch.int8))
    return Trial(DenseCodes(weight=codes.astype(np.int32), shift=0), weight, (130,), signal, cpu).passes(
        lambda x: linear(x.to(torch.uint8))
    )


def channels_last(sums: Summation) -> Summation:
    """Show frames ``(n, height, width, channel)`` to an operator of torch as ``(n, channel, height, width)``, without moving them."""

    def around(x: Tensor) -> Tensor:
        if x.ndim == 2:
            return sums(x)
        return sums(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1).contiguous()

    return around
