"""Whole networks and the proof have their properties; ``test_mutants`` shows that broken ones have them not."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from qif_deploy.analysis.fan_in import branch_ranges
from qif_deploy.analysis.range_proof import prove_ranges
from qif_deploy.analysis.reachable import reachable_ranges
from qif_deploy.simulate.reference import run_reference
from tests.numerics import network_oracle, network_properties


def test_the_reference_equals_nested_loops_on_random_networks() -> None:
    network_properties.networks_equal_oracle(run_reference)


def test_the_batched_engine_equals_the_reference_on_random_networks() -> None:
    pytest.importorskip("torch", reason="torch is not installed (extra 'train')")
    from qif_deploy.simulate.engine.batched import run_batched

    network_properties.backend_equals_reference(run_batched)


def test_no_run_of_a_random_network_leaves_its_proof() -> None:
    network_properties.proofs_hold_runs(prove_ranges)


def test_what_is_reachable_holds_every_run_for_a_fixed_and_for_any_number_of_steps() -> None:
    network_properties.iteration_is_sound(reachable_ranges)


def test_sums_over_the_fan_in_are_exact_at_every_position() -> None:
    network_properties.branch_sums_are_exact(branch_ranges)


def test_branches_of_one_signal_are_one_synapse() -> None:
    network_properties.joined_branches_are_exact(branch_ranges)


def test_the_network_oracle_imports_nothing_of_the_project() -> None:
    tree = ast.parse(Path(network_oracle.__file__).read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported == {"__future__", "typing", "tests.numerics"}
