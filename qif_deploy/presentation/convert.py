"""What was read and how."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import RenderableType

from qif_deploy.presentation.layout import new_table, shape, stacked

if TYPE_CHECKING:
    from qif_deploy.api.convert import ConvertOutcome


def convert_table(outcome: ConvertOutcome, *, verbose: bool = False) -> RenderableType:
    """Source, convention, what was assumed, and the shapes; with ``verbose`` also every node."""
    found = outcome.as_json()
    table = new_table(("", ""), str(outcome.path))
    table.add_row("read", found["source"])
    if outcome.convention is not None:
        table.add_row("discrete time", outcome.convention)
    for note in outcome.notes:
        table.add_row("note", note)
    for name, entry in found["inputs"].items():
        table.add_row(f"input {name}", f"{shape(entry['shape'])}, codes {entry['low']}..{entry['high']}, each worth {entry['scale']:g}")
    for name, axes in found["populations"].items():
        table.add_row(f"population {name}", shape(axes))
    table.add_row("weights", f"{found['weights']:,}")
    table.add_row("steps", "not stated" if outcome.steps is None else str(outcome.steps))
    if not verbose:
        return table
    table.add_row("BatchNorm, largest residual", f"{outcome.fold_residual:.2g}")
    table.add_row("sha256", outcome.report.sha256)
    nodes = new_table(("node", "kind", "shape", "from"), "nodes")
    for name, node in outcome.graph.nodes.items():
        sources = ", ".join(source for source, target in outcome.graph.edges if target == name)
        nodes.add_row(name, type(node).__name__, shape(outcome.graph.shapes[name]), sources)
    return stacked([table, nodes])
