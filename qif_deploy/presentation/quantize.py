"""What quantisation chose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType

from qif_deploy.presentation.layout import new_table, percent

if TYPE_CHECKING:
    from qif_deploy.api.results import QuantizeOutcome
    from qif_deploy.training.qat.report import QatReport


def quantize_table(outcome: QuantizeOutcome) -> RenderableType:
    """What was chosen per population, and what bound it."""
    table = new_table(
        ("population", "s1", "level", "branch shifts", "median Delta", "noise / theta", "channels bound by"), str(outcome.path)
    )
    for name, report in outcome.report.populations.items():
        row = report.as_json()
        bound = ", ".join(f"{limit}: {n}" for limit, n in row["bound_by"].items())
        shifts = ", ".join(f"{branch}: {k}" for branch, k in row["branch_shifts"].items())
        table.add_row(name, str(row["s1"]), str(row["level"]), shifts, f"{row['delta_median']:.3g}", f"{row['noise']:.2g}", bound)
    coded = new_table(("synapse", "bits", "shift", "largest code, median", "clipped", "largest clipped by"), "")
    for name, synapse in outcome.report.synapses.items():
        row = synapse.as_json()
        cells = (
            row["weight_bits"],
            row["shift"],
            f"{row['largest_code_median']:g}",
            row["clipped_weights"],
            f"{row['clip_error_max']:.3g}",
        )
        coded.add_row(name, *map(str, cells))
    return Group(table, coded, *([] if outcome.qat is None else [_qat_table(outcome.qat)]))


def _qat_table(report: QatReport) -> RenderableType:
    """Accuracy before and after the training of the codes."""
    seen = ", which the float training had learned from" if report.validation_seen else ""
    table = new_table(("", ""), f"{report.weight_bits}-bit weights, on {report.validation_samples} validation samples{seen}")
    table.add_row("accuracy, quantised after training", percent(report.accuracy_before))
    table.add_row(f"accuracy, codes trained for {report.options.epochs} epochs", percent(report.accuracy_after))
    for widening in report.widened:
        table.add_row(f"new units, {widening.node}, epoch {widening.epoch}", widening.reason)
    table.add_row("seconds", f"{report.seconds:.1f}")
    return table
