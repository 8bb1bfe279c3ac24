"""What a run produced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import RenderableType

from qif_deploy.presentation.layout import counted, new_table, percent, stacked

if TYPE_CHECKING:
    from qif_deploy.api.results import RunOutcome


FEW = 24
"""Answers that are shown where not all are asked for."""


def run_table(outcome: RunOutcome, *, verbose: bool = False) -> RenderableType:
    """Spikes per population, the first answers, and the file; with ``verbose`` every answer."""
    title = f"{outcome.backend}: {counted(outcome.samples, 'sample')}, {counted(outcome.steps, 'step')}, {outcome.seconds:.2f} s"
    table = new_table(("population", "spikes", "rate"), title, numbers=("spikes", "rate"))
    for name, spikes in outcome.spikes.items():
        table.add_row(name, f"{spikes:,}", percent(outcome.rates[name]))
    shown = outcome.classes if verbose else outcome.classes[:FEW]
    rest = len(outcome.classes) - len(shown)
    answers = f"answers: {' '.join(map(str, shown))}" + (f" and {rest} more" if rest else "")
    return stacked([table, answers, f"file: {outcome.vectors}"])
