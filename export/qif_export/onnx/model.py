"""The ONNX model of an integer network, profile "exact": a Scan over time around one step of the whole network.

    inputs    one per input of the network, under its name: codes, int32 (T, B, ...)
    outputs   NAME/i, NAME/u int32 and NAME/s uint8 (T, B, ...) per population, readout int64 (B, class)

T and B are free. States and the running readout are what Scan carries from step to step. Weights and constants are initialisers
inside the Scan's body: initialisers of an outer graph, read from a body, crash or change results in some releases of runtimes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qif_deploy.errors import UnsupportedError, raise_findings
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, Conv2dCodes, DenseCodes, Flatten, Population, ReadoutCodes, Reduce, SumPool2d
from qif_deploy.shapes import ChannelCodes, channelwise
from qif_export.onnx._onnx import IR_VERSION, OPSET, onnx
from qif_export.onnx.builder import GraphBuilder, value_info
from qif_export.onnx.integer_width import IntegerWidth, choose_width
from qif_export.onnx.metadata import to_metadata
from qif_export.onnx.neuron_function import DOMAIN, Width, add_population, step_function
from qif_export.onnx.synapses import SignalValue, add_flatten, add_pool, add_signal, add_synapse, width_findings

READOUT = "readout"
RECORDED = (("i", np.int32), ("u", np.int32), ("s", np.uint8))
"""What is recorded of a population at every step, with its dtype."""

_BODY = "step/"


def to_onnx(graph: QuantizedGraph) -> Any:
    """Return the ``onnx.ModelProto`` of ``graph``, the same for equal graphs; ``Any`` since onnx ships no types.

    Raises:
        UnsupportedError: codes or sums that the 8-bit operands and 32-bit sums of ONNX cannot carry; all findings at once.
    """
    raise_findings(UnsupportedError, width_findings(graph))
    if READOUT in graph.inputs:
        raise UnsupportedError(f"input {READOUT!r} has the name of the output that ONNX files call so; rename the input")
    width = choose_width(graph)
    outer = GraphBuilder(prefix="")
    _add_scan(outer, graph, width)
    inputs = [value_info(name, np.int32, ["T", "B", *graph.shapes[name]]) for name in graph.inputs]
    outputs = [value_info(f"{p}/{what}", dtype, ["T", "B", *graph.shapes[p]]) for p in graph.populations for what, dtype in RECORDED]
    outputs.append(value_info(READOUT, np.int64, ["B", *graph.shapes[graph.readout]]))
    model = onnx.helper.make_model(
        onnx.helper.make_graph(outer.operators, "qif_network", inputs, outputs, outer.initialisers),
        functions=[step_function(graph.number_format, width.dtype)],
        opset_imports=[onnx.helper.make_opsetid("", OPSET), onnx.helper.make_opsetid(DOMAIN, 1)],
        ir_version=IR_VERSION,
        producer_name="qif-deploy",
    )
    onnx.helper.set_model_props(model, to_metadata(graph, width))
    return model


def _add_scan(outer: GraphBuilder, graph: QuantizedGraph, width: IntegerWidth) -> None:
    """Add initial states and the Scan; its outputs are the final states, then the recordings of all steps."""
    batch = outer.operator("Shape", [graph.inputs[0]], "scan/batch", {"start": 1, "end": 2})
    starts = [_start(outer, batch, p, graph.population(p).constants.r0, graph.shapes[p], width.dtype) for p in graph.populations]
    classes = graph.shapes[graph.readout]
    starts.append(_start(outer, batch, graph.readout, np.zeros(classes[0], np.int64), classes, np.int64))
    finals = [f"{p}/r_final" for p in graph.populations]
    recordings = [f"{p}/{what}" for p in graph.populations for what, _ in RECORDED]
    outer.operators.append(
        onnx.helper.make_node(
            "Scan",
            [*starts, *graph.inputs],
            [*finals, READOUT, *recordings],
            name="scan",
            body=_body(graph, width.dtype),
            num_scan_inputs=len(graph.inputs),
        )
    )


def _start(outer: GraphBuilder, batch: str, name: str, codes: ChannelCodes, shape: tuple[int, ...], dtype: Width) -> str:
    """Return a state of one value per channel, spread over batch and neurons."""
    sizes = outer.constant(f"{name}/sizes", np.array(shape, np.int64))
    full = outer.operator("Concat", [batch, sizes], f"{name}/shape", {"axis": 0})
    values = outer.constant(f"{name}/start", channelwise(codes, len(shape)).astype(dtype))
    return outer.operator("Expand", [values, full], f"{name}/r_start")


def _body(graph: QuantizedGraph, dtype: Width) -> Any:
    """Return one time step of the whole network as a graph."""
    body = GraphBuilder(prefix=_BODY)
    signals: dict[str, SignalValue] = {}
    currents: dict[str, str] = {}
    states: list[tuple[str, str]] = []
    recordings: list[str] = []
    for name in graph.order:
        node = graph.nodes[name]
        feeding = graph.sources(name)
        match node:
            case CodeInput():
                signals[name] = add_signal(body, graph, name, f"{_BODY}{name}/codes")
            case SumPool2d():
                signals[name] = add_pool(body, graph, name, node, signals[feeding[0]])
            case Flatten():
                signals[name] = add_flatten(body, name, signals[feeding[0]])
            case DenseCodes() | Conv2dCodes():
                currents[name] = add_synapse(body, name, node, signals[feeding[0]], dtype)
            case Population():
                shape = graph.shapes[name]
                i = _join(body, name, [currents[b] for b in feeding], channelwise(node.constants.bias, len(shape)), dtype)
                out = add_population(body, name, node.constants, (f"{_BODY}{name}/r", i), dtype, len(shape))
                signals[name] = SignalValue(out["s"], 0)
                states.append((f"{name}/r", out["r_next"]))
                recorded = {"i": i, "u": out["u"], "s": out["s"]}
                for what, kind in RECORDED:
                    narrow = dtype is np.int64 and kind is np.int32
                    recordings.append(body.cast(recorded[what], kind, f"{name}/{what}_int32") if narrow else recorded[what])
            case ReadoutCodes():
                i = _join(body, name, [currents[b] for b in feeding], node.bias, dtype)
                wide = body.cast(i, np.int64, f"{name}/i_wide")
                if node.reduce is Reduce.SUM:
                    wide = body.operator("Add", [f"{_BODY}{name}/r", wide], f"{name}/total")
                readout = (f"{name}/r", wide)
    return _body_graph(body, graph, [*states, readout], recordings, dtype)


def _join(body: GraphBuilder, name: str, branches: list[str], bias: Any, dtype: Width) -> str:
    """Return the sum of all branches and the bias."""
    total = branches[0]
    for number, branch in enumerate(branches[1:]):
        total = body.operator("Add", [total, branch], f"{name}/join{number}")
    return body.operator("Add", [total, body.constant(f"{name}/bias", bias.astype(dtype))], f"{name}/i")


def _body_graph(body: GraphBuilder, graph: QuantizedGraph, states: list[tuple[str, str]], recordings: list[str], dtype: Width) -> Any:
    owners = [*graph.populations, graph.readout]
    kinds: list[Width] = [dtype] * len(graph.populations) + [np.int64]
    inputs, outputs = [], []
    for (state, following), owner, kind in zip(states, owners, kinds, strict=True):
        inputs.append(value_info(_BODY + state, kind, ["B", *graph.shapes[owner]]))
        outputs.append(value_info(following, kind, ["B", *graph.shapes[owner]]))
    inputs += [value_info(f"{_BODY}{name}/codes", np.int32, ["B", *graph.shapes[name]]) for name in graph.inputs]
    described = [(p, kind) for p in graph.populations for _, kind in RECORDED]
    outputs += [value_info(value, kind, ["B", *graph.shapes[p]]) for value, (p, kind) in zip(recordings, described, strict=True)]
    return onnx.helper.make_graph(body.operators, "qif_step", inputs, outputs, body.initialisers)


__all__ = ["READOUT", "RECORDED", "to_onnx"]
