"""Number formats and the exact way from floats to codes."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qif_deploy.errors import FormatError
from qif_deploy.fixedpoint import (
    BLOCK,
    NumberFormat,
    RoundingMode,
    above_codes,
    ceil_codes,
    rint_codes,
    rounding_terms,
    rshift,
    saturate,
    shift_for,
)
from tests.networks import LOIHI2

values = st.floats(-1e6, 1e6, allow_nan=False)
units = st.one_of(st.floats(1e-6, 1e3), st.integers(-20, 8).map(lambda n: 2.0**n), st.integers(1, 300).map(lambda n: n / 127))
on_grid = st.tuples(st.integers(-300, 300), units).map(lambda pair: (pair[0] * pair[1] / 2, pair[1]))


def quotient(value: float, unit: float) -> Fraction:
    return Fraction(value) / Fraction(unit)


@given(st.one_of(st.tuples(values, units), on_grid))
def test_codes_are_those_of_the_rationals(pair: tuple[float, float]) -> None:
    value, unit = pair
    exact = quotient(value, unit)
    assert int(rint_codes(np.array([value]), unit)[0]) == round(exact)
    assert int(ceil_codes(np.array([value]), unit)[0]) == math.ceil(exact)
    assert int(above_codes(np.array([value]), unit)[0]) == math.floor(exact) + 1


@given(values, units, st.integers(1, 49))
def test_the_value_of_a_code_is_an_exact_factor(value: float, unit: float, window: int) -> None:
    exact = quotient(value, unit) / window
    assert int(rint_codes(np.array([value]), unit, code_value=Fraction(1, window))[0]) == round(exact)


def test_a_threshold_on_the_grid_gets_its_own_code() -> None:
    # 3 * 0.1 / 0.1 is 3.0000000000000004 in float64: a plain ceil gives 4, the rationals of the two floats decide.
    for n in range(1, 400):
        for unit in (0.1, 1 / 127, 0.3 / 127, 2.0**-9):
            value = n * unit
            assert int(ceil_codes(np.array([value]), unit)[0]) == math.ceil(Fraction(value) / Fraction(unit))


def test_halves_go_to_even() -> None:
    np.testing.assert_array_equal(rint_codes(np.array([0.5, 1.5, 2.5, -0.5, -1.5]), 1.0), [0, 2, 2, 0, -2])


@given(st.integers(-(2**40), 2**40), st.integers(1, 2**30))
def test_saturating_is_symmetric_and_idempotent(z: int, limit: int) -> None:
    once = saturate(np.array([z, -z]), limit)
    assert once[0] == -once[1] == max(-limit, min(limit, z))
    np.testing.assert_array_equal(saturate(once, limit), once)


@given(st.fractions(0, 100), st.integers(1, 4096))
def test_the_largest_shift_that_fits(magnitude: Fraction, limit: int) -> None:
    shift = shift_for(magnitude, limit)
    assert shift == -1 or round(magnitude * 2**shift) <= limit
    assert shift == 30 or round(magnitude * 2 ** (shift + 1)) > limit


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_value_that_is_not_finite_is_refused(bad: float) -> None:
    with pytest.raises(FormatError, match="not finite"):
        rint_codes(np.array([bad]), 1.0)


def test_a_delta_that_is_too_small_is_refused() -> None:
    with pytest.raises(FormatError, match=r"beyond 2\*\*53"):
        rint_codes(np.array([1.0]), 1e-20)
    with pytest.raises(FormatError, match="not positive"):
        rint_codes(np.array([1.0]), 0.0)


@pytest.mark.parametrize(
    ("widths", "message"),
    [
        ({"weight_bits": 1}, "weight_bits 1 is outside 2..16"),
        ({"state_bits": 33}, "state_bits 33 is outside 3..32"),
        ({"product_bits": 20}, "product_bits 20 is below state_bits 24"),
        ({"coef_bits": 20}, "c2m \\* r\\^2 pass 62 bits"),
        ({"rounding": "floor"}, "is not a RoundingMode"),
    ],
)
def test_an_impossible_format_is_refused(widths: dict, message: str) -> None:
    fields = {"weight_bits": 8, "coef_bits": 12, "state_bits": 24, "product_bits": 32, "rounding": RoundingMode.FLOOR} | widths
    with pytest.raises(FormatError, match=message):
        NumberFormat(name="bad", **fields)


def test_limits_are_symmetric() -> None:
    assert (LOIHI2.weight_limit, LOIHI2.coef_limit, LOIHI2.state_limit, LOIHI2.product_limit) == (127, 4096, 2**23 - 1, 2**31 - 1)


@pytest.mark.parametrize("rounding", RoundingMode)
@pytest.mark.parametrize("bits", [0, 1, 3])
def test_rounding_terms_give_every_mode_in_one_form(rounding: RoundingMode, bits: int) -> None:
    codes = np.arange(-40, 41)
    offset, below_zero = rounding_terms(bits, rounding=rounding)
    one_form = (codes + offset + np.where(codes < 0, below_zero, 0)) >> bits
    assert np.array_equal(one_form, rshift(codes, bits, rounding=rounding))


@pytest.mark.parametrize("row", [3, BLOCK + 5])
def test_codes_of_more_values_than_a_block_are_those_of_each_row(row: int) -> None:
    """Rows that share a block, and rows of more than one."""
    weights = np.random.default_rng(0).normal(0, 40, (BLOCK // row + 2, row)).astype(np.float32)
    delta = np.random.default_rng(1).uniform(0.5, 2, (len(weights), 1))
    assert weights.size > BLOCK
    for codes_of in (rint_codes, ceil_codes, above_codes):
        found = codes_of(weights, delta)
        for n in (0, 1, len(weights) // 2, len(weights) - 1):
            assert np.array_equal(found[n], codes_of(weights[n], delta[n])), (codes_of, n)
