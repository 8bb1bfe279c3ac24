"""What quantisation chose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import RenderableType

from qif_deploy.presentation.layout import new_table, percent, stacked

if TYPE_CHECKING:
    from qif_deploy.api.results import QuantizeOutcome
    from qif_deploy.training.qat.report import QatReport


def quantize_table(outcome: QuantizeOutcome, *, verbose: bool = False) -> RenderableType:
    """What was chosen per population, and what bound it; with ``verbose`` also the number format and where the network came from."""
    columns = ("population", "s1", "level", "branch shifts", "median Delta", "noise / theta", "channels bound by")
    table = new_table(columns, str(outcome.path), numbers=(*columns[1:3], *columns[4:6]))
    for name, report in outcome.report.populations.items():
        row = report.as_json()
        bound = ", ".join(f"{limit}: {n}" for limit, n in row["bound_by"].items())
        shifts = ", ".join(f"{branch}: {k}" for branch, k in row["branch_shifts"].items())
        table.add_row(name, str(row["s1"]), str(row["level"]), shifts, f"{row['delta_median']:.3g}", f"{row['noise']:.2g}", bound)
    fields = ("synapse", "bits", "shift", "largest code, median", "clipped", "largest clipped by")
    widths = outcome.widths
    size = "" if widths is None else f", {widths.weight_bytes:,} bytes of at most {widths.budget_bytes:,}"
    coded = new_table(fields, f"weights{size}", numbers=fields[1:])
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
    parts: list[RenderableType] = [table, coded] if outcome.qat is None else [table, coded, _qat_table(outcome.qat)]
    return stacked([*parts, _origin_table(outcome)] if verbose else parts)


def _origin_table(outcome: QuantizeOutcome) -> RenderableType:
    """Number format, steps, hash and provenance."""
    network, f = outcome.network, outcome.network.number_format
    widths = (
        f"{f.weight_bits} bits weights, {f.coef_bits} coefficients, {f.state_bits} state, {f.product_bits} products; {f.rounding.value}"
    )
    table = new_table(("", ""), "network")
    table.add_row(f"number format {f.name}", widths)
    table.add_row("proven for", "any number of steps" if network.steps is None else f"up to {network.steps} steps")
    table.add_row("BatchNorm, largest residual", f"{outcome.fold_residual:.2g}")
    table.add_row("content hash", network.content_hash)
    for name, text in network.provenance.items():
        table.add_row(name, text)
    return table


def _qat_table(report: QatReport) -> RenderableType:
    """Accuracy before and after the training of the codes."""
    seen = ", which the float training had learned from" if report.validation_seen else ""
    table = new_table(("", ""), f"{report.weight_bits}-bit weights, on {report.validation_samples} validation samples{seen}")
    table.add_row("accuracy, quantised after training", percent(report.accuracy_before))
    table.add_row(f"accuracy, codes trained for {report.options.epochs} epochs", percent(report.accuracy_after))
    for widening in report.widened:
        table.add_row(f"new units, {widening.node}, epoch {widening.epoch}", widening.reason)
    table.add_row("time", f"{report.seconds:.1f} s")
    return table
