"""The soak for a few networks, and that it notices what it is there for."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from qif_deploy.simulate.reference import run_reference
from qif_export.nir.read import read_nir
from tests.soak import attempt as attempt_module
from tests.soak.attempt import attempt
from tests.soak.cases import case_of
from tests.soak.counts import Counts, named
from tests.soak.outcome import Outcome, Verdict, first_difference
from tests.soak.usage import Usage, left_behind, slope
from tests.soak.watched import ROOT, Watched
from tests.soak.way import Way

SOAK = [sys.executable, "-m", "tests.soak", "--seed", "2", "--json"]


def test_a_few_networks_are_equal_on_every_way(tmp_path: Path) -> None:
    if find_spec("lava") is None:
        pytest.skip("lava-nc is not installed; the soak compares with it")
    done = subprocess.run([*SOAK, "--networks", "4", "--lava-every", "0", "--out", tmp_path], cwd=ROOT, capture_output=True, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, found["holds"], found["networks"], found["bad"]) == (0, True, 4, []), done.stderr
    ways = found["ways"]
    assert set(ways) == {"reference", *(way.value for way in Way)} - {"lava"}
    assert all(way["equal"] and way["arrays"] for way in ways.values()), ways
    assert sum(way["spikes"] for way in ways.values()) > 1000
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_gives_the_counts_so_far(tmp_path: Path) -> None:
    command = [*SOAK, "--minutes", "5", "--backend", "oracle", "--out", str(tmp_path)]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a parent may have told its children to ignore it
    ) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        assert run.stderr.readline().startswith("10 networks, 0 bad")
        run.send_signal(signal.SIGINT)
        found = json.loads(run.stdout.read().splitlines()[-1])
        run.stderr.read()
    assert (run.returncode, found["interrupted"], found["holds"]) == (0, True, True)
    assert found["networks"] >= 10


def test_the_same_number_is_the_same_case() -> None:
    for number in (0, 1, 4):
        first, second = case_of(7, number), case_of(7, number)
        assert first.graph == second.graph
        assert all(np.array_equal(codes, second.inputs[name]) for name, codes in first.inputs.items())
    assert case_of(7, 1).graph != case_of(8, 1).graph


def test_one_wrong_bit_is_found_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = case_of(2, 1)
    reference = run_reference(case.graph, case.inputs)
    arrays = {name: array.copy() for name, array in reference.computed()}
    arrays["readout"][0, 0] ^= 1
    monkeypatch.setattr(attempt_module, "run", lambda _way, _case: arrays)
    outcome = attempt(Way.COMPILED, case, reference, tmp_path)
    assert outcome.verdict is Verdict.DIFFERS
    assert "array 'readout' at (0, 0)" in outcome.reason
    folder = tmp_path / "seed2-1-batched"
    assert read_nir(folder / "net.nir") == case.graph
    with np.load(folder / "input.npz") as stored:
        assert all(np.array_equal(stored[name], codes) for name, codes in case.inputs.items())
    assert "--seed 2 --only 1 --backend batched" in json.loads((folder / "what.json").read_text())["again"]


def test_an_error_of_any_kind_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = case_of(2, 1)
    monkeypatch.setattr(attempt_module, "run", lambda _way, _case: {}["missing"])
    outcome = attempt(Way.COMPILED, case, run_reference(case.graph, case.inputs), tmp_path)
    assert outcome.verdict is Verdict.BROKE
    assert "KeyError: 'missing'" in outcome.reason


def test_a_difference_is_told_by_name_shape_and_place() -> None:
    one = {"a": np.zeros((2, 3))}
    assert first_difference(one, {"a": np.zeros((2, 3))}) is None
    assert first_difference(one, {}) == "array 'a' is missing"
    assert first_difference({}, one) == "array 'a' is not of the reference"
    assert first_difference(one, {"a": np.zeros((3, 2))}) == "array 'a': shape (3, 2) where (2, 3) is expected"
    assert "at (1, 2): 5.0 where 0.0 is expected, 1 of 6 values" in str(
        first_difference(one, {"a": np.eye(2, 3)[::-1] * 0 + [[0] * 3, [0, 0, 5]]})
    )


WORKER = """
import json, os, sys, time
say = lambda answer: print(json.dumps(answer), flush=True)
say({"ready": 1})
for line in sys.stdin:
    say({"begins": "onnx"})
    if line.strip() == "1":
        time.sleep(60)
    if line.strip() == "2":
        sys.exit("the runtime is gone")
    say({"outcome": {"number": int(line), "way": "onnx", "verdict": "equal"}})
    say({"finished": int(line)})
"""


def test_a_worker_that_hangs_or_dies_is_counted_and_started_again(tmp_path: Path) -> None:
    worker = Watched([sys.executable, "-c", WORKER], tmp_path, limit_s=1.0)
    try:
        outcomes = [outcome for number in range(4) for outcome in worker.run(number)]
    finally:
        worker.end()
    assert [(o.number, o.way, o.verdict) for o in outcomes] == [
        (0, "onnx", Verdict.EQUAL), (1, "onnx", Verdict.HUNG), (2, "onnx", Verdict.DIED), (3, "onnx", Verdict.EQUAL),
    ]  # fmt: skip
    assert "exit code 1: the runtime is gone" in outcomes[2].reason
    assert worker.starts == 3


def test_growth_is_seen() -> None:
    def look(cases: int, rss: float, files: int) -> Usage:
        return Usage(cases=cases, rss_mib=rss, open_files=files, threads=1, children=0, temporary_files=0, shared_memory=0)

    steady, growing = [look(n, 100.0, 4) for n in range(0, 400, 50)], [look(n, 100 + n / 1024, 4 + n) for n in range(0, 400, 50)]
    assert (slope(steady), left_behind(steady)) == (0.0, [])
    assert slope(growing) == pytest.approx(1.0)
    assert left_behind(growing) == ["open_files grew from 4 to 354"]


def test_refusals_are_counted_by_reason() -> None:
    counts = Counts()
    for name, value in (("conv1", 300), ("fc 2", 4000)):
        reason = f"synapse {name!r}: a sum may reach {value}, which exceeds 128"
        counts.add(Outcome(number=0, way="lava", verdict=Verdict.REFUSED, reason=reason))
    assert counts.ways["lava"].as_json()["refusals"] == {named("synapse 'x': a sum may reach 1, which exceeds 2"): 2}
    assert counts.bad == []
