"""The golden vectors: what was true stays true, on every backend."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from qif_deploy.simulate.compare import compare_traces
from qif_deploy.simulate.reference import run_reference
from qif_deploy.simulate.trace import Trace
from tests.networks import random_inputs
from tests.numerics.golden.make import FOLDER, SUMS, cases

GRAPHS = cases()


def test_the_files_and_the_networks_are_those_that_were_reviewed() -> None:
    listed = dict(reversed(line.split()) for line in SUMS.read_text().splitlines())
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in FOLDER.glob("*.npz")}
    assert found | {name: graph.content_hash for name, graph in GRAPHS.items()} == listed


@pytest.mark.parametrize("name", GRAPHS)
def test_reference_gives_the_golden_vectors(name: str) -> None:
    golden = Trace.load(FOLDER / f"{name}.npz")
    assert all(count > 0 for count in golden.spikes().values())
    for key, codes in random_inputs(GRAPHS[name], samples=4, seed=21).items():
        np.testing.assert_array_equal(golden.inputs[key], codes)
    assert compare_traces(golden, run_reference(GRAPHS[name], golden.inputs)).first_mismatch is None


@pytest.mark.parametrize("name", GRAPHS)
def test_the_batched_engine_gives_the_golden_vectors(name: str) -> None:
    pytest.importorskip("torch", reason="torch is not installed (extra 'train')")
    from qif_deploy.simulate.engine.batched import run_batched

    golden = Trace.load(FOLDER / f"{name}.npz")
    assert compare_traces(golden, run_batched(GRAPHS[name], golden.inputs)).first_mismatch is None
