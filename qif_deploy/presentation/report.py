"""What the written report says, section by section."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import RenderableType

from qif_deploy.presentation.layout import counted, new_table, stacked

if TYPE_CHECKING:
    from qif_deploy.api.report import ReportOutcome


def report_table(outcome: ReportOutcome, *, verbose: bool = False) -> RenderableType:
    """One row per section, then where the page is; with ``verbose`` also every figure."""
    table = new_table(("section", "", "verdict"), f"{outcome.size / 1e6:.2f} MB in {outcome.seconds:.1f} s")
    for section in outcome.sections:
        table.add_row(section.title, section.status.value, section.verdict)
    lines: list[RenderableType] = [table, f"page: {outcome.path}"]
    if outcome.figures:
        lines.append(f"{counted(len(outcome.figures), 'figure')} in {outcome.figures[0].parent}")
        lines += [path.name for path in outcome.figures if verbose]
    return stacked(lines)
