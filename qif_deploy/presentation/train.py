"""What a training reached."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import RenderableType

from qif_deploy.presentation.layout import new_table, percent

if TYPE_CHECKING:
    from qif_deploy.api.results import TrainOutcome


def train_table(outcome: TrainOutcome) -> RenderableType:
    """Accuracy and firing rates."""
    table = new_table(("", ""), "trained")
    for part in ("train", "validation", "test"):
        accuracy = outcome.metrics[f"accuracy_{part}"]
        if accuracy is not None:
            table.add_row(f"accuracy, {part} part", percent(accuracy))
    for name, rate in outcome.metrics["rates"].items():
        table.add_row(f"firing rate, {name}", percent(rate))
    table.add_row("seconds", f"{outcome.metrics['seconds']:.1f}")
    table.add_row("file: model", str(outcome.model))
    table.add_row("file: metrics", str(outcome.metrics_file))
    return table
