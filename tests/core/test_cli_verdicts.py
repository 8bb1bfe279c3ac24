"""Verify, run and demo where a backend agrees, differs, breaks or sees too little."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import qif_deploy.api.demonstration as demonstration
import qif_deploy.simulate.engine.batched as batched
import qif_hardware.lava.run as lava_run
from qif_deploy.errors import BackendError, MissingDependencyError
from qif_deploy.simulate.trace import Trace
from tests.core.cli_runner import assert_one_line, cli, contents
from tests.core.conftest import Artefacts
from tests.hardware.lava_marks import NEEDS_LAVA

CHECKED = {"exact", "samples", "arrays", "spikes", "first_mismatch", "seconds", "samples_per_second"}


@pytest.mark.parametrize("backends", [("batched", "onnx", "nir"), pytest.param((), marks=NEEDS_LAVA, id="all")])
def test_verify_holds(tiny: Artefacts, tmp_path: Path, backends: tuple[str, ...]) -> None:
    chosen = [argument for backend in backends for argument in ("--backend", backend)]
    result = cli("verify", tiny.network, "--samples", 40, *chosen, "--out", tmp_path / "v.json", "--json")
    assert result.code == 0
    assert result.json["holds"] is True
    assert tuple(result.json["backends"]) == (backends or ("batched", "onnx", "nir", "lava"))
    for found in result.json["backends"].values():
        assert set(found) == CHECKED
        assert (found["exact"], found["samples"], found["arrays"], found["first_mismatch"]) == (True, 40, 10, None)
        assert found["spikes"] > 0


def one_spike_flipped(run: Any) -> Any:
    def flipped(*arguments: Any, **options: Any) -> Trace:
        trace: Trace = run(*arguments, **options)
        trace.populations["qif2"].s[1, 5, 2, 0, 3] ^= 1
        return trace

    return flipped


def test_verify_exits_1_and_names_the_first_mismatch(tiny: Artefacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batched, "run_batched", one_spike_flipped(batched.run_batched))
    arguments = ("verify", tiny.network, "--samples", 40, "--backend", "batched", "--backend", "nir", "--out", tmp_path / "v.json")
    result = cli(*arguments, "--json")
    assert (result.code, result.json["holds"]) == (1, False)
    assert result.json["backends"]["nir"]["exact"] is True
    found = result.json["backends"]["batched"]
    mismatch = found["first_mismatch"]
    assert (found["exact"], mismatch["array"], mismatch["index"]) == (False, "qif2/s", [1, 5, 2, 0, 3])
    assert {mismatch["expected"], mismatch["found"]} == {0, 1}
    assert "DIFFERS" in result.err


def test_verify_exits_1_on_thin_evidence_and_on_a_broken_backend(tiny: Artefacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ("verify", tiny.network, "--backend", "batched", "--out", tmp_path / "v.json", "--json", "-q", "--samples")
    thin = cli(*arguments, 31)
    assert (thin.code, thin.json["backends"]["batched"]["exact"]) == (1, None)
    assert "31 samples are fewer than 32" in thin.json["backends"]["batched"]["reason"]

    def broken(*_arguments: Any, **_options: Any) -> Trace:
        raise BackendError("the engine is on fire")

    monkeypatch.setattr(batched, "run_batched", broken)
    failed = cli(*arguments, 40)
    assert (failed.code, failed.json["backends"]["batched"]) == (1, {"exact": False, "failed": "the engine is on fire"})


def test_run_exits_1_where_a_backend_breaks(tiny: Artefacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: Any, **_options: Any) -> Trace:
        raise BackendError("the engine is on fire")

    monkeypatch.setattr(batched, "run_batched", broken)
    result = cli("run", tiny.network, "--backend", "batched", "--input", tiny.codes, "--out", tmp_path / "v.npz")
    assert_one_line(result, "on fire", code=1)
    assert contents(tmp_path) == {}


def lava_is_missing() -> str:
    raise MissingDependencyError("Lava backend: package 'lava-nc' is not installed")


@pytest.mark.parametrize(("lava", "batched_differs"), [(False, False), (False, True), pytest.param(True, False, marks=NEEDS_LAVA)])
def test_demo_holds_only_where_every_backend_is_exact(
    tiny: Artefacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lava: bool, batched_differs: bool
) -> None:
    whole = demonstration.dataset_inputs
    monkeypatch.setattr(demonstration, "dataset_inputs", lambda graph, name, *, samples: whole(graph, name, samples=40))
    if batched_differs:
        monkeypatch.setattr(batched, "run_batched", one_spike_flipped(batched.run_batched))
    if not lava:
        monkeypatch.setattr(lava_run, "require_lava", lava_is_missing)
    result = cli("demo", "--recipe", tiny.recipe, "--target", "loihi2", "--out", tmp_path / "deep" / "run", "--json")
    said = result.json
    assert result.code == (0 if lava else 1)
    assert {"accuracy", "spike_agreement", "flips_per_spike", "backends", "artefacts", "seconds"} <= set(said)
    assert said["holds"] is lava
    assert set(said["accuracy"]) == {"float", "integer"}
    assert {name: found["exact"] for name, found in said["backends"].items()} == {
        "batched": not batched_differs,
        "onnx": True,
        "lava": True if lava else None,
    }
    assert lava or "not installed" in said["backends"]["lava"]["skipped"]
    assert all(Path(path).is_file() for path in said["artefacts"].values())
    assert {Path(path).name for path in said["artefacts"].values()} | {"demo.json"} == set(contents(tmp_path / "deep" / "run"))
