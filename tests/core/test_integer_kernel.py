"""The integer kernel for GPUs: conformance cases in Triton's interpreter, and on a device where there is one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from qif_deploy.simulate.compare import compare_traces
from qif_deploy.simulate.engine.batched import run_batched
from qif_deploy.simulate.reference import run_reference
from tests.conformance.cases import CASES

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def findings() -> dict[str, str | None]:
    pytest.importorskip("triton", reason="triton is not installed; torch's wheels bring it on Linux")
    environment = os.environ | {"TRITON_INTERPRET": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.core.integer_kernel_equality"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found: dict[str, str | None] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.timeout(400)  # seconds when the machine is idle
def test_the_interpreted_kernel_equals_the_reference(findings: dict[str, str | None]) -> None:
    assert {case: said for case, said in findings.items() if said is not None} == {}
    assert len(findings) == 13


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is at hand")
@pytest.mark.parametrize("case", CASES)
def test_the_device_equals_the_reference(case: str) -> None:
    graph = CASES[case].build()
    inputs = CASES[case].inputs(graph)
    assert compare_traces(run_reference(graph, inputs), run_batched(graph, inputs, device="cuda")).first_mismatch is None
