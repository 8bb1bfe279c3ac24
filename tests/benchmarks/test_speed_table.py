"""The speed table runs: at small size here, so that a changed interface does not break it unseen; its figures are taken by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "run.py"


def test_rows_are_compared_before_they_are_timed_and_carry_a_verdict() -> None:
    pytest.importorskip("torch", reason="needs torch")
    pytest.importorskip("numba", reason="needs numba")
    chosen = [word for section in ("rates", "float", "counters") for word in ("--only", section)]
    command = [sys.executable, str(SCRIPT), "--small", "--network", "vggsnn", "--batches", "2", "--threads", "1", "--json", *chosen]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert len(rows) == 5
    assert all(row["ratio"] > 0 for row in rows)
    assert {row["verdict"] for row in rows if row["at_least"] is not None} <= {"MET", "MISSED"}
