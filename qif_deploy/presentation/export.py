"""What a file carries, and on what it was verified."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType

from qif_deploy.presentation.layout import counted, new_table, percent, stacked

if TYPE_CHECKING:
    from qif_deploy.api.results import ExportOutcome


def export_table(outcome: ExportOutcome, *, verbose: bool = False) -> RenderableType:
    """What was written, what it could not carry exactly, and what was compared; with ``verbose`` how each field is carried."""
    rows = outcome.report["fields"]
    shown = rows if verbose else [row for row in rows if row["carried"] != "exact"]
    lines: list[RenderableType] = [f"file: {outcome.report['path']}"]
    if verbose and "sha256" in outcome.report:
        lines.append(f"sha256: {outcome.report['sha256']}")
    if len(shown) < len(rows):
        lines.append(f"carried exactly: {', '.join(row['field'] for row in rows if row['carried'] == 'exact')}")
    if shown:
        table = new_table(("field", "carried", "how"), "fields" if verbose else "not carried exactly")
        for row in shown:
            table.add_row(row["field"], row["carried"], row["reason"])
        lines.append(table)
    lines += [_verified_line(one) for one in outcome.report.get("verified", ())]
    if "not_verified_on" in outcome.report:
        lines.append(f"not verified on {outcome.report['not_verified_on']}")
    return stacked(lines)


def _verified_line(one: Mapping[str, Any]) -> str:
    what = f"{one['source']} input, {counted(one['samples'], 'sample')} of {counted(one['steps'], 'step')}, {one['spikes']:,} spikes"
    if "measured" not in one:
        return f"equal to the {one['against']} in {one['arrays']} arrays: {what}"
    populations = one["measured"]["populations"].values()
    answers = one["measured"]["readout"]["answers_equal"]
    flips = max((p["flips_per_spike"] for p in populations), default=0.0)
    said = f"{percent(answers)} of the answers equal, up to {percent(flips)} of the spikes differ"
    return f"approximation of the {one['against']}: {said}; {what}"
