"""Residual networks whose branches add up in front of the neuron.

ResNet-19: H. Zheng, Y. Wu, L. Deng, Y. Hu and G. Li, "Going Deeper With Directly-Trained Larger Spiking Neural Networks",
AAAI 2021. ResNet-18 and 34: K. He, X. Zhang, S. Ren and J. Sun, "Deep Residual Learning for Image Recognition", CVPR 2016.

Every residual block has a shortcut with weights: the identity as a depthwise 1x1 convolution, or a 1x1 convolution with norm.
"""

from __future__ import annotations

from collections.abc import Sequence

from qif_deploy.training.models.options import ModelOptions
from qif_deploy.training.models.stack import LayerStack
from qif_deploy.training.spec import InputSpec, NetworkSpec

Stages = Sequence[tuple[int, int]]

RESNET19_STAGES: Stages = ((128, 3), (256, 3), (512, 2))
RESNET18_STAGES: Stages = ((64, 2), (128, 2), (256, 2), (512, 2))
RESNET34_STAGES: Stages = ((64, 3), (128, 4), (256, 6), (512, 3))
"""Channels and blocks per stage."""


def resnet19_spec(input_spec: InputSpec, options: ModelOptions) -> NetworkSpec:
    """Return ResNet-19 as the paper's table has it: stem of 128 channels, FC 256 with a population in front of the classes.

    FC 256 has a norm as every population has, where the authors' code has a bias alone: 256 gains more. Without it the currents
    start at a tenth of the threshold, outside the surrogate window, which is derived for normalised input.
    """
    return _resnet19("resnet19", input_spec, options, stem=128)


def resnet19_stem64_spec(input_spec: InputSpec, options: ModelOptions) -> NetworkSpec:
    """Return ResNet-19 as its authors' code has it: stem of 64 channels, so the first block has a 1x1 convolution as shortcut.

    With 10 classes it is the network of 12.63 million parameters that the literature compares with.
    """
    return _resnet19("resnet19-stem64", input_spec, options, stem=64)


def resnet18_spec(input_spec: InputSpec, options: ModelOptions) -> NetworkSpec:
    """Return ResNet-18 for ImageNet; see ``_imagenet``."""
    return _imagenet("resnet18", input_spec, options, RESNET18_STAGES)


def resnet34_spec(input_spec: InputSpec, options: ModelOptions) -> NetworkSpec:
    """Return ResNet-34 for ImageNet; see ``_imagenet``."""
    return _imagenet("resnet34", input_spec, options, RESNET34_STAGES)


def _resnet19(name: str, input_spec: InputSpec, options: ModelOptions, *, stem: int) -> NetworkSpec:
    options.refuse_channels(name)
    stack = LayerStack(input_spec)
    stack.convolution("0", options.wide(stem))
    _stages(stack, options, RESNET19_STAGES)
    stack.global_pool("")
    stack.flatten()
    stack.dropout("1", options.dropout)
    stack.dense("1", options.wide(256))
    stack.dropout("2", options.dropout)
    return stack.finished("2", options.steps)


def _imagenet(name: str, input_spec: InputSpec, options: ModelOptions, stages: Stages) -> NetworkSpec:
    """Stem 7x7 with stride 2, average pool 2x2, four stages, global average pool, linear layer.

    The 3x3 max pool behind the stem of the original is an average pool here: the maximum of spikes is no weighted sum, so
    it converts to no node of the Graph. Neither has parameters, and both halve the image.
    """
    options.refuse_channels(name)
    stack = LayerStack(input_spec)
    stack.convolution("0", options.wide(64), kernel=7, stride=2)
    stack.pool("0", (2, 2))
    _stages(stack, options, stages)
    stack.global_pool("")
    stack.flatten()
    stack.dropout("", options.dropout)
    return stack.finished("", options.steps)


def _stages(stack: LayerStack, options: ModelOptions, stages: Stages) -> None:
    """Append the residual blocks; every stage but the first halves the image in its first block."""
    for stage, (channels, blocks) in enumerate(stages, start=1):
        for block in range(1, blocks + 1):
            stack.residual_block(f"{stage}_{block}", options.wide(channels), stride=2 if stage > 1 and block == 1 else 1)
