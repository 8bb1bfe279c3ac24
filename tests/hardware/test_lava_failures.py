"""Whatever goes wrong in Lava: one clear error, and nothing is left behind: no process, no folder, no shared memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qif_deploy.errors import BackendError, BackendTimeout, MissingDependencyError
from qif_deploy.simulate.compare import compare_traces
from qif_deploy.simulate.inputs import prepare_inputs
from qif_deploy.simulate.reference import run_reference
from qif_hardware.lava import _lava, compat, process_group
from qif_hardware.lava.executor_kind import Executor
from qif_hardware.lava.lowering import lower
from qif_hardware.lava.process_group import end_group, living_members
from qif_hardware.lava.run import run_lava, run_plan
from tests.hardware.lava_marks import NEEDS_LAVA
from tests.hardware.lava_soak import soak
from tests.networks import chain, random_inputs

ROOT = Path(__file__).resolve().parents[2]


def lava(test):
    for mark in NEEDS_LAVA:
        test = mark(test)
    return test


@pytest.fixture
def nothing_left(tmp_path, monkeypatch):
    """Give the run a temporary folder of its own and check afterwards what remains of its group.

    Yields the segments of shared memory that were seen; ``look`` as progress sees them while it runs.
    """
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


def look(_fraction: float) -> None:
    """Note the shared memory of this test's worker."""
    for child in _children(os.getpid()):
        process_group.shared_segments(living_members(child))


def inject(monkeypatch, code: str) -> None:
    """Have the next workers run ``code`` before they start."""
    popen = subprocess.Popen

    def started(command, *args, **kwargs):
        if "qif_hardware.lava.worker" in command:
            at = command.index("-m")
            script = f"{code}\nimport runpy\nrunpy.run_module('qif_hardware.lava.worker', run_name='__main__')\n"
            command = [*command[:at], "-c", script, *command[at + 2 :]]
        return popen(command, *args, **kwargs)

    monkeypatch.setattr(subprocess, "Popen", started)


RAISE_AT_DEPTH = """
from qif_hardware.lava.sample_window import SampleWindow
frame = SampleWindow.frame
def raising(self, time_step):
    if (self.depth, time_step) == ({depth}, 9):
        raise ArithmeticError("injected")
    return frame(self, time_step)
SampleWindow.frame = raising
"""


FORGET_TO_STOP = """
from qif_hardware.lava.compat import compat_wanted, patch_lava
if compat_wanted():
    patch_lava()
from lava.magma.core.process.process import AbstractProcess
AbstractProcess.stop = lambda self: None
"""


@lava
@pytest.mark.parametrize(("process", "depth"), [("q1", 1), ("q3", 3), ("out", 4)])
def test_a_model_that_raises_in_the_middle_or_at_the_end_surfaces_its_message(nothing_left, monkeypatch, process, depth):
    inject(monkeypatch, RAISE_AT_DEPTH.format(depth=depth))
    graph = chain()
    with pytest.raises(BackendError, match=rf"^Lava backend: process '{process}': ArithmeticError: injected; the run was ended$") as caught:
        run_lava(graph, random_inputs(graph, samples=4), time_limit_s=90, progress=look)
    assert not isinstance(caught.value, BackendTimeout)
    assert "raising" in str(caught.value.__cause__)
    assert nothing_left, "the run had shared memory to release"


@lava
def test_a_run_that_forgets_to_stop_leaves_nothing_behind(nothing_left, monkeypatch):
    inject(monkeypatch, FORGET_TO_STOP)
    graph = chain()
    inputs = random_inputs(graph, samples=2)
    trace = run_lava(graph, inputs, time_limit_s=90, progress=look)
    assert compare_traces(run_reference(graph, prepare_inputs(graph, inputs, steps=4)), trace).first_mismatch is None
    assert nothing_left, "nobody had released the shared memory before"


@lava
def test_runs_in_a_row_leave_nothing_behind(tmp_path, monkeypatch):
    """Five here; fifty: ``python -m tests.hardware.lava_soak 50``."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert soak(5) == []


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
        run_lava(graph, inputs, time_limit_s=6, progress=look)
    assert time.monotonic() - started < 14


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
@pytest.mark.parametrize("impatient", [False, True])
def test_ctrl_c_in_a_script_leaves_nothing_behind(tmp_path, impatient):
    """Once, and again while it is cleaning up."""
    with caller(tmp_path) as (script, worker, segments):
        script.send_signal(signal.SIGINT)
        if impatient:
            time.sleep(0.2)
            script.send_signal(signal.SIGINT)
        assert script.wait(timeout=15) != 0
    assert_gone(tmp_path, worker, segments)


@lava
def test_a_caller_that_is_killed_leaves_nothing_behind(tmp_path):
    with caller(tmp_path) as (script, worker, segments):
        script.kill()
    assert_gone(tmp_path, worker, segments)


@contextmanager
def caller(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int, set[str]]]:
    """A script in the midst of a long run: its process, its worker's, and the shared memory of that."""
    script = tmp_path / "script.py"
    script.write_text(
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background jobs inherit it ignored
        "from tests.networks import chain, random_inputs\n"
        "from qif_hardware.lava.run import run_lava\n"
        "run_lava(chain(), random_inputs(chain(), samples=5000), progress=lambda f: print(f, flush=True))\n"
    )
    (tmp_path / "tmp").mkdir()
    env = os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path / "tmp")}
    with subprocess.Popen([sys.executable, str(script)], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        while float(process.stdout.readline()) == 0.0:
            pass
        (worker,) = [child for child in _children(process.pid) if os.getpgid(child) == child]
        segments = process_group.shared_segments(living_members(worker))
        assert segments
        yield process, worker, segments


def assert_gone(tmp_path: Path, worker: int, segments: set[str]) -> None:
    deadline = time.monotonic() + 10
    while living_members(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert living_members(worker) == []
    assert list((tmp_path / "tmp").iterdir()) == []
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
    monkeypatch.delenv(compat.SWITCH, raising=False)
    with pytest.raises(MissingDependencyError, match=r"pip install 'qif-deploy\[lava\]'"):
        run_lava(chain(), {"image": np.zeros((1, 1, 8, 8), np.int64)})


def _children(parent: int) -> list[int]:
    return [int(line) for task in Path(f"/proc/{parent}/task").iterdir() for line in (task / "children").read_text().split()]


def _last_actor() -> int:
    """Return the OS process of a Lava process of this test's worker: the youngest but the runtime's service."""
    (worker,) = [child for child in _children(os.getpid()) if child == os.getpgid(child)]
    return sorted(_children(worker))[-2]
