"""Nodes of files that older versions wrote, brought to the current schema before they are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from qif_export.nir.network_facts import SCHEMA

Fields = dict[str, Any]  # Any: whatever the file holds; the reader checks it


def migrated(fields: Fields, schema: int) -> Fields:
    """Return a node of ``schema`` as the current one would have it; what is not as expected stays for the reader to refuse."""
    for version in range(schema, SCHEMA):
        fields = STEPS[version](fields)
    return fields


def _state_threshold_and_reset(fields: Fields) -> Fields:
    """1 to 2: the equation of a population got its threshold and reset, the codes as float64."""
    if fields.get("type") != "QIF":
        return fields
    stated = {"v_threshold": "theta", "v_reset": "reset"}
    return fields | {new: _as_float(fields[old]) for new, old in stated.items() if old in fields}


def _as_float(codes: Any) -> Any:
    array = np.asarray(codes)
    return array.astype(np.float64) if array.dtype.kind in "iu" else codes


STEPS: Mapping[int, Callable[[Fields], Fields]] = {1: _state_threshold_and_reset}
"""From each older version to the next."""

__all__ = ["migrated"]
