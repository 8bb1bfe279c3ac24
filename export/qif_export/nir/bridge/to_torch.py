"""A float network as a torch module, by nirtorch's ``nir_to_torch``.

What is worked around (nirtorch 2.6): its default map leaves the bias of Affine random, flattens the batch, ignores padding of sum pools
and refuses grouped convolutions, so none of it is used; dots in names are replaced without a check for collisions; of two edges into an
Output one is lost, which cannot come up since a readout stands there.
"""

from __future__ import annotations

import re
from typing import Any

import nir
import numpy as np

from qif_deploy.errors import InputError, UnsupportedError
from qif_deploy.ir.graph import Graph
from qif_deploy.ir.nodes import QIF, AvgPool2d, BatchNorm, Conv2d, Dense, Flatten, FloatNode, Input, Readout, SumPool2d
from qif_export.nir.bridge._nirtorch import nirtorch, torch
from qif_export.nir.bridge.cells import InputScale, QIFCell, ReadoutCell, SumPool
from qif_export.nir.float_write import float_to_nir


def to_torch(graph: Graph, *, dtype: Any = None) -> Any:
    """Return a ``torch.fx.GraphModule``: ``output, state = module(codes, state)`` per step, ``state`` None at first.

    ``codes`` are ``(batch, ...)``; the output after the last step is the readout. State is changed in place.

    Args:
        graph: float network with one input.
        dtype: of weights and state, None for float64.

    Raises:
        UnsupportedError: several inputs, or BatchNorm.
        InputError: names that are one when their dots and dashes are gone.
    """
    if len(graph.inputs) != 1:
        raise UnsupportedError(f"inputs {list(graph.inputs)}: nirtorch wires one input; join them in one array, or use run_float")
    norms = [name for name, node in graph.nodes.items() if isinstance(node, BatchNorm)]
    if norms:
        raise UnsupportedError(f"nodes {norms[:6]} are BatchNorm, which NIR does not have; fold them into their synapses first")
    document = float_to_nir(graph)
    names = _identifiers(document.nodes)
    modules = {names[name]: module_of(node) for name, node in graph.nodes.items()}
    carriers = {key: (_Carrier(modules[key]) if key in modules else document.nodes[name]) for name, key in names.items()}
    edges = [(names[a], names[b]) for a, b in document.edges]
    wired = nir.NIRGraph(nodes=carriers, edges=edges, type_check=False)
    ports = {kind: lambda _port: torch.nn.Identity() for kind in (nir.Input, nir.Output)}
    return nirtorch.nir_to_torch(
        wired, {_Carrier: lambda carrier: carrier.module, **ports}, default_map={}, dtype=torch.float64 if dtype is None else dtype
    )


class _Carrier(nir.ir.node.NIRNode):  # type: ignore[misc]  # nir ships no types
    """A node that is mapped to the module which it holds."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.input_type, self.output_type = {"input": None}, {"output": None}
        self.metadata: dict[str, Any] = {}


def _identifiers(names: Any) -> dict[str, str]:
    """Return names that torch takes for modules."""
    found: dict[str, str] = {}
    for name in names:
        found[name] = "node_" + re.sub(r"\W", "_", name)
    twice = sorted({name for name, key in found.items() if list(found.values()).count(key) > 1})
    if twice:
        raise InputError(f"nodes {twice[:6]} have one name when only letters, digits and '_' count; rename them")
    return found


def module_of(node: FloatNode) -> Any:
    """Return the torch module of one node, weights in float64."""
    match node:
        case Input():
            return InputScale(node.scale)
        case Dense():
            return _filled(torch.nn.Linear(node.weight.shape[1], node.weight.shape[0], bias=node.bias is not None), node)
        case Conv2d():
            g, (out, inside, height, width) = node.geometry, node.weight.shape
            module = torch.nn.Conv2d(
                inside * g.groups, out, (height, width), g.stride, g.padding, g.dilation, g.groups, bias=node.bias is not None
            )
            return _filled(module, node)
        case AvgPool2d():
            return torch.nn.AvgPool2d(node.kernel, node.stride)
        case SumPool2d():
            return SumPool(node.kernel, node.stride)
        case Flatten():
            return torch.nn.Flatten()
        case QIF():
            return QIFCell(node.params)
        case Readout():
            return ReadoutCell(node.reduce)
        case BatchNorm():
            raise AssertionError("refused before")


def _filled(module: Any, node: Dense | Conv2d) -> Any:
    module.weight.data = torch.tensor(np.asarray(node.weight, np.float64))
    if node.bias is not None:
        module.bias.data = torch.tensor(node.bias)
    return module


__all__ = ["module_of", "to_torch"]
