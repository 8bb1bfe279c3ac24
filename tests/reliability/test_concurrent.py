"""Ten commands at once on one folder; ``python -m tests.reliability.concurrent`` runs dearer ones, more often."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.reliability.writers import ROOT

for package in ("torch", "safetensors", "h5py", "nir"):
    pytest.importorskip(package)

SCRIPT = "import json; from tests.reliability.concurrent import CHEAP, rounds; print(json.dumps(rounds(2, CHEAP)))"


def test_every_file_is_whole_and_one_of_those_that_its_commands_write_alone() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, cwd=ROOT, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert found["commands"] == 10
    assert set(found["files"]) == {"vectors.npz", "net.net", "result.json"}
