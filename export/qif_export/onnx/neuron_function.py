"""One time step of a population as a local ONNX function of the domain ``qif``, called once per population.

``QIF`` is docs/numerics.md, section 2, in integer operators; ``QIFWhole`` the same on whole numbers in floats; ``QIFReal`` section 1,
nothing rounded. All take the state ``r`` after the last reset and the input, then constants per channel, and return u, s, r_next:

    QIF, QIFWhole   h = sat( rshift(c2m * r, s2) + c1m );  u = max( sat( rshift(h * r, s1) + i ), u_min )
    QIFReal         u = max( (c2 * r + c1) * r + c0 + x, u_min )
    all             s = u >= theta;  r_next = keep * u + offset where s, else u          (in the first two within sat)

A function is the same for every population of a file, what differs are its inputs: hard reset is keep 0 with offset ``reset``,
subtract keep 1 with offset ``-reset_by``; no lower clamp is ``u_min`` at the bottom; a population that does not spike has a ``theta``
out of reach. ``QIF`` takes shifts as powers of two, d1 and d2, because ONNX cannot shift signed integers, ``QIFWhole`` their
inverses, m1 and m2. Clip, Min, Max and Sign are avoided: onnxruntime computes them wrongly on int64 beyond 32 bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from typing_extensions import assert_never

from qif_deploy.fixedpoint import NumberFormat, RoundingMode
from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.neuron.params import ResetMode
from qif_deploy.shapes import channelwise
from qif_export.onnx._onnx import OPSET, onnx
from qif_export.onnx.builder import Attributes, Dtype, GraphBuilder
from qif_export.onnx.options import Profile

DOMAIN = "qif"
OUTPUTS = ("u", "s", "r_next")
FUNCTIONS = {Profile.EXACT: "QIF", Profile.FLOAT: "QIFWhole", Profile.QDQ: "QIFReal"}
REAL_INPUTS = ("r", "x", "c2", "c1", "c0", "theta", "u_min", "keep", "offset")
UNREACHABLE = float(np.finfo(np.float32).max)
"""Stands for a threshold or, negated, a clamp that a QIFReal does not have."""

_SHARED = ("theta", "u_min", "keep", "offset")


@dataclass(frozen=True, slots=True, kw_only=True)
class NeuronStep:
    """The step in the operators of one profile, dtype and number format; ``inline`` writes it in place instead of calling it."""

    profile: Profile
    dtype: Dtype
    number_format: NumberFormat
    inline: bool

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of what the function takes, in order."""
        if self.profile is Profile.QDQ:
            return REAL_INPUTS
        shifts = ("d2", "d1") if self.profile is Profile.EXACT else ("m2", "m1")
        halves = ("half2", "half1") if self.number_format.rounding is RoundingMode.NEAREST else ()
        return ("r", "i", "c2m", shifts[0], "c1m", shifts[1], *_SHARED, *halves)

    @property
    def spike_dtype(self) -> Dtype:
        """Dtype of ``s``: what synapses take."""
        return np.uint8 if self.profile is Profile.EXACT else np.float32

    def functions(self) -> list[Any]:
        """Return the FunctionProto, none where the operators stand in place."""
        if self.inline:
            return []
        body = GraphBuilder(prefix="")
        self._emit(_Scope(body))
        opset = [onnx.helper.make_opsetid("", OPSET)]
        function = onnx.helper.make_function(DOMAIN, FUNCTIONS[self.profile], list(self.inputs), list(OUTPUTS), body.operators, opset)
        f = self.number_format
        detail = "" if self.profile is Profile.QDQ else f", state of {f.state_bits} bits, rounding {f.rounding.value}"
        function.doc_string = f"QIF neuron in {np.dtype(self.dtype).name}{detail}; docs/onnx.md"
        return [function]

    def add(self, builder: GraphBuilder, name: str, k: FixedConstants, values: tuple[str, str], ndim: int) -> dict[str, str]:
        """Add the step of population ``name`` on ``values`` = (r, i) with ``ndim`` axes behind the batch; return u, s and r_next."""
        constants = step_constants(k, self.profile)
        given = dict(zip(self.inputs[:2], values, strict=True))
        for key in self.inputs[2:]:
            codes = constants[key]
            given[key] = builder.constant(f"{name}/{key}", (channelwise(codes, ndim) if codes.ndim else codes).astype(self.dtype))
        outputs = {key: f"{builder.prefix}{name}/{key}" for key in OUTPUTS}
        if self.inline:
            inner = GraphBuilder(prefix=f"{builder.prefix}{name}/", operators=builder.operators)
            self._emit(_Scope(inner, given))
            return outputs
        kind = FUNCTIONS[self.profile]
        full = f"{builder.prefix}{name}/{kind}"
        builder.operators.append(onnx.helper.make_node(kind, list(given.values()), list(outputs.values()), name=full, domain=DOMAIN))
        return outputs

    def _emit(self, scope: _Scope) -> None:
        if self.profile is Profile.QDQ:
            self._emit_real(scope)
        else:
            self._emit_rounded(scope)
        scope.builder.cast(scope.name("fires"), self.spike_dtype, "s")
        scope.operator("Where", ["fires", "r_fired", "u"], "r_next")

    def _emit_rounded(self, scope: _Scope) -> None:
        limit = self.number_format.state_limit
        for name, value in (("top", limit), ("bottom", -limit)):
            scope.constant(name, np.array(value, self.dtype))
        # An integer division truncates by itself; what no operator uses, runtimes warn of.
        rounding = self.number_format.rounding
        if rounding is RoundingMode.NEAREST or (rounding is RoundingMode.TOWARD_ZERO and self.profile is Profile.FLOAT):
            scope.constant("zero", np.array(0, self.dtype))
        scope.operator("Mul", ["c2m", "r"], "c2m_r")
        self._rshift(scope, "c2m_r", "2", "slope")
        scope.operator("Add", ["slope", "c1m"], "h_exact")
        _saturate(scope, "h_exact", "h")
        scope.operator("Mul", ["h", "r"], "h_r")
        self._rshift(scope, "h_r", "1", "drift")
        scope.operator("Add", ["drift", "i"], "u_exact")
        _saturate(scope, "u_exact", "u_saturated")
        _clamp_and_fire(scope, "u_saturated")
        scope.operator("Add", ["kept", "offset"], "r_exact")
        _saturate(scope, "r_exact", "r_fired")

    def _emit_real(self, scope: _Scope) -> None:
        scope.operator("Mul", ["c2", "r"], "c2_r")
        scope.operator("Add", ["c2_r", "c1"], "slope")
        scope.operator("Mul", ["slope", "r"], "drift")
        scope.operator("Add", ["drift", "c0"], "own")
        scope.operator("Add", ["own", "x"], "u_free")
        _clamp_and_fire(scope, "u_free")
        scope.operator("Add", ["kept", "offset"], "r_fired")

    def _rshift(self, scope: _Scope, value: str, which: str, output: str) -> None:
        if self.profile is Profile.EXACT:
            _divide(scope, value, which, self.number_format.rounding, output)
        else:
            _scale(scope, value, which, self.number_format.rounding, output)


