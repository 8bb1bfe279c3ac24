"""Whether the edges of a foreign graph make sense, before anything is read of its nodes."""

from __future__ import annotations

import graphlib
from collections.abc import Mapping

from qif_export.nir.document import Edge


def wiring_findings(names: Mapping[str, object], edges: list[Edge]) -> list[str]:
    """Edges name nodes that are there, and none leads back."""
    loose = sorted({name for edge in edges for name in edge if name not in names})
    if loose:
        return [f"edges name nodes {loose[:10]} that are not there; export the network again"]
    sorter: graphlib.TopologicalSorter[str] = graphlib.TopologicalSorter(dict.fromkeys(sorted(names), ()))
    for a, b in edges:
        sorter.add(b, a)
    try:
        sorter.prepare()
    except graphlib.CycleError as error:
        cycle = [str(name) for name in error.args[1]]
        shown = " -> ".join(cycle[:8]) + (" ..." if len(cycle) > 8 else "")
        return [
            f"edges form a cycle {shown}; recurrent connections are not supported, train without them (snn.Leaky instead of snn.RLeaky)"
        ]
    return []


__all__ = ["wiring_findings"]
