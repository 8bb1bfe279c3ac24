"""Integers of a machine as z3 bit-vectors, so that the project's own lines run on symbols; and an ONNX function on them.

``Bits`` has what the integer step asks of an array: ``+ - * >> << & >=``, ``clip`` and ``itemsize``. It wraps as the machine does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import z3


class Bits:
    """A signed integer of ``width`` bits. ``products``: what ``*`` takes from, one after another, instead of multiplying."""

    def __init__(self, value: Any, width: int, products: Iterator[Any] | None = None) -> None:
        self.value = z3.BitVecVal(value, width) if isinstance(value, int) else value
        self.width, self.products = width, products

    @property
    def itemsize(self) -> Any:
        """In bytes; ``8 * itemsize`` is the width, also where that is no multiple of 8."""
        return _Eighth(self.width)

    def _of(self, other: Any) -> Any:
        return other.value if isinstance(other, Bits) else z3.BitVecVal(other, self.width)

    def _new(self, value: Any) -> Bits:
        return Bits(value, self.width, self.products)

    def __add__(self, other: Any) -> Bits:
        return self._new(self.value + self._of(other))

    def __sub__(self, other: Any) -> Bits:
        return self._new(self.value - self._of(other))

    def __mul__(self, other: Any) -> Bits:
        if self.products is None or isinstance(self.value, z3.BoolRef):
            return self._new(self.value * self._of(other))
        return self._new(next(self.products))

    def __rshift__(self, other: Any) -> Bits:
        return self._new(self.value >> self._of(other))

    def __rlshift__(self, other: int) -> Bits:
        return self._new(self._of(other) << self.value)

    def __and__(self, other: Any) -> Bits:
        return self._new(self.value & self._of(other))

    def __ge__(self, other: Any) -> Spike:
        return Spike(self.value >= self._of(other))

    def clip(self, low: Any, high: Any) -> Bits:
        value = self.value
        value = value if low is None else z3.If(value < self._of(low), self._of(low), value)
        return self._new(value if high is None else z3.If(value > self._of(high), self._of(high), value))


class Spike:
    """The outcome of a comparison; times a code it is that code or 0."""

    def __init__(self, fires: Any) -> None:
        self.fires = fires

    def __mul__(self, other: Bits) -> Bits:
        return Bits(z3.If(self.fires, other.value, z3.BitVecVal(0, other.width)), other.width, other.products)


class _Eighth:
    def __init__(self, width: int) -> None:
        self.width = width

    def __rmul__(self, eight: int) -> int:
        assert eight == 8
        return self.width


def run_onnx(function: Any, given: Mapping[str, Any], width: int, products: Iterator[Any] | None = None) -> dict[str, Any]:
    """Evaluate a FunctionProto on bit-vectors and booleans, operator by operator, as the ONNX standard defines each.

    Div truncates toward zero, Mod with fmod 0 has the sign of the divisor, both as bit-vector operations of the same meaning.
    """
    import onnx

    values = dict(given)
    for node in function.node:
        a = [values[name] for name in node.input]
        match node.op_type:
            case "Constant":
                tensor = onnx.numpy_helper.to_array(node.attribute[0].t)
                result: Any = z3.BitVecVal(int(np.asarray(tensor)), width)
            case "Mul":
                constant = node.input[0] == "keep"
                result = a[0] * a[1] if products is None or constant else next(products)
            case "Add":
                result = a[0] + a[1]
            case "Sub":
                result = a[0] - a[1]
            case "Neg":
                result = -a[0]
            case "Div":
                result = a[0] / a[1]
            case "Mod":
                result = a[0] % a[1]
            case "Less":
                result = a[0] < a[1]
            case "Greater":
                result = a[0] > a[1]
            case "GreaterOrEqual":
                result = a[0] >= a[1]
            case "Where":
                result = z3.If(a[0], a[1], a[2])
            case "Cast":
                result = a[0]
            case other:
                raise AssertionError(f"operator {other} has no meaning here; give it one")
        values[node.output[0]] = result
    return {name: values[name] for name in function.output}
