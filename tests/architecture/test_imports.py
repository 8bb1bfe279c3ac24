"""The house rules that a machine can check: import directions, light import, public names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import qif_deploy

ROOT = Path(__file__).resolve().parents[2]


def test_import_contracts_hold() -> None:
    pytest.importorskip("importlinter", reason="import-linter is not installed (development group)")
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


HEAVY = ("torch", "onnx", "onnxruntime", "nir", "h5py", "lava", "numpy", "sklearn")


def test_importing_the_package_and_the_command_line_stays_light() -> None:
    script = f"import sys, qif_deploy, qif_deploy.cli; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_public_names_are_exactly_all() -> None:
    assert sorted(qif_deploy.__all__) == sorted(qif_deploy._HOMES)
    assert dir(qif_deploy) == sorted(qif_deploy.__all__)
    assert all(getattr(qif_deploy, name) is not None for name in qif_deploy.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = qif_deploy.nothing


def test_a_verb_is_never_hidden_by_a_module_of_its_name() -> None:
    verbs = {"demo", "train", "convert", "quantize", "check", "run", "diff", "verify", "export", "map", "energy", "report", "targets"}
    modules = {path.stem for path in (ROOT / "qif_deploy").iterdir() if not path.name.startswith("_")}
    assert not verbs & modules


def test_source_roots_hold_no_module_of_their_own() -> None:
    assert not list((ROOT / "hardware").glob("*.py"))
    assert not list((ROOT / "export").glob("*.py"))


def test_no_lock_file_and_no_registry_address_is_tracked() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("this is not a git checkout")
    names = listed.stdout.split()
    assert not [name for name in names if name.endswith((".lock", "package-lock.json"))]
    pins = (ROOT / "constraints.txt").read_text()
    assert "://" not in pins
    assert [line for line in pins.splitlines() if line not in (ROOT / "pyproject.toml").read_text()] == []
