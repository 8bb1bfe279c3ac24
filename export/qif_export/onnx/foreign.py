"""Read a float network from an ONNX model of another origin whose neurons are the function ``qif::QIFReal``.

The model is one time step, with states as inputs and outputs, or a single Scan over such a step. What cannot be read is collected over
the whole model and refused at once: an operator that follows one of those is not listed, since nothing can be said of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qif_deploy.errors import InputError, UnsupportedError
from qif_deploy.ir.graph import Graph
from qif_deploy.ir.nodes import QIF, Conv2d, Dense, FloatNode, Input, Readout, Reduce
from qif_export.onnx._onnx import onnx
from qif_export.onnx.foreign_operators import NEURON, Constant, Current, NextState, Reading, Signal, State, Synapse, Total, read_operator
from qif_export.onnx.load import load_model, tensor_values
from qif_export.onnx.metadata import PREFIX
from qif_export.onnx.neuron_function import DOMAIN
from qif_export.plain_network import input_from

STARTING = {"Shape", "Concat", "Expand", "ConstantOfShape", "Constant", "Identity", "Gather", "Slice", "Unsqueeze", "Cast"}
"""What may stand around a Scan: the making of its first states."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatOnnx:
    """A float network, and the steps that the file says it is for, None where it says nothing."""

    graph: Graph
    steps: int | None


def read_float_onnx(path: Path) -> FloatOnnx:
    """Return the float network in ``path``.

    Raises:
        UnsupportedError: operators that cannot be read, all of them at once.
        InputError: missing, damaged, or no network.
    """
    path = Path(path)
    try:
        model = load_model(path)
        metadata = {entry.key: entry.value for entry in model.metadata_props}
        graph = _read(model, metadata, path)
        steps = json.loads(metadata.get(PREFIX + "steps", "null"))
        return FloatOnnx(graph=graph, steps=steps if type(steps) is int and steps >= 1 else None)
    except InputError as error:
        raise type(error)(f"ONNX file {str(path)!r}: {error}") from None
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}"[:160]
        raise InputError(f"ONNX file {str(path)!r}: it is damaged ({reason}); export it again") from None


def _read(model: Any, metadata: Mapping[str, str], path: Path) -> Graph:
    work = Reading(path)
    step, outputs = _step_of(model, metadata, work)
    for number, node in enumerate(step.node):
        read_operator(work, node, f"{node.name or number} ({node.domain + '::' if node.domain else ''}{node.op_type})"[:120])
    if not work.findings:
        _readout(work, outputs)
        if not any(isinstance(node, QIF) for node in work.nodes.values()):
            work.findings.append(f"no neuron {DOMAIN}::{NEURON} is in it")
    if work.findings:
        listed = "; ".join(work.findings)
        raise UnsupportedError(
            f"it is no network of {DOMAIN}::{NEURON} neurons, these cannot be read: {listed}; see docs/onnx.md for what can"
        )
    nodes = {name: _finished(node) for name, node in work.nodes.items()}
    return Graph(nodes=nodes, edges=tuple(work.edges))


def _finished(node: FloatNode | Synapse) -> FloatNode:
    if not isinstance(node, Synapse):
        return node
    if node.geometry is None:
        return Dense(weight=node.weight, bias=node.bias)
    return Conv2d(weight=node.weight, bias=node.bias, geometry=node.geometry)


# ---------------------------------------------------------------- the step: inputs, states, outputs


def _step_of(model: Any, metadata: Mapping[str, str], work: Reading) -> tuple[Any, dict[str, str | None]]:
    """Return the graph of one step, and which state each of its outputs is next, None where nothing says so."""
    declared = {one["name"]: one for one in json.loads(metadata.get(PREFIX + "inputs", "[]"))}
    starts = json.loads(metadata.get(PREFIX + "starts", "{}"))
    _constants(work, model.graph)
    scans = [node for node in model.graph.node if node.op_type == "Scan"]
    if not scans:
        states = _step_states(model.graph)
        read = {name for node in model.graph.node for name in node.input}
        for value in model.graph.input:
            if value.name in states:
                work.values[value.name] = State(value.name)
                start = starts.get(value.name.removesuffix("/r"))
                if isinstance(start, list) and start:
                    work.starts[value.name] = np.array(start, np.float64)
            elif value.name in read:
                _input(work, value.name, value.name, _dims(value)[1:], declared)
        return model.graph, {output.name: None for output in model.graph.output}
    scan = scans[0]
    work.findings += [
        f"{node.name or node.op_type} ({node.op_type}, outside the Scan)"
        for node in model.graph.node
        if node is not scan and node.op_type not in STARTING
    ]
    work.findings += [f"{len(scans)} Scans; one is read"] * (len(scans) > 1)
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in scan.attribute}
    body, count = attributes["body"], len(scan.input) - attributes["num_scan_inputs"]
    unusual = sorted(set(attributes) - {"body", "num_scan_inputs"})
    work.findings += [f"scan ({', '.join(unusual)} of Scan)"] * bool(unusual)
    _constants(work, body)
    makers = {output: node for node in model.graph.node for output in node.output}
    for inner, outer in zip(body.input[:count], scan.input[:count], strict=True):
        work.values[inner.name] = State(inner.name)
        start = _start(work, outer, makers.get(outer))
        if start is not None:
            work.starts[inner.name] = start
    for inner, outer in zip(body.input[count:], scan.input[count:], strict=True):
        _input(work, inner.name, outer, _dims(inner)[1:], declared)
    following: dict[str, str | None] = dict.fromkeys((output.name for output in body.output), None)
    return body, following | {output.name: state.name for output, state in zip(body.output[:count], body.input[:count], strict=True)}


