"""The whole way in one table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import RenderableType

from qif_deploy.presentation.check import check_table
from qif_deploy.presentation.diff import diff_table
from qif_deploy.presentation.energy import energy_line
from qif_deploy.presentation.layout import new_table, percent, stacked
from qif_deploy.presentation.verify import verdict

if TYPE_CHECKING:
    from qif_deploy.api.results import DemoOutcome


def demo_table(outcome: DemoOutcome, *, verbose: bool = False) -> RenderableType:
    """One table of the whole way; with ``verbose`` also those of ``check`` and ``diff``."""
    f = outcome.fidelity
    table = new_table(("", ""), f"QIF network on {f.samples} test images, {outcome.seconds:.0f} s")
    table.add_row("accuracy, float", percent(f.accuracy_float))
    table.add_row("accuracy, integer", percent(f.accuracy_integer))
    table.add_row("spike agreement", percent(f.spike_agreement))
    table.add_row("flips per float spike", percent(f.flips_per_spike))
    table.add_row("range proof and rules", outcome.check.verdict)
    for name, check in outcome.backends.items():
        table.add_row(f"{name} against reference", verdict(check))
    table.add_row(f"energy, {outcome.energy.price_list.name}", energy_line(outcome.energy))
    table.add_row("verdict", "holds" if outcome.holds else f"does not hold: {', '.join(outcome.open_points)}")
    for name, path in outcome.artefacts.items():
        table.add_row(f"file: {name}", str(path))
    return stacked([table, check_table(outcome.check, verbose=False), diff_table(f)]) if verbose else table
