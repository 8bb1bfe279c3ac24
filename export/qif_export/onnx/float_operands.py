"""Inputs, synapses, pools and flattens of one time step in float32: profiles float and qdq.

All values are whole numbers, codes and sums of codes. With ``quantized``, every signal that enters a synapse passes QuantizeLinear and
DequantizeLinear of scale 1, and weights are int8 codes behind a DequantizeLinear whose scale is the branch's power of two; both with
explicit zero points, which some converters insist on. Without it, weights are whole numbers in float32 and the shift is a product.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import Conv2dCodes, DenseCodes, SumPool2d
from qif_export.onnx.builder import Attributes, Dtype, GraphBuilder
from qif_export.onnx.operands import SignalValue, conv_attributes, zero_point


@dataclass(slots=True, kw_only=True)
class FloatOperands:
    """Adds nodes of ``graph`` to ``builder``; currents come in ``dtype``."""

    builder: GraphBuilder
    graph: QuantizedGraph
    dtype: Dtype
    quantized: bool

    def signal(self, name: str, codes: str) -> SignalValue:
        """Inputs are float32 already; what is quantised is quantised where a synapse takes it."""
        return SignalValue(codes, zero_point(self.graph, name))

    def pool(self, name: str, node: SumPool2d, x: SignalValue) -> SignalValue:
        """Sum over windows: a depthwise convolution with ones."""
        channels = self.graph.shapes[name][0]
        ones = self.builder.constant(f"{name}/ones", np.ones((channels, 1, *node.kernel), np.float32))
        attributes: Attributes = {"group": channels, "strides": node.stride, "kernel_shape": node.kernel}
        return SignalValue(self.builder.operator("Conv", [x.value, ones], f"{name}/sum", attributes), zero_point(self.graph, name))

    def flatten(self, name: str, x: SignalValue) -> SignalValue:
        """Channel slowest, the batch stays."""
        return SignalValue(self.builder.operator("Flatten", [x.value], f"{name}/flat", {"axis": 1}), x.zero)

    def synapse(self, name: str, node: DenseCodes | Conv2dCodes, x: SignalValue) -> str:
        """Return the value of ``(weight * x) << shift``."""
        builder = self.builder
        match node:
            case DenseCodes():
                kind, weight, attributes = "MatMul", node.weight.T, None
            case Conv2dCodes():
                kind, weight, attributes = "Conv", node.weight, conv_attributes(node)
        if self.quantized:
            signal = self._through_bytes(name, x)
            codes = builder.constant(f"{name}/weight", weight.astype(np.int8))
            scale = builder.constant(f"{name}/scale", np.array(2.0**node.shift, np.float32))
            zero = builder.shared(np.int8, 0)
            value = builder.operator("DequantizeLinear", [codes, scale, zero], f"{name}/weight_float")
            return builder.operator(kind, [signal, value], f"{name}/acc", attributes)
        acc = builder.operator(kind, [x.value, builder.constant(f"{name}/weight", weight.astype(np.float32))], f"{name}/acc", attributes)
        if self.dtype is np.float64:
            acc = builder.cast(acc, np.float64, f"{name}/acc_wide")
        if node.shift == 0:
            return acc
        return builder.operator("Mul", [acc, builder.shared(self.dtype, 2**node.shift)], f"{name}/shifted")

    def _through_bytes(self, name: str, x: SignalValue) -> str:
        one, zero = self.builder.shared(np.float32, 1), self.builder.shared(np.uint8, x.zero)
        quantized = self.builder.operator("QuantizeLinear", [x.value, one, zero], f"{name}/codes_u8")
        return self.builder.operator("DequantizeLinear", [quantized, one, zero], f"{name}/codes_float")


__all__ = ["FloatOperands"]
