"""Inputs, synapses, pools and flattens of one time step in integer operators.

Every signal is uint8 with a zero point: 0 for spikes, counts and codes 0..255, 128 for signed codes -128..127. Weights are uint8
with zero point 128, because u8 x u8 is the one combination that onnxruntime has for ConvInteger and that no processor computes
with saturating halves. The operators subtract the zero points, and padding then adds exact zeros.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qif_deploy.analysis.signal_range import signal_of
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, Conv2dCodes, DenseCodes, SumPool2d
from qif_export.onnx.builder import Attributes, GraphBuilder

WEIGHT_ZERO = 128
SIGNED_ZERO = 128


class SignalValue(NamedTuple):
    """A uint8 value of the graph, and the code that stands for zero."""

    value: str
    zero: int


def width_findings(graph: QuantizedGraph) -> list[str]:
    """Return what does not fit 8 bits: input codes, pooled counts, weight codes; empty when everything does."""
    found = []
    for name, node in graph.nodes.items():
        if isinstance(node, CodeInput | SumPool2d):
            signal = signal_of(graph, name)
            lowest, highest = (0, 255) if signal.low >= 0 else (-128, 127)
            if signal.low < lowest or signal.high > highest:
                what = "input" if isinstance(node, CodeInput) else "pool"
                remedy = "use fewer input codes" if isinstance(node, CodeInput) else "pool over a smaller window"
                found.append(f"{what} {name!r}: codes {signal.low}..{signal.high} do not fit {lowest}..{highest}, 8 bits; {remedy}")
        if isinstance(node, DenseCodes | Conv2dCodes):
            low, high = int(node.weight.min()), int(node.weight.max())
            if low < -WEIGHT_ZERO or high >= 256 - WEIGHT_ZERO:
                found.append(f"synapse {name!r}: weight codes {low}..{high} exceed -128..127 of ONNX; quantise with weight_bits <= 8")
    return found


def add_signal(builder: GraphBuilder, graph: QuantizedGraph, name: str, codes: str) -> SignalValue:
    """Narrow int32 ``codes`` of node ``name`` to uint8, around the zero point that their declared range asks for."""
    zero = SIGNED_ZERO if signal_of(graph, name).low < 0 else 0
    if zero:
        codes = builder.operator("Add", [codes, builder.shared(np.int32, zero)], f"{name}/offset")
    return SignalValue(builder.cast(codes, np.uint8, f"{name}/codes_u8"), zero)


def add_pool(builder: GraphBuilder, graph: QuantizedGraph, name: str, node: SumPool2d, x: SignalValue) -> SignalValue:
    """Sum over windows: a depthwise convolution with ones. An average times the window's size would round for some windows."""
    channels = graph.shapes[name][0]
    ones = builder.constant(f"{name}/ones", np.ones((channels, 1, *node.kernel), np.uint8))
    zeros = [builder.shared(np.uint8, x.zero), builder.shared(np.uint8, 0)]
    attributes: Attributes = {"group": channels, "strides": node.stride, "kernel_shape": node.kernel}
    return add_signal(builder, graph, name, builder.operator("ConvInteger", [x.value, ones, *zeros], f"{name}/sum", attributes))


def add_flatten(builder: GraphBuilder, name: str, x: SignalValue) -> SignalValue:
    """Channel slowest, the batch stays."""
    return SignalValue(builder.operator("Flatten", [x.value], f"{name}/flat", {"axis": 1}), x.zero)


def add_synapse(
    builder: GraphBuilder, name: str, node: DenseCodes | Conv2dCodes, x: SignalValue, dtype: type[np.int32] | type[np.int64]
) -> str:
    """Return the value of ``(weight * x) << shift``, in ``dtype``."""
    zeros = [builder.shared(np.uint8, x.zero), builder.shared(np.uint8, WEIGHT_ZERO)]
    weight = _unsigned(node.weight)
    match node:
        case DenseCodes():
            acc = builder.operator("MatMulInteger", [x.value, builder.constant(f"{name}/weight", weight.T), *zeros], f"{name}/acc")
        case Conv2dCodes():
            g = node.geometry
            attributes: Attributes = {
                "group": g.groups,
                "strides": g.stride,
                "pads": [*g.padding, *g.padding],
                "dilations": g.dilation,
                "kernel_shape": weight.shape[2:],
            }
            inputs = [x.value, builder.constant(f"{name}/weight", weight), *zeros]
            acc = builder.operator("ConvInteger", inputs, f"{name}/acc", attributes)
    if dtype is np.int64:
        acc = builder.cast(acc, np.int64, f"{name}/acc_wide")
    if node.shift == 0:
        return acc
    return builder.operator("Mul", [acc, builder.shared(dtype, 1 << node.shift)], f"{name}/shifted")


def _unsigned(weight: NDArray[np.int32]) -> NDArray[np.uint8]:
    return (weight + WEIGHT_ZERO).astype(np.uint8)


__all__ = ["SignalValue", "add_flatten", "add_pool", "add_signal", "add_synapse", "width_findings"]
