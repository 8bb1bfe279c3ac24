"""The code as it stands has the properties; ``test_mutants`` shows that broken code has them not."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import numpy as np
import pytest

from qif_deploy.analysis.range_proof import step_ranges
from qif_deploy.fixedpoint import RoundingMode, rshift
from qif_deploy.neuron.fixed_step import fixed_step
from qif_deploy.passes.quantize import quantize_graph
from qif_deploy.simulate.reference import run_reference
from tests.numerics import oracle, properties


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
