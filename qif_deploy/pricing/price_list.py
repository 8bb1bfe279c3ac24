"""Price lists: joules per operation from TOML, each bound with its own source and grade."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from qif_deploy.errors import InputError, raise_findings
from qif_deploy.pricing.terms import LEVELS, Term
from qif_deploy.sourced import SourcedNumber, packaged_or_path, read_toml, sourced_number

PRICES = Path(__file__).parent / "prices"
ENERGY_UNITS = {"pJ/64bit": 1e-12 / 64, "fJ": 1e-15, "pJ": 1e-12, "nJ": 1e-9, "uJ": 1e-6, "mJ": 1e-3, "J": 1.0}
POWER_UNITS = {"uW": 1e-6, "mW": 1e-3, "W": 1.0}
TIME_UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}


class Counting(enum.Enum):
    """How operations are counted from spikes: one by one as they occur, or by the formulas of an analytical model."""

    EVENTS = "events"
    LEMAIRE = "lemaire"


class StepPart(enum.Enum):
    """What a time step is made of; ``STEP`` is the shortest step that systems were seen to take."""

    SYNOP = "synop"
    UPDATE = "neuron_update"
    BARRIER = "barrier"
    STEP = "step"


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """A quantity at three levels, each in the unit of its source; ``units`` turn them into J, W or s."""

    name: str
    meaning: str
    low: SourcedNumber
    typical: SourcedNumber
    high: SourcedNumber
    units: Mapping[str, float]

    def at(self, level: str) -> float:
        """Value in J, W or s at ``low``, ``typical`` or ``high``."""
        number: SourcedNumber = getattr(self, level)
        return number.value * self.units[number.unit]

    def numbers(self) -> list[SourcedNumber]:
        """Return the three numbers."""
        return [getattr(self, level) for level in LEVELS]


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceList:
    """One estimator: its prices, and what it knows that it does not price.

    ``included`` names terms that another price holds already, ``unpriced`` those that have none, both with the reason. ``step`` are
    the times that a step is made of. ``ratios`` are published relations to another chip, for reading only.
    """

    name: str
    description: str
    counting: Counting
    prices: Mapping[Term, Price]
    included: Mapping[Term, str]
    unpriced: Mapping[str, str]
    step: Mapping[StepPart, Price]
    ratios: tuple[SourcedNumber, ...]

    def constants(self) -> list[SourcedNumber]:
        """Return every number of the list."""
        return [number for price in (*self.prices.values(), *self.step.values()) for number in price.numbers()]

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "name": self.name,
            "description": self.description,
            "counting": self.counting.value,
            "constants": [number.as_json() for number in self.constants()],
            "included": {term.value: text for term, text in self.included.items()},
            "unpriced": dict(self.unpriced),
            "ratios": [number.as_json() for number in self.ratios],
        }


def price_list_names() -> tuple[str, ...]:
    """Return the names of the packaged lists."""
    return tuple(sorted(path.stem for path in PRICES.glob("*.toml")))


def load_price_list(name: str | Path) -> PriceList:
    """Load a packaged list by name, or a user's by path.

    Raises:
        InputError: unknown name, unknown term, missing source, or bounds out of order; all findings of a kind at once.
    """
    path = packaged_or_path(name, PRICES, what="price list")
    return _packaged(path) if path.parent == PRICES else _read(path)


@cache
def _packaged(path: Path) -> PriceList:
    """Packaged lists do not change while a program runs, and every report reads all of them."""
    return _read(path)


def _read(path: Path) -> PriceList:
    table = read_toml(path)
    where = f"price list {path.name!r}"
    needed, optional = {"name", "description", "counting", "terms", "unpriced"}, {"included", "step", "ratios"}
    if not needed <= set(table) <= needed | optional:
        odd = sorted(set(table) ^ needed - optional)
        raise InputError(
            f"{where}: keys {odd!r:.200} are missing or unknown; needs {', '.join(sorted(needed))}, may have {', '.join(optional)}"
        )
    sections = {key: table.get(key, {}) for key in ("terms", "unpriced", *optional)}
    for key, section in sections.items():
        if not isinstance(section, dict):
            raise InputError(f"{where}: {key!r} is not a table; write it as [{key}]")
    known = [counting.value for counting in Counting]
    if table["counting"] not in known:
        raise InputError(f"{where}: counting {table['counting']!r:.80} is unknown; use one of {', '.join(known)}")
    _check_terms(sections, where)
    prices = {
        Term(key): _price(key, entry, where, POWER_UNITS if Term(key).power else ENERGY_UNITS) for key, entry in sections["terms"].items()
    }
    return PriceList(
        name=str(table["name"]),
        description=str(table["description"]),
        counting=Counting(table["counting"]),
        prices=MappingProxyType(prices),
        included=MappingProxyType({Term(key): str(text) for key, text in sections["included"].items()}),
        unpriced=MappingProxyType({key: str(text) for key, text in sections["unpriced"].items()}),
        step=MappingProxyType({StepPart(key): _price(key, entry, where, TIME_UNITS) for key, entry in sections["step"].items()}),
        ratios=tuple(sourced_number(key, entry, where=where) for key, entry in sections["ratios"].items()),
    )


def _check_terms(sections: Mapping[str, Mapping[str, Any]], where: str) -> None:
    known, parts = [term.value for term in Term], [part.value for part in StepPart]
    findings = [
        f"{where}: terms {odd!r:.200} are unknown; use {', '.join(words)}"
        for section, words in (("terms", known), ("included", known), ("step", parts))
        if (odd := sorted(set(sections[section]) - set(words)))
    ]
    twice = sorted(
        set(sections["terms"]) & set(sections["included"])
        | set(sections["terms"]) & set(sections["unpriced"])
        | set(sections["included"]) & set(sections["unpriced"])
    )
    if twice:
        findings.append(f"{where}: terms {twice!r:.200} stand in two sections; a term is priced, included in another price, or unpriced")
    raise_findings(InputError, findings)


def _price(name: str, entry: Any, where: str, units: Mapping[str, float]) -> Price:
    if not isinstance(entry, dict) or set(entry) != {"meaning", *LEVELS}:
        raise InputError(f"{where}: term {name!r} needs exactly meaning, low, typical and high")
    numbers = {level: sourced_number(f"{name}.{level}", entry[level], where=where) for level in LEVELS}
    odd = sorted({number.unit for number in numbers.values()} - set(units))
    if odd:
        raise InputError(f"{where}: unit {odd[0]!r:.80} of {name!r} is not one of {', '.join(units)}")
    price = Price(name=name, meaning=str(entry["meaning"]), units=MappingProxyType(dict(units)), **numbers)
    if not 0 <= price.at("low") <= price.at("typical") <= price.at("high") < float("inf"):
        raise InputError(f"{where}: term {name!r} is not ordered 0 <= low <= typical <= high")
    return price
