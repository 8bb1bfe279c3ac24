"""What a file carries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import RenderableType

from qif_deploy.presentation.layout import new_table

if TYPE_CHECKING:
    from qif_deploy.api.results import ExportOutcome


def export_table(outcome: ExportOutcome) -> RenderableType:
    """What was written and how each field is carried."""
    table = new_table(("field", "carried", "how"), str(outcome.report["path"]))
    for row in outcome.report["fields"]:
        table.add_row(row["field"], row["carried"], row["reason"])
    return table
