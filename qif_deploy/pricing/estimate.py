"""Energy per inference: counts of a real run times sourced prices, at low, typical and high."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qif_deploy.pricing.deployment import SystemCounts
from qif_deploy.pricing.interval import Interval, mean_interval
from qif_deploy.pricing.operations import LayerOperations, SampleValues
from qif_deploy.pricing.price_list import PriceList
from qif_deploy.pricing.terms import ALWAYS_THERE, LEVELS, Term

Range = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerEnergy:
    """Mean counts per inference of one layer, and the energy of each priced term in joules at three levels."""

    name: str
    counts: Mapping[str, float]
    energy_j: Mapping[str, Range]

    @property
    def sum_j(self) -> Range:
        """All priced terms together."""
        return {level: sum(energy[level] for energy in self.energy_j.values()) for level in LEVELS}

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        energy = {term: dict(energy) for term, energy in self.energy_j.items()}
        return {"name": self.name, "counts": dict(self.counts), "energy_j": energy, "sum_j": dict(self.sum_j)}


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyEstimate:
    """Energy of one inference in joules, averaged over the samples of the run.

    ``total`` is None as long as anything is unpriced; ``at_least`` sums what is priced. ``system`` is what belongs to no layer: power
    times time. ``intervals`` are over the inputs, per level; prices are as uncertain as the levels differ.
    """

    price_list: PriceList
    samples: int
    layers: tuple[LayerEnergy, ...]
    system: LayerEnergy
    at_least: Range
    intervals: Mapping[str, Interval] | None
    unpriced: Mapping[str, str]

    @property
    def total(self) -> Range | None:
        """The sum, where everything has a price."""
        return None if self.unpriced else self.at_least

    @property
    def by_term(self) -> dict[str, Range]:
        """Energy per term over all layers and the system."""
        found: dict[str, dict[str, float]] = {}
        for part in (*self.layers, self.system):
            for term, energy in part.energy_j.items():
                so_far = found.setdefault(term, dict.fromkeys(LEVELS, 0.0))
                for level in LEVELS:
                    so_far[level] += energy[level]
        return dict(found)

    def sum_without(self, terms: Collection[Term]) -> Range:
        """Everything priced but ``terms``."""
        left_out = {term.value for term in terms}
        kept = [energy for term, energy in self.by_term.items() if term not in left_out]
        return {level: sum(energy[level] for energy in kept) for level in LEVELS}

    def summary(self) -> dict[str, Any]:
        """Return what a comparison of estimators shows: sums, terms, and what is missing."""
        found: dict[str, Any] = {
            "estimator": self.price_list.name,
            "boundary": self.price_list.description,
            "total": None if self.total is None else dict(self.total),
            "by_term": {term: dict(energy) for term, energy in self.by_term.items()},
        }
        if self.unpriced:
            found |= {"at_least": dict(self.at_least), "unpriced": [{"term": key, "reason": text} for key, text in self.unpriced.items()]}
        return found

    def as_json(self) -> dict[str, Any]:
        """Return the keys of the ``energy`` contract; energies in joules per inference."""
        return self.summary() | {
            "unit": "J per inference",
            "counting": self.price_list.counting.value,
            "samples": self.samples,
            "per_layer": [layer.as_json() for layer in self.layers],
            "system": self.system.as_json(),
            "interval": None if self.intervals is None else {level: interval.as_json() for level, interval in self.intervals.items()},
            "included": {term.value: text for term, text in self.price_list.included.items()},
            "constants": [number.as_json() for number in self.price_list.constants()],
        }


def estimate_energy(layers: Sequence[LayerOperations], price_list: PriceList, system: SystemCounts) -> EnergyEstimate:
    """Price the operations of a run.

    A term that the list has no price for is not invented: if it was counted, it makes the total "at least". So does a term that has a
    price and could not be counted, such as static power without a placement.
    """
    per_sample = {level: _per_sample(layers, price_list, level) for level in LEVELS}
    priced_system = _price_system(system, price_list)
    fixed = priced_system.sum_j
    at_least = {level: float(per_sample[level].mean()) + fixed[level] for level in LEVELS}
    intervals = {level: mean_interval(per_sample[level] + fixed[level]) for level in LEVELS}
    known = {level: interval for level, interval in intervals.items() if interval is not None}
    return EnergyEstimate(
        price_list=price_list,
        samples=per_sample["typical"].size,
        layers=tuple(_price_layer(layer, price_list) for layer in layers),
        system=priced_system,
        at_least=at_least,
        intervals=known or None,
        unpriced=_unpriced(layers, price_list, system),
    )


def _per_sample(layers: Sequence[LayerOperations], price_list: PriceList, level: str) -> SampleValues:
    total: SampleValues = np.zeros_like(next(iter(layers[0].counts.values())))
    for layer in layers:
        for term, count in layer.counts.items():
            if term in price_list.prices:
                total = total + count * price_list.prices[term].at(level)
    return total


def _price_layer(layer: LayerOperations, price_list: PriceList) -> LayerEnergy:
    counts = {term: float(count.mean()) for term, count in layer.counts.items()}
    energy = {
        term.value: {level: counts[term] * price.at(level) for level in LEVELS}
        for term, price in price_list.prices.items()
        if term in counts
    }
    return LayerEnergy(name=layer.name, counts={term.value: count for term, count in counts.items()}, energy_j=energy)


def _price_system(system: SystemCounts, price_list: PriceList) -> LayerEnergy:
    energy = {
        term.value: {level: count[level] * price_list.prices[term].at(level) for level in LEVELS}
        for term, count in system.counts.items()
        if term in price_list.prices
    }
    counts = {term.value: count["typical"] for term, count in system.counts.items()}
    return LayerEnergy(name="system", counts=counts, energy_j=energy)


def _unpriced(layers: Sequence[LayerOperations], price_list: PriceList, system: SystemCounts) -> dict[str, str]:
    """Return everything that keeps a sum from being a total, with the reason; what the list itself says of a term goes first."""
    held = set(price_list.prices) | set(price_list.included) | {term for term in Term if term.value in price_list.unpriced}
    counted = {term for layer in layers for term, count in layer.counts.items() if count.any()}
    silent = [group[0] for group in ALWAYS_THERE if not held & set(group)]
    missing = {t.value: f"the price list {price_list.name!r} has no price for it" for t in Term if t in counted - held or t in silent}
    uncounted = {term.value: reason for term, reason in system.uncounted.items() if term in price_list.prices}
    return missing | uncounted | dict(price_list.unpriced)
