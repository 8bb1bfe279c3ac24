"""The integer step as one local ONNX function, ``qif::QIF``; docs/numerics.md, section 2, in standard operators.

    h      = sat( rshift(c2m * r, s2) + c1m )
    u      = max( sat( rshift(h * r, s1) + i ), u_min )
    s      = u >= theta
    r_next = sat( keep * u + offset ) where s, else u

It is the same for every population of a file, what differs are its inputs, per channel: hard reset is keep 0 with offset
``reset``, subtract keep 1 with offset ``-reset_by``; no lower clamp is ``u_min`` at the bottom of ``sat``; a population that does
not spike has a ``theta`` that ``sat`` cannot reach. Shifts come as their powers of two, d1 and d2, because ONNX cannot shift
signed integers. Clip, Min, Max and Sign are avoided: onnxruntime computes them wrongly on int64 beyond 32 bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qif_deploy.fixedpoint import NumberFormat, RoundingMode
from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.neuron.params import ResetMode
from qif_deploy.shapes import ChannelCodes, channelwise
from qif_export.onnx._onnx import OPSET, onnx
from qif_export.onnx.builder import GraphBuilder

DOMAIN = "qif"
NAME = "QIF"
OUTPUTS = ("u", "s", "r_next")

Width = type[np.int32] | type[np.int64]


def step_inputs(rounding: RoundingMode) -> tuple[str, ...]:
    """Return the names of the constants that the function takes after ``r`` and ``i``, in order."""
    names = ("c2m", "d2", "c1m", "d1", "theta", "u_min", "keep", "offset")
    return (*names, "half2", "half1") if rounding is RoundingMode.NEAREST else names


def step_constants(k: FixedConstants) -> dict[str, ChannelCodes]:
    """Return those constants, int64 ``(channel,)``, or ``()`` for what the whole population shares."""
    limit = k.number_format.state_limit
    hard = k.reset_mode is ResetMode.HARD
    d2, d1 = np.left_shift(1, k.s2), np.array(1 << k.s1)
    return {
        "c2m": k.c2m,
        "d2": d2,
        "c1m": k.c1m,
        "d1": d1,
        "theta": np.full(k.channels, limit + 1) if k.theta is None else k.theta,
        "u_min": np.full(k.channels, -limit) if k.u_min is None else k.u_min,
        "keep": np.array(0 if hard else 1),
        "offset": k.reset if hard else -k.reset_by,
        "half2": d2 // 2,
        "half1": d1 // 2,
    }


def add_population(builder: GraphBuilder, name: str, k: FixedConstants, values: tuple[str, str], dtype: Width, ndim: int) -> dict[str, str]:
    """Call the function for population ``name`` on ``values`` = (r, i) with ``ndim`` axes behind the batch; return u, s, r_next."""
    constants = step_constants(k)
    given = list(values)
    for key in step_inputs(k.number_format.rounding):
        codes = constants[key]
        given.append(builder.constant(f"{name}/{key}", (channelwise(codes, ndim) if codes.ndim else codes).astype(dtype)))
    outputs = {key: f"{builder.prefix}{name}/{key}" for key in OUTPUTS}
    builder.operators.append(
        onnx.helper.make_node(NAME, given, list(outputs.values()), name=f"{builder.prefix}{name}/{NAME}", domain=DOMAIN)
    )
    return outputs


def step_function(number_format: NumberFormat, dtype: Width) -> Any:
    """Return the FunctionProto for a number format, computing in ``dtype``."""
    body = GraphBuilder(prefix="")
    for name, value in (("zero", 0), ("top", number_format.state_limit), ("bottom", -number_format.state_limit)):
        tensor = onnx.numpy_helper.from_array(np.array(value, dtype))
        body.operators.append(onnx.helper.make_node("Constant", [], [name], value=tensor))
    body.operator("Mul", ["c2m", "r"], "c2m_r")
    _rshift(body, "c2m_r", "2", number_format.rounding, "slope")
    body.operator("Add", ["slope", "c1m"], "h_exact")
    _saturate(body, "h_exact", "h")
    body.operator("Mul", ["h", "r"], "h_r")
    _rshift(body, "h_r", "1", number_format.rounding, "drift")
    body.operator("Add", ["drift", "i"], "u_exact")
    _saturate(body, "u_exact", "u_saturated")
    body.operator("Less", ["u_saturated", "u_min"], "u_below")
    body.operator("Where", ["u_below", "u_min", "u_saturated"], "u")
    body.operator("GreaterOrEqual", ["u", "theta"], "fires")
    body.cast("fires", np.uint8, "s")
    body.operator("Mul", ["keep", "u"], "kept")
    body.operator("Add", ["kept", "offset"], "r_exact")
    _saturate(body, "r_exact", "r_fired")
    body.operator("Where", ["fires", "r_fired", "u"], "r_next")
    function = onnx.helper.make_function(
        DOMAIN, NAME, ["r", "i", *step_inputs(number_format.rounding)], list(OUTPUTS), body.operators, [onnx.helper.make_opsetid("", OPSET)]
    )
    function.doc_string = (
        f"Integer QIF step in {np.dtype(dtype).name}, state of {number_format.state_bits} bits, rounding {number_format.rounding.value}: "
        "h = sat(rshift(c2m r, s2) + c1m); u = max(sat(rshift(h r, s1) + i), u_min); s = u >= theta; "
        "r_next = sat(keep u + offset) where s, else u."
    )
    return function


def _rshift(body: GraphBuilder, value: str, which: str, rounding: RoundingMode, output: str) -> None:
    """Divide by ``d1`` or ``d2``; the operator Div truncates toward zero."""
    divisor = f"d{which}"
    match rounding:
        case RoundingMode.TOWARD_ZERO:
            body.operator("Div", [value, divisor], output)
        case RoundingMode.FLOOR:
            rest = body.operator("Mod", [value, divisor], f"{output}_rest", {"fmod": 0})  # of the divisor's sign: never negative
            even = body.operator("Sub", [value, rest], f"{output}_multiple")
            body.operator("Div", [even, divisor], output)
        case RoundingMode.NEAREST:
            half = f"half{which}"
            negative = body.operator("Less", [value, "zero"], f"{output}_negative")
            minus = body.operator("Neg", [half], f"{output}_minus_half")
            away = body.operator("Where", [negative, minus, half], f"{output}_away")
            sum_ = body.operator("Add", [value, away], f"{output}_offset")
            body.operator("Div", [sum_, divisor], output)


def _saturate(body: GraphBuilder, value: str, output: str) -> None:
    below = body.operator("Less", [value, "bottom"], f"{output}_below")
    raised = body.operator("Where", [below, "bottom", value], f"{output}_raised")
    above = body.operator("Greater", [raised, "top"], f"{output}_above")
    body.operator("Where", [above, "top", raised], output)


__all__ = ["DOMAIN", "NAME", "Width", "add_population", "step_constants", "step_function", "step_inputs"]
