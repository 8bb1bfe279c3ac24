"""The report: what it says is what the files say; what is missing or does not belong is said; one page, twice the same."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import qif_deploy
from qif_deploy.api.loading import load_network
from qif_deploy.simulate.trace import Trace
from qif_deploy.wording import joules, percent
from tests.core.cli_runner import assert_one_line, cli, contents
from tests.core.report_run import damage

SECTIONS = ["accuracy", "fidelity", "membranes", "spikes", "codes", "ranges", "backends", "energy", "cores", "training", "provenance"]
MAKES = {
    "net.nir": ("codes", "qif-deploy quantize"),
    "fidelity.json": ("fidelity", "qif-deploy diff"),
    "verify.json": ("backends", "qif-deploy verify"),
    "energy.json": ("energy", "qif-deploy energy"),
    "placement.json": ("cores", "qif-deploy map"),
    "vectors.npz": ("spikes", "qif-deploy run"),
}


def test_the_verb_writes_one_page_and_says_what_is_in_it(made_run: Path, tmp_path: Path) -> None:
    before = contents(made_run)
    page = tmp_path / "page.html"
    result = cli("report", made_run, "--out", page, "--json")
    said = result.json
    assert result.code == 0
    assert list(said["sections"]) == SECTIONS
    assert (said["artefacts"], said["bytes"]) == ({"report": str(page)}, page.stat().st_size)
    assert 1e6 < said["bytes"] < 5e6
    assert contents(made_run) == before
    for name in ("Accuracy", "Fidelity", "Provenance"):
        assert name in result.err


def test_the_same_files_give_the_same_page(made_run: Path, tmp_path: Path) -> None:
    first, second = (qif_deploy.report(made_run, out=tmp_path / f"{n}.html") for n in (1, 2))
    assert first.path.read_bytes() == second.path.read_bytes()


def test_sections_hold_the_numbers_of_the_files(made_run: Path, tmp_path: Path) -> None:
    outcome = qif_deploy.report(made_run, out=tmp_path / "page.html")
    said = {section.key: section.verdict for section in outcome.sections}
    fidelity, energy, placement = (json.loads((made_run / f"{name}.json").read_text()) for name in ("fidelity", "energy", "placement"))
    single, integer = (percent(fidelity["accuracy"][name]) for name in ("float", "integer"))
    assert said["accuracy"] == f"float {single}, integer {integer} on {fidelity['samples']} samples"
    assert joules(energy["at_least"]["typical"]) in said["energy"]
    assert f"{placement['cores']} cores on {placement['chips']} chip" in said["cores"]
    assert said["backends"] == "exact: batched, onnx"
    assert said["spikes"].startswith(f"{sum(Trace.load(made_run / 'vectors.npz').spikes().values()):,} spikes in 40 samples")


@pytest.mark.parametrize("name", MAKES)
def test_a_missing_file_is_named_with_the_command_that_makes_it(run_copy: Path, name: str) -> None:
    (run_copy / name).unlink()
    outcome = qif_deploy.report(run_copy)
    key, command = MAKES[name]
    section = next(section for section in outcome.sections if section.key == key)
    assert section.status.name == "ABSENT"
    assert name in section.verdict
    page = outcome.path.read_text()
    assert re.search(rf"<code>{command} [^<]*copy[^<]*</code>", page)


def test_a_folder_with_the_network_alone_is_enough(run_copy: Path) -> None:
    for path in run_copy.iterdir():
        if path.is_file() and path.name != "net.nir":
            path.unlink()
    outcome = qif_deploy.report(run_copy)
    assert {s.key for s in outcome.sections if s.status.name != "ABSENT"} == {"codes", "ranges", "provenance"}


def test_results_without_their_network_are_still_told(run_copy: Path) -> None:
    (run_copy / "net.nir").unlink()
    outcome = qif_deploy.report(run_copy)
    assert {s.key for s in outcome.sections if s.status.name == "ABSENT"} == {"codes", "ranges"}
    assert "the network itself is not in the folder" in outcome.path.read_text()


@pytest.mark.parametrize("name", ["fidelity.json", "verify.json", "energy.json", "placement.json"])
def test_a_result_of_another_network_stops_the_report(run_copy: Path, name: str) -> None:
    damage(run_copy / name, lambda value: value.update(content_hash="0" * 64))
    assert_one_line(cli("report", run_copy), name, "do not belong together", "net.nir", "qif-deploy")
    assert not (run_copy / "report.html").exists()


def test_vectors_of_another_network_stop_the_report(run_copy: Path) -> None:
    path = run_copy / "vectors.npz"
    with np.load(path) as loaded:
        arrays = dict(loaded)
    arrays["qif2/u"][1, 0, 0] += 1
    np.savez(path, **arrays)
    assert_one_line(cli("report", run_copy), "vectors.npz", "no run of this network", "qif2/u", "`qif-deploy run`")
    arrays["qif2/u"] = arrays["qif2/u"][..., :-1]
    np.savez(path, **arrays)
    assert_one_line(cli("report", run_copy), "vectors.npz", "population 'qif2' of shape")
    del arrays["input/image"]
    np.savez(path, **arrays)
    assert_one_line(cli("report", run_copy), "vectors.npz")


def test_metrics_of_another_training_stop_the_report(run_copy: Path) -> None:
    damage(run_copy / "metrics.json", lambda value: value.update(seed=7))
    assert_one_line(cli("report", run_copy), "metrics.json", "do not belong together")


def test_what_fails_is_red_and_the_exit_code_says_it(run_copy: Path) -> None:
    def differs(value: dict[str, object]) -> None:
        mismatch = {"array": "qif1/u", "step": 1, "sample": 2, "neuron": [0, 1, 2], "expected": 5, "found": 6}
        value["backends"] = {"batched": {"exact": False, "samples": 40, "arrays": 10, "spikes": 9, "first_mismatch": mismatch}}

    damage(run_copy / "verify.json", differs)
    result = cli("report", run_copy, "--json", "-q")
    assert (result.code, result.json["verdict"]) == (1, "fail")
    assert result.json["sections"]["backends"] == {"status": "fails", "verdict": "not exact: batched"}
    page = (run_copy / "report.html").read_text()
    assert "differs first in qif1/u at step 1, sample 2, neuron [0, 1, 2]: 6 instead of 5" in page
    assert "Does not hold: Backends." in page


def test_a_backend_that_did_not_run_is_no_success(run_copy: Path) -> None:
    damage(run_copy / "verify.json", lambda value: value["backends"].update(lava={"exact": None, "skipped": "Lava is not installed"}))
    result = cli("report", run_copy, "--json", "-q")
    assert result.json["sections"]["backends"] == {"status": "look", "verdict": "exact: batched, onnx; not shown: lava"}
    assert "not run: Lava is not installed" in (run_copy / "report.html").read_text()


def test_a_run_of_fewer_steps_than_the_network_has_is_reported(run_copy: Path) -> None:
    np.save(run_copy.parent / "held.npy", np.random.default_rng(1).integers(0, 17, (3, 1, 8, 8)))
    assert cli("run", run_copy / "net.nir", "--input", run_copy.parent / "held.npy", "--steps", 2, "-q").code == 0
    assert Trace.load(run_copy / "vectors.npz").steps == 2
    assert qif_deploy.report(run_copy).holds


def test_histograms_count_every_weight_and_every_state_in_its_bin(made_run: Path, tmp_path: Path) -> None:
    outcome = qif_deploy.report(made_run, out=tmp_path / "page.html")
    codes = next(section for section in outcome.sections if section.key == "codes")
    weights, states = codes.galleries
    network, trace = load_network(made_run / "net.nir"), Trace.load(made_run / "vectors.npz")
    for view in weights.views:
        expected = Counter(network.nodes[view.label].weight.ravel().tolist())
        assert dict(zip(view.chart.positions, view.chart.counts, strict=True)) == {code: expected[code] for code in range(-127, 128)}
    for view in states.views:
        values = trace.populations[view.label].u.ravel().tolist()
        expected = Counter(u.bit_length() if u >= 0 else -(-u).bit_length() for u in values)
        assert dict(zip(view.chart.positions, view.chart.counts, strict=True)) == {k: expected[k] for k in range(-23, 24)}


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_figures_for_papers_are_drawn_on_request(made_run: Path, tmp_path: Path, kind: str) -> None:
    pytest.importorskip("matplotlib")
    shutil.copy(made_run / "energy.json", tmp_path)
    result = cli("report", tmp_path, "--figures", kind, "--json", "-q")
    drawn = sorted((tmp_path / "figures").iterdir())
    assert [path.name for path in drawn] == [f"energy-{name}-0.{kind}" for name in ("estimators", "layers", "twins")]
    assert set(result.json["artefacts"].values()) == {str(path) for path in (tmp_path / "report.html", *drawn)}
    start = b"\x89PNG" if kind == "png" else b"<?xml"
    assert all(path.read_bytes().startswith(start) for path in drawn)
