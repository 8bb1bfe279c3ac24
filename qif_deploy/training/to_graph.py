"""The only exit of training: a network as a Graph of the IR."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_never

from qif_deploy._torch import torch
from qif_deploy.ir.graph import Graph
from qif_deploy.ir.nodes import QIF, AvgPool2d, BatchNorm, Conv2d, ConvGeometry, Dense, Flatten, FloatNode, FloatWeight, Input, Readout
from qif_deploy.training.layers import IdentityShortcut, TimeFirst
from qif_deploy.training.network import SpikingNetwork
from qif_deploy.training.neuron import QIFNeuron
from qif_deploy.training.spec import (
    ConvLayer,
    DenseLayer,
    DropoutLayer,
    FlattenLayer,
    NormLayer,
    PoolLayer,
    PopulationLayer,
    ReadoutLayer,
    ShortcutLayer,
    sources_of,
)
from qif_deploy.training.tdbn import ThresholdDependentBatchNorm

GraphLayer = ConvLayer | DenseLayer | NormLayer | ShortcutLayer | PopulationLayer | PoolLayer | FlattenLayer | ReadoutLayer
"""Layers that have a node."""


def to_graph(network: SpikingNetwork) -> Graph:
    """Return the network in evaluation mode as a float graph: one node per layer of its spec, under the same name.

    Dropout does nothing outside training: it gets no node, and its readers read its source. An identity shortcut becomes the
    depthwise 1x1 convolution that it stands for. All values are the module's own, float32 weights as they are and the rest
    widened to float64, so ``run_float`` on the graph computes what the module does.
    tdBN's ``alpha * theta`` is part of the BatchNorm node's gain.
    """
    spec = network.spec
    source = Input(shape=spec.input.shape, low=spec.input.low, high=spec.input.high, scale=spec.input.scale)
    nodes: dict[str, FloatNode] = {spec.input.name: source}
    passed = {layer.name: layer.source for layer in spec.layers if isinstance(layer, DropoutLayer)}
    edges: list[tuple[str, str]] = []
    for layer in spec.layers:
        if isinstance(layer, DropoutLayer):
            continue
        nodes[layer.name] = _node(layer, network)
        edges += [(_behind(source, passed), layer.name) for source in sources_of(layer)]
    return Graph(nodes=nodes, edges=tuple(edges))


def _behind(source: str, passed: Mapping[str, str]) -> str:
    while source in passed:
        source = passed[source]
    return source


def _node(layer: GraphLayer, network: SpikingNetwork) -> FloatNode:
    match layer:
        case ConvLayer():
            geometry = ConvGeometry(stride=layer.stride, padding=layer.padding, groups=layer.groups)
            return Conv2d(weight=_weight(_stateless(network, layer.name).weight), geometry=geometry)
        case DenseLayer():
            module = _stateless(network, layer.name)
            return Dense(weight=_weight(module.weight), bias=_array(module.bias) if layer.bias else None)
        case NormLayer():
            norm = network.by_name[layer.name]
            assert isinstance(norm, ThresholdDependentBatchNorm)
            gain = _array(norm.gain) * _array(norm.scale)
            return BatchNorm(
                gain=gain, shift=_array(norm.shift), mean=_array(norm.running_mean), var=_array(norm.running_var), eps=norm.eps
            )
        case ShortcutLayer():
            shortcut = network.by_name[layer.name]
            assert isinstance(shortcut, IdentityShortcut)
            return Conv2d(weight=_array(shortcut.weight).reshape(-1, 1, 1, 1), geometry=ConvGeometry(groups=layer.channels))
        case PopulationLayer():
            neuron = network.by_name[layer.name]
            assert isinstance(neuron, QIFNeuron)
            return QIF(params=neuron.params())
        case PoolLayer():
            return AvgPool2d(kernel=layer.kernel, stride=layer.kernel)
        case FlattenLayer():
            return Flatten()
        case ReadoutLayer():
            return Readout(reduce=layer.reduce)
        case _:
            assert_never(layer)


def _stateless(network: SpikingNetwork, name: str) -> Any:
    """Return the torch layer below the time-first wrapper; torch types its attributes loosely."""
    module = network.by_name[name]
    assert isinstance(module, TimeFirst)
    return module.layer


def _weight(tensor: torch.Tensor) -> FloatWeight:
    """Float32 as it is, everything else in float64."""
    array: FloatWeight = tensor.detach().cpu().numpy() if tensor.dtype == torch.float32 else _array(tensor)
    return array


def _array(tensor: torch.Tensor) -> NDArray[np.float64]:
    array: NDArray[np.float64] = tensor.detach().cpu().double().numpy()
    return array