@dataclass(slots=True)
class _Scope:
    """Operators by local names; the names of ``given`` stand for values from outside."""

    builder: GraphBuilder
    given: Mapping[str, str] = field(default_factory=dict)

    def name(self, local: str) -> str:
        return self.given.get(local, self.builder.prefix + local)

    def operator(self, kind: str, inputs: list[str], output: str, attributes: Attributes | None = None) -> str:
        self.builder.operator(kind, [self.name(one) for one in inputs], output, attributes)
        return output

    def constant(self, local: str, value: Any) -> None:
        tensor = onnx.numpy_helper.from_array(value)
        full = self.builder.prefix + local
        self.builder.operators.append(onnx.helper.make_node("Constant", [], [full], name=full, value=tensor))


def step_constants(k: FixedConstants, profile: Profile) -> dict[str, Any]:
    """Return the constants of a population by name: ``(channel,)``, or ``()`` for what the whole population shares."""
    limit = k.number_format.state_limit
    hard = k.reset_mode is ResetMode.HARD
    real = profile is Profile.QDQ
    d2, d1 = np.left_shift(1, k.s2), np.array(1 << k.s1)
    top, bottom = (UNREACHABLE, -UNREACHABLE) if real else (limit + 1, -limit)
    shared = {
        "theta": np.full(k.channels, top) if k.theta is None else k.theta,
        "u_min": np.full(k.channels, bottom) if k.u_min is None else k.u_min,
        "keep": np.array(0 if hard else 1),
        "offset": k.reset if hard else -k.reset_by,
    }
    match profile:
        case Profile.EXACT:
            return shared | {"c2m": k.c2m, "c1m": k.c1m, "d2": d2, "d1": d1, "half2": d2 // 2, "half1": d1 // 2}
        case Profile.FLOAT:
            halves = {"half2": np.where(d2 > 1, 0.5, 0.0), "half1": np.array(0.5 if k.s1 else 0.0)}
            return shared | halves | {"c2m": k.c2m, "c1m": k.c1m, "m2": 1.0 / d2, "m1": 1.0 / d1}
        case Profile.QDQ:
            # The bias is in the input already, so that all profiles record the same i.
            return shared | {"c2": k.c2m / d2 / d1, "c1": k.c1m / d1, "c0": np.zeros(k.channels)}
        case _:
            assert_never(profile)


def _divide(scope: _Scope, value: str, which: str, rounding: RoundingMode, output: str) -> None:
    """Divide integers by ``d1`` or ``d2``; the operator Div truncates toward zero."""
    divisor = f"d{which}"
    match rounding:
        case RoundingMode.TOWARD_ZERO:
            scope.operator("Div", [value, divisor], output)
        case RoundingMode.FLOOR:
            scope.operator("Mod", [value, divisor], f"{output}_rest", {"fmod": 0})  # of the divisor's sign: never negative
            scope.operator("Sub", [value, f"{output}_rest"], f"{output}_multiple")
            scope.operator("Div", [f"{output}_multiple", divisor], output)
        case RoundingMode.NEAREST:
            scope.operator("Less", [value, "zero"], f"{output}_negative")
            scope.operator("Neg", [f"half{which}"], f"{output}_minus_half")
            scope.operator("Where", [f"{output}_negative", f"{output}_minus_half", f"half{which}"], f"{output}_away")
            scope.operator("Add", [value, f"{output}_away"], f"{output}_offset")
            scope.operator("Div", [f"{output}_offset", divisor], output)
        case _:
            assert_never(rounding)


def _scale(scope: _Scope, value: str, which: str, rounding: RoundingMode, output: str) -> None:
    """Multiply floats by a power of two, which is exact, and round to whole numbers."""
    scope.operator("Mul", [value, f"m{which}"], f"{output}_scaled")
    match rounding:
        case RoundingMode.FLOOR:
            scope.operator("Floor", [f"{output}_scaled"], output)
            return
        case RoundingMode.TOWARD_ZERO:
            below, above = f"{output}_scaled", f"{output}_scaled"
        case RoundingMode.NEAREST:
            below = scope.operator("Sub", [f"{output}_scaled", f"half{which}"], f"{output}_less")
            above = scope.operator("Add", [f"{output}_scaled", f"half{which}"], f"{output}_more")
        case _:
            assert_never(rounding)
    scope.operator("Ceil", [below], f"{output}_up")
    scope.operator("Floor", [above], f"{output}_down")
    scope.operator("Less", [f"{output}_scaled", "zero"], f"{output}_negative")
    scope.operator("Where", [f"{output}_negative", f"{output}_up", f"{output}_down"], output)


def _clamp_and_fire(scope: _Scope, value: str) -> None:
    scope.operator("Less", [value, "u_min"], "u_below")
    scope.operator("Where", ["u_below", "u_min", value], "u")
    scope.operator("GreaterOrEqual", ["u", "theta"], "fires")
    scope.operator("Mul", ["keep", "u"], "kept")


def _saturate(scope: _Scope, value: str, output: str) -> None:
    scope.operator("Less", [value, "bottom"], f"{output}_below")
    scope.operator("Where", [f"{output}_below", "bottom", value], f"{output}_raised")
    scope.operator("Greater", [f"{output}_raised", "top"], f"{output}_above")
    scope.operator("Where", [f"{output}_above", "top", f"{output}_raised"], output)


__all__ = ["DOMAIN", "FUNCTIONS", "OUTPUTS", "REAL_INPUTS", "UNREACHABLE", "NeuronStep", "step_constants"]
