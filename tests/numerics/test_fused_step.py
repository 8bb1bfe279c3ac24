"""The compiled kernel against the step: by properties, exhaustively at small widths, and by mutants of its own."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from qif_deploy.fixedpoint import NumberFormat, RoundingMode, rounding_terms
from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.neuron.fixed_step import fixed_step
from qif_deploy.neuron.params import ResetMode
from qif_deploy.neuron.saturation import saturations
from qif_deploy.simulate.engine.fused_constants import fused_constants
from qif_deploy.simulate.engine.neuron_kernel import population_pass
from qif_deploy.simulate.engine.signal_kernel import pool_pass
from qif_deploy.simulate.synapses import sum_pool2d
from tests.numerics import fused, oracle
from tests.numerics.mutate import mutant

SMALL = NumberFormat(name="small", weight_bits=4, coef_bits=4, state_bits=5, product_bits=32, rounding=RoundingMode.FLOOR)


def test_the_compiled_kernel_equals_the_oracle() -> None:
    run = fused.fused_run(population_pass, fused_constants)
    fused.run_equals_oracle(run)
    fused.run_meets_threshold(run)


@pytest.mark.parametrize("mode", RoundingMode)
def test_rounding_terms_are_rshift_exhaustively_at_ten_bits(mode: RoundingMode) -> None:
    for n in range(12):
        offset, below_zero = rounding_terms(n, rounding=mode)
        in_array = rounding_terms(np.array([n]), rounding=mode)
        assert (offset, below_zero) == (in_array[0][0], in_array[1][0])
        for z in range(-(2**9), 2**9):
            assert (z + offset + (below_zero if z < 0 else 0)) >> n == oracle.rshift(z, n, mode.value)


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
@pytest.mark.parametrize("mode", RoundingMode)
def test_every_state_and_current_of_five_bits_takes_the_same_step(mode: RoundingMode, dtype: type) -> None:
    """All r0 below theta as channels, all currents as positions, then a second step that shows what the first has left."""
    fmt = replace(SMALL, rounding=mode)
    states = np.arange(-15, 15)
    currents = np.arange(-33, 34)
    sums = np.zeros((1, 2, len(currents), len(states)), np.float32)
    sums[0, 0], sums[0, 1] = currents[:, None], 3
    compared = 0
    for (c2m, c1m, s2, s1), reset_mode, clamped, spiking in itertools.product(
        ((5, 3, 2, 2), (-7, 16, 1, 3), (0, 13, 0, 4), (16, -16, 0, 0), (3, -9, 3, 1)), ResetMode, (False, True), (False, True)
    ):
        k = _small(states, c2m=c2m, c1m=c1m, s2=s2, s1=s1, reset_mode=reset_mode, clamped=clamped, spiking=spiking, fmt=fmt)
        f = fused_constants(k, dtype)
        s, u, i = np.empty(sums.shape, np.uint8), np.empty(sums.shape, np.int32), np.empty(sums.shape, dtype)
        rates, counts = np.zeros((1, len(currents)), np.int64), np.zeros((2, 1), np.int64)
        population_pass(
            sums, None, None, None, (0, 0, 0), f.table, f.scalars, 0, len(currents), s, rates, counts[0], counts[1], i, u
        )  # fmt: skip
        r, laid_out, clipped = np.broadcast_to(k.r0, s[0, 0].shape), k.laid_out(1), 0
        for t in range(2):
            arriving = sums[0, t].astype(np.int64) + k.bias
            clipped += int(saturations(r, arriving, laid_out).sum())
            step = fixed_step(r, arriving, laid_out)
            np.testing.assert_array_equal(u[0, t], step.u)
            np.testing.assert_array_equal(s[0, t], step.s)
            r = step.r
            compared += step.u.size
        assert counts[1, 0] == clipped
        np.testing.assert_array_equal(rates, s.sum(axis=(1, 3)))
    assert compared == 5 * 2 * 2 * 2 * 2 * 30 * 67


def _small(states: np.ndarray, *, clamped: bool, spiking: bool, fmt: NumberFormat, **codes: object) -> FixedConstants:
    def all_channels(value: int) -> np.ndarray:
        return np.full(states.shape, value)

    theta = np.maximum(states + 1, np.where(states % 2 == 0, 15, 4))
    arrays = {name: all_channels(int(codes.pop(name))) for name in ("c2m", "c1m", "s2")}  # type: ignore[call-overload]
    return FixedConstants(
        **arrays,
        **codes,  # type: ignore[arg-type]
        bias=all_channels(1),
        theta=theta if spiking else None,
        reset=all_channels(-3),
        r0=states,
        reset_by=theta,
        u_min=all_channels(-7) if clamped else None,
        number_format=fmt,
    )


def test_branches_shift_and_add_and_a_direct_branch_weighs_its_codes() -> None:
    rng = np.random.default_rng(0)
    k = replace(_small(np.full(6, -3), c2m=0, c1m=0, s2=0, s1=0, reset_mode=ResetMode.HARD, clamped=False, spiking=True, fmt=SMALL))
    shape = (3, 4, 5, 6)
    held = (3, 1, 5, 6)
    sums, more = rng.integers(-9, 9, shape).astype(np.float32), rng.integers(-9, 9, held).astype(np.float32)
    direct, weight = rng.integers(0, 4, shape).astype(np.uint8), rng.integers(-3, 4, 6).astype(np.int32)
    f = fused_constants(k, np.int32)
    s, u, i = np.empty(shape, np.uint8), np.empty(shape, np.int32), np.empty(shape, np.int32)
    rates, counts = np.zeros((3, 5), np.int64), np.zeros((2, 3), np.int64)
    for first, last in ((0, 2), (2, 5)):
        population_pass(
            sums, more, direct, weight, (2, 0, 1), f.table, f.scalars, first, last, s, rates, counts[0], counts[1], i, u
        )  # fmt: skip
    current = sums.astype(np.int64) * 4 + more.astype(np.int64) + direct.astype(np.int64) * weight * 2
    np.testing.assert_array_equal(i, current + 1)
    np.testing.assert_array_equal(counts[0], (current != 0).sum(axis=(1, 2, 3)))


def test_pools_add_windows() -> None:
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 2, (3, 7, 9, 4)).astype(np.uint8)
    for kernel, stride in (((2, 2), (2, 2)), ((3, 2), (1, 3)), ((7, 9), (1, 1))):
        expected = sum_pool2d(codes.astype(np.int64).transpose(0, 3, 1, 2), kernel, stride).transpose(0, 2, 3, 1)
        for dtype in (np.uint8, np.int64):
            found = np.empty(expected.shape, dtype)
            pool_pass(codes, found, kernel, stride)
            np.testing.assert_array_equal(found, expected)


def _constants(old: str, new: str) -> fused.Run:
    return fused.fused_run(fused.plain_kernel(), mutant(fused.CONSTANTS, old, new).fused_constants)


def _kernel(old: str, new: str) -> fused.Run:
    return fused.fused_run(fused.plain_kernel(old, new), fused_constants)


MUTANTS: dict[str, Callable[[], fused.Run]] = {
    "> for >=": lambda: _constants("k.theta - 1", "k.theta"),
    "fires without a threshold": lambda: _constants("limit * same if k.theta", "(limit - 1) * same if k.theta"),
    "rounding: terms of another mode": lambda: _constants("rounding_terms(k.s1, rounding=mode)", "(0, 0)"),
    "shifts exchanged": lambda: _constants('"s1": k.s1', '"s1": int(k.s2[0])'),
    "clamp forgotten": lambda: _constants("else k.u_min", "else -limit * same"),
    "two's complement limit": lambda: _constants('"limit": limit', '"limit": limit + 1'),
    "subtract becomes hard": lambda: _constants("0 if hard else -1", "0"),
    "adds for subtracts": lambda: _constants("else -k.reset_by", "else k.reset_by"),
    "half rounds up below zero too": lambda: _kernel("add(add(z, offset2[c]), both(right(z, sign), below_zero2[c]))", "add(z, offset2[c])"),
    "first shift off by one": lambda: _kernel("right(z, s2[c])", "right(z, s2[c] + 1)"),
    "h not saturated": lambda: _kernel("h = min(max(wide, bottom), limit)", "h = wide"),
    "wrap for saturate": lambda: _kernel("u = min(u, limit)", "u = (free + limit) % (2 * limit + 1) - limit"),
    "reset not applied": lambda: _kernel("r[c] = after if s else u", "r[c] = u"),
    "reset before compare": lambda: _kernel("s = u > below[c]", "s = after > below[c]"),
    "state kept over samples and positions": lambda: _kernel("r[:] = r0", "r[:] = r0 * 0"),
    "bias forgotten": lambda: _kernel("i = add(current, bias[c])", "i = current"),
    "clamp one lower where nothing saturates": lambda: _kernel("u = max(free, low[c])", "u = max(free, low[c] - (saturated is None))"),
    "saturation of u not counted": lambda: _kernel("like((free > limit) | (free < bottom), none)", "none"),
}


def test_the_kernel_as_plain_python_has_the_properties() -> None:
    run = fused.fused_run(fused.plain_kernel(), fused_constants)
    fused.run_equals_oracle(run)
    fused.run_meets_threshold(run)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_kernel_is_caught(name: str) -> None:
    run = MUTANTS[name]()
    with pytest.raises(AssertionError):
        _has_both_properties(run)


def _has_both_properties(run: fused.Run) -> None:
    fused.run_equals_oracle(run)
    fused.run_meets_threshold(run)
