"""Price lists: joules per operation from TOML, each bound with its own source and grade."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from qif_deploy.errors import InputError
from qif_deploy.sourced import SourcedNumber, packaged_or_path, read_toml, sourced_number

PRICES = Path(__file__).parent / "prices"
TERMS = ("synop_dense", "synop_conv", "neuron_update", "spike", "quadratic_multiply", "mac")
"""Operations that the estimate counts; a list may leave one out, and the total is then "at least"."""

LEVELS = ("low", "typical", "high")
UNITS_J = {"pJ": 1e-12, "nJ": 1e-9, "uJ": 1e-6, "J": 1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Price of one operation at three levels, in the unit of its source."""

    term: str
    meaning: str
    low: SourcedNumber
    typical: SourcedNumber
    high: SourcedNumber

    def energy_j(self, level: str) -> float:
        """Price in joules at ``low``, ``typical`` or ``high``."""
        number: SourcedNumber = getattr(self, level)
        return number.value * UNITS_J[number.unit]


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceList:
    """One estimator: its prices, and what it knows that it does not price."""

    name: str
    description: str
    prices: Mapping[str, Price]
    unpriced: Mapping[str, str]

    def constants(self) -> list[SourcedNumber]:
        """Return every number of the list."""
        return [getattr(price, level) for price in self.prices.values() for level in LEVELS]

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        constants = [number.as_json() for number in self.constants()]
        return {"name": self.name, "description": self.description, "constants": constants, "unpriced": dict(self.unpriced)}


def load_price_list(name: str) -> PriceList:
    """Load a packaged list by name, or a user's by path.

    Raises:
        InputError: unknown name, unknown term, missing source, or bounds out of order.
    """
    path = packaged_or_path(name, PRICES, what="price list")
    table = read_toml(path)
    where = f"price list {path.name!r}"
    if (
        set(table) != {"name", "description", "terms", "unpriced"}
        or not isinstance(table["terms"], dict)
        or not isinstance(table["unpriced"], dict)
    ):
        raise InputError(f"{where}: needs exactly name, description, [terms] and [unpriced]; see the packaged lists for the form")
    unknown = sorted(set(table["terms"]) - set(TERMS))
    if unknown:
        raise InputError(f"{where}: terms {unknown} are unknown; use {', '.join(TERMS)}")
    prices = {term: _price(term, entry, where) for term, entry in table["terms"].items()}
    return PriceList(
        name=str(table["name"]),
        description=str(table["description"]),
        prices=MappingProxyType(prices),
        unpriced=MappingProxyType({key: str(text) for key, text in table["unpriced"].items()}),
    )


def _price(term: str, entry: Any, where: str) -> Price:
    if not isinstance(entry, dict) or set(entry) != {"meaning", *LEVELS}:
        raise InputError(f"{where}: term {term!r} needs exactly meaning, low, typical and high")
    numbers = {level: sourced_number(f"{term}.{level}", entry[level], where=where) for level in LEVELS}
    odd = sorted({number.unit for number in numbers.values()} - set(UNITS_J))
    if odd:
        raise InputError(f"{where}: unit {odd[0]!r} of {term!r} is not one of {', '.join(UNITS_J)}")
    price = Price(term=term, meaning=str(entry["meaning"]), **numbers)
    if not 0 <= price.energy_j("low") <= price.energy_j("typical") <= price.energy_j("high"):
        raise InputError(f"{where}: term {term!r} is not ordered 0 <= low <= typical <= high")
    return price
