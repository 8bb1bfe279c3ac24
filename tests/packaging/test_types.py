"""The installed wheel is typed: a checker that sees only the installation knows the signatures and rejects wrong calls."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.packaging.conftest import Built

PROGRAM = """
import qif_deploy
from qif_export.export_report import ExportReport
from qif_hardware.target import load_target

reveal_type(qif_deploy.quantize)
reveal_type(load_target("loihi2").number_format.weight_bits)
reveal_type(ExportReport)
qif_deploy.NumberFormat(weight_bits="eight")
"""


def test_a_type_checker_sees_the_types_of_the_wheel(built: Built, tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="mypy is not installed (development group)")
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    (site,) = environment.glob("lib/python3.*/site-packages")
    with zipfile.ZipFile(built.wheel) as wheel:
        wheel.extractall(site)
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, "-m", "mypy", "--strict", "--python-executable", str(environment / "bin/python"), "--cache-dir=/dev/null"]
    done = subprocess.run([*command, "program.py"], cwd=tmp_path, capture_output=True, text=True)
    revealed = [line for line in done.stdout.splitlines() if "note: Revealed type" in line]
    errors = [line for line in done.stdout.splitlines() if "error:" in line]
    assert len(revealed) == 3, done.stdout + done.stderr
    assert "QuantizeOutcome" in revealed[0]
    assert revealed[1].endswith('"int"') or "builtins.int" in revealed[1]
    assert "ExportReport" in revealed[2]
    assert errors, done.stdout
    assert all("NumberFormat" in line and "program.py:9" in line for line in errors), done.stdout
