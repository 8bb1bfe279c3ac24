"""The ONNX model of an integer network, in the form of a whole sequence or of one step.

    sequence  inputs    one per input of the network, under its name: codes (T, B, ...)
              outputs   NAME/i, NAME/u and NAME/s (T, B, ...) per recorded population, readout (B, class)
    step      inputs    codes (B, ...), NAME/r (B, ...) per population: states, and NAME/r (B, class) of the readout
              outputs   NAME/r_next, the recordings (B, ...), readout: the readout's next state

T and B are free. In a sequence, states and the running readout are what Scan carries from step to step. Weights and constants are
initialisers inside the Scan's body: initialisers of an outer graph, read from a body, crash or change results in some runtimes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qif_deploy.errors import UnsupportedError, raise_findings
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.shapes import ChannelCodes, Shape, channelwise
from qif_export.onnx._onnx import IR_VERSION, OPSET, onnx
from qif_export.onnx.builder import Dtype, GraphBuilder, value_info
from qif_export.onnx.metadata import to_metadata
from qif_export.onnx.network_step import QUANTITIES, Dtypes, StepValues, add_step, neuron_step
from qif_export.onnx.neuron_function import DOMAIN
from qif_export.onnx.operands import byte_findings
from qif_export.onnx.options import Form, OnnxOptions
from qif_export.onnx.widths import Width, choose_width

READOUT = "readout"
BODY = "step/"
"""What the names of a step's values begin with."""

PRODUCER = "qif-deploy"


def to_onnx(graph: QuantizedGraph, options: OnnxOptions | None = None, width: Width | None = None) -> Any:
    """Return the ``onnx.ModelProto`` of ``graph``, the same for equal graphs; ``Any`` since onnx ships no types.

    Args:
        graph: the network.
        options: profile and form; None for the defaults.
        width: dtypes that are known to be wide enough; None has them proven.

    Raises:
        UnsupportedError: codes or sums that the operators of the profile cannot carry; all findings at once.
    """
    options = OnnxOptions() if options is None else options
    raise_findings(UnsupportedError, byte_findings(graph, options.profile))
    if READOUT in graph.inputs:
        raise UnsupportedError(f"input {READOUT!r} has the name of the output that ONNX files call so; rename the input")
    width = choose_width(graph, options.profile) if width is None else width
    match options.form:
        case Form.SEQUENCE:
            network = _sequence(graph, options, width)
        case Form.STEP:
            network = _one_step(graph, options, width)
    functions = neuron_step(graph, options, width).functions()
    domains = [onnx.helper.make_opsetid("", OPSET), *([onnx.helper.make_opsetid(DOMAIN, 1)] if functions else [])]
    model = onnx.helper.make_model(network, functions=functions, opset_imports=domains, ir_version=IR_VERSION, producer_name=PRODUCER)
    onnx.helper.set_model_props(model, to_metadata(graph, options, width))
    return model


def _sequence(graph: QuantizedGraph, options: OnnxOptions, width: Width) -> Any:
    """Initial states and the Scan; its outputs are the final states, then the recordings of all steps."""
    dtypes, outer = Dtypes.of(options.profile, width), GraphBuilder(prefix="")
    recorded = options.recorded(graph)
    batch = outer.operator("Shape", [graph.inputs[0]], "scan/batch", {"start": 1, "end": 2})
    starts = [_start(outer, batch, p, graph.population(p).constants.r0, graph.shapes[p], dtypes.state) for p in graph.populations]
    classes = graph.shapes[graph.readout]
    starts.append(_start(outer, batch, graph.readout, np.zeros(classes[0], np.int64), classes, dtypes.readout))
    finals = [f"{p}/r_final" for p in graph.populations]
    scanned = [*finals, READOUT, *(f"{p}/{what}" for p in recorded for what in QUANTITIES)]
    scan = {"body": _body(graph, options, width), "num_scan_inputs": len(graph.inputs)}
    outer.operators.append(onnx.helper.make_node("Scan", [*starts, *graph.inputs], scanned, name="scan", **scan))
    del scan  # each step of building copies the weights
    inputs = [value_info(name, dtypes.input, ["T", "B", *graph.shapes[name]]) for name in graph.inputs]
    outputs = [value_info(f"{p}/{q}", dtypes.recorded[q], ["T", "B", *graph.shapes[p]]) for p in recorded for q in QUANTITIES]
    outputs.append(value_info(READOUT, dtypes.readout, ["B", *classes]))
    return onnx.helper.make_graph(outer.operators, "qif_network", inputs, outputs, outer.initialisers)