def _step_states(graph: Any) -> set[str]:
    """Inputs that a neuron takes as its state, or that a sum which is an output starts from."""
    renamed = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "Identity" and node.output}
    outputs = {output.name for output in graph.output}
    outputs |= {renamed[name] for name in outputs if name in renamed}
    states = {node.input[0] for node in graph.node if (node.domain, node.op_type) == (DOMAIN, NEURON) and node.input}
    for node in graph.node:
        if node.op_type == "Add" and outputs & set(node.output):
            states |= set(node.input)
    return states & {value.name for value in graph.input}


def _constants(work: Reading, graph: Any) -> None:
    for tensor in graph.initializer:
        work.values[tensor.name] = Constant(tensor_values(tensor, work.path))


def _input(work: Reading, value: str, wanted: str, shape: tuple[int, ...], declared: Mapping[str, Any]) -> None:
    """Spikes, unless the metadata declare a range of codes."""
    node = Input(shape=shape)
    if wanted in declared:
        codes = input_from(declared[wanted])
        node = Input(shape=shape, low=codes.low, high=codes.high, scale=1.0)
    work.values[value] = Signal(work.add(wanted, node))


def _dims(value: Any) -> tuple[int, ...]:
    dims = value.type.tensor_type.shape.dim
    if any(not one.HasField("dim_value") for one in list(dims)[1:]):
        raise InputError(f"input {value.name[:80]!r}: its shape is open beyond the batch; give the sizes of a sample")
    return tuple(int(one.dim_value) for one in dims)


def _start(work: Reading, name: str, node: Any) -> NDArray[Any] | None:
    """Return the first state per channel, None where it is made in a way that does not show it.

    Stored ``(B, channel, ...)``, spread by an Expand, or one value by a ConstantOfShape.
    """
    stored = work.values.get(name if node is None else node.input[0])
    if node is None or node.op_type == "Identity":
        if not isinstance(stored, Constant) or stored.values.ndim < 2:
            return None
        channels = np.moveaxis(stored.values, 1, 0).reshape(stored.values.shape[1], -1)
        return channels[:, 0] if (channels == channels[:, :1]).all() else None
    if node.op_type == "ConstantOfShape":
        values = [tensor_values(a.t, work.path) for a in node.attribute if a.name == "value"]
        return np.asarray(values[0] if values else np.zeros(1))
    return stored.values if node.op_type == "Expand" and isinstance(stored, Constant) else None


def _readout(work: Reading, outputs: Mapping[str, str | None]) -> None:
    """A state that a current is added to, else a current that is an output and goes into no neuron: the readout."""
    returned = {name: work.values.get(name) for name in outputs}
    for name, value in returned.items():
        if isinstance(value, NextState | Total) and outputs[name] not in (None, value.state):
            work.findings.append(f"output {name[:80]!r} comes back as another state")
    owners = {value.owner for value in returned.values() if isinstance(value, NextState)}
    neurons = [name for name, node in work.nodes.items() if isinstance(node, QIF)]
    work.findings += [f"the state of {name!r} does not come back" for name in neurons if name not in owners]
    taken = {source for source, target in work.edges if isinstance(work.nodes[target], QIF)}
    found = {(name, value.current, Reduce.SUM) for name, value in returned.items() if isinstance(value, Total)} or {
        (name, value, Reduce.LAST) for name, value in returned.items() if isinstance(value, Current) and not taken & set(value.branches)
    }
    if len(found) != 1:
        work.findings.append(f"outputs {sorted(outputs)[:20]} hold {len(found)} readouts, one current or sum of currents is needed")
        return
    name, current, reduce = found.pop()
    work.add(name if "/" not in name else "readout", Readout(reduce=reduce), *current.branches)


__all__ = ["FloatOnnx", "read_float_onnx"]
