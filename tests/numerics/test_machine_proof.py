"""Proofs by an SMT solver (z3): for *all* values inside the proven ranges, not for drawn ones. docs/numerics.md, section 6, lists them.

``definition`` is section 2 of that page on bit-vectors so wide that nothing wraps. The project's own step and its ONNX function are run
on symbols at the width of the machine. Multipliers of 32 bits are beyond a solver within seconds, so the full width is proven in two
parts: the low bits of a product are the product of the low bits (whatever the operands, proven at 10 bits), and with each
product one unknown within the product limit, everything else of the step. At 6 bits the step is proven whole, for all shifts. Every claim
has broken twins that yield a counterexample.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import z3

from qif_deploy.fixedpoint import NumberFormat, RoundingMode, rshift
from qif_deploy.neuron.constants import StepConstants
from qif_deploy.neuron.fixed_step import fixed_step
from qif_deploy.neuron.params import ResetMode
from tests.numerics.mutate import mutant
from tests.numerics.symbolic import Bits, run_onnx

CODES = ("r", "i", "c2m", "c1m", "theta", "reset", "reset_by", "u_min")
FULL_SHIFTS = (8, 12)
"""s1 and s2 of the queries at 32 bits; ``rshift`` itself is proven for every shift."""
Form = Callable[["Case"], tuple[Any, Any, Any]]


def format_of(machine: int) -> NumberFormat:
    """loihi2's widths for 32 bits, and 6 bits with state and coefficients in proportion."""
    widths = {"weight_bits": 8, "coef_bits": 12, "state_bits": 24} if machine == 32 else {"weight_bits": 3, "coef_bits": 2, "state_bits": 4}
    return NumberFormat(name=f"{machine} bits", product_bits=machine, rounding=RoundingMode.FLOOR, **widths)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One kind of step on symbols. ``shifts`` (s1, s2) None: both are unknown too. ``whole``: products are multiplied out."""

    machine: int
    mode: RoundingMode
    reset: ResetMode
    whole: bool
    shifts: tuple[int, int] | None = None
    slack: int = 0

    @property
    def wide(self) -> int:
        return self.machine + 4

    def narrow_code(self, name: str) -> Any:
        if self.shifts is not None and name in ("s1", "s2"):
            return z3.BitVecVal(self.shifts[name == "s2"], self.machine)
        return z3.BitVec(name, self.machine)

    def code(self, name: str) -> Any:
        return z3.SignExt(self.wide - self.machine, self.narrow_code(name))

    def products(self) -> tuple[Any, Any]:
        """``c2m r`` and ``h r`` as unknowns of the wide width."""
        return z3.BitVec("c2m_r", self.wide), z3.BitVec("h_r", self.wide)

    def low_products(self) -> Any:
        return None if self.whole else iter([z3.Extract(self.machine - 1, 0, p) for p in self.products()])

    def given(self) -> list[Any]:
        """What the number format and the range proof say of the codes and the intermediates."""
        f = format_of(self.machine)
        limits = dict.fromkeys(CODES, f.state_limit) | dict.fromkeys(("c2m", "c1m"), f.coef_limit) | {"i": f.product_limit}
        found = [within(self.code(name), limit) for name, limit in limits.items()]
        found += [z3.And(self.code(s) >= 0, self.code(s) <= min(30, self.machine - 2)) for s in ("s1", "s2")]
        _, seen = definition(self)
        halves = {"c2m_r": half(self.code("s2"), self.mode), "h_r": half(self.code("s1"), self.mode), "u": 0}
        return found + [within(value, f.product_limit + self.slack - halves[name]) for name, value in seen.items()]


def within(value: Any, limit: Any) -> Any:
    return z3.And(value >= -limit, value <= limit)


def half(shift: Any, mode: RoundingMode) -> Any:
    return z3.If(shift == 0, 0 * shift, (0 * shift + 1) << (shift - 1)) if mode is RoundingMode.NEAREST else 0 * shift


def divided(z: Any, shift: Any, mode: RoundingMode) -> Any:
    """``rshift`` of docs/numerics.md, by sign and magnitude."""
    if mode is RoundingMode.FLOOR:
        return z >> shift  # arithmetic: the floor of the quotient
    away = half(shift, mode)
    return z3.If(z < 0, -z3.LShR(-z + away, shift), z3.LShR(z + away, shift))


def limited(z: Any, limit: int) -> Any:
    return z3.If(z > limit, z3.BitVecVal(limit, z.size()), z3.If(z < -limit, z3.BitVecVal(-limit, z.size()), z))


def definition(case: Case) -> tuple[tuple[Any, Any, Any], dict[str, Any]]:
    """Return (u, spike, r') and the intermediates, where nothing wraps."""
    limit = format_of(case.machine).state_limit
    c = {name: case.code(name) for name in (*CODES, "s1", "s2")}
    c2m_r, h_r = case.products()
    c2m_r = c["c2m"] * c["r"] if case.whole else c2m_r
    h = limited(divided(c2m_r, c["s2"], case.mode) + c["c1m"], limit)
    h_r = h * c["r"] if case.whole else h_r
    exact = divided(h_r, c["s1"], case.mode) + c["i"]
    u = limited(exact, limit)
    u = z3.If(u < c["u_min"], c["u_min"], u)
    spike = u >= c["theta"]
    fired = c["reset"] if case.reset is ResetMode.HARD else limited(u - c["reset_by"], limit)
    return (u, spike, z3.If(spike, fired, u)), {"c2m_r": c2m_r, "h_r": h_r, "u": exact}


def step_form(case: Case, step: Callable[..., Any] = fixed_step) -> tuple[Any, Any, Any]:
    """The project's step in integers of the machine."""
    products = case.low_products()
    c = {name: Bits(case.narrow_code(name), case.machine, products) for name in (*CODES, "s1", "s2")}
    shared = {name: c[name] for name in ("c2m", "c1m", "s1", "s2", "theta", "reset", "reset_by", "u_min")}
    k = StepConstants(**shared, reset_mode=case.reset, state_limit=format_of(case.machine).state_limit, rounding=case.mode)
    found = step(c["r"], c["i"], k)
    return found.u.value, found.s.fires, found.r.value


def onnx_form(case: Case, neuron: Any = None) -> tuple[Any, Any, Any]:
    """The exported function in integers of the machine; ``neuron`` stands in for its module."""
    from qif_export.onnx import neuron_function
    from qif_export.onnx.options import Profile

    neuron = neuron_function if neuron is None else neuron
    step = neuron.NeuronStep(
        profile=Profile.EXACT, dtype=np.int32, number_format=replace(format_of(case.machine), rounding=case.mode), inline=False
    )
    (function,) = step.functions()
    c = {name: case.narrow_code(name) for name in (*CODES, "s1", "s2")}
    hard, one = case.reset is ResetMode.HARD, z3.BitVecVal(1, case.machine)
    given = {name: c[name] for name in ("r", "i", "c2m", "c1m", "theta", "u_min")}
    given |= {
        "d1": one << c["s1"],
        "d2": one << c["s2"],
        "keep": one * (0 if hard else 1),
        "offset": c["reset"] if hard else -c["reset_by"],
    }
    given |= {"half1": given["d1"] / 2, "half2": given["d2"] / 2}
    found = run_onnx(function, given, case.machine, case.low_products())
    return found["u"], found["s"], found["r_next"]


def counterexample(claim: Any, *given: Any, logic: str = "QF_BV") -> Any:
    """None when ``claim`` follows from what is given; else values that break it."""
    solver = z3.SolverFor(logic)
    solver.add(*given, z3.Not(claim))
    found = solver.check()
    assert found != z3.unknown, solver.reason_unknown()
    return solver.model() if found == z3.sat else None


def differs(case: Case, form: Form) -> Any:
    """A counterexample to: ``form`` equals the definition."""
    expected, _ = definition(case)
    u, spike, after = form(case)
    widened = [z3.SignExt(case.wide - case.machine, value) for value in (u, after)]
    claim = z3.And(widened[0] == expected[0], spike == expected[1], widened[1] == expected[2])
    return counterexample(claim, *case.given())


FORMS: dict[str, Form] = {"step": step_form, "onnx": onnx_form}
KINDS = [(mode, reset) for mode in RoundingMode for reset in ResetMode]


@pytest.mark.parametrize(("mode", "reset"), KINDS)
@pytest.mark.parametrize("form", FORMS)
def test_at_32_bits_everything_but_the_multiplier_equals_the_definition(form: str, mode: RoundingMode, reset: ResetMode) -> None:
    case = Case(machine=32, mode=mode, reset=reset, whole=False, shifts=FULL_SHIFTS)
    assert differs(case, FORMS[form]) is None


@pytest.mark.parametrize(("mode", "reset"), KINDS)
@pytest.mark.parametrize("form", FORMS)
def test_at_6_bits_the_whole_step_equals_the_definition(form: str, mode: RoundingMode, reset: ResetMode) -> None:
    assert differs(Case(machine=6, mode=mode, reset=reset, whole=True), FORMS[form]) is None


@pytest.mark.parametrize("mode", RoundingMode)
def test_rshift_equals_the_definition_at_32_bits_for_every_shift(mode: RoundingMode) -> None:
    z, n = z3.BitVecs("z n", 32)
    wide_z, wide_n = z3.SignExt(4, z), z3.SignExt(4, n)
    claim = z3.SignExt(4, rshift(Bits(z, 32), Bits(n, 32), rounding=mode).value) == divided(wide_z, wide_n, mode)
    shifts = z3.And(wide_n >= 0, wide_n <= 30)
    assert counterexample(claim, shifts, within(wide_z, 2**31 - 1 - half(wide_n, mode))) is None
    if mode is RoundingMode.NEAREST:  # its half counts: without it the sum wraps
        assert counterexample(claim, shifts, within(wide_z, 2**31 - 1)) is not None


def test_low_bits_of_a_product_are_the_product_of_the_low_bits() -> None:
    a, b = z3.BitVecs("a b", 20)
    low = [z3.Extract(9, 0, x) for x in (a, b)]
    assert counterexample(z3.Extract(9, 0, a * b) == low[0] * low[1]) is None


BROKEN_STEPS = {
    "> for >=": ("s = u >= k.theta", "s = u >= k.theta + 1"),
    "input before the shift": ("rshift(h * r, k.s1, rounding=k.rounding) + i", "rshift(h * r + i, k.s1, rounding=k.rounding)"),
    "u not saturated": (
        "saturate(rshift(h * r, k.s1, rounding=k.rounding) + i, k.state_limit)",
        "rshift(h * r, k.s1, rounding=k.rounding) + i",
    ),
    "clamp forgotten": ("u = u.clip(k.u_min, None)", "pass"),
}

BROKEN_FUNCTIONS = {
    "> for >=": (RoundingMode.TOWARD_ZERO, '"GreaterOrEqual"', '"Greater"'),
    "floor without its remainder": (RoundingMode.FLOOR, '[f"{output}_multiple", divisor]', "[value, divisor]"),
    "half always added": (RoundingMode.NEAREST, 'f"{output}_minus_half", f"half{which}"]', 'f"half{which}", f"half{which}"]'),
    "lower end of two's complement": (RoundingMode.TOWARD_ZERO, '("bottom", -limit)', '("bottom", -limit - 1)'),
}


@pytest.mark.parametrize("name", BROKEN_STEPS)
def test_a_broken_step_yields_a_counterexample(name: str) -> None:
    broken = mutant("qif_deploy.neuron.fixed_step", *BROKEN_STEPS[name]).fixed_step
    case = Case(machine=32, mode=RoundingMode.TOWARD_ZERO, reset=ResetMode.HARD, whole=False, shifts=FULL_SHIFTS)
    assert differs(case, lambda case: step_form(case, broken)) is not None


@pytest.mark.parametrize("name", BROKEN_FUNCTIONS)
def test_a_broken_onnx_function_yields_a_counterexample(name: str) -> None:
    mode, *texts = BROKEN_FUNCTIONS[name]
    broken = mutant("qif_export.onnx.neuron_function", *texts)
    case = Case(machine=6, mode=mode, reset=ResetMode.HARD, whole=True)
    assert differs(case, lambda case: onnx_form(case, broken)) is not None


@pytest.mark.parametrize("form", FORMS)
def test_without_the_range_proof_int32_is_not_enough(form: str) -> None:
    case = Case(machine=32, mode=RoundingMode.TOWARD_ZERO, reset=ResetMode.HARD, whole=False, shifts=FULL_SHIFTS, slack=1)
    assert differs(case, FORMS[form]) is not None


FLOATS = {"float32": (24, 8), "float16": (11, 5), "bfloat16": (8, 8)}


@pytest.mark.parametrize("name", FLOATS)
def test_every_integer_up_to_the_precision_is_held_exactly_and_the_next_is_not(name: str) -> None:
    """A sum or product whose exact value a float can hold is returned exactly: IEEE 754 rounds correctly. So this is what counts."""
    precision, exponent = FLOATS[name]
    n = z3.BitVec("n", precision + 3)
    there = z3.fpSignedToFP(z3.RNE(), n, z3.FPSort(exponent, precision))
    back = z3.fpToSBV(z3.RTZ(), there, z3.BitVecSort(precision + 3))
    assert counterexample(back == n, within(n, 2**precision), logic="QF_FPBV") is None
    assert counterexample(back == n, within(n, 2**precision + 1), logic="QF_FPBV") is not None


@pytest.mark.parametrize("operation", [z3.fpAdd, z3.fpMul], ids=["sum", "product"])
def test_sums_and_products_in_a_float_of_6_bits_are_exact_up_to_its_precision(operation: Any) -> None:
    """The same for the operations themselves, multiplied and added out by the solver."""
    precision, sort = 6, z3.FPSort(5, 6)
    codes = z3.BitVecs("x y", 16)
    x, y = (z3.fpSignedToFP(z3.RNE(), z3.Extract(7, 0, code), sort) for code in codes)
    exact = codes[0] + codes[1] if operation is z3.fpAdd else codes[0] * codes[1]
    claim = z3.SignExt(8, z3.fpToSBV(z3.RTZ(), operation(z3.RNE(), x, y), z3.BitVecSort(8))) == exact
    small = [within(code, 2**precision) for code in codes]
    assert counterexample(claim, *small, within(exact, 2**precision), logic="QF_FPBV") is None
    assert counterexample(claim, *small, within(exact, 2**precision + 1), logic="QF_FPBV") is not None
