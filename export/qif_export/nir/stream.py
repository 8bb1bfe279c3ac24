"""A graph as the serialiser of the nir package sees it, one node at a time: its own dictionary holds every weight three times over."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qif_export.nir._nir import nir
from qif_export.nir.document import Edge

Nodes = Callable[[], Iterator[tuple[str, Any]]]
"""Yields name and NIR node in order of the names; nir ships no types."""


@dataclass(frozen=True, slots=True)
class StreamedGraph:
    """What ``NIRGraph.to_dict`` returns, the nodes made as they are asked for."""

    nodes: Nodes
    edges: list[Edge]
    metadata: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Return the fields of the root."""
        return {"metadata": self.metadata, "nodes": _NodeDicts(self.nodes), "edges": self.edges, "type": "NIRGraph"}

    def write(self, path: Path) -> None:
        """Write the file; equal graphs give equal bytes.

        It is made in memory: libhdf5 neither reports a full disk as one nor lets go of the file then. Not by ``getbuffer``: a view that
        the traceback of an error keeps ends Python 3.12 with a crash as it exits.
        """
        made = io.BytesIO()
        nir.write(made, self)
        path.write_bytes(made.getvalue())


class _NodeDicts(dict[str, Any]):
    """Looks to the serialiser like the dictionary of all nodes; it asks for ``items`` and nothing else."""

    def __init__(self, nodes: Nodes) -> None:
        super().__init__()
        self.nodes = nodes

    def items(self) -> Any:
        """Yield name and fields in order of the names."""
        for name, node in self.nodes():
            yield name, node.to_dict()


__all__ = ["StreamedGraph"]
