"""The only exit of training: a network as a Graph of the IR."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_never

from qif_deploy.ir.graph import Graph
from qif_deploy.ir.nodes import QIF, AvgPool2d, BatchNorm, Conv2d, ConvGeometry, Dense, Flatten, FloatNode, Input, Readout
from qif_deploy.training._torch import torch
from qif_deploy.training.layers import TimeFirst
from qif_deploy.training.network import SpikingNetwork
from qif_deploy.training.neuron import QIFNeuron
from qif_deploy.training.spec import (
    ConvLayer,
    DenseLayer,
    FlattenLayer,
    Layer,
    NormLayer,
    PoolLayer,
    PopulationLayer,
    ReadoutLayer,
    sources_of,
)
from qif_deploy.training.tdbn import ThresholdDependentBatchNorm


def to_graph(network: SpikingNetwork) -> Graph:
    """Return the network in evaluation mode as a float graph: one node per layer of its spec, under the same name.

    All values are the module's own, widened to float64, so ``run_float`` on the graph computes what the module does.
    tdBN's ``alpha * theta`` is part of the BatchNorm node's gain.
    """
    spec = network.spec
    source = Input(shape=spec.input.shape, low=spec.input.low, high=spec.input.high, scale=spec.input.scale)
    nodes: dict[str, FloatNode] = {spec.input.name: source}
    nodes |= {layer.name: _node(layer, network) for layer in spec.layers}
    edges = tuple((source, layer.name) for layer in spec.layers for source in sources_of(layer))
    return Graph(nodes=nodes, edges=edges)


def _node(layer: Layer, network: SpikingNetwork) -> FloatNode:
    match layer:
        case ConvLayer():
            geometry = ConvGeometry(stride=layer.stride, padding=layer.padding, groups=layer.groups)
            return Conv2d(weight=_array(_stateless(network, layer.name).weight), geometry=geometry)
        case DenseLayer():
            module = _stateless(network, layer.name)
            return Dense(weight=_array(module.weight), bias=_array(module.bias) if layer.bias else None)
        case NormLayer():
            norm = network.by_name[layer.name]
            assert isinstance(norm, ThresholdDependentBatchNorm)
            gain = _array(norm.gain) * _array(norm.scale)
            return BatchNorm(
                gain=gain, shift=_array(norm.shift), mean=_array(norm.running_mean), var=_array(norm.running_var), eps=norm.eps
            )
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


def _array(tensor: torch.Tensor) -> NDArray[np.float64]:
    array: NDArray[np.float64] = tensor.detach().cpu().double().numpy()
    return array
