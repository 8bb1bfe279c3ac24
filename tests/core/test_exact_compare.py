"""Products of floats compared exactly, and the codes that rest on it: against rationals, on the jumps of the rounding above all."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qif_deploy import fixedpoint
from qif_deploy.exact_compare import LARGEST, SMALLEST, comparable, is_exact_product, product_order
from qif_deploy.fixedpoint import above_codes, ceil_codes, rint_codes

wide = st.floats(SMALLEST, LARGEST).flatmap(lambda x: st.sampled_from((x, -x, 0.0)))
near_one = st.integers(-64, 64).map(lambda n: 1 + n * 2.0**-52)
odd = st.integers(-(2**53), 2**53).map(float)
factor = st.one_of(wide, near_one, odd)


def exact_sign(a: float, b: float, c: float, d: float) -> int:
    difference = Fraction(a) * Fraction(b) - Fraction(c) * Fraction(d)
    return (difference > 0) - (difference < 0)


@given(factor, factor, factor, factor)
def test_the_order_of_two_products_is_that_of_the_rationals(a: float, b: float, c: float, d: float) -> None:
    assert product_order(np.array([a]), b, c, d)[0] == exact_sign(a, b, c, d)


@given(factor, factor, st.integers(-2, 2))
def test_products_that_differ_in_their_last_bits_are_told_apart(a: float, b: float, ulps: int) -> None:
    other = b * (1 + ulps * 2.0**-52)  # a product of nearly the same value, often of the same float
    assert product_order(np.array([a]), b, np.array([a]), other)[0] == exact_sign(a, b, a, other)
    assert product_order(np.array([a]), b, np.array([b]), a)[0] == 0


@given(factor, factor)
def test_an_exact_product_is_known(a: float, b: float) -> None:
    assert bool(is_exact_product(np.array([a]), b)[0]) == (Fraction(a * b) == Fraction(a) * Fraction(b))


def test_what_leaves_the_exponents_is_not_comparable() -> None:
    np.testing.assert_array_equal(
        comparable(np.array([0.0, 1.0, LARGEST, LARGEST * 2, SMALLEST / 2, np.inf, np.nan]), 1.0), [1, 1, 1, 0, 0, 0, 0]
    )


scales = st.one_of(
    st.just(Fraction(1)), st.integers(1, 64).map(lambda n: Fraction(1, n)), st.sampled_from([1 / 255, 0.1, 1 / 16]).map(Fraction),
    st.sampled_from([Fraction(1 / 255) / 9, Fraction(1, 3**40), Fraction(2**60 + 1, 7)]),
)  # fmt: skip


@given(
    st.lists(st.integers(-200, 200), min_size=1, max_size=8),
    st.one_of(st.floats(1e-8, 1e3), st.floats(1e-300, 1e-200), st.integers(1, 300).map(lambda n: n / 127)),
    scales,
    st.integers(-3, 3),
)
def test_codes_on_and_beside_the_jumps_are_those_of_the_rationals(halves: list[int], unit: float, scale: Fraction, ulps: int) -> None:
    # values whose quotient is a half-integer but for the rounding of this product, a few last places to either side
    values = np.array([float(Fraction(h, 2) * Fraction(unit) / scale) * (1 + ulps * 2.0**-53) for h in halves])
    exact = [Fraction(v) * scale / Fraction(unit) for v in values]
    np.testing.assert_array_equal(rint_codes(values, unit, code_value=scale), [round(q) for q in exact])
    whole = [Fraction(v) / Fraction(unit) for v in values]
    if max(map(abs, whole)) < 2**53:
        np.testing.assert_array_equal(ceil_codes(values, unit), [math.ceil(q) for q in whole])
        np.testing.assert_array_equal(above_codes(values, unit), [math.floor(q) + 1 for q in whole])


def test_a_layer_of_halves_needs_no_rationals(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(value: Fraction) -> int:
        raise AssertionError(f"{value} went to the rationals")

    expected = rint_codes(np.arange(-255, 256) / 2, 1.0)
    monkeypatch.setattr(fixedpoint, "_RATIONAL", dict.fromkeys(fixedpoint._RATIONAL, refuse))
    unit = np.array([[0.1], [1 / 3], [2.0**-7]])
    codes = rint_codes(np.arange(-255, 256) / 2 * unit, unit)
    np.testing.assert_array_equal(codes[2], expected)
    assert np.abs(codes - np.arange(-255, 256) / 2).max() <= 0.5 + 1e-9


def test_blocks_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    values, unit = rng.normal(size=(37, 11)), rng.uniform(0.01, 0.1, (37, 1))
    whole = rint_codes(values, unit)
    monkeypatch.setattr(fixedpoint, "BLOCK", 25)
    np.testing.assert_array_equal(rint_codes(values, unit), whole)
    np.testing.assert_array_equal(
        rint_codes(values.astype(np.float32), unit), rint_codes(values.astype(np.float32).astype(np.float64), unit)
    )
