"""Every topology, length, reset and rounding on Lava, all arrays equal to the reference; 32 streamed samples, spikes everywhere.

The full product in the in-process executor, a pairwise subset through the normal runtime. The full product through it:
``python -m tests.hardware.lava_batch process both``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import combinations as pairs_of
from itertools import product
from pathlib import Path

import pytest

from qif_deploy.fixedpoint import RoundingMode
from qif_deploy.neuron.params import ResetMode
from qif_hardware.lava.executor_kind import Executor
from qif_hardware.lava.process_group import end_group
from tests.hardware.lava_marks import NEEDS_LAVA
from tests.hardware.lava_networks import NETWORKS, STEPS, Combination, combinations, pairwise_subset

ROOT = Path(__file__).resolve().parents[2]


def assert_exact(executor: Executor, cells: list[Combination]) -> None:
    """Run the cells in one fresh interpreter and end what it leaves."""
    command = [sys.executable, "-m", "tests.hardware.lava_batch", executor.value, "alternating", *map(str, cells)]
    env = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as run:
        try:
            out, err = run.communicate(timeout=100)
        finally:
            end_group(run.pid, grace_s=1)
    results = [json.loads(line) for line in out.splitlines()]
    assert [r for r in results[:-1] if r["exact"] is not True] == []
    assert (run.returncode, results[-1:]) == (0, [{"runs": len(cells), "exact": len(cells)}]), err[-2000:]


def test_the_pairwise_subset_holds_every_pair_of_values():
    found = set().union(*(set(pairs_of((c.network, c.steps, c.reset_mode, c.rounding), 2)) for c in pairwise_subset()))
    factors = (tuple(NETWORKS), STEPS, tuple(ResetMode), tuple(RoundingMode))
    assert found == set().union(*(set(product(a, b)) for a, b in pairs_of(factors, 2)))
    assert len(pairwise_subset()) == 15
    assert len(list(combinations())) == 90


@pytest.mark.parametrize("part", [pytest.param(n, marks=NEEDS_LAVA) for n in range(2)])
def test_the_full_product_is_exact_in_process(part):
    assert_exact(Executor.IN_PROCESS, list(combinations())[part::2])


@pytest.mark.parametrize("part", [pytest.param(n, marks=NEEDS_LAVA) for n in range(2)])
def test_a_pairwise_subset_is_exact_in_the_normal_runtime(part):
    assert_exact(Executor.PROCESS, pairwise_subset()[part::2])
