"""Collecting the operators and initialisers of one ONNX graph, every value named by what it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qif_export.onnx._onnx import onnx

Dtype = type[np.generic]
Attributes = Mapping[str, int | Sequence[int]]


@dataclass(slots=True, kw_only=True)
class GraphBuilder:
    """Operators in order, and constants.

    A value is named ``prefix`` + ``NODE/WHAT``. Names of the network's nodes hold no slash, so that values never collide, neither
    with each other nor, given another prefix, with those of the outer graph (a name used twice is refused by the checker).
    """

    prefix: str
    operators: list[Any] = field(default_factory=list)  # onnx.NodeProto; onnx is untyped
    initialisers: list[Any] = field(default_factory=list)  # onnx.TensorProto
    _constants: dict[tuple[str, float], str] = field(default_factory=dict)

    def constant(self, name: str, values: NDArray[Any]) -> str:
        """Add an initialiser and return its name."""
        full = self.prefix + name
        # numpy_helper keeps the dtype; a C-contiguous copy makes the bytes independent of the array's layout.
        self.initialisers.append(onnx.numpy_helper.from_array(np.array(values, order="C"), full))
        return full

    def shared(self, dtype: Dtype, value: float) -> str:
        """Return the name of a scalar constant that several operators share."""
        key = (np.dtype(dtype).name, value)
        if key not in self._constants:
            self._constants[key] = self.constant(f"constant/{key[0]}_{value}", np.array(value, dtype))
        return self._constants[key]

    def operator(self, kind: str, inputs: Sequence[str], output: str, attributes: Attributes | None = None) -> str:
        """Add a standard operator with one output and return the output's name."""
        full = self.prefix + output
        self.operators.append(onnx.helper.make_node(kind, list(inputs), [full], name=full, **dict(attributes or {})))
        return full

    def rename(self, value: str, name: str) -> str:
        """Give ``value`` a name of its own, without the prefix, and return it."""
        self.operators.append(onnx.helper.make_node("Identity", [value], [name], name=name))
        return name

    def cast(self, value: str, dtype: Dtype, output: str) -> str:
        """Add a Cast to ``dtype``."""
        return self.operator("Cast", [value], output, {"to": onnx_type(dtype)})


def onnx_type(dtype: Dtype) -> int:
    """Return ONNX's number for a NumPy dtype."""
    return int(onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


def value_info(name: str, dtype: Dtype, shape: Sequence[int | str]) -> Any:
    """Describe an input or output; text stands for a size that is free."""
    return onnx.helper.make_tensor_value_info(name, onnx_type(dtype), list(shape))


__all__ = ["Dtype", "GraphBuilder", "onnx_type", "value_info"]
