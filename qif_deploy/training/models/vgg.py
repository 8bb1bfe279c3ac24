"""VGGSNN, the network of the CIFAR10-DVS figures.

64C3-128C3-AP2-256C3-256C3-AP2-512C3-512C3-AP2-512C3-512C3-AP2-FC on 48x48 frames of two polarities.
Source: S. Deng, Y. Li, S. Zhang and S. Gu, "Temporal Efficient Training of Spiking Neural Network via Gradient
Re-weighting", ICLR 2022, experiments on CIFAR10-DVS.
"""

from __future__ import annotations

from qif_deploy.training.models.options import ModelOptions
from qif_deploy.training.models.stack import LayerStack
from qif_deploy.training.spec import InputSpec, NetworkSpec

VGGSNN_CHANNELS = ((64, 128), (256, 256), (512, 512), (512, 512))
"""Convolutions between two pools."""


def vggsnn_spec(input_spec: InputSpec, options: ModelOptions) -> NetworkSpec:
    """Return VGGSNN with dropout in front of the linear layer; any image of at least 16x16.

    Convolutions have no bias, since the norm behind them has the shift.

    Raises:
        InputError: the image is too small for four pools, or channels are given.
    """
    options.refuse_channels("vggsnn")
    stack = LayerStack(input_spec)
    n = 0
    for group, convolutions in enumerate(VGGSNN_CHANNELS, start=1):
        for channels in convolutions:
            n += 1
            stack.convolution(str(n), options.wide(channels))
        stack.pool(str(group), (2, 2))
    stack.flatten()
    stack.dropout("", options.dropout)
    return stack.finished("", options.steps)
