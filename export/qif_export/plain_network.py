"""The integer network as JSON, all but its weights: what a file carries so that it can be read back, whatever else is in it.

The format's own fields hold most of it too; that both say the same is what the readers check.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qif_deploy.errors import InputError
from qif_deploy.fixedpoint import FORMAT_WIDTHS, NumberFormat, RoundingMode
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import (
    CodeInput,
    CodeNode,
    Conv2dCodes,
    ConvGeometry,
    DenseCodes,
    Flatten,
    Population,
    ReadoutCodes,
    Reduce,
    SumPool2d,
)
from qif_deploy.neuron.constants import CODE_FIELDS, FixedConstants
from qif_deploy.neuron.params import ResetMode

_LARGEST_JSON_INTEGER = 2**62

WeightOf = Callable[[str, tuple[int, ...]], NDArray[np.int32]]
"""Node and shape -> weight codes."""


def describe_format(f: NumberFormat) -> dict[str, Any]:
    """Return the number format as plain values."""
    return {"name": f.name, "rounding": f.rounding.value} | {key: getattr(f, key) for key in FORMAT_WIDTHS}


def format_from(found: Mapping[str, Any]) -> NumberFormat:
    """Read the number format back; KeyError, TypeError or ValueError where it is damaged."""
    widths = {key: _integer(found[key]) for key in FORMAT_WIDTHS}
    return NumberFormat(name=_text(found["name"]), rounding=RoundingMode(found["rounding"]), **widths)


def describe_network(graph: QuantizedGraph) -> dict[str, Any]:
    """Return nodes in their order, and edges."""
    return {"nodes": {name: _describe(node) for name, node in graph.nodes.items()}, "edges": [list(edge) for edge in graph.edges]}


def nodes_from(found: Mapping[str, Any], number_format: NumberFormat, weight_of: WeightOf) -> dict[str, CodeNode]:
    """Read the nodes back.

    Raises:
        InputError: a node that is none, named; KeyError, TypeError or ValueError where an entry is damaged.
    """
    nodes: dict[str, CodeNode] = {}
    for name, facts in found.items():
        try:
            nodes[name] = _node(name, facts, number_format, weight_of)
        except InputError as error:
            raise InputError(f"node {name!r}: {error}") from None
    return nodes


def edges_from(found: Any) -> tuple[tuple[str, str], ...]:
    """Read the edges back; TypeError or ValueError where they are no pairs of texts."""
    return tuple((_text(a), _text(b)) for a, b in found)


def input_from(facts: Mapping[str, Any]) -> CodeInput:
    """Read an input back; KeyError, TypeError or ValueError where it is damaged."""
    shape = tuple(_integer(n) for n in facts["shape"])
    return CodeInput(shape=shape, low=_integer(facts["low"]), high=_integer(facts["high"]), scale=_number(facts["scale"]))


def _describe(node: CodeNode) -> dict[str, Any]:
    match node:
        case CodeInput():
            return {"kind": "input", "shape": list(node.shape), "low": node.low, "high": node.high, "scale": node.scale}
        case DenseCodes():
            return {"kind": "dense", "shape": list(node.weight.shape), "shift": node.shift}
        case Conv2dCodes():
            g = node.geometry
            geometry = {"stride": g.stride, "padding": g.padding, "dilation": g.dilation, "groups": g.groups}
            return {"kind": "conv2d", "shape": list(node.weight.shape), "shift": node.shift, **geometry}
        case SumPool2d():
            return {"kind": "sum_pool2d", "kernel": node.kernel, "stride": node.stride}
        case Flatten():
            return {"kind": "flatten"}
        case Population():
            k = node.constants
            codes = {key: None if getattr(k, key) is None else getattr(k, key).tolist() for key in CODE_FIELDS}
            return {"kind": "population", **codes, "s1": k.s1, "reset_mode": k.reset_mode.value, "delta": node.delta.tolist()}
        case ReadoutCodes():
            return {"kind": "readout", "bias": node.bias.tolist(), "reduce": node.reduce.value, "delta": node.delta}


def _node(name: str, facts: Mapping[str, Any], number_format: NumberFormat, weight_of: WeightOf) -> CodeNode:
    match facts["kind"]:
        case "input":
            return input_from(facts)
        case "dense":
            return DenseCodes(weight=weight_of(name, _shape(facts, 2)), shift=_integer(facts["shift"]))
        case "conv2d":
            geometry = ConvGeometry(
                stride=_pair(facts["stride"]),
                padding=_pair(facts["padding"]),
                dilation=_pair(facts["dilation"]),
                groups=_integer(facts["groups"]),
            )
            return Conv2dCodes(weight=weight_of(name, _shape(facts, 4)), shift=_integer(facts["shift"]), geometry=geometry)
        case "sum_pool2d":
            return SumPool2d(kernel=_pair(facts["kernel"]), stride=_pair(facts["stride"]))
        case "flatten":
            return Flatten()
        case "population":
            codes: dict[str, Any] = {key: None if facts[key] is None else _codes(facts[key]) for key in CODE_FIELDS}
            missing = [key for key, value in codes.items() if value is None and key not in ("theta", "u_min")]
            if missing:
                raise TypeError(f"{missing} of {name!r}")
            mode = ResetMode(facts["reset_mode"])
            constants = FixedConstants(s1=_integer(facts["s1"]), reset_mode=mode, number_format=number_format, **codes)
            return Population(constants=constants, delta=np.array([_number(one) for one in facts["delta"]]))
        case "readout":
            return ReadoutCodes(bias=_codes(facts["bias"]), delta=_number(facts["delta"]), reduce=Reduce(facts["reduce"]))
        case kind:
            raise InputError(f"kind {kind!r} is unknown; export the network again")


def _codes(values: Any) -> NDArray[np.int64]:
    return np.array([_integer(value) for value in values], np.int64)


def _shape(facts: Mapping[str, Any], ndim: int) -> tuple[int, ...]:
    shape = tuple(_integer(n) for n in facts["shape"])
    if len(shape) != ndim or min(shape) < 1:
        raise TypeError(f"shape {shape}")
    return shape


def _pair(value: Any) -> tuple[int, int]:
    height, width = value
    return _integer(height), _integer(width)


def _integer(value: Any) -> int:
    if type(value) is not int or abs(value) >= _LARGEST_JSON_INTEGER:  # not isinstance: true would pass for 1
        raise TypeError(f"{value!r} is no integer code")
    return value


def _number(value: Any) -> float:
    if type(value) not in (int, float):
        raise TypeError(f"{value!r} is no number")
    return float(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


__all__ = ["WeightOf", "describe_format", "describe_network", "edges_from", "format_from", "input_from", "nodes_from"]
