"""Energy per layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType

from qif_deploy.presentation.layout import joules, new_table

if TYPE_CHECKING:
    from qif_deploy.pricing.estimate import EnergyEstimate


def energy_table(outcome: EnergyEstimate) -> RenderableType:
    """Energy per layer and what is missing."""
    table = new_table(
        ("layer", "SynOps", "MACs", "updates", "spikes", "low", "typical", "high"),
        f"energy per inference, {outcome.samples} samples, estimator {outcome.price_list.name}",
    )
    for y in outcome.layers:
        sums = {level: sum(term[level] for term in y.energy_j.values()) for level in ("low", "typical", "high")}
        counts = (y.counts["synop_dense"] + y.counts["synop_conv"], y.counts["mac"], y.counts["neuron_update"], y.counts["spike"])
        table.add_row(y.name, *(f"{n:,.0f}" for n in counts), *(joules(sums[level]) for level in ("low", "typical", "high")))
    bounds = [joules(outcome.at_least[level]) for level in ("low", "typical", "high")]
    table.add_row("total" if outcome.total is not None else "at least", "", "", "", "", *bounds)
    missing = [f"not priced: {term} ({reason})" for term, reason in outcome.unpriced.items()]
    return Group(table, outcome.price_list.description, *missing)


def energy_line(estimate: EnergyEstimate) -> str:
    """Return the total, or what it is at least, in one line."""
    bounds: Mapping[str, Any] = estimate.at_least
    prefix = "" if estimate.total is not None else "at least "
    return f"{prefix}{joules(bounds['typical'])} ({joules(bounds['low'])} to {joules(bounds['high'])}) per inference"
