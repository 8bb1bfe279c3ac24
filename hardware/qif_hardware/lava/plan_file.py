"""A LavaPlan on disk: a JSON header and an ``.npz`` of its arrays. Nothing is pickled."""

from __future__ import annotations

import enum
import json
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qif_deploy.errors import InputError
from qif_deploy.fixedpoint import NumberFormat, RoundingMode
from qif_deploy.ir.nodes import Reduce
from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.neuron.params import ResetMode
from qif_hardware.lava.plan import ConvPlan, DensePlan, InputPlan, LavaPlan, PopulationPlan, ReadoutPlan, SparsePlan, Wire

HEADER_FILE, ARRAYS_FILE = "plan.json", "plan.npz"
RECORDS: dict[str, Any] = {  # Any: the constructors are called with fields that only the header knows
    kind.__name__: kind
    for kind in (LavaPlan, InputPlan, PopulationPlan, ReadoutPlan, ConvPlan, DensePlan, SparsePlan, Wire, FixedConstants, NumberFormat)
}
ENUMS: dict[str, type[enum.Enum]] = {kind.__name__: kind for kind in (Reduce, ResetMode, RoundingMode)}


def save_plan(plan: LavaPlan, directory: Path) -> None:
    """Write ``plan`` into an existing ``directory``."""
    arrays: dict[str, Any] = {}  # Any: savez takes them as keywords, which numpy's stub mixes with its options
    header = _encode(plan, arrays)
    np.savez(directory / ARRAYS_FILE, **arrays)
    (directory / HEADER_FILE).write_text(json.dumps(header), encoding="utf-8")


def load_plan(directory: Path) -> LavaPlan:
    """Read what ``save_plan`` wrote.

    Raises:
        InputError: a file is missing or is no such file.
    """
    try:
        header = json.loads((directory / HEADER_FILE).read_text(encoding="utf-8"))
        with np.load(directory / ARRAYS_FILE, allow_pickle=False) as arrays:
            plan = _decode(header, arrays)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"Lava plan {str(directory)!r}: {HEADER_FILE} or {ARRAYS_FILE} is not readable ({error}); write it again"
        ) from None
    if not isinstance(plan, LavaPlan):
        raise InputError(f"Lava plan {str(directory)!r}: {HEADER_FILE} holds a {type(plan).__name__}; write it with save_plan")
    return plan


def _encode(value: Any, arrays: dict[str, Any]) -> Any:
    """JSON of ``value``; arrays go into ``arrays`` under running numbers."""
    if isinstance(value, np.ndarray):
        key = str(len(arrays))
        arrays[key] = value
        return {"array": key}
    if isinstance(value, enum.Enum):
        return {"enum": type(value).__name__, "value": value.value}
    if is_dataclass(value):
        return {"record": type(value).__name__, "fields": {f.name: _encode(getattr(value, f.name), arrays) for f in fields(value)}}
    if isinstance(value, tuple):
        return [_encode(item, arrays) for item in value]
    assert value is None or isinstance(value, bool | int | str), f"a plan holds no {type(value).__name__}"
    return value


def _decode(value: Any, arrays: Any) -> Any:
    if isinstance(value, list):
        return tuple(_decode(item, arrays) for item in value)
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return arrays[value["array"]]
    if "enum" in value:
        return ENUMS[value["enum"]](value["value"])
    return RECORDS[value["record"]](**{name: _decode(item, arrays) for name, item in value["fields"].items()})
