"""Lava and Loihi 2 on the command line: one line where Lava is missing, and the hand-off bundle."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from qif_deploy.simulate.reference import run_reference
from qif_deploy.simulate.trace import Trace
from tests.core.cli_runner import assert_one_line, cli
from tests.core.conftest import Artefacts


def test_run_on_lava_says_in_one_line_how_to_get_it(tiny: Artefacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    monkeypatch.setattr(sys, "version_info", (3, 10, 13, "final", 0))
    result = cli("run", tiny.network, "--backend", "lava", "--input", tiny.codes, "--out", tmp_path / "v.npz")
    assert_one_line(result, "'lava-nc' is not installed", "pip install 'qif-deploy[lava]'")
    assert list(tmp_path.iterdir()) == []


def test_the_bundle_is_written_once_and_checks_itself(tiny: Artefacts, tmp_path: Path) -> None:
    words = ("export", tiny.network, "--to", "loihi2-bundle", "--out", tmp_path / "bundle")
    result = cli(*words, "--input", tiny.codes, "--json")
    assert result.code == 0
    assert result.json["silicon"] == "nothing of this has run on silicon"
    assert min(result.json["spikes"].values()) > 0
    bundle = json.loads((tmp_path / "bundle" / "bundle.json").read_text())
    assert set(bundle["files"]) | {"bundle.json"} == {path.name for path in (tmp_path / "bundle").iterdir()} == set(result.json["files"])
    done = subprocess.run([sys.executable, "-I", tmp_path / "bundle" / "compare.py"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "6 of 10 arrays computed by the operation lists, all equal")
    assert_one_line(cli(*words), "cannot write bundle", "no empty folder")
    assert_one_line(cli("export", tiny.network, "--to", "onnx", "--input", tiny.codes), "--input", "--to loihi2-bundle")


def test_the_time_limit_is_handed_on(tiny: Artefacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = []

    def run_in_its_place(graph: Any, inputs: Any, *, time_limit_s: float, progress: Any) -> Trace:
        limits.append(time_limit_s)
        return run_reference(graph, inputs)

    monkeypatch.setattr("qif_hardware.lava.run.run_lava", run_in_its_place)
    for flags in (("--time-limit", 60), ()):
        for verb in ("run", "verify"):
            words = (verb, tiny.network, "--input", tiny.codes, "--backend", "lava", *flags, "-q")
            assert cli(*words, "--out", tmp_path / ("v.npz" if verb == "run" else "v.json")).code == 0
    assert limits == [60, 60, 300, 300]
