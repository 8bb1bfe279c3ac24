"""The tables of docs/reference/json.md as trees that real objects are held against."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests import document_tables

PAGE = "reference/json.md"
SHAPES = ("levels", "interval", "sourced", "flips", "comparison", "mismatch", "estimate")
PLAIN: dict[str, Callable[[Any], bool]] = {
    "text": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "object": lambda value: isinstance(value, dict),
    "range": lambda value: [type(item) for item in value] == [int, int, int, str],
}


@dataclass
class Place:
    """One step of a key path: what may stand below it, and its type where a row describes it."""

    below: dict[str, Place] = field(default_factory=dict)
    types: tuple[str, ...] = ()
    optional: bool = False
    met: bool = False

    def child(self, key: str) -> Place | None:
        return self.below.get(key, self.below.get("<>"))


def tree(name: str) -> Place:
    """Return the table whose first column is ``NAME key``; a row may describe several keys."""
    root = Place()
    first = f"{name} key"
    for row in document_tables.table(PAGE, first):
        for path in row[first].split(","):
            place = root
            for token in re.findall(r"\[\]|[^.\[\]]+", path.strip()):
                place = place.below.setdefault("<>" if token.startswith("<") else token, Place())
            place.types = tuple(row["type"].split(" or "))
            place.optional = "only with" in row["meaning"].lower()
    return root


def differences(value: Any, place: Place, where: str = "") -> Iterator[str]:
    """Yield what an object holds that its tree does not describe, or describes otherwise."""
    place.met = True
    if place.types:
        yield from _wrong_type(value, place, where)
    elif value is not None and not isinstance(value, dict | list):
        yield f"{where} is not described"
    if isinstance(value, dict):
        for key, item in value.items():
            below = place.child(key)
            if below is not None:
                yield from differences(item, below, f"{where}.{key}")
            elif not place.types:
                yield f"{where}.{key} is not described"
    elif isinstance(value, list) and not place.types:
        if "[]" not in place.below:
            yield f"{where}[] is not described"
        for item in value if "[]" in place.below else ():
            yield from differences(item, place.below["[]"], f"{where}[]")


def _wrong_type(value: Any, place: Place, where: str) -> Iterator[str]:
    shape = next((word for word in place.types if word in SHAPES), None)
    if isinstance(value, dict) and shape is not None:
        yield from differences({key: item for key, item in value.items() if place.child(key) is None}, tree(shape), where)
    elif not any(_is(value, word) for word in place.types):
        yield f"{where} is {value!r:.40}, described as {' or '.join(place.types)}"


def _is(value: Any, word: str) -> bool:
    if word.startswith("list of "):
        return isinstance(value, list) and all(_is(item, word.removeprefix("list of ").removesuffix("s")) for item in value)
    return word in PLAIN and PLAIN[word](value)


def unmet(place: Place, where: str = "") -> list[str]:
    """Described keys that no object had, those apart that are only there with something."""
    own = [where] if place.types and not place.met and not place.optional else []
    return own + [found for key, below in place.below.items() for found in unmet(below, f"{where}.{key}")]
