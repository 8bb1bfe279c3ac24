"""Typed access to the fields of one node as they lie in the file: every field is checked and none is overlooked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qif_deploy.errors import InputError
from qif_deploy.shapes import Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFields:
    """The fields of node ``name``; every accessor raises InputError that names node, field, value and expectation."""

    name: str
    values: Mapping[str, Any]  # Any: whatever the file holds, checked by the accessors

    def expect(self, required: Iterable[str], optional: Iterable[str] = ()) -> None:
        """Require exactly these fields besides ``type``; an unknown one may change the meaning, so it is refused."""
        required = set(required)
        missing = sorted(required - set(self.values))
        unknown = sorted(set(self.values) - required - set(optional) - {"type"})
        if missing:
            raise InputError(f"node {self.name!r}: fields {missing} are missing; export the network again")
        if unknown:
            raise InputError(f"node {self.name!r}: fields {unknown} are not known to this version; upgrade qif-deploy or export again")

    def text(self, key: str, allowed: Iterable[str] | None = None) -> str:
        """Return a string, one of ``allowed`` where that is given."""
        value = self.values[key]
        if not isinstance(value, str):
            raise self._wrong(key, _described(value), "a string")
        if allowed is not None and value not in set(allowed):
            raise self._wrong(key, repr(value), f"one of {sorted(allowed)}")
        return value

    def integer(self, key: str) -> int:
        """Return an integer scalar."""
        value = np.asarray(self.values[key])
        if value.shape != () or not np.issubdtype(value.dtype, np.integer):
            raise self._wrong(key, _described(value), "one integer")
        return int(value)

    def number(self, key: str) -> float:
        """Return a float64 scalar."""
        value = np.asarray(self.values[key])
        if value.shape != () or value.dtype != np.float64:
            raise self._wrong(key, _described(value), "one float64")
        return float(value)

    def array(self, key: str, dtype: type[np.generic], shape: Shape | None = None) -> NDArray[Any]:
        """Return an array of exactly ``dtype``, and of ``shape`` where that is given."""
        value = np.asarray(self.values[key])
        if value.dtype != dtype or (shape is not None and value.shape != shape):
            wanted = np.dtype(dtype).name if shape is None else f"{np.dtype(dtype).name} of shape {shape}"
            raise self._wrong(key, _described(value), wanted)
        return value

    def finite(self, key: str, dtype: type[np.floating[Any]], shape: Shape | None = None) -> NDArray[Any]:
        """Return an array of finite floats."""
        value = self.array(key, dtype, shape)
        if not np.isfinite(value).all():
            raise self._wrong(key, f"{value[~np.isfinite(value)].flat[0]}", "finite numbers")
        return value

    def reals(self, key: str) -> NDArray[Any]:
        """Return finite numbers, float32 as they are and everything else as float64: what other tools write."""
        value = np.asarray(self.values[key])
        if value.dtype.kind not in "biuf" or value.size == 0:
            raise self._wrong(key, _described(self.values[key]), "numbers")
        if not np.isfinite(value).all():
            raise self._wrong(key, f"{value[~np.isfinite(value)].flat[0]}", "finite numbers")
        return value if value.dtype == np.float32 else value.astype(np.float64)

    def extents(self, key: str) -> Shape:
        """Return a vector of integers as a tuple, for example a shape."""
        value = np.asarray(self.values[key])
        if value.ndim != 1 or not np.issubdtype(value.dtype, np.integer):
            raise self._wrong(key, _described(value), "a vector of integers")
        return tuple(int(n) for n in value)

    def pair(self, key: str) -> tuple[int, int]:
        """Return two integers, (height, width)."""
        value = self.extents(key)
        if len(value) != 2:
            raise self._wrong(key, str(value), "two integers (height, width)")
        return value[0], value[1]

    def fixed(self, key: str, expected: Any) -> None:
        """Require one value: the only one that this version gives a meaning."""
        value = np.asarray(self.values[key])
        if not np.array_equal(value, np.asarray(expected)):
            found = repr(self.values[key]) if value.size == 1 else _described(value)
            raise self._wrong(key, found, repr(expected))

    def _wrong(self, key: str, found: str, wanted: str) -> InputError:
        return InputError(f"node {self.name!r}: field {key!r} is {found} where {wanted} is expected; export the network again")


def _described(value: Any) -> str:
    if isinstance(value, Mapping):
        return "a group"
    array = np.asarray(value)
    return f"{array.dtype} of shape {array.shape}"


__all__ = ["NodeFields"]
