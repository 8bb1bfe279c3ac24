"""Energy per layer, per estimator and beside the twins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType

from qif_deploy.presentation.layout import joules, new_table, percent
from qif_deploy.pricing.terms import LEVELS, MEMORY

if TYPE_CHECKING:
    from qif_deploy.pricing.energy_report import EnergyReport
    from qif_deploy.pricing.estimate import EnergyEstimate
    from qif_deploy.pricing.twins import Twins


def energy_table(outcome: EnergyReport) -> RenderableType:
    """Energy per layer, what is missing, the other estimators, and the twins."""
    estimate = outcome.estimate
    parts: list[RenderableType] = [_layer_table(outcome), estimate.price_list.description]
    parts += [f"not priced: {term} ({reason})" for term, reason in estimate.unpriced.items()]
    if outcome.time is not None:
        time = outcome.time
        parts.append(f"time per inference: {', '.join(_seconds(time.inference_s[level]) for level in LEVELS)} ({time.basis})")
    parts += [_estimator_table(outcome), _twin_table(outcome.twins)]
    return Group(*parts)


def _layer_table(outcome: EnergyReport) -> RenderableType:
    estimate = outcome.estimate
    columns = ("layer", "SynOps", "MACs", "updates, driven + idle", "spikes", "rate", *LEVELS, "quadratic")
    table = new_table(columns, f"energy per inference, {estimate.samples} samples, estimator {estimate.price_list.name}")
    rates = outcome.rates()
    for counts, y in zip(outcome.network.layers, estimate.layers, strict=True):
        sums, extra = y.sum_j, y.energy_j.get("quadratic_multiply")
        idle = float((counts.updates - counts.driven).mean())
        table.add_row(
            y.name,
            *(f"{float(n.mean()):,.0f}" for n in (counts.synops, counts.macs)),
            f"{float(counts.driven.mean()):,.0f} + {idle:,.0f}",
            f"{float(counts.spikes.mean()):,.0f}",
            percent(rates[y.name]) if y.name in rates else "",
            *(joules(sums[level]) for level in LEVELS),
            percent(extra["typical"] / sums["typical"]) if extra is not None and sums["typical"] > 0 else "",
        )
    for term, energy in estimate.system.energy_j.items():
        table.add_row(term, "", "", "", "", "", *(joules(energy[level]) for level in LEVELS), "")
    share = outcome.quadratic_share()["share"]
    whole = percent(share["typical"]) if share is not None else ""
    name = "total" if estimate.total is not None else "at least"
    table.add_row(name, "", "", "", "", "", *(joules(estimate.at_least[level]) for level in LEVELS), whole)
    if estimate.intervals is not None:
        intervals = estimate.intervals
        cells = (f"{joules(intervals[level].low)} to {joules(intervals[level].high)}" for level in LEVELS)
        table.add_row("95 % over inputs", "", "", "", "", "", *cells, "")
    return table


def _estimator_table(outcome: EnergyReport) -> RenderableType:
    table = new_table(("estimator", *LEVELS, "terms without a price"), "the same counts under other estimators; never add or mix them")
    for name, other in outcome.others.items():
        bound = "" if other.total is not None else ">= "
        table.add_row(name, *(bound + joules(other.at_least[level]) for level in LEVELS), ", ".join(other.unpriced))
    return table


def _twin_table(twins: Twins) -> RenderableType:
    title = f"twins of the same topology under {twins.price_list.name}; this network spikes at {percent(twins.rate)} per neuron and step"
    table = new_table(("network", *LEVELS, "arithmetic alone", "costs the same at a rate of (arithmetic alone)", "what it is"), title)

    def row(name: str, estimate: EnergyEstimate, even: str, basis: str) -> None:
        energies = (joules(estimate.at_least[level]) for level in LEVELS)
        table.add_row(name, *energies, joules(estimate.sum_without(MEMORY)["typical"]), even, basis)

    row("this one", twins.network, "", "")
    for name, twin in twins.twins.items():
        even = twin.break_even_rate
        said = "" if even is None else f"{_rate(even['all']['typical'])} ({_rate(even['arithmetic']['typical'])})"
        row(name, twin.estimate, said, twin.basis)
    return table


def energy_line(estimate: EnergyEstimate) -> str:
    """Return the total, or what it is at least, in one line."""
    bounds: Mapping[str, Any] = estimate.at_least
    prefix = "" if estimate.total is not None else "at least "
    return f"{prefix}{joules(bounds['typical'])} ({joules(bounds['low'])} to {joules(bounds['high'])}) per inference"


def _rate(rate: float | None) -> str:
    return "no rate" if rate is None else percent(rate)


def _seconds(seconds: float) -> str:
    return f"{seconds * 1e6:.3g} us" if seconds < 1e-3 else f"{seconds * 1e3:.3g} ms"
