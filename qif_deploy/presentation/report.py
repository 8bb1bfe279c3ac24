"""What the written report says, section by section."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.markup import escape

from qif_deploy.presentation.layout import new_table

if TYPE_CHECKING:
    from qif_deploy.api.report import ReportOutcome


def report_table(outcome: ReportOutcome) -> RenderableType:
    """One row per section, then where the page is."""
    table = new_table(("section", "", "verdict"), f"{outcome.size / 1e6:.2f} MB in {outcome.seconds:.1f} s")
    for section in outcome.sections:
        table.add_row(section.title, section.status.value, escape(section.verdict))
    lines: list[RenderableType] = [table, escape(f"page: {outcome.path}")]
    if outcome.figures:
        lines.append(escape(f"figures: {len(outcome.figures)} in {outcome.figures[0].parent}"))
    return Group(*lines)
