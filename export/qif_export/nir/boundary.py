"""What both stages of a network share in a file: the standard nodes at its boundary, the order of nodes, the edges.

A colon cannot occur in a node's name, so ``NAME:input`` never collides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from qif_deploy.ir.graph import Graph, QuantizedGraph
from qif_export.nir._nir import nir
from qif_export.nir.document import Edge

_INPUT, _OUTPUT = ":input", ":output"


def bounded_nodes(graph: Graph | QuantizedGraph, node_of: Callable[[str], Any]) -> Iterator[tuple[str, Any]]:
    """Yield name and NIR node, the boundary nodes among them, in order of the names.

    Args:
        graph: either stage.
        node_of: makes the NIR node of a name, when it is asked for; nir ships no types.
    """
    boundary = {name + _INPUT: (nir.Input, name) for name in graph.inputs}
    boundary[graph.readout + _OUTPUT] = (nir.Output, graph.readout)
    for name in sorted({*graph.nodes, *boundary}):
        if name in boundary:
            kind, of = boundary[name]
            yield name, kind(np.array(graph.shapes[of], np.int64))
        else:
            yield name, node_of(name)


def bounded_edges(graph: Graph | QuantizedGraph) -> list[Edge]:
    """Return the edges, those to and from the boundary nodes among them, sorted."""
    to_inputs = [(name + _INPUT, name) for name in graph.inputs]
    return sorted([*graph.edges, *to_inputs, (graph.readout, graph.readout + _OUTPUT)])


__all__ = ["bounded_edges", "bounded_nodes"]
