"""What a training reached."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from rich.console import RenderableType

from qif_deploy.presentation.layout import counted, new_table, percent, stacked

if TYPE_CHECKING:
    from qif_deploy.api.results import TrainOutcome


def train_table(outcome: TrainOutcome, *, verbose: bool = False) -> RenderableType:
    """Accuracy and firing rates; with ``verbose`` also the loss of every epoch."""
    metrics = outcome.metrics
    table = new_table(("", ""), f"trained for {counted(len(metrics['losses']), 'epoch')}, seed {metrics['seed']}")
    for part in ("train", "validation", "test"):
        accuracy = outcome.metrics[f"accuracy_{part}"]
        if accuracy is not None:
            table.add_row(f"accuracy, {part} part", percent(accuracy))
    for name, rate in outcome.metrics["rates"].items():
        table.add_row(f"firing rate, {name}", percent(rate))
    table.add_row("time", f"{metrics['seconds']:.1f} s")
    table.add_row("file: model", str(outcome.model))
    table.add_row("file: metrics", str(outcome.metrics_file))
    if not verbose:
        return table
    columns = ("epoch", "loss", "accuracy, validation part")
    epochs = new_table(columns, "epochs", numbers=columns)
    for n, (loss, accuracy) in enumerate(zip_longest(metrics["losses"], metrics["validation"]), start=1):
        epochs.add_row(str(n), f"{loss:.4f}", "" if accuracy is None else percent(accuracy))
    return stacked([table, epochs])
