"""The example scripts run in their order, as a reader starts them, use public names alone, and stay short."""

from __future__ import annotations

import ast
import runpy
import sys
from pathlib import Path

import pytest

import qif_deploy

FOLDER = Path(__file__).resolve().parents[2] / "examples"
SCRIPTS = sorted(FOLDER.glob("*.py"))
MOST_LINES = 80
SAID = {
    "01_train_quantize_verify": ["trained:", "verified:  batched  exact = True", "verified:  onnx     exact = True"],
    "02_bring_a_nir_file": ["time steps of snntorch", "every membrane of every step is equal"],
    "03_find_the_damage": ["verdict rounding", "verdict damage", "found: qif2, threshold, channels [2]"],
    "04_honest_energy": ["not priced: input_output", "twins under cmos45-int", "ann_int8"],
    "05_map_and_hand_over": ["loihi2-lava: fits", "net.onnx", "all equal"],
}


def test_there_are_five_and_the_readme_names_each() -> None:
    told = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert [path.stem for path in SCRIPTS] == list(SAID)
    assert [path.name for path in (*SCRIPTS, FOLDER / "quickstart.ipynb") if f"`{path.name}`" not in told] == []


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_an_example_is_short_and_public(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) < MOST_LINES
    used = private_names(source)
    assert used == [], f"{path.name} reaches behind the public API"


def test_a_private_import_is_noticed() -> None:
    assert private_names("import qif_deploy\nfrom qif_deploy.api import files\nqif_deploy.secret") == ["qif_deploy.api", "secret"]


def private_names(source: str) -> list[str]:
    """What a script takes from the project beside ``qif_deploy.__all__``."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                found += [name.name for name in names if name.name.startswith("qif_") and name.name != "qif_deploy"]
            case ast.ImportFrom(module=str() as module) if module.startswith("qif_"):
                found.append(module)
            case ast.Attribute(value=ast.Name(id="qif_deploy"), attr=name) if name not in qif_deploy.__all__:
                found.append(name)
            case _:
                pass
    return found


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_examples_run_one_after_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for package in ("torch", "lightning", "nir", "onnxruntime"):
        pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    for path in SCRIPTS:
        monkeypatch.setattr(sys, "argv", [str(path)])
        runpy.run_path(str(path), run_name="__main__")
        printed = capsys.readouterr().out
        assert [text for text in SAID[path.stem] if text not in printed] == [], f"{path.name} printed\n{printed}"
    assert {path.name for path in tmp_path.iterdir()} == {"runs"}, "everything is written below runs/"
