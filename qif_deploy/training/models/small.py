"""Small networks: convolutions with pools, and linear layers only."""

from __future__ import annotations

from qif_deploy.errors import InputError
from qif_deploy.training.models.options import ModelOptions
from qif_deploy.training.models.stack import LayerStack
from qif_deploy.training.spec import InputSpec, NetworkSpec, convolutional_spec


def conv_spec(input_spec: InputSpec, options: ModelOptions) -> NetworkSpec:
    """``convolutional_spec`` with ``channels`` and ``hidden`` of the options.

    Raises:
        InputError: no channels, or dropout, which this model does not have.
    """
    if not options.channels:
        raise InputError("model 'conv': channels = (), allowed is one number per convolution; give for example channels = (16, 32)")
    if options.dropout > 0:
        raise InputError(f"model 'conv': dropout = {options.dropout}, allowed is 0; use 'mlp' or a published network")
    channels = tuple(options.wide(c) for c in options.channels)
    return convolutional_spec(
        input_spec, channels=channels, hidden=options.wide(options.hidden) if options.hidden else 0, steps=options.steps
    )


def mlp_spec(input_spec: InputSpec, options: ModelOptions) -> NetworkSpec:
    """Linear - norm - population per entry of ``channels``, dropout behind each; linear; readout.

    Raises:
        InputError: no channels, or ``hidden``, which belongs to ``conv``.
    """
    if not options.channels or options.hidden:
        raise InputError(
            f"model 'mlp': channels = {options.channels}, hidden = {options.hidden}; "
            "give the neurons of every hidden population as channels"
        )
    stack = LayerStack(input_spec)
    stack.flatten()
    for n, features in enumerate(options.channels, start=1):
        stack.dense(str(n), options.wide(features))
        stack.dropout(str(n), options.dropout)
    return stack.finished(str(len(options.channels) + 1), options.steps)
