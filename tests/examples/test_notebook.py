"""The notebook is stored without what a run leaves behind, uses public names alone, and runs from top to bottom."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from tests.examples.test_examples import FOLDER, private_names

NOTEBOOK = FOLDER / "quickstart.ipynb"
CODE = [cell for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
FIGURES = 5


def test_nothing_of_a_run_is_stored() -> None:
    assert [cell["id"] for cell in CODE if cell["outputs"] or cell["execution_count"] is not None] == []
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert re.findall(r"(?<![\w.:/])(?:/home|/tmp|/work|/Users|[A-Z]:\\)[^\s\"']*", text) == []
    assert set(json.loads(text)["metadata"]) == {"kernelspec", "language_info"}


def test_only_public_names_are_used() -> None:
    assert [name for cell in CODE for name in private_names("".join(cell["source"]))] == []


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:(zmq|jupyter_client|nbclient|nbformat|traitlets)")
def test_it_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("torch", "lightning", "sklearn", "onnxruntime", "matplotlib"):
        pytest.importorskip(package)
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    for variable in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):  # nothing of the user's own set-up, and nothing into it
        monkeypatch.setenv(variable, os.fspath(tmp_path / variable.lower()))
    work = tmp_path / "work"
    work.mkdir()
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(notebook, timeout=500, kernel_name="python3", resources={"metadata": {"path": os.fspath(work)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert [output["text"] for output in outputs if output.get("name") == "stderr"] == []
    assert sum("image/png" in output.get("data", {}) for output in outputs) == FIGURES
    printed = "".join(output["text"] for output in outputs if output.get("name") == "stdout")
    assert printed.count("exact = True") == 3
    assert "verdict: ok" in printed
    assert "verdict: rounding" in printed
    assert [path.name for path in work.iterdir()] == ["runs"]
