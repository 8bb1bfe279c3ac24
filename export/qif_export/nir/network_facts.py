"""Facts of the whole network and of its synapses that standard NIR nodes have no field for: one JSON text each.

A text is the only form of metadata that NIR carries unchanged (None fails, lists and scalars change their type).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qif_deploy.errors import InputError
from qif_deploy.fixedpoint import FORMAT_WIDTHS, NumberFormat, RoundingMode
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, Population, ReadoutCodes

KEY = "qif"
"""Name of the metadata entry."""

SCHEMA = 2
"""Version of the encoding; a file of a higher one is refused, since its fields may mean something else.

1: populations without ``v_threshold`` and ``v_reset``. 2: with them, as an equation without a threshold is no neuron; float networks.
"""

OLDEST = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFacts:
    """What belongs to no single node."""

    number_format: NumberFormat
    steps: int | None
    schema: int
    provenance: dict[str, str]
    content_hash: str
    reporting_hash: str

    @classmethod
    def of(cls, graph: QuantizedGraph) -> NetworkFacts:
        """Collect the facts of ``graph``."""
        strange = {key: value for key, value in graph.provenance.items() if not (isinstance(key, str) and isinstance(value, str))}
        if strange:
            raise InputError(f"provenance {strange!r} is not text; give strings only")
        return cls(
            number_format=graph.number_format,
            steps=graph.steps,
            schema=SCHEMA,
            provenance=dict(graph.provenance),
            content_hash=graph.content_hash,
            reporting_hash=reporting_sha256(graph),
        )

    def to_json(self) -> str:
        """Return the metadata text, the same for the same facts."""
        f = self.number_format
        widths = {name: getattr(f, name) for name in FORMAT_WIDTHS}
        return _dump(
            {
                "schema": self.schema,
                "stage": "integer",
                "number_format": {"name": f.name, "rounding": f.rounding.value, **widths},
                "steps": self.steps,
                "provenance": self.provenance,
                "content_hash": self.content_hash,
                "reporting_hash": self.reporting_hash,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> NetworkFacts:
        """Read the metadata text.

        Raises:
            InputError: not JSON, of a newer schema, or a value is missing or of the wrong type.
        """
        found = _load("the network", text)
        schema = _take("the network", found, "schema", int)
        if not OLDEST <= schema <= SCHEMA:
            remedy = "upgrade qif-deploy" if schema > SCHEMA else "export it again"
            raise InputError(f"schema {schema} is outside {OLDEST}..{SCHEMA}, which this version reads; {remedy}")
        if schema > 1 and _take("the network", found, "stage", str) != "integer":
            raise InputError(f"stage {found['stage']!r:.20} is not 'integer', as the codes in the nodes say; export it again")
        widths = _take("the network", found, "number_format", dict)
        name, rounding = _take("number_format", widths, "name", str), _take("number_format", widths, "rounding", str)
        if rounding not in {mode.value for mode in RoundingMode}:
            raise InputError(f"number_format: rounding {rounding!r} is not one of {[mode.value for mode in RoundingMode]}; export again")
        bits = {key: _take("number_format", widths, key, int) for key in FORMAT_WIDTHS}
        provenance = _take("the network", found, "provenance", dict)
        if not all(isinstance(value, str) for value in provenance.values()):
            raise InputError(f"provenance {provenance!r} is not text; export the network again")
        return cls(
            number_format=NumberFormat(name=name, rounding=RoundingMode(rounding), **bits),
            schema=schema,
            steps=None if found.get("steps", 0) is None else _take("the network", found, "steps", int),
            provenance=provenance,
            content_hash=_take("the network", found, "content_hash", str),
            reporting_hash=_take("the network", found, "reporting_hash", str),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SynapseFacts:
    """How the float weights of a synapse split into code and shift, and the hash of the codes."""

    weight_exponent: int
    weight_bits: int
    weight_sha256: str

    def to_json(self) -> str:
        """Return the metadata text."""
        return _dump({"weight_exponent": self.weight_exponent, "weight_bits": self.weight_bits, "weight_sha256": self.weight_sha256})

    @classmethod
    def from_json(cls, name: str, text: str) -> SynapseFacts:
        """Read the metadata text of synapse ``name``; InputError where it does not hold the facts."""
        where = f"node {name!r}"
        found = _load(where, text)
        return cls(
            weight_exponent=_take(where, found, "weight_exponent", int),
            weight_bits=_take(where, found, "weight_bits", int),
            weight_sha256=_take(where, found, "weight_sha256", str),
        )


def codes_sha256(codes: NDArray[np.int32]) -> str:
    """Return the SHA-256 over shape and codes."""
    return hashlib.sha256(repr(codes.shape).encode() + codes.astype("<i4").tobytes()).hexdigest()


def reporting_sha256(graph: QuantizedGraph) -> str:
    """Return the SHA-256 over what the content hash leaves out: names, provenance, and the floats that only reports use."""
    digest = hashlib.sha256(repr((graph.number_format.name, sorted(graph.provenance.items()))).encode())
    for name in sorted(graph.nodes):
        match graph.nodes[name]:
            case CodeInput() as node:
                digest.update(repr((name, float(node.scale))).encode())
            case Population() as node:
                digest.update(repr(name).encode() + node.delta.astype("<f8").tobytes())
            case ReadoutCodes() as node:
                digest.update(repr((name, float(node.delta))).encode())
    return digest.hexdigest()


def _dump(facts: dict[str, Any]) -> str:
    return json.dumps(facts, sort_keys=True, separators=(",", ":"))


def _load(where: str, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InputError(f"{where}: metadata {KEY!r} is not a JSON object; export the network again")
    return found


def _take(where: str, found: dict[str, Any], key: str, kind: type) -> Any:
    value = found.get(key)
    if type(value) is not kind:  # not isinstance: true would pass for 1
        raise InputError(f"{where}: metadata {key!r} is {value!r} where {kind.__name__} is expected; export the network again")
    return value


__all__ = ["KEY", "OLDEST", "SCHEMA", "NetworkFacts", "SynapseFacts", "codes_sha256", "reporting_sha256"]
