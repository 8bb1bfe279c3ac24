"""Typed access to the JSON of a result file: whatever is not of its form is one clear line with its place in the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, NoReturn

from qif_deploy.errors import InputError
from qif_deploy.reading.json_text import parse_json

LARGEST_BYTES = 64 << 20
"""A result file is thousands of times smaller; what is larger is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """An object of a JSON file; ``where`` is its place in it, ``verb`` the command that writes the file."""

    file: str
    verb: str
    where: str
    values: Mapping[str, Any]  # Any: JSON, every access checks its type

    def text(self, key: str) -> str:
        """Return a text."""
        return self._as_text(self._value(key), key)

    def maybe_text(self, key: str) -> str | None:
        """Return a text, None where it is null or missing."""
        value = self.values.get(key)
        return None if value is None else self._as_text(value, key)

    def truth(self, key: str) -> bool | None:
        """Return true, false or null."""
        value = self._value(key)
        return value if value is None or isinstance(value, bool) else self._wrong(key, value, "true, false or null")

    def number(self, key: str) -> float:
        """Return a finite number."""
        return self._as_number(self._value(key), key)

    def maybe_number(self, key: str) -> float | None:
        """Return a finite number, None where it is null or missing."""
        value = self.values.get(key)
        return None if value is None else self._as_number(value, key)

    def whole(self, key: str) -> int:
        """Return an integer."""
        return self._as_whole(self._value(key), key)

    def numbers(self, key: str) -> tuple[float, ...]:
        """Return a list of finite numbers."""
        return tuple(self._as_number(value, f"{key}[{n}]") for n, value in enumerate(self._list(key)))

    def wholes(self, key: str) -> tuple[int, ...]:
        """Return a list of integers."""
        return tuple(self._as_whole(value, f"{key}[{n}]") for n, value in enumerate(self._list(key)))

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts."""
        return tuple(self._as_text(value, f"{key}[{n}]") for n, value in enumerate(self._list(key)))

    def table(self, key: str, *, rows: int, columns: int) -> tuple[tuple[float | None, ...], ...]:
        """Return ``rows`` lists of ``columns`` numbers or nulls."""
        found = []
        for n, row in enumerate(self._list(key)):
            if not isinstance(row, list) or len(row) != columns:
                self._wrong(f"{key}[{n}]", row, f"a list of {columns} numbers")
            found.append(tuple(None if value is None else self._as_number(value, f"{key}[{n}]") for value in row))
        if len(found) != rows:
            self._wrong(key, f"{len(found)} rows", f"{rows} rows")
        return tuple(found)

    def record(self, key: str) -> Record:
        """Return the object under ``key``."""
        return self._as_record(self._value(key), key)

    def maybe_record(self, key: str) -> Record | None:
        """Return the object under ``key``, None where it is null or missing."""
        value = self.values.get(key)
        return None if value is None else self._as_record(value, key)

    def records(self, key: str) -> tuple[Record, ...]:
        """Return a list of objects."""
        return tuple(self._as_record(value, f"{key}[{n}]") for n, value in enumerate(self._list(key)))

    def named(self, key: str | None = None) -> dict[str, Record]:
        """Return an object of objects: the one under ``key``, or this one."""
        owner = self if key is None else self.record(key)
        return {name: owner._as_record(value, name) for name, value in owner.values.items()}

    def holds(self, key: str) -> bool:
        """Whether there is anything under ``key``."""
        return self.values.get(key) is not None

    def fail(self, reason: str) -> NoReturn:
        """Say that the file is not of its form.

        Raises:
            InputError: always.
        """
        raise InputError(f"file {self.file!r} is damaged or not ours: {reason}; write it again with `qif-deploy {self.verb}`")

    def _wrong(self, key: str, value: object, wanted: str) -> NoReturn:
        self.fail(f"{self.where}{key} is {str(value)[:40]!r} instead of {wanted}")

    def _value(self, key: str) -> Any:  # Any: JSON
        if key not in self.values:
            self.fail(f"{self.where}{key} is missing")
        return self.values[key]

    def _list(self, key: str) -> list[Any]:  # Any: JSON
        value = self._value(key)
        return value if isinstance(value, list) else self._wrong(key, value, "a list")

    def _as_text(self, value: object, key: str) -> str:
        return value if isinstance(value, str) else self._wrong(key, value, "a text")

    def _as_whole(self, value: object, key: str) -> int:
        return value if isinstance(value, int) and not isinstance(value, bool) else self._wrong(key, value, "a whole number")

    def _as_number(self, value: object, key: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._wrong(key, value, "a number")
        try:
            found = float(value)
        except OverflowError:
            self._wrong(key, value, "a finite number")
        return found if isfinite(found) else self._wrong(key, value, "a finite number")

    def _as_record(self, value: object, key: str) -> Record:
        if not isinstance(value, dict):
            self._wrong(key, value, "an object")
        return Record(file=self.file, verb=self.verb, where=f"{self.where}{key}.", values=value)


def read_record(path: Path, data: bytes, *, verb: str) -> Record:
    """Return the object that a JSON file holds.

    Args:
        path: the file, for messages.
        data: its bytes.
        verb: the command that writes such a file.

    Raises:
        InputError: not JSON, no object, or larger than any result.
    """
    empty = Record(file=str(path), verb=verb, where="", values={})
    if len(data) > LARGEST_BYTES:
        empty.fail(f"{len(data)} bytes exceed the {LARGEST_BYTES} of any result")

    try:
        found = parse_json(data.decode("utf-8"))
    except ValueError as error:
        empty.fail(f"it is not readable JSON ({error})")
    if not isinstance(found, dict):
        empty.fail("it holds no object")
    return Record(file=str(path), verb=verb, where="", values=found)
