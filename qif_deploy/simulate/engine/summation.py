"""The sums of one synapse over many frames, in the arithmetic that the plan chose and that was found right at start.

A signal in the engine has its channels last: frames ``(n, height, width, channel)`` or rows ``(n, feature)``; so have the sums.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from typing_extensions import assert_never

from qif_deploy.analysis.signal_range import Signal
from qif_deploy.ir.nodes import Conv2dCodes, DenseCodes
from qif_deploy.shapes import Shape
from qif_deploy.simulate.engine.int8_conv import byte_convolution, byte_linear, channels_last
from qif_deploy.simulate.engine.plan import Sums, SynapsePlan
from qif_deploy.simulate.engine.trial import Trial
from qif_deploy.sound_conv2d import sound_geometry

Tensor = torch.Tensor
Summation = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Synapse:
    """A synapse ready to run: ``sums`` maps signals (channels last) to sums of the same axes; ``plan`` says what it does, and why."""

    plan: SynapsePlan
    shift: int
    sums: Summation


def prepare_synapse(
    node: DenseCodes | Conv2dCodes, plan: SynapsePlan, *, shape: Shape, signal: Signal, folded: Shape | None, device: torch.device
) -> Synapse:
    """Return ``node`` in the arithmetic of ``plan``, or in the next wider one where the machine gets that wrong.

    Args:
        node: weights and geometry.
        plan: what was decided from the codes.
        shape: of the signal, ``(channel, height, width)`` or ``(feature,)``.
        signal: range of its codes.
        folded: ``(channel, height, width)`` of an image that was flattened in front of a dense layer: its weights are reordered to
            the engine's order, instead of every signal to theirs.
        device: where to run.
    """
    weight = torch.from_numpy(node.weight.astype(np.int8 if plan.sums is Sums.INT8 else np.int32))
    if folded is not None:
        weight = weight.reshape(-1, *folded).permute(0, 2, 3, 1).reshape(weight.shape[0], -1)

    def exact(why: SynapsePlan) -> Synapse:
        return Synapse(plan=why, shift=node.shift, sums=channels_last(_float_sums(node, weight, torch.float64, device)))

    if device.type == "cuda" and isinstance(node, Conv2dCodes) and plan.sums is not Sums.DIRECT:  # cuDNN may pick Winograd or FFT
        return _whole(exact(_wider(plan, "a GPU's convolution may transform its operands")))
    if plan.sums is Sums.DIRECT or plan.sums is Sums.FLOAT64:
        return exact(plan)
    if isinstance(node, Conv2dCodes) and not sound_geometry(node.geometry, (shape[1], shape[2]), (weight.shape[2], weight.shape[3])):
        return exact(_wider(plan, "oneDNN's kernels are wrong for some such strides and paddings"))
    trial = Trial(node, weight, shape, signal, device)
    if plan.sums is Sums.INT8:
        bytes_ = channels_last(byte_linear(weight) if isinstance(node, DenseCodes) else byte_convolution(weight, node.geometry))
        if trial.passes(lambda x: bytes_(x.to(torch.uint8))):
            return Synapse(plan=plan, shift=node.shift, sums=bytes_)
        plan = replace(plan, sums=Sums.FLOAT32, reason="byte instructions gave wrong sums here at this shape")
    single = channels_last(_float_sums(node, weight, torch.float32, device))
    if trial.passes(single):
        return Synapse(plan=plan, shift=node.shift, sums=single)
    return exact(_wider(plan, "float32 gave wrong sums here at this shape"))


def _whole(synapse: Synapse) -> Synapse:
    """Round the sums: a transform in float64 misses sums of 32 bits by far less than a half, and fractions are cut off later."""
    return replace(synapse, sums=lambda x: synapse.sums(x).round())


def _float_sums(node: DenseCodes | Conv2dCodes, weight: Tensor, dtype: torch.dtype, device: torch.device) -> Summation:
    wide = weight.to(device, dtype)
    match node:
        case DenseCodes():
            return lambda x: F.linear(x.to(dtype), wide)
        case Conv2dCodes():
            g = node.geometry
            wide = wide.contiguous(memory_format=torch.channels_last)
            return lambda x: F.conv2d(x.to(dtype), wide, None, g.stride, g.padding, g.dilation, g.groups)
        case _:
            assert_never(node)


def _wider(plan: SynapsePlan, reason: str) -> SynapsePlan:
    return replace(plan, sums=Sums.FLOAT64, reason=reason)
