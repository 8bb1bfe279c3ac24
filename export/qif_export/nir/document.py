"""What every NIR file is, whoever wrote it: named nodes with a type, edges between them, metadata."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qif_deploy.errors import InputError
from qif_export.nir.hdf5 import load_groups

Edge = tuple[str, str]

MAX_NODES = 1024
MAX_EDGES = 8192
"""A network of 34 layers has some 150 nodes; checks of the wiring take time with their product."""


class FileKind(enum.Enum):
    """What a NIR file holds."""

    INTEGER = "integer network of this project"
    FLOAT = "float network of this project"
    FOREIGN = "float network of another tool"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The root graph of a file; node fields are as they lie in the file, unchecked but for ``type``."""

    nodes: dict[str, dict[str, Any]]
    edges: tuple[Edge, ...]
    metadata: Mapping[str, Any]

    @property
    def kind(self) -> FileKind:
        """Told by the fields of the nodes; metadata may have been dropped by another tool."""
        own = [fields for fields in self.nodes.values() if fields["type"] in ("QIF", "QIFInput", "QIFReadout")]
        if any("c2m" in fields or (fields["type"] == "QIFReadout" and "bias" in fields) for fields in own):
            return FileKind.INTEGER
        return FileKind.FLOAT if own else FileKind.FOREIGN


def load_document(path: Path) -> Document:
    """Read the root graph of ``path``.

    Raises:
        InputError: not readable, or its root is no graph of typed nodes.
    """
    return as_document(load_groups(path, "node"), "its root")


def as_document(found: Mapping[str, Any], where: str) -> Document:
    """Return the graph in ``found``; ``where`` names it in errors.

    Raises:
        InputError: not a graph, a node without type, or edges that are no pairs of names.
    """
    named = found.get("type")
    if not isinstance(named, str) or named != "NIRGraph" or not isinstance(found.get("nodes"), dict) or "edges" not in found:
        kind = str(named)[:40]
        raise InputError(f"{where} is {kind!r}, not a NIRGraph with nodes and edges; wrap single nodes in a graph")
    nodes: dict[str, dict[str, Any]] = found["nodes"]
    if len(nodes) > MAX_NODES:
        raise InputError(f"{where} has {len(nodes)} nodes, more than {MAX_NODES}; no network that this project reads has as many")
    untyped = [name for name, fields in nodes.items() if not (isinstance(fields, dict) and isinstance(fields.get("type"), str))]
    if untyped:
        raise InputError(f"{where} holds nodes without type: {sorted(untyped)[:20]}; export the network again")
    metadata = found.get("metadata", {})
    return Document(nodes=nodes, edges=_edges(found["edges"]), metadata=metadata if isinstance(metadata, dict) else {})


def _edges(stored: Any) -> tuple[Edge, ...]:
    try:
        if len(stored) > MAX_EDGES:
            raise InputError(
                f"field 'edges' has {len(stored)} edges, more than {MAX_EDGES}; no network that this project reads has as many"
            )
        return tuple((_name(a), _name(b)) for a, b in stored)
    except (TypeError, ValueError, UnicodeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("field 'edges' is not a list of pairs of names; export the network again") from None


def _name(stored: Any) -> str:
    return stored if isinstance(stored, str) else str(stored, "utf8")


__all__ = ["MAX_EDGES", "MAX_NODES", "Document", "Edge", "FileKind", "as_document", "load_document"]
