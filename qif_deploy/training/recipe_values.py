"""Values of a recipe file, checked against the typed fields of a dataclass: no key unknown, none missing, none of another type."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Any

from qif_deploy.errors import InputError, raise_findings
from qif_deploy.suggestion import meant


def checked_values(
    table: Mapping[str, Any], kind: type, where: str, *, skip: tuple[str, ...], enums: Mapping[str, type[Any]]
) -> dict[str, Any]:
    """Return the values of ``table`` converted to the field types of the dataclass ``kind``; a field with a default may be absent.

    Args:
        table: keys and plain values.
        kind: a dataclass whose module postpones annotations, so that a field's type is its text.
        where: beginning of every message.
        skip: fields that the caller builds.
        enums: every enum type that occurs, by name.

    Raises:
        InputError: all findings at once.
    """
    wanted = {field.name: field for field in fields(kind) if field.name not in skip}
    types = {name: str(field.type).removesuffix(" | None") for name, field in wanted.items()}
    required = {name for name, field in wanted.items() if field.default is MISSING}
    findings = [
        f"{where}: key {str(key)!r:.80} is unknown, allowed is {sorted(types)}{meant(str(key), types)}" for key in table if key not in types
    ]
    findings += [f"{where}: key {key!r} is missing; give {_words(types[key], enums)}" for key in required if key not in table]
    values = {}
    for key in types.keys() & table.keys():
        try:
            values[key] = _converted(table[key], types[key], enums)
        except (TypeError, ValueError):
            findings.append(f"{where}: {key} = {table[key]!r:.80}, allowed is {_words(types[key], enums)}")
    raise_findings(InputError, sorted(findings))
    return values


def plain_values(instance: Any, *, skip: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the fields of a dataclass as a TOML file would hold them; what is None is left out, since TOML has no such value."""
    found = {field.name: getattr(instance, field.name) for field in fields(instance) if field.name not in skip}
    return {name: _plain(value) for name, value in found.items() if value is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return value.value
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _converted(value: Any, type_name: str, enums: Mapping[str, type[Any]]) -> Any:
    if type_name in enums:
        return enums[type_name](value)
    if (item := _item_of(type_name)) in enums:
        if not isinstance(value, list | tuple):
            raise TypeError
        return tuple(enums[item](one) for one in value)
    return _CONVERT[type_name](value)


def _words(type_name: str, enums: Mapping[str, type[Any]]) -> str:
    if type_name in enums:
        return f"one of {sorted(item.value for item in enums[type_name])}"
    if (item := _item_of(type_name)) in enums:
        return f"a list of {sorted(one.value for one in enums[item])}"
    return _WORDS[type_name]


def _item_of(type_name: str) -> str:
    return type_name.removeprefix("tuple[").removesuffix(", ...]")


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise TypeError
    return value


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError
    return value


def _number(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < 1e30:
        raise TypeError
    return float(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _numbers(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list | tuple):
        raise TypeError
    return tuple(_whole(item) for item in value)


# Field type, as its annotation is written -> conversion and its words; a field of another type fails loudly as a KeyError.
_CONVERT: Mapping[str, Callable[[Any], Any]] = {"str": _text, "int": _whole, "float": _number, "bool": _flag, "tuple[int, ...]": _numbers}
_WORDS = {
    "str": "printable text",
    "int": "a whole number",
    "float": "a finite number",
    "bool": "true or false",
    "tuple[int, ...]": "a list of whole numbers",
}
