"""Pickling and copying frozen dataclasses through their constructors, so that a copy is as checked and as read-only as its original.

Plain pickling would lose the write protection of arrays, and fails on read-only mappings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any

Rebuilding = tuple[Callable[..., Any], tuple[type, dict[str, Any]]]


class Rebuilt:
    """A dataclass that ``pickle``, ``copy`` and worker processes make again by its constructor; all fields are arguments of it."""

    __slots__ = ()

    def __reduce__(self) -> Rebuilding:
        found = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]  # every child is a dataclass
        return _made, (type(self), {name: dict(value) if isinstance(value, MappingProxyType) else value for name, value in found.items()})


def _made(kind: type, arguments: Mapping[str, Any]) -> Any:
    return kind(**arguments)


__all__ = ["Rebuilt"]
