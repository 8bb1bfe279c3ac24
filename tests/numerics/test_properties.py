"""The code as it stands has the properties; ``test_mutants`` shows that broken code has them not."""

from __future__ import annotations

import ast
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from qif_deploy.analysis.range_proof import step_ranges
from qif_deploy.fixedpoint import NumberFormat, RoundingMode, rshift
from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.neuron.fixed_step import fixed_step
from qif_deploy.neuron.params import ResetMode
from qif_deploy.passes.quantize import quantize_graph
from qif_deploy.simulate.reference import run_reference
from tests.numerics import oracle, properties
from tests.strategies import oracle_constants


def test_rshift_equals_the_oracle() -> None:
    properties.rshift_equals_oracle(rshift)


@pytest.mark.parametrize("mode", RoundingMode)
@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_rshift_equals_the_oracle_exhaustively_at_ten_bits(mode: RoundingMode, dtype: type) -> None:
    z = np.arange(-(2**9), 2**9, dtype=dtype)
    for n in range(12):
        expected = [oracle.rshift(int(v), n, mode.value) for v in z]
        np.testing.assert_array_equal(rshift(z, n, rounding=mode), expected)
        np.testing.assert_array_equal(rshift(z, np.full(z.shape, n, dtype), rounding=mode), expected)


def test_step_equals_the_oracle() -> None:
    properties.step_equals_oracle(fixed_step)


@pytest.mark.parametrize("mode", RoundingMode)
@pytest.mark.parametrize("reset_mode", ResetMode)
@pytest.mark.parametrize("s1", [0, 1])
def test_step_equals_the_oracle_exhaustively_at_four_bits(mode: RoundingMode, reset_mode: ResetMode, s1: int) -> None:
    """Every r and i of a state of four bits, on a grid of constants that is one channel each."""
    f = NumberFormat(name="four", weight_bits=2, coef_bits=2, state_bits=4, product_bits=8, rounding=mode)
    grid = np.array(list(product((-4, -1, 0, 3), (-4, 0, 3), (0, 1, 2), (1, 4)))).T
    zero = np.zeros(grid.shape[1], np.int64)
    k = FixedConstants(
        c2m=grid[0], c1m=grid[1], s2=grid[2], s1=s1, bias=zero, theta=grid[3], reset=zero - 1, r0=zero, reset_by=zero + 3,
        u_min=zero - 5 if s1 else None, reset_mode=reset_mode, number_format=f,
    )  # fmt: skip
    r, i = (axis.reshape(-1, 1) for axis in np.meshgrid(np.arange(-7, 8), np.arange(-14, 15)))
    found = fixed_step(r, i, k.laid_out(1))
    for c in range(k.channels):
        constant = oracle_constants(k, c)
        expected = [oracle.step(*pair, constant) for pair in zip(r.ravel().tolist(), i.ravel().tolist(), strict=True)]
        assert [tuple(row) for row in np.stack([found.u[:, c], found.s[:, c], found.r[:, c]], axis=1).tolist()] == expected


def test_step_equals_the_oracle_at_the_threshold() -> None:
    properties.step_meets_threshold(fixed_step)


def test_intervals_hold_every_reachable_value() -> None:
    properties.ranges_are_sound(step_ranges)


def test_intervals_are_no_wider_than_a_rounding() -> None:
    properties.ranges_are_tight(step_ranges)


def test_reference_equals_the_oracle_with_two_branches() -> None:
    properties.reference_equals_oracle(run_reference)


def test_readout_codes_of_all_classes_compare() -> None:
    properties.readout_classes_compare(quantize_graph)


def test_the_oracle_imports_nothing_of_the_project() -> None:
    tree = ast.parse(Path(oracle.__file__).read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "." for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported <= set(sys.stdlib_module_names)
