"""Models by name: ``model_spec("resnet19", input_spec, steps=4)`` is what recipes call.

The neuron is not part of a spec: ``SpikingNetwork(spec, params=...)`` takes any QIFParams, so the LIF twin of a network is the
same spec with ``QIFParams.lif(...)``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from qif_deploy.suggestion import unknown_word
from qif_deploy.training.models.options import ModelOptions
from qif_deploy.training.models.resnet import resnet18_spec, resnet19_spec, resnet19_stem64_spec, resnet34_spec
from qif_deploy.training.models.small import conv_spec, mlp_spec
from qif_deploy.training.models.vgg import vggsnn_spec
from qif_deploy.training.spec import InputSpec, NetworkSpec

ModelBuilder = Callable[[InputSpec, ModelOptions], NetworkSpec]

MODELS: Mapping[str, ModelBuilder] = MappingProxyType(
    {
        "conv": conv_spec,
        "mlp": mlp_spec,
        "vggsnn": vggsnn_spec,
        "resnet19": resnet19_spec,
        "resnet19-stem64": resnet19_stem64_spec,
        "resnet18": resnet18_spec,
        "resnet34": resnet34_spec,
    }
)
"""The word in a recipe -> builder."""


def model_spec(
    name: str,
    input_spec: InputSpec,
    *,
    steps: int,
    width: float = 1.0,
    dropout: float = 0.0,
    channels: tuple[int, ...] = (),
    hidden: int = 0,
) -> NetworkSpec:
    """Return the layers of model ``name`` for that input.

    Args:
        name: a key of ``MODELS``.
        input_spec: shape, range of codes, and number of classes.
        steps: T.
        width: multiplier of all channel numbers; 1 for the published network.
        dropout: in front of the linear layers; not for ``conv``.
        channels: for ``conv`` the channels of the convolutions, for ``mlp`` the neurons of the hidden populations; else empty.
        hidden: for ``conv`` the neurons of a population in front of the readout's linear layer; else 0.

    Raises:
        InputError: an unknown name, an option outside its limits or not of that model, or an input that is too small.
    """
    if name not in MODELS:
        raise unknown_word("model", name, sorted(MODELS))
    return MODELS[name](input_spec, ModelOptions(steps=steps, width=width, dropout=dropout, channels=channels, hidden=hidden))


__all__ = ["MODELS", "ModelBuilder", "ModelOptions", "model_spec"]
