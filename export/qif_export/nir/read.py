"""Read an integer network from the NIR file that write.py makes, and refuse everything else with one clear line.

The file's dictionary is read directly: the stock reader stops at the first node type it does not know, and its type check
refuses grouped and non-square convolutions. Nothing is unpickled; HDF5 holds plain arrays and texts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from qif_deploy.errors import InputError, raise_findings
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeNode
from qif_export.nir import nodes as own
from qif_export.nir._nir import nir
from qif_export.nir.document import Document, FileKind, load_document
from qif_export.nir.migrations import migrated
from qif_export.nir.network_facts import KEY, NetworkFacts, reporting_sha256
from qif_export.nir.node_codec import decode_node
from qif_export.nir.node_fields import NodeFields

OWN_TYPES = {kind.__name__ for kind in (own.QIF, own.QIFInput, own.QIFReadout)}
CARRIED_TYPES = OWN_TYPES | {"Input", "Output", "Linear", "Conv2d", "SumPool2d", "Flatten"}
STOCK_TYPES = {name for name in dir(nir.ir) if isinstance(getattr(nir.ir, name), type)}


def read_nir(path: Path) -> QuantizedGraph:
    """Return the network in ``path``, verified against its hashes.

    Raises:
        InputError: missing, unreadable, not such a file, or changed since it was written; one line, all findings of a kind.
    """
    path = Path(path)
    try:
        return _to_graph(load_document(path))
    except InputError as error:
        raise InputError(f"NIR file {str(path)!r}: {error}") from None


def holds_codes(path: Path) -> bool:
    """Return whether ``path`` is an integer network, told by its nodes; float networks are read by importing.importer.

    Raises:
        InputError: missing or unreadable.
    """
    try:
        return load_document(Path(path)).kind is FileKind.INTEGER
    except InputError as error:
        raise InputError(f"NIR file {str(path)!r}: {error}") from None


def _to_graph(document: Document) -> QuantizedGraph:
    entries = document.nodes
    _refuse_foreign(document)
    text = document.metadata.get(KEY)
    if not isinstance(text, str):
        raise InputError(f"metadata {KEY!r} of the graph is missing, another tool may have dropped it; export the network again")
    facts = NetworkFacts.from_json(text)
    nodes: dict[str, CodeNode] = {}
    declared: dict[str, tuple[int, ...]] = {}
    ports: dict[str, str] = {}
    findings: list[str] = []
    for name in sorted(entries):
        entry = migrated(entries.pop(name), facts.schema)  # popped, so that the file's arrays go as the network's come
        fields = NodeFields(name=name, values=entry)
        try:
            if entry["type"] in ("Input", "Output"):
                fields.expect(["shape"])
                ports[name], declared[name] = entry["type"], fields.extents("shape")
            else:
                nodes[name], declared[name] = decode_node(fields, facts.number_format)
        except InputError as error:
            line = str(error)
            findings.append(line if line.startswith("node ") else f"node {name!r}: {line}")
    raise_findings(InputError, findings)
    edges = document.edges
    graph = _assemble(nodes, tuple(e for e in edges if not (e[0] in ports or e[1] in ports)), facts)
    raise_findings(InputError, list(_port_findings(graph, ports, edges)))
    raise_findings(InputError, list(_shape_findings(graph, ports, declared)))
    for kind, found, recorded in (
        ("content", graph.content_hash, facts.content_hash),
        ("reporting", reporting_sha256(graph), facts.reporting_hash),
    ):
        if found != recorded:
            raise InputError(f"its {kind} hash is {found}, the recorded one {recorded}; it was changed, export the network again")
    return graph


def _refuse_foreign(document: Document) -> None:
    """Refuse files that hold no codes, and node types that an integer network does not have, all at once."""
    match document.kind:
        case FileKind.INTEGER:
            types = {name: fields["type"] for name, fields in document.nodes.items()}
        case FileKind.FLOAT:
            raise InputError("it is a float network without integer codes; run `qif-deploy quantize` on it first")
        case FileKind.FOREIGN:
            raise InputError("it is a float network of another tool; run `qif-deploy quantize` on it first")
    unknown = {name: kind for name, kind in types.items() if kind not in OWN_TYPES | STOCK_TYPES}
    if unknown:
        listed = ", ".join(f"{name!r} ({kind})" for name, kind in sorted(unknown.items()))
        raise InputError(f"nodes of unknown type: {listed}; only standard NIR nodes and those of this project can be read")
    foreign = {name: kind for name, kind in types.items() if kind not in CARRIED_TYPES}
    if foreign:
        listed = ", ".join(f"{name!r} ({kind})" for name, kind in sorted(foreign.items()))
        raise InputError(f"float nodes {listed} among integer ones; export the network again")


def _assemble(nodes: Mapping[str, CodeNode], edges: tuple[tuple[str, str], ...], facts: NetworkFacts) -> QuantizedGraph:
    """Build the network with nodes listed in a topological order, which depends on names and edges only."""
    common: dict[str, Any] = {"number_format": facts.number_format, "steps": facts.steps, "provenance": facts.provenance}  # Any: mixed
    order = QuantizedGraph(nodes=nodes, edges=edges, **common).order
    return QuantizedGraph(nodes={name: nodes[name] for name in order}, edges=edges, **common)


def _port_findings(graph: QuantizedGraph, ports: Mapping[str, str], edges: tuple[tuple[str, str], ...]) -> Iterator[str]:
    """Every input and the readout have their standard boundary node, and there is no other."""
    wanted = {(f"{name}:input", name) for name in graph.inputs} | {(graph.readout, f"{graph.readout}:output")}
    found = {edge for edge in edges if edge[0] in ports or edge[1] in ports}
    kinds = {f"{name}:input": "Input" for name in graph.inputs} | {f"{graph.readout}:output": "Output"}
    if found != wanted or dict(ports) != kinds:
        yield f"Input and Output nodes {sorted(ports)} do not belong to inputs {list(graph.inputs)} and readout {graph.readout!r}"


def _shape_findings(graph: QuantizedGraph, ports: Mapping[str, str], declared: Mapping[str, tuple[int, ...]]) -> Iterator[str]:
    """The shapes that nodes declare are those that follow from the wiring; () declares none."""
    for name, shape in declared.items():
        base = name.rpartition(":")[0] if name in ports else name
        fed = graph.shapes[graph.sources(base)[0]] if graph.sources(base) else graph.shapes[base]
        if shape not in ((), fed):
            yield f"node {name!r}: shape {shape} is declared, {fed} follows from the wiring; export the network again"


__all__ = ["holds_codes", "read_nir"]
