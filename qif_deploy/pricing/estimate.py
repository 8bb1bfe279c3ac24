"""Energy per inference: counts of a real run times sourced prices, at low, typical and high."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qif_deploy.pricing.price_list import LEVELS, TERMS, PriceList
from qif_deploy.simulate.op_counts import LayerCounts

Range = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerEnergy:
    """Mean counts per inference of one layer, and the energy of each term in joules at three levels."""

    name: str
    counts: Mapping[str, float]
    energy_j: Mapping[str, Range]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyEstimate:
    """Energy of one inference in joules, averaged over the samples of the run.

    ``total`` is None as long as anything is unpriced; ``at_least`` sums what is priced.
    """

    price_list: PriceList
    samples: int
    layers: tuple[LayerEnergy, ...]
    at_least: Range
    unpriced: Mapping[str, str]

    @property
    def total(self) -> Range | None:
        """The sum, where everything has a price."""
        return None if self.unpriced else self.at_least

    def as_json(self) -> dict[str, Any]:
        """Return the keys of the ``energy`` contract; energies in joules per inference."""
        layers = [{"name": y.name, "counts": dict(y.counts), "energy_j": {t: dict(r) for t, r in y.energy_j.items()}} for y in self.layers]
        found: dict[str, Any] = {
            "estimator": self.price_list.name,
            "boundary": self.price_list.description,
            "unit": "J per inference",
            "samples": self.samples,
            "per_layer": layers,
            "total": None if self.total is None else dict(self.total),
            "constants": [number.as_json() for number in self.price_list.constants()],
        }
        if self.unpriced:
            found |= {"at_least": dict(self.at_least), "unpriced": [{"term": key, "reason": text} for key, text in self.unpriced.items()]}
        return found


def estimate_energy(layers: Sequence[LayerCounts], price_list: PriceList) -> EnergyEstimate:
    """Price the counts of a run.

    A term that the list has no price for is not invented: if it was counted, it makes the total "at least".
    """
    priced = tuple(_price_layer(layer, price_list) for layer in layers)
    at_least = {level: sum(term[level] for layer in priced for term in layer.energy_j.values()) for level in LEVELS}
    missing = {
        term: f"the price list {price_list.name!r} has no price for it"
        for term in TERMS
        if term not in price_list.prices and any(layer.counts[term] for layer in priced)
    }
    samples = int(layers[0].updates.size)
    return EnergyEstimate(
        price_list=price_list, samples=samples, layers=priced, at_least=at_least, unpriced={**missing, **price_list.unpriced}
    )


def _price_layer(layer: LayerCounts, price_list: PriceList) -> LayerEnergy:
    synops = float(layer.synops.mean())
    counts = {
        "synop_dense": 0.0 if layer.conv else synops,
        "synop_conv": synops if layer.conv else 0.0,
        "neuron_update": float(layer.updates.mean()),
        "spike": float(layer.spikes.mean()),
        "quadratic_multiply": float(layer.quadratic_multiplies.mean()),
        "mac": float(layer.macs.mean()),
    }
    energy = {
        term: {level: counts[term] * price_list.prices[term].energy_j(level) for level in LEVELS}
        for term in TERMS
        if term in price_list.prices
    }
    return LayerEnergy(name=layer.name, counts=counts | {"driven_update": float(layer.driven.mean())}, energy_j=energy)
