"""What a run produced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import RenderableType

from qif_deploy.presentation.layout import new_table

if TYPE_CHECKING:
    from qif_deploy.api.results import RunOutcome


def run_table(outcome: RunOutcome) -> RenderableType:
    """Spikes per population and the file."""
    table = new_table(("", ""), f"{outcome.backend}: {outcome.samples} samples, {outcome.steps} steps, {outcome.seconds:.2f} s")
    for name, spikes in outcome.spikes.items():
        table.add_row(f"spikes, {name}", str(spikes))
    table.add_row("classes", " ".join(map(str, outcome.classes[:24])) + (" ..." if len(outcome.classes) > 24 else ""))
    table.add_row("file: vectors", str(outcome.vectors))
    return table
