"""Energy per layer, per estimator and beside the twins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType

from qif_deploy.presentation.layout import joules, new_table, percent, stacked
from qif_deploy.pricing.terms import LEVELS, MEMORY

if TYPE_CHECKING:
    from qif_deploy.pricing.energy_report import EnergyReport
    from qif_deploy.pricing.estimate import EnergyEstimate
    from qif_deploy.pricing.twins import Twins


def energy_table(outcome: EnergyReport, *, verbose: bool = False) -> RenderableType:
    """Energy per layer, what is missing, the other estimators, and the twins; with ``verbose`` also every constant."""
    estimate = outcome.estimate
    parts: list[RenderableType] = [_count_table(outcome), _layer_table(outcome), estimate.price_list.description]
    for reason in dict.fromkeys(estimate.unpriced.values()):
        terms = [term for term, why in estimate.unpriced.items() if why == reason]
        parts.append(f"not priced: {', '.join(terms)} ({reason})")
    if outcome.time is not None:
        time = outcome.time
        parts.append(f"time per inference: {', '.join(_seconds(time.inference_s[level]) for level in LEVELS)} ({time.basis})")
    parts += [_estimator_table(outcome), *_twin_parts(outcome.twins)]
    if verbose:
        parts.append(_constant_table(outcome))
    return stacked(parts)


def _count_table(outcome: EnergyReport) -> RenderableType:
    rates, samples = outcome.rates(), outcome.estimate.samples
    columns = ("layer", "SynOps", "MACs", "driven", "idle", "spikes", "rate")
    table = new_table(columns, f"operations per inference, mean of {samples} samples", numbers=columns[1:])
    for y in outcome.network.layers:
        counts = (y.synops, y.macs, y.driven, y.updates - y.driven, y.spikes)
        table.add_row(y.name, *(f"{float(n.mean()):,.0f}" for n in counts), percent(rates[y.name]) if y.name in rates else "")
    return table


def _layer_table(outcome: EnergyReport) -> RenderableType:
    estimate = outcome.estimate
    columns = ("layer", *LEVELS, "quadratic")
    table = new_table(columns, f"energy per inference, estimator {estimate.price_list.name}", numbers=columns[1:])
    for y in estimate.layers:
        sums, extra = y.sum_j, y.energy_j.get("quadratic_multiply")
        share = percent(extra["typical"] / sums["typical"]) if extra is not None and sums["typical"] > 0 else ""
        table.add_row(y.name, *(joules(sums[level]) for level in LEVELS), share)
    for term, energy in estimate.system.energy_j.items():
        table.add_row(term, *(joules(energy[level]) for level in LEVELS), "")
    share_of_all = outcome.quadratic_share()["share"]
    whole = percent(share_of_all["typical"]) if share_of_all is not None else ""
    table.add_row("total" if estimate.total is not None else "at least", *(joules(estimate.at_least[level]) for level in LEVELS), whole)
    if estimate.intervals is not None:
        halves = ((y.high - y.low) / 2 / max(estimate.at_least[level], 1e-30) for level, y in estimate.intervals.items())
        table.add_row("95 % over inputs", *(f"+- {percent(half)}" for half in halves), "")
    return table


def _estimator_table(outcome: EnergyReport) -> RenderableType:
    columns = ("estimator", *LEVELS, "unpriced terms")
    table = new_table(columns, "the same counts under other estimators; never add or mix them", numbers=columns[1:])
    for name, other in outcome.others.items():
        bound = "" if other.total is not None else ">= "
        table.add_row(name, *(bound + joules(other.at_least[level]) for level in LEVELS), str(len(other.unpriced)))
    return table


def _twin_parts(twins: Twins) -> list[RenderableType]:
    title = f"twins of the same topology under {twins.price_list.name}; this network spikes at {percent(twins.rate)} per neuron and step"
    table = new_table(("network", *LEVELS, "arithmetic", "breaks even"), title, numbers=(*LEVELS, "arithmetic"))

    def row(name: str, estimate: EnergyEstimate, even: str) -> None:
        table.add_row(name, *(joules(estimate.at_least[level]) for level in LEVELS), joules(estimate.sum_without(MEMORY)["typical"]), even)

    row("this one", twins.network, "")
    for name, twin in twins.twins.items():
        even = twin.break_even_rate
        said = "" if even is None else f"{_rate(even['all']['typical'])} ({_rate(even['arithmetic']['typical'])})"
        row(name, twin.estimate, said)
    basis = [f"{name}: {twin.basis}" for name, twin in twins.twins.items()]
    said = "breaks even: spikes per neuron and step at which this network costs the same (arithmetic alone)"
    return [table, *basis, said]


def _constant_table(outcome: EnergyReport) -> RenderableType:
    table = new_table(("constant", "value", "grade", "source"), f"constants of {outcome.estimate.price_list.name}", numbers=("value",))
    for constant in outcome.as_json()["constants"]:
        table.add_row(constant["name"], f"{constant['value']:g} {constant['unit']}", constant["grade"], constant["source"])
    return table


def energy_line(estimate: EnergyEstimate) -> str:
    """Return the total, or what it is at least, in one line."""
    bounds: Mapping[str, Any] = estimate.at_least
    prefix = "" if estimate.total is not None else "at least "
    return f"{prefix}{joules(bounds['typical'])} ({joules(bounds['low'])} to {joules(bounds['high'])}) per inference"


def _rate(rate: float | None) -> str:
    return "no rate" if rate is None else percent(rate) if rate <= 1 else "any rate"


def _seconds(seconds: float) -> str:
    return f"{seconds * 1e6:.3g} us" if seconds < 1e-3 else f"{seconds * 1e3:.3g} ms"
