"""From recipe and data set to the untrained network."""

from __future__ import annotations

from dataclasses import replace
from math import prod

from typing_extensions import assert_never

from qif_deploy._torch import torch
from qif_deploy.datasets.dataset import Dataset, StreamedDataset
from qif_deploy.datasets.encoders import Encoder
from qif_deploy.training.models.registry import model_spec
from qif_deploy.training.network import SpikingNetwork
from qif_deploy.training.recipe import Recipe
from qif_deploy.training.recipe_options import WindowKind
from qif_deploy.training.spec import ConvLayer, DenseLayer, InputSpec, Layer, NetworkSpec, NormLayer, PopulationLayer, ReadoutLayer
from qif_deploy.training.surrogate import DerivedWindow, FixedWindow, Surrogate


def input_spec(dataset: Dataset | StreamedDataset, encoder: Encoder = Encoder.DIRECT) -> InputSpec:
    """Return what a network must know of the data; behind a rate encoder its input is spikes."""
    spec = InputSpec(shape=dataset.shape, low=dataset.low, high=dataset.high, scale=dataset.scale, classes=dataset.classes)
    return replace(spec, low=0, high=1, scale=1.0) if encoder is Encoder.RATE else spec


def build_network(recipe: Recipe, spec: InputSpec, *, seed: int) -> SpikingNetwork:
    """Return the untrained network of ``recipe``: the same weights for the same seed, torch's global generator untouched.

    Raises:
        InputError: the input does not fit the model, or a learned constant starts outside its stable range.
    """
    layers = _layers(recipe, spec)
    params = recipe.params()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SpikingNetwork(
            layers if recipe.normalise else without_norms(layers),
            params=params,
            alpha=recipe.alpha,
            surrogate=_surrogate(recipe, input_std=recipe.alpha * float(params.theta[0])),
            detach_reset=recipe.detach_reset,
            learned=frozenset(recipe.learned),
        )


def count_weights(recipe: Recipe, spec: InputSpec) -> int:
    """Return how many weights the synapses of ``recipe`` have, without making any.

    Raises:
        InputError: the input does not fit the model.
    """
    count = 0
    for layer in _layers(recipe, spec).layers:
        match layer:
            case ConvLayer():
                count += layer.out_channels * (layer.in_channels // layer.groups) * prod(layer.kernel)
            case DenseLayer():
                count += layer.out_features * layer.in_features
            case _:
                pass
    return count


def _layers(recipe: Recipe, spec: InputSpec) -> NetworkSpec:
    return model_spec(
        recipe.model,
        spec,
        steps=recipe.steps,
        width=recipe.width,
        dropout=recipe.dropout,
        channels=recipe.channels,
        hidden=recipe.hidden,
    )


def without_norms(spec: NetworkSpec) -> NetworkSpec:
    """Return the same layers without normalisation: what read a norm reads the layer in front of it."""
    replaced = {layer.name: layer.source for layer in spec.layers if isinstance(layer, NormLayer)}
    kept = tuple(_rewired(layer, replaced) for layer in spec.layers if not isinstance(layer, NormLayer))
    return NetworkSpec(input=spec.input, layers=kept, steps=spec.steps)


def _rewired(layer: Layer, replaced: dict[str, str]) -> Layer:
    if isinstance(layer, PopulationLayer | ReadoutLayer):
        return replace(layer, sources=tuple(replaced.get(source, source) for source in layer.sources))
    return replace(layer, source=replaced.get(layer.source, layer.source))


def _surrogate(recipe: Recipe, *, input_std: float) -> Surrogate:
    match recipe.window_kind:
        case WindowKind.DERIVED:
            # Without tdBN alpha still says which input the window is made for; nothing holds the network to it then.
            derived = DerivedWindow(multiple=recipe.window, steps=recipe.steps, input_std=input_std)
            return Surrogate(window=derived, shape=recipe.surrogate)
        case WindowKind.FIXED:
            return Surrogate(window=FixedWindow(width=recipe.window), shape=recipe.surrogate)
        case _:
            assert_never(recipe.window_kind)
