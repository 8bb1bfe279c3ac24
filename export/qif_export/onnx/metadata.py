"""What an exported ONNX file says of itself: enough to check inputs, to name the arrays, and to read the network back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from qif_deploy.errors import InputError
from qif_deploy.fixedpoint import NumberFormat
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput
from qif_export.onnx._onnx import IR_VERSION, OPSET
from qif_export.onnx.builder import Dtype
from qif_export.onnx.options import Form, OnnxOptions, Profile
from qif_export.onnx.widths import Width
from qif_export.plain_network import describe_format, describe_network, format_from, input_from

PREFIX = "qif."
DIGEST = PREFIX + "digest"
SCHEMA = 2
"""Version of these entries and of the operators that go with them; a file of a higher one is refused.

A file of version 1 is a sequence in the exact profile that records all populations; it runs, but it cannot be read back, since it
lacks the entry ``network``.
"""

_DTYPES: dict[str, Dtype] = {one.__name__: one for one in (np.int32, np.int64, np.float32, np.float64)}


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxInterface:
    """Inputs, populations, covered steps and choices of an exported file.

    It declares its inputs as a QuantizedGraph does, so the same check of input arrays serves both. ``starts`` is the first state of
    each population, one code per channel, of a step; ``network`` the description that the file is read back from.
    """

    schema: int
    code_inputs: Mapping[str, CodeInput]
    populations: tuple[str, ...]
    readout: str
    steps: int | None
    content_hash: str
    options: OnnxOptions
    recorded: tuple[str, ...]
    starts: Mapping[str, list[int]]
    number_format: NumberFormat
    width: Width
    provenance: Mapping[str, str]
    network: Mapping[str, Any]
    measured: Mapping[str, Any]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs."""
        return tuple(self.code_inputs)

    def code_input(self, name: str) -> CodeInput:
        """Return shape, code range and scale of input ``name``."""
        return self.code_inputs[name]


def to_metadata(graph: QuantizedGraph, options: OnnxOptions, width: Width) -> dict[str, str]:
    """Return the entries for ``graph``; texts, JSON where there is structure."""
    readout = graph.readout_node()
    codes = {name: graph.code_input(name) for name in graph.inputs}
    starts = {p: graph.population(p).constants.r0.tolist() for p in graph.populations}
    entries: dict[str, Any] = {  # Any: texts, numbers and lists, all turned into JSON below
        "schema": SCHEMA,
        "profile": options.profile.value,
        "form": options.form.value,
        "inline": options.inline,
        "exact": options.profile is not Profile.QDQ,
        "content_hash": graph.content_hash,
        "inputs": [{"name": n, "shape": c.shape, "low": c.low, "high": c.high, "scale": c.scale} for n, c in codes.items()],
        "populations": graph.populations,
        "recorded": options.recorded(graph),
        "starts": starts,
        "readout": {"name": graph.readout, "reduce": readout.reduce.value, "delta": readout.delta},
        "steps": graph.steps,
        "number_format": describe_format(graph.number_format),
        "range_proof": {
            "dtype": width.dtype.__name__,
            "readout": width.readout.__name__,
            "reason": width.reason,
            "ranges": width.ranges,
        },
        "operators": {"opset": OPSET, "ir_version": IR_VERSION, "weights": _WEIGHTS[options.profile]},
        "provenance": dict(sorted(graph.provenance.items())),
        "network": describe_network(graph),
    }
    return sealed({PREFIX + key: dump(value) for key, value in entries.items()})


def sealed(entries: Mapping[str, str]) -> dict[str, str]:
    """Return the entries with a hash over all of ours, by which a change is noticed."""
    return dict(entries) | {DIGEST: dump(_digest(entries))}


def _digest(entries: Mapping[str, str]) -> str:
    digest = hashlib.sha256()
    for key in sorted(entries):
        if key.startswith(PREFIX) and key != DIGEST:
            for text in (key, entries[key]):
                digest.update(len(text.encode()).to_bytes(8, "little") + text.encode())
    return digest.hexdigest()


_WEIGHTS = {
    Profile.EXACT: "uint8, zero point 128",
    Profile.FLOAT: "float32, whole numbers",
    Profile.QDQ: "int8, zero point 0, scale a power of two",
}


def dump(value: Any) -> str:
    """Return JSON text, the same for the same value; the order of a network's nodes is part of it."""
    return json.dumps(value, separators=(",", ":"))


def from_metadata(entries: Mapping[str, str]) -> OnnxInterface:
    """Read the entries back.

    Raises:
        InputError: they are not ours, of a newer schema, or damaged.
    """
    if PREFIX + "schema" not in entries:
        raise InputError("it is ONNX, but was not exported by qif-deploy (no metadata 'qif.schema'); give an exported network")
    try:
        found = {key.removeprefix(PREFIX): json.loads(text) for key, text in entries.items() if key.startswith(PREFIX)}
        schema = found["schema"]
        if schema not in (1, SCHEMA) or type(schema) is not int:
            raise InputError(f"schema {schema!r} is not the {SCHEMA} that this version reads; upgrade qif-deploy or export again")
        if schema != 1 and found["digest"] != _digest(entries):
            raise InputError("its metadata was changed, its digest does not fit; export the network again")
        return _interface(_migrated(found) if schema == 1 else found)
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}"[:160]
        raise InputError(f"its metadata is damaged ({reason}); export the network again") from None


def _migrated(found: Mapping[str, Any]) -> dict[str, Any]:
    """Schema 1 to 2: the choices that it knew no others of."""
    proof = dict(found["range_proof"]) | {"readout": "int64"}
    fixed = {"form": Form.SEQUENCE.value, "inline": False, "recorded": found["populations"], "starts": {}, "network": {}}
    return dict(found) | fixed | {"range_proof": proof}


def _interface(found: Mapping[str, Any]) -> OnnxInterface:
    inputs = {_name(one["name"]): input_from(one) for one in found["inputs"]}
    steps, proof = found["steps"], found["range_proof"]
    populations = tuple(map(_name, found["populations"]))
    recorded = tuple(map(_name, found["recorded"]))
    if not (steps is None or (type(steps) is int and steps >= 1)) or not inputs or not isinstance(found["inline"], bool):
        raise TypeError("steps, inputs or inline")
    if not set(recorded) <= set(populations) or not isinstance(found["network"], dict) or not isinstance(found["starts"], dict):
        raise TypeError("recorded, network or starts")
    options = OnnxOptions(
        profile=Profile(found["profile"]),
        form=Form(found["form"]),
        record=None if recorded == populations else recorded,
        inline=found["inline"],
    )
    width = Width(dtype=_DTYPES[proof["dtype"]], readout=_DTYPES[proof["readout"]], reason=str(proof["reason"]), ranges=proof["ranges"])
    return OnnxInterface(
        schema=found["schema"],
        code_inputs=inputs,
        populations=populations,
        readout=_name(found["readout"]["name"]),
        steps=steps,
        content_hash=_name(found["content_hash"]),
        options=options,
        recorded=recorded,
        starts=found["starts"],
        number_format=format_from(found["number_format"]),
        width=width,
        provenance={_name(key): _name(value) for key, value in found["provenance"].items()},
        network=found["network"],
        measured=found.get("measured", {}),
    )


def _name(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


__all__ = ["DIGEST", "PREFIX", "SCHEMA", "OnnxInterface", "dump", "from_metadata", "sealed", "to_metadata"]
