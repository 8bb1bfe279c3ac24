"""What the operands of all profiles share: 8-bit ranges, zero points, geometry."""

from __future__ import annotations

from typing import NamedTuple

from qif_deploy.analysis.signal_range import signal_of
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, Conv2dCodes, DenseCodes, SumPool2d
from qif_export.onnx.builder import Attributes
from qif_export.onnx.options import Profile

SIGNED_ZERO = 128


class SignalValue(NamedTuple):
    """A value of the graph, and the code that stands for zero."""

    value: str
    zero: int


def zero_point(graph: QuantizedGraph, name: str) -> int:
    """Return the uint8 code that stands for 0 on the signal of node ``name``."""
    return SIGNED_ZERO if signal_of(graph, name).low < 0 else 0


def conv_attributes(node: Conv2dCodes) -> Attributes:
    """Return the attributes of Conv and ConvInteger."""
    g = node.geometry
    return {
        "group": g.groups,
        "strides": g.stride,
        "pads": [*g.padding, *g.padding],
        "dilations": g.dilation,
        "kernel_shape": node.weight.shape[2:],
    }


def byte_findings(graph: QuantizedGraph, profile: Profile) -> list[str]:
    """Return what does not fit 8 bits: input codes, pooled counts, weight codes; empty when everything does."""
    if profile is Profile.FLOAT:
        return []
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
            if low < -SIGNED_ZERO or high >= 256 - SIGNED_ZERO:
                found.append(f"synapse {name!r}: weight codes {low}..{high} exceed -128..127 of ONNX; quantise with weight_bits <= 8")
    return found


__all__ = ["SIGNED_ZERO", "SignalValue", "byte_findings", "conv_attributes", "zero_point"]
