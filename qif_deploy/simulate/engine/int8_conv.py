"""oneDNN's byte convolution and linear layer, as torch binds them: exact sums of uint8 codes times int8 weights, as float32.

The operators are made for quantised networks; with all scales 1 and all zero points 0 they return the plain sums. They are no public
interface of torch: names and signatures have changed between versions, so that they enter here alone, tried at start on values that
show every known way to be wrong, and are left out where they are missing or wrong.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from qif_deploy.ir.nodes import ConvGeometry
from qif_deploy.simulate.engine.plan import PAIR_LIMIT, ByteUnits

Tensor = torch.Tensor
Summation = Callable[[Tensor], Tensor]

_REFUSALS = (RuntimeError, AttributeError, TypeError, NotImplementedError)
"""What a torch without these operators, or with another signature, answers."""


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
    except _REFUSALS:
        pass
    return ByteUnits.NONE


def agrees(summation: Summation, x: Tensor, expected: Callable[[Tensor], Tensor]) -> bool:
    """Whether ``summation`` runs here and gives exactly the sums that ``expected`` gives for ``x`` in float64."""
    try:
        return torch.equal(summation(x).double(), expected(x.double()))
    except _REFUSALS:
        return False


def _right(code: int, limit: int) -> bool:
    """Largest codes with largest weights of either sign, alternating signs, and random ones; kernels of several sizes."""
    generator = torch.Generator().manual_seed(0)
    for channels, out, kernel, groups in ((64, 32, 3, 1), (3, 16, 5, 1), (16, 8, 1, 1), (8, 8, 3, 8)):
        shape = (out, channels // groups, kernel, kernel)
        signs = 1 - 2 * (torch.arange(shape[1] * kernel * kernel).reshape(shape[1:]) % 2)
        weight = torch.randint(-limit, limit + 1, shape, generator=generator)
        weight[0], weight[1], weight[2] = limit, -limit, limit * signs
        x = torch.randint(0, code + 1, (3, channels, 9, 7), generator=generator)
        x[0], x[1, :, ::2] = code, code
        frames = x.to(torch.uint8).contiguous(memory_format=torch.channels_last)
        geometry = ConvGeometry(padding=(kernel // 2, kernel // 2), groups=groups)
        small = weight.to(torch.int8)
        double = weight.double()
        if not agrees(
            byte_convolution(small, geometry), frames, functools.partial(_convolve, weight=double, padding=kernel // 2, groups=groups)
        ):
            return False
    rows = torch.randint(0, code + 1, (5, 130), generator=generator)
    rows[0], rows[1, ::2] = code, code
    weight = torch.randint(-limit, limit + 1, (24, 130), generator=generator)
    weight[0], weight[1] = limit, -limit
    return agrees(byte_linear(weight.to(torch.int8)), rows.to(torch.uint8), lambda x: F.linear(x, weight.double()))


def _convolve(x: Tensor, *, weight: Tensor, padding: int, groups: int) -> Tensor:
    return F.conv2d(x, weight, None, 1, padding, 1, groups)
