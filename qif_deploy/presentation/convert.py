"""What was read and how."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import RenderableType

from qif_deploy.presentation.layout import new_table

if TYPE_CHECKING:
    from qif_deploy.api.convert import ConvertOutcome


def convert_table(outcome: ConvertOutcome) -> RenderableType:
    """Source, convention, what was assumed, and the shapes."""
    found = outcome.as_json()
    table = new_table(("", ""), str(outcome.path))
    table.add_row("read", found["source"])
    if outcome.convention is not None:
        table.add_row("discrete time", outcome.convention)
    for note in outcome.notes:
        table.add_row("note", note)
    for name, entry in found["inputs"].items():
        table.add_row(f"input {name}", f"{entry['shape']}, codes {entry['low']}..{entry['high']} worth {entry['scale']:g}")
    for name, shape in found["populations"].items():
        table.add_row(f"population {name}", str(shape))
    table.add_row("weights", f"{found['weights']:,}")
    return table
