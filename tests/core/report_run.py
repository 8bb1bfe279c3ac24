"""One run folder with every file of the tiny network, made once by the verbs; and copies of it to damage."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.core.cli_runner import cli

if TYPE_CHECKING:
    from tests.core.conftest import Artefacts

Damage = Callable[[dict[str, Any]], None]
SAMPLES = 40


@pytest.fixture(scope="session")
def made_run(tiny: Artefacts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files as the verbs write them; nobody writes into it."""
    for package in ("plotly", "jinja2"):
        pytest.importorskip(package)
    folder = tmp_path_factory.mktemp("made") / "small run"
    folder.mkdir()
    for path in (tiny.model, tiny.network, tiny.model.parent / "metrics.json"):
        shutil.copy(path, folder)
    codes, model, network = folder.parent / "codes.npy", folder / "model.safetensors", folder / "net.nir"
    np.save(codes, np.random.default_rng(0).integers(0, 17, (SAMPLES, 1, 8, 8)))
    for words in (
        ("run", network, "--input", codes),
        ("diff", model, network, "--samples", SAMPLES),
        ("verify", network, "--samples", SAMPLES, "--backend", "batched", "--backend", "onnx"),
        ("map", network, "--samples", SAMPLES),
        ("energy", network, "--samples", SAMPLES),
    ):
        result = cli(*words, "--quiet")
        assert result.code == 0, result
    return folder


@pytest.fixture
def run_copy(made_run: Path, tmp_path: Path) -> Path:
    """The run folder again, to be damaged."""
    return Path(shutil.copytree(made_run, tmp_path / "copy"))


def damage(path: Path, change: Damage) -> None:
    """Change the object of a JSON file."""
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))
