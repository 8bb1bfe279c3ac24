"""One small trained network for all tests of the command line, made by the command line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.core.cli_runner import cli, contents
from tests.core.report_run import made_run, run_copy  # noqa: F401  # fixtures
from tests.core.wrong_files import write_wrong_files

RECIPE = """
name = "tiny"
dataset = "digits"
seed = 0
steps = 3
channels = [2, 3]
hidden = 8
detach_reset = true
alpha = 1.25
window = 0.5
loss = "mean"
label_smoothing = 0.0
epochs = 1
batch_size = 64
learning_rate = 0.01
weight_decay = 0.1
shift_pixels = 0

[neuron]
form = "fixed_points"
a = 0.25
u_rest = 0.0
u_crit = 0.5
theta = 1.0
"""

STEPS, SAMPLES = 3, 34


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefacts:
    """Files of the tiny network and what the verbs said when they made them. Read only: results go elsewhere by ``--out``."""

    folder: Path
    recipe: Path
    model: Path
    network: Path
    onnx: Path
    codes: Path
    said: dict[str, Any]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Artefacts:
    for package in ("torch", "lightning", "safetensors", "sklearn", "nir", "onnx", "onnxruntime"):
        pytest.importorskip(package)
    folder = tmp_path_factory.mktemp("tiny")
    recipe, codes = folder / "tiny.toml", folder / "codes.npy"
    recipe.write_text(RECIPE)
    np.save(codes, np.random.default_rng(0).integers(0, 17, (STEPS, SAMPLES, 1, 8, 8)))
    model, network, onnx = folder / "model.safetensors", folder / "net.nir", folder / "net.onnx"
    said = {}
    for verb, arguments in (
        ("train", ("--recipe", recipe, "--out", folder)),
        ("quantize", (model,)),
        ("export", (network, "--to", "onnx")),
    ):
        result = cli(verb, *arguments, "--json")
        assert result.code == 0, result
        said[verb] = result.json
    return Artefacts(folder=folder, recipe=recipe, model=model, network=network, onnx=onnx, codes=codes, said=said)


@pytest.fixture(scope="session")
def wrong(tiny: Artefacts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wrong")
    write_wrong_files(folder, {"nir": tiny.network, "safetensors": tiny.model, "onnx": tiny.onnx, "npy": tiny.codes})
    return folder


@pytest.fixture
def place(tiny: Artefacts, wrong: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder to work in, that has to be empty afterwards; the files read have to be as they were."""
    monkeypatch.chdir(tmp_path)
    before = contents(tiny.folder), contents(wrong)
    yield tmp_path
    assert contents(tmp_path) == {}
    assert (contents(tiny.folder), contents(wrong)) == before


def words_of(tiny: Artefacts, wrong: Path, line: str) -> list[str]:
    """Split a command line; names in capitals are the good files, ``wrong/`` is the folder of bad ones."""
    names = {"NET": tiny.network, "MODEL": tiny.model, "ONNX": tiny.onnx, "CODES": tiny.codes, "RECIPE": tiny.recipe}
    return [str(names.get(word, word)).replace("wrong/", f"{wrong}/") for word in line.split()]
