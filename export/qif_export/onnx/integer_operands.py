"""Inputs, synapses, pools and flattens of one time step in integer operators: profile exact.

Every signal is uint8 with a zero point: 0 for spikes, counts and codes 0..255, 128 for signed codes -128..127. Weights are uint8
with zero point 128, because u8 x u8 is the one combination that onnxruntime has for ConvInteger and that no processor computes
with saturating halves. The operators subtract the zero points, and padding then adds exact zeros.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import Conv2dCodes, DenseCodes, SumPool2d
from qif_export.onnx.builder import Attributes, Dtype, GraphBuilder
from qif_export.onnx.operands import SignalValue, conv_attributes, zero_point

WEIGHT_ZERO = 128


@dataclass(slots=True, kw_only=True)
class IntegerOperands:
    """Adds nodes of ``graph`` to ``builder``; currents come in ``dtype``."""

    builder: GraphBuilder
    graph: QuantizedGraph
    dtype: Dtype

    def signal(self, name: str, codes: str) -> SignalValue:
        """Narrow int32 ``codes`` of node ``name`` to uint8, around the zero point that their declared range asks for."""
        zero = zero_point(self.graph, name)
        if zero:
            codes = self.builder.operator("Add", [codes, self.builder.shared(np.int32, zero)], f"{name}/offset")
        return SignalValue(self.builder.cast(codes, np.uint8, f"{name}/codes_u8"), zero)

    def pool(self, name: str, node: SumPool2d, x: SignalValue) -> SignalValue:
        """Sum over windows: a depthwise convolution with ones. An average times the window's size would round for some windows."""
        channels = self.graph.shapes[name][0]
        ones = self.builder.constant(f"{name}/ones", np.ones((channels, 1, *node.kernel), np.uint8))
        zeros = [self.builder.shared(np.uint8, x.zero), self.builder.shared(np.uint8, 0)]
        attributes: Attributes = {"group": channels, "strides": node.stride, "kernel_shape": node.kernel}
        return self.signal(name, self.builder.operator("ConvInteger", [x.value, ones, *zeros], f"{name}/sum", attributes))

    def flatten(self, name: str, x: SignalValue) -> SignalValue:
        """Channel slowest, the batch stays."""
        return SignalValue(self.builder.operator("Flatten", [x.value], f"{name}/flat", {"axis": 1}), x.zero)

    def synapse(self, name: str, node: DenseCodes | Conv2dCodes, x: SignalValue) -> str:
        """Return the value of ``(weight * x) << shift``."""
        builder = self.builder
        zeros = [builder.shared(np.uint8, x.zero), builder.shared(np.uint8, WEIGHT_ZERO)]
        weight = _unsigned(node.weight)
        match node:
            case DenseCodes():
                inputs = [x.value, builder.constant(f"{name}/weight", weight.T), *zeros]
                acc = builder.operator("MatMulInteger", inputs, f"{name}/acc")
            case Conv2dCodes():
                inputs = [x.value, builder.constant(f"{name}/weight", weight), *zeros]
                acc = builder.operator("ConvInteger", inputs, f"{name}/acc", conv_attributes(node))
        if self.dtype is np.int64:
            acc = builder.cast(acc, np.int64, f"{name}/acc_wide")
        if node.shift == 0:
            return acc
        return builder.operator("Mul", [acc, builder.shared(self.dtype, 1 << node.shift)], f"{name}/shifted")


def _unsigned(weight: NDArray[np.int32]) -> NDArray[np.uint8]:
    return (weight + WEIGHT_ZERO).astype(np.uint8)


__all__ = ["WEIGHT_ZERO", "IntegerOperands"]