def _start(outer: GraphBuilder, batch: str, name: str, codes: ChannelCodes, shape: Shape, dtype: Dtype) -> str:
    """Return a state of one value per channel, spread over batch and neurons."""
    sizes = outer.constant(f"{name}/sizes", np.array(shape, np.int64))
    full = outer.operator("Concat", [batch, sizes], f"{name}/shape", {"axis": 0})
    values = outer.constant(f"{name}/start", channelwise(codes, len(shape)).astype(dtype))
    return outer.operator("Expand", [values, full], f"{name}/r_start")


def _body(graph: QuantizedGraph, options: OnnxOptions, width: Width) -> Any:
    """One time step as the graph that Scan repeats."""
    dtypes, body = Dtypes.of(options.profile, width), GraphBuilder(prefix=BODY)
    owners = [*graph.populations, graph.readout]
    states = {owner: f"{BODY}{owner}/r" for owner in owners}
    names = {name: f"{BODY}{name}/codes" for name in graph.inputs}
    values = add_step(body, graph, options, width, names, states)
    kinds = _state_dtypes(graph, dtypes)
    inputs = [value_info(states[owner], kinds[owner], ["B", *graph.shapes[owner]]) for owner in owners]
    inputs += [value_info(names[name], dtypes.input, ["B", *graph.shapes[name]]) for name in graph.inputs]
    following = values.states | {graph.readout: values.readout}
    outputs = [value_info(following[owner], kinds[owner], ["B", *graph.shapes[owner]]) for owner in owners]
    for p in options.recorded(graph):
        for what in QUANTITIES:
            value = _narrowed(body, p, what, values, dtypes)
            outputs.append(value_info(value, dtypes.recorded[what], ["B", *graph.shapes[p]]))
    return onnx.helper.make_graph(body.operators, "qif_step", inputs, outputs, body.initialisers)


def _one_step(graph: QuantizedGraph, options: OnnxOptions, width: Width) -> Any:
    """One time step as the whole graph; values that leave it get names without the prefix."""
    dtypes, body = Dtypes.of(options.profile, width), GraphBuilder(prefix=BODY)
    states = {p: f"{p}/r" for p in graph.populations} | {graph.readout: f"{graph.readout}/r"}
    values = add_step(body, graph, options, width, {name: name for name in graph.inputs}, states)
    kinds = _state_dtypes(graph, dtypes)
    inputs = [value_info(name, dtypes.input, ["B", *graph.shapes[name]]) for name in graph.inputs]
    inputs += [value_info(state, kinds[owner], ["B", *graph.shapes[owner]]) for owner, state in states.items()]
    outputs = []
    for p in graph.populations:
        outputs.append(value_info(body.rename(values.states[p], f"{p}/r_next"), dtypes.state, ["B", *graph.shapes[p]]))
    for p in options.recorded(graph):
        for what in QUANTITIES:
            value = body.rename(_narrowed(body, p, what, values, dtypes), f"{p}/{what}")
            outputs.append(value_info(value, dtypes.recorded[what], ["B", *graph.shapes[p]]))
    outputs.append(value_info(body.rename(values.readout, READOUT), dtypes.readout, ["B", *graph.shapes[graph.readout]]))
    return onnx.helper.make_graph(body.operators, "qif_step", inputs, outputs, body.initialisers)


def _state_dtypes(graph: QuantizedGraph, dtypes: Dtypes) -> dict[str, Dtype]:
    return dict.fromkeys(graph.populations, dtypes.state) | {graph.readout: dtypes.readout}


def _narrowed(body: GraphBuilder, population: str, what: str, values: StepValues, dtypes: Dtypes) -> str:
    """int64 states are recorded in int32, which holds them: saturation bounds u, the proof bounds i."""
    value = values.recordings[population][what]
    narrow = dtypes.state is np.int64 and dtypes.recorded[what] is np.int32
    return body.cast(value, np.int32, f"{population}/{what}_int32") if narrow else value


__all__ = ["BODY", "PRODUCER", "READOUT", "to_onnx"]
