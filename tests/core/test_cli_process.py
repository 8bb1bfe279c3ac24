"""The installed command in a process of its own: streams, exit codes, signals."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from qif_deploy.training.run_options import STATE_FILE
from tests.core.cli_runner import contents
from tests.core.conftest import RECIPE, Artefacts

COMMAND = str(Path(sys.executable).with_name("qif-deploy"))
pytestmark = pytest.mark.skipif(not Path(COMMAND).exists(), reason="the command qif-deploy is not installed beside this Python")


def command(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([COMMAND, *map(str, arguments)], cwd=folder, capture_output=True, text=True, timeout=60)


def test_streams_and_exit_code_of_a_check_that_holds(tiny: Artefacts, tmp_path: Path) -> None:
    done = command("check", tiny.network, "--json", folder=tmp_path)
    assert (done.returncode, json.loads(done.stdout)["verdict"]) == (0, "ok")
    assert "verdict: ok" in done.stderr
    assert contents(tmp_path) == {}


def test_exit_code_of_a_check_that_does_not_hold(tiny: Artefacts, tmp_path: Path) -> None:
    done = command("check", tiny.network, "--target", "compact16", "--json", "-q", folder=tmp_path)
    assert (done.returncode, json.loads(done.stdout)["verdict"], done.stderr) == (1, "fail", "")


def test_a_truncated_archive_and_an_older_pickle_are_refused_in_one_line(tiny: Artefacts, tmp_path: Path) -> None:
    np.savez(tmp_path / "whole.npz", image=np.load(tiny.codes))
    (tmp_path / "cut.npz").write_bytes((tmp_path / "whole.npz").read_bytes()[:-9])
    (tmp_path / "pickle.npy").write_bytes(
        b"\x80\x04\x95\x1a\x00\x00\x00\x00\x00\x00\x00\x8c\x08builtins\x94\x8c\x05print\x94\x93\x94)R\x94."
    )
    before = contents(tmp_path)
    for name in ("cut.npz", "pickle.npy"):
        done = command("run", tiny.network, "--input", name, "--out", "v.npz", "--json", folder=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1
    assert contents(tmp_path) == before


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_reader_that_leaves_early_changes_no_exit_code(tiny: Artefacts, tmp_path: Path, options: tuple[str, ...]) -> None:
    arguments = [COMMAND, "check", str(tiny.network), "--target", "compact16", *options]
    running = subprocess.Popen(arguments, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stdout is not None
    running.stdout.close()
    _, err = running.communicate(timeout=60)
    assert running.returncode == 1  # the network is too wide for that target
    assert "error: " not in err
    assert "Traceback" not in err


def test_an_interrupted_training_leaves_its_state_and_no_model(tmp_path: Path) -> None:
    for package in ("torch", "lightning", "safetensors", "sklearn"):
        pytest.importorskip(package)
    (tmp_path / "endless.toml").write_text(RECIPE.replace("epochs = 1\n", "epochs = 10000\n"))
    running = subprocess.Popen(
        [COMMAND, "train", "--recipe", "endless.toml", "--out", "results", "--json"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a parent may have told its children to ignore it
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (tmp_path / "results").is_dir() and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1.0)  # the folder is made just before the first epoch
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert (running.returncode, out) == (130, "")
    assert err == "error: interrupted; no half-written file is left\n"
    found = {name for name in contents(tmp_path) if "logs" not in name}
    assert found - {f"results/{STATE_FILE}"} == {"endless.toml"}  # of an epoch that ended before, if one did


def test_a_closed_stdout_is_refused_before_any_work(tiny: Artefacts, tmp_path: Path) -> None:
    done = subprocess.run(["sh", "-c", '"$0" check "$1" >&-', COMMAND, tiny.network], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (2, "error: standard output is closed; send it to a file or to /dev/null\n")
