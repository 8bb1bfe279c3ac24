"""What a file carries, and on what it was verified."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType

from qif_deploy.presentation.layout import new_table

if TYPE_CHECKING:
    from qif_deploy.api.results import ExportOutcome


def export_table(outcome: ExportOutcome) -> RenderableType:
    """What was written, how each field is carried, and what was compared."""
    table = new_table(("field", "carried", "how"), str(outcome.report["path"]))
    for row in outcome.report["fields"]:
        table.add_row(row["field"], row["carried"], row["reason"])
    lines = [_verified_line(one) for one in outcome.report.get("verified", ())]
    if "not_verified_on" in outcome.report:
        lines.append(f"not verified on {outcome.report['not_verified_on']}")
    return Group(table, *lines)


def _verified_line(one: Mapping[str, Any]) -> str:
    what = f"{one['source']} input, {one['samples']} samples of {one['steps']} steps, {one['spikes']} spikes"
    if "measured" not in one:
        return f"equal to the {one['against']} in {one['arrays']} arrays: {what}"
    populations = one["measured"]["populations"].values()
    answers = one["measured"]["readout"]["answers_equal"]
    flips = max((p["flips_per_spike"] for p in populations), default=0.0)
    return f"approximation of the {one['against']}: {answers:.1%} of the answers equal, up to {flips:.2%} of the spikes differ; {what}"
