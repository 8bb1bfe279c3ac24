"""Published measurements that the estimators are held against: the ratio of estimate to measurement, case by case.

What a publication does not say is not made up: where synapses are unknown they are left out, and a rate of spikes is an assumption with
three levels. ``dynamic`` is the estimate of the operations alone; a measurement of a whole system lies above it.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qif_deploy.errors import InputError
from qif_deploy.pricing.deployment import Deployment, StepTime, SystemCounts, modelled_step, system_seconds
from qif_deploy.pricing.estimate import Range, estimate_energy
from qif_deploy.pricing.operations import LayerOperations
from qif_deploy.pricing.price_list import ENERGY_UNITS, TIME_UNITS, PriceList, load_price_list
from qif_deploy.pricing.terms import LEVELS, Term
from qif_deploy.sourced import SourcedNumber, read_toml, sourced_number

ANCHORS = Path(__file__).parent / "anchors.toml"
WORDS = ("name", "meaning", "prices", "boundary")


class Boundary(enum.Enum):
    """What a measurement holds: the operations of the cores, or static power and embedded processors too."""

    DYNAMIC = "dynamic"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """One published run: what is known of it, and the measured energy."""

    name: str
    meaning: str
    prices: str
    boundary: Boundary
    numbers: Mapping[str, SourcedNumber]

    def known(self, name: str) -> float | None:
        """Return a number in the unit of its source; None where nobody says it."""
        return self.numbers[name].value if name in self.numbers else None

    @property
    def measured_j(self) -> float:
        """Measured energy of one inference in joules."""
        number = self.numbers["measured"]
        return number.value * ENERGY_UNITS[number.unit]

    @property
    def step_s(self) -> float:
        """Measured time of one step in seconds."""
        number = self.numbers["step_time"]
        return number.value * TIME_UNITS[number.unit]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Estimate against measurement. ``dynamic_j`` is the part of the estimate that operations make; ``modelled_step_s`` the time model."""

    anchor: Anchor
    estimate_j: Range
    dynamic_j: Range
    modelled_step_s: Range | None

    @property
    def ratio(self) -> dict[str, float]:
        """Estimate over measurement, within the measurement's boundary."""
        return {level: self.estimate_j[level] / self.anchor.measured_j for level in LEVELS}

    @property
    def dynamic_ratio(self) -> dict[str, float]:
        """The operations alone over the measurement."""
        return {level: self.dynamic_j[level] / self.anchor.measured_j for level in LEVELS}

    @property
    def time_ratio(self) -> dict[str, float] | None:
        """Modelled over measured step."""
        return None if self.modelled_step_s is None else {k: self.modelled_step_s[k] / self.anchor.step_s for k in LEVELS}

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "name": self.anchor.name,
            "meaning": self.anchor.meaning,
            "estimator": self.anchor.prices,
            "boundary": self.anchor.boundary.value,
            "measured_j": self.anchor.measured_j,
            "estimate_j": dict(self.estimate_j),
            "ratio": self.ratio,
            "dynamic_ratio": self.dynamic_ratio,
            "time_ratio": self.time_ratio,
            "known": [number.as_json() for number in self.anchor.numbers.values()],
        }


def load_anchors() -> tuple[Anchor, ...]:
    """Return the packaged anchors.

    Raises:
        InputError: an entry without its words, or a number without its source.
    """
    found = []
    for key, table in read_toml(ANCHORS).items():
        where = f"anchor {key!r}"
        if not set(WORDS) <= set(table):
            raise InputError(f"{where}: needs {', '.join(WORDS)}")
        numbers = {name: sourced_number(name, entry, where=where) for name, entry in table.items() if name not in WORDS}
        found.append(
            Anchor(
                name=table["name"],
                meaning=table["meaning"],
                prices=table["prices"],
                boundary=Boundary(table["boundary"]),
                numbers=numbers,
            )
        )
    return tuple(found)


def compare_anchor(anchor: Anchor, price_list: PriceList | None = None) -> Comparison:
    """Estimate what ``anchor`` measured, by its own price list or by ``price_list``."""
    prices = load_price_list(anchor.prices) if price_list is None else price_list
    steps = int(anchor.numbers["steps"].value)
    neurons, connections = anchor.known("neurons") or 0.0, anchor.known("connections") or 0.0
    dynamic = {level: _dynamic(anchor, prices, level, neurons, connections, steps) for level in LEVELS}
    cores, chips = (None if (count := anchor.known(name)) is None else int(count) for name in ("cores", "chips"))
    time = StepTime(steps=steps, modelled_s=None, step_s=dict.fromkeys(LEVELS, anchor.step_s), basis="measured")
    counts, _ = system_seconds(Deployment(cores=cores, chips=chips), time)
    static = {
        level: sum(count[level] * prices.prices[term].at(level) for term, count in counts.items() if term in prices.prices)
        for level in LEVELS
    }
    whole = {level: dynamic[level] + (static[level] if anchor.boundary is Boundary.SYSTEM else 0.0) for level in LEVELS}
    rate = anchor.known("rate_typical") or 0.0
    modelled = modelled_step(prices, cores, synops=connections * rate, neurons=int(neurons)) if neurons and connections else None
    return Comparison(anchor=anchor, estimate_j=whole, dynamic_j=dynamic, modelled_step_s=modelled)


def _dynamic(anchor: Anchor, prices: PriceList, level: str, neurons: float, connections: float, steps: int) -> float:
    """Every neuron in every step, every synapse at the assumed rate, one message per spike."""
    rate = anchor.known(f"rate_{level}") or 0.0
    spikes = neurons * rate * steps
    counts = {Term.UPDATE_DRIVEN: neurons * steps, Term.SYNOP_CONV: connections * rate * steps, Term.SPIKE: spikes, Term.MESSAGE: spikes}
    layer = LayerOperations(name=anchor.name, counts={term: np.array([count]) for term, count in counts.items()})
    return estimate_energy([layer], prices, SystemCounts(counts={}, uncounted={}, time=None)).at_least[level]
