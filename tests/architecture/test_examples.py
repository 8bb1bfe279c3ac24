"""Every example runs, in order, as a user would run it: with the public API only and below 80 lines."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "examples").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_short_and_uses_only_the_public_interface(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) < 80
    imported = [node.module for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)]
    imported += [alias.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import) for alias in node.names]
    assert [name for name in imported if name.startswith("qif_") and name != "qif_deploy"] == []


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_examples_run_one_after_the_other(tmp_path: Path) -> None:
    for package in ("torch", "lightning", "sklearn", "nir", "onnxruntime"):
        pytest.importorskip(package, reason=f"{package} is not installed (extra 'all')")
    for path in EXAMPLES:
        done = subprocess.run([sys.executable, str(path)], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, f"{path.name}: {done.stderr}"
        assert done.stdout.strip(), path.name
