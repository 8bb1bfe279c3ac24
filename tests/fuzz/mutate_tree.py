"""Changes to tables and lists of plain values, and TOML written from them."""

from __future__ import annotations

import copy
import datetime
import math
from random import Random
from typing import Any

ODD: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 255, 2**31, 2**53 + 1, 2**63, 10**30, -(10**400), 0.0, -0.0, 0.5, 1e308, 1e-320, math.nan, math.inf,
    -math.inf, "", "x", "0", "../x", "a\nb", "\u0000", "\ud7ff", "é", "x" * 5000, [], {}, [[]], [1, 2, 3],
    [None], {"": 0}, {"x": {"x": []}},
)  # fmt: skip


def odd_value(rng: Random) -> Any:
    """A value of any kind and size; now and then nested very deeply."""
    if rng.randrange(20) == 0:
        value: Any = 0
        for _ in range(rng.choice((40, 70, 3000))):
            value = [value] if rng.randrange(2) else {"x": value}
        return value
    return copy.deepcopy(rng.choice(ODD))


def changed_tree(tree: Any, rng: Random) -> Any:
    """Return a copy in which one value is another, is gone, is there twice, or has another key."""
    tree = copy.deepcopy(tree)
    places = _places(tree)
    if not places:
        return odd_value(rng)
    container, key = rng.choice(places)
    match rng.randrange(8):
        case 0:
            del container[key]
        case 1 if isinstance(container, dict):
            container[rng.choice(("x", "name", "value", "", "é", str(key) + " "))] = container[key]
        case 1:
            container.insert(key, copy.deepcopy(container[key]))
        case 2 if isinstance(container, dict):
            container[rng.choice(("x", "type", "a.b"))] = container.pop(key)
        case 3:
            other, name = rng.choice(places)
            container[key] = copy.deepcopy(other[name]) if name in other or isinstance(other, list) else None
        case 4 if isinstance(container[key], int | float) and not isinstance(container[key], bool):
            container[key] = rng.choice(
                (-container[key], container[key] + 1, container[key] * 2, container[key] * 1000, float(container[key]))
            )
        case 5 if isinstance(container[key], str):
            container[key] = rng.choice((container[key][:-1], container[key] + "x", container[key] * 500, container[key].upper()))
        case _:
            container[key] = odd_value(rng)
    return tree


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """Every container with each of its keys; without recursion, as a change may have nested it deeply."""
    found, waiting = [], [tree]
    while waiting:
        item = waiting.pop()
        keys = list(item) if isinstance(item, dict) else list(range(len(item))) if isinstance(item, list) else []
        found += [(item, key) for key in keys]
        waiting += [item[key] for key in keys]
    return found


def to_toml(table: dict[str, Any]) -> str:
    """Write a table as TOML, inner tables inline; what TOML has no form for becomes a text."""
    return "".join(f"{_text(key)} = {_value(value)}\n" for key, value in table.items())


def _value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case str():
            return _text(value)
        case list():
            return "[" + ", ".join(map(_value, value)) + "]"
        case dict():
            return "{" + ", ".join(f"{_text(key)} = {_value(item)}" for key, item in value.items()) + "}"
        case datetime.date() | datetime.time():
            return value.isoformat()
        case _:
            return '"none"'


def _text(text: Any) -> str:
    return '"' + "".join(c if c.isprintable() and c not in '"\\' else f"\\u{ord(c):04x}" for c in str(text)) + '"'


__all__ = ["changed_tree", "odd_value", "to_toml"]
