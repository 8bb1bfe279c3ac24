"""Graphs within the graph, dissolved: their nodes under ``OUTER.INNER``, their boundary nodes as wires."""

from __future__ import annotations

from typing import Any

from qif_deploy.errors import InputError
from qif_export.nir.document import MAX_EDGES, MAX_NODES, Document, Edge, as_document

Nodes = dict[str, dict[str, Any]]  # Any: fields as in the file


def dissolve(document: Document) -> tuple[Nodes, list[Edge]]:
    """Return all nodes and edges as of one graph.

    Edges into a subgraph go to what its Input feeds, edges out of it come from what feeds its Output.

    Raises:
        InputError: a subgraph is no graph, has several inputs or outputs, or names collide.
    """
    nodes: Nodes = {}
    edges: list[Edge] = []
    entrances: dict[str, list[str]] = {}
    exits: dict[str, list[str]] = {}
    for name, fields in document.nodes.items():
        if fields["type"] != "NIRGraph":
            _add(nodes, name, fields)
            continue
        inner, wires = dissolve(as_document(fields, f"subgraph {name!r}"))
        ports = {kind: [n for n, f in inner.items() if f["type"] == kind] for kind in ("Input", "Output")}
        if len(ports["Input"]) != 1 or len(ports["Output"]) != 1:
            raise InputError(f"subgraph {name!r} has Inputs {ports['Input']} and Outputs {ports['Output']}; give it one of each")
        (entrance,), (leave,) = ports["Input"], ports["Output"]
        if (entrance, leave) in wires:
            raise InputError(f"subgraph {name!r} wires its Input to its Output; take the edge out of the subgraph")
        for inner_name, inner_fields in inner.items():
            if inner_name not in (entrance, leave):
                _add(nodes, f"{name}.{inner_name}", inner_fields)
        entrances[name] = [f"{name}.{b}" for a, b in wires if a == entrance]
        exits[name] = [f"{name}.{a}" for a, b in wires if b == leave]
        edges += [(f"{name}.{a}", f"{name}.{b}") for a, b in wires if a != entrance and b != leave]
    for a, b in document.edges:
        edges += [(x, y) for x in exits.get(a, [a]) for y in entrances.get(b, [b])]
        if len(edges) > MAX_EDGES:
            raise InputError(f"with its subgraphs it has more than {MAX_EDGES} edges; no network that this project reads has as many")
    return nodes, edges


def _add(nodes: Nodes, name: str, fields: dict[str, Any]) -> None:
    if name in nodes:
        raise InputError(f"node {name!r} is there twice, once in a subgraph; rename one")
    nodes[name] = fields
    if len(nodes) > MAX_NODES:
        raise InputError(f"with its subgraphs it has more than {MAX_NODES} nodes; no network that this project reads has as many")


__all__ = ["dissolve"]
