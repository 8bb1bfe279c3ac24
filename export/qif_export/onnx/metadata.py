"""What an exported ONNX file says of itself: enough to check inputs and to name the arrays, without the network's own file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qif_deploy.errors import InputError
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput
from qif_export.onnx._onnx import IR_VERSION, OPSET
from qif_export.onnx.integer_width import IntegerWidth

PREFIX = "qif."
SCHEMA = 1
"""Version of these entries and of the naming of tensors; a file of a higher one is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxInterface:
    """Inputs, populations and covered steps of an exported file.

    It declares its inputs as a QuantizedGraph does, so the same check of input arrays serves both.
    """

    code_inputs: Mapping[str, CodeInput]
    populations: tuple[str, ...]
    steps: int | None
    content_hash: str

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs."""
        return tuple(self.code_inputs)

    def code_input(self, name: str) -> CodeInput:
        """Return shape, code range and scale of input ``name``."""
        return self.code_inputs[name]


def to_metadata(graph: QuantizedGraph, width: IntegerWidth) -> dict[str, str]:
    """Return the entries for ``graph``; texts, JSON where there is structure."""
    f, readout = graph.number_format, graph.readout_node()
    inputs = [{"name": n, "shape": c.shape, "low": c.low, "high": c.high, "scale": c.scale} for n, c in _code_inputs(graph).items()]
    widths = {key: getattr(f, key) for key in ("weight_bits", "coef_bits", "state_bits", "product_bits")}
    entries: dict[str, Any] = {  # Any: texts, numbers and lists, all turned into JSON below
        "schema": SCHEMA,
        "profile": "exact",
        "content_hash": graph.content_hash,
        "inputs": inputs,
        "populations": graph.populations,
        "readout": {"name": graph.readout, "reduce": readout.reduce.value, "delta": readout.delta},
        "steps": graph.steps,
        "number_format": {"name": f.name, "rounding": f.rounding.value, **widths},
        "range_proof": {"dtype": width.dtype.__name__, "reason": width.reason, "ranges": width.ranges},
        "operators": {"opset": OPSET, "ir_version": IR_VERSION, "integers_only": True, "weights": "uint8, zero point 128"},
        "provenance": dict(graph.provenance),
    }
    return {PREFIX + key: json.dumps(value, sort_keys=True, separators=(",", ":")) for key, value in entries.items()}


def from_metadata(entries: Mapping[str, str]) -> OnnxInterface:
    """Read the entries back.

    Raises:
        InputError: they are not ours, of a newer schema, or damaged.
    """
    if PREFIX + "schema" not in entries:
        raise InputError("it is ONNX, but was not exported by qif-deploy (no metadata 'qif.schema'); give an exported network")
    try:
        found = {key.removeprefix(PREFIX): json.loads(text) for key, text in entries.items() if key.startswith(PREFIX)}
        if found["schema"] != SCHEMA:
            raise InputError(f"schema {found['schema']!r} is not the {SCHEMA} that this version reads; upgrade qif-deploy or export again")
        inputs = {
            one["name"]: CodeInput(shape=tuple(one["shape"]), low=one["low"], high=one["high"], scale=one["scale"])
            for one in found["inputs"]
        }
        steps = found["steps"]
        if not (steps is None or (type(steps) is int and steps >= 1)) or not inputs:
            raise TypeError("steps or inputs")
        return OnnxInterface(
            code_inputs=inputs, populations=tuple(map(str, found["populations"])), steps=steps, content_hash=str(found["content_hash"])
        )
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise InputError(f"its metadata is damaged ({type(error).__name__}: {error}); export the network again") from None


def _code_inputs(graph: QuantizedGraph) -> dict[str, CodeInput]:
    return {name: graph.code_input(name) for name in graph.inputs}


__all__ = ["OnnxInterface", "from_metadata", "to_metadata"]
