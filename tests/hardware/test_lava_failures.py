"""Whatever goes wrong in Lava: one clear error, and nothing is left behind: no process, no folder, no shared memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qif_deploy.errors import BackendError, BackendTimeout, MissingDependencyError
from qif_deploy.simulate.inputs import prepare_inputs
from qif_hardware.lava import _lava, process_group
from qif_hardware.lava.executor_kind import Executor
from qif_hardware.lava.lowering import lower
from qif_hardware.lava.process_group import end_group, living_members
from qif_hardware.lava.run import run_lava, run_plan
from tests.hardware.lava_marks import NEEDS_LAVA
from tests.networks import chain, random_inputs

ROOT = Path(__file__).resolve().parents[2]


def lava(test):
    for mark in NEEDS_LAVA:
        test = mark(test)
    return test


@pytest.fixture
def nothing_left(tmp_path, monkeypatch):
    """Give the run a temporary folder of its own and check afterwards what remains of its group."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    groups, segments = [], set()
    popen, mapped = subprocess.Popen, process_group.shared_segments

    def started(*args, **kwargs):
        process = popen(*args, **kwargs)
        groups.append(process.pid)
        return process

    def noted(members):
        found = mapped(members)
        segments.update(found)
        return found

    monkeypatch.setattr(subprocess, "Popen", started)
    monkeypatch.setattr(process_group, "shared_segments", noted)
    yield segments
    assert groups
    assert [member for group in groups for member in living_members(group)] == []
    assert [name for name in segments if (Path("/dev/shm") / name).exists()] == []
    assert list(tmp_path.iterdir()) == []


@lava
@pytest.mark.parametrize("executor", Executor)
def test_a_model_that_raises_surfaces_its_message_and_its_traceback(nothing_left, executor):
    graph = chain()
    inputs = prepare_inputs(graph, random_inputs(graph, samples=2), steps=4)
    narrow = {"image": inputs["image"][..., 1:]}  # the source sends a wrong shape, everybody else waits for it
    with pytest.raises(BackendError, match=r"^Lava backend: process 'image': .*(7, 8, 1).*; the run was ended$") as caught:
        run_plan(lower(graph, steps=4), narrow, executor=executor, time_limit_s=30)
    assert not isinstance(caught.value, BackendTimeout)
    assert "run_spk" in str(caught.value.__cause__)
    assert executor is Executor.IN_PROCESS or nothing_left, "the run had shared memory to release"


@lava
def test_a_process_graph_that_cannot_be_built_surfaces_its_message(nothing_left):
    graph = chain()
    plan = lower(graph, steps=4)
    broken = replace(plan, populations=(replace(plan.populations[0], shape=(5, 5, 4)), *plan.populations[1:]))
    inputs = prepare_inputs(graph, random_inputs(graph, samples=1), steps=4)
    with pytest.raises(BackendError, match=r"^Lava backend: "):
        run_plan(broken, inputs, time_limit_s=30)


@lava
def test_a_time_limit_that_is_too_short_ends_the_run(nothing_left):
    graph = chain()
    inputs = random_inputs(graph, samples=10000)
    started = time.monotonic()
    with pytest.raises(BackendTimeout, match=r"of 40000 frames .* after the limit of 6 s; raise the time limit"):
        run_lava(graph, inputs, time_limit_s=6)  # enough for Lava to start beside other tests
    assert time.monotonic() - started < 14
    assert nothing_left, "the run had shared memory to release"


@lava
def test_a_process_that_is_killed_ends_the_run(nothing_left):
    graph = chain()
    killed: list[int] = []

    def kill_one(fraction: float) -> None:
        if fraction > 0 and not killed:
            killed.append(_last_actor())
            os.kill(killed[0], signal.SIGKILL)

    with pytest.raises(BackendError, match=r"process '.*' ended with exit code -9"):
        run_lava(graph, random_inputs(graph, samples=5000), time_limit_s=30, progress=kill_one)


@lava
def test_an_interrupt_ends_the_run(nothing_left):
    def interrupt(fraction: float) -> None:
        if fraction > 0:
            raise KeyboardInterrupt

    graph = chain()
    with pytest.raises(KeyboardInterrupt):
        run_lava(graph, random_inputs(graph, samples=5000), time_limit_s=30, progress=interrupt)
    assert nothing_left


@lava
def test_a_caller_that_is_killed_leaves_nothing_behind(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from tests.networks import chain, random_inputs\n"
        "from qif_hardware.lava.run import run_lava\n"
        "run_lava(chain(), random_inputs(chain(), samples=5000), progress=lambda f: print(f, flush=True))\n"
    )
    folder = tmp_path / "tmp"
    folder.mkdir()
    with subprocess.Popen(
        [sys.executable, str(script)], env={"PYTHONPATH": str(ROOT), "TMPDIR": str(folder)}, stdout=subprocess.PIPE, text=True
    ) as caller:
        assert caller.stdout is not None
        while float(caller.stdout.readline()) == 0.0:
            pass
        workers = [child for child in _children(caller.pid) if os.getpgid(child) == child]
        segments = process_group.shared_segments(living_members(workers[0]))
        caller.kill()
    assert segments
    deadline = time.monotonic() + 10
    while living_members(workers[0]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert living_members(workers[0]) == []
    assert list(folder.iterdir()) == []
    assert [name for name in segments if (Path("/dev/shm") / name).exists()] == []


def test_ending_a_group_that_ignores_sigterm():
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], start_new_session=True, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert living_members(process.pid) == [process.pid]
        end_group(process.pid, grace_s=0.2)
        assert process.wait(timeout=5) == -signal.SIGKILL
    end_group(process.pid, grace_s=0.2)  # again, on a group that is gone


@pytest.mark.parametrize(("version", "python"), [(None, (3, 10, 0)), ("0.9.0", (3, 10, 0)), ("0.10.0", (3, 12, 0))])
def test_a_missing_or_unsupported_lava_is_an_error_with_the_install_line(monkeypatch, version, python):
    def installed(name: str) -> str:
        if version is None:
            raise _lava.importlib.metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(_lava.importlib.metadata, "version", installed)
    monkeypatch.setattr(_lava.sys, "version_info", python)
    with pytest.raises(MissingDependencyError, match=r"pip install 'qif-deploy\[lava\]'"):
        run_lava(chain(), {"image": np.zeros((1, 1, 8, 8), np.int64)})


def _children(parent: int) -> list[int]:
    return [int(line) for task in Path(f"/proc/{parent}/task").iterdir() for line in (task / "children").read_text().split()]


def _last_actor() -> int:
    """Return the OS process of a Lava process of this test's worker: the youngest but the runtime's service."""
    (worker,) = [child for child in _children(os.getpid()) if child == os.getpgid(child)]
    return sorted(_children(worker))[-2]
