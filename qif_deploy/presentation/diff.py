"""Float against integer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import RenderableType

from qif_deploy.presentation.layout import new_table, percent

if TYPE_CHECKING:
    from qif_deploy.fidelity import Fidelity


def diff_table(outcome: Fidelity) -> RenderableType:
    """Agreement per layer."""
    title = f"float {percent(outcome.accuracy_float)}, integer {percent(outcome.accuracy_integer)}, {outcome.samples} samples"
    columns = ("population", "spike agreement", "flips / spike", "rate float", "rate integer", "membrane error / theta")
    table = new_table(columns, title)
    for y in outcome.layers:
        cells = (percent(y.spike_agreement), percent(y.flips_per_spike), percent(y.rate_float), percent(y.rate_integer))
        table.add_row(y.name, *cells, f"{y.membrane_rmse:.2g}")
    table.add_row("all", percent(outcome.spike_agreement), percent(outcome.flips_per_spike), "", "", "")
    table.add_row("float32 / float64", "", percent(outcome.noise_floor), "", "", "")
    return table
