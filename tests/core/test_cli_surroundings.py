"""Whatever the terminal, the encoding, the folder and the reader of the output: a result or one line, never a traceback."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from qif_deploy.cli.output import stages
from tests.core.cli_runner import assert_one_line, cli, contents

COMMAND = Path(sys.executable).with_name("qif-deploy")
INSTALLED = pytest.mark.skipif(not COMMAND.exists(), reason="the command qif-deploy is not installed beside this Python")


def shell(script: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run a line of shell in an environment that holds nothing but what is given."""
    bare = {"PATH": f"{COMMAND.parent}:/usr/bin:/bin", **environment}
    return subprocess.run(["sh", "-c", script], cwd=folder, env=bare, capture_output=True, timeout=60)


@INSTALLED
def test_a_bare_environment_with_a_narrow_dumb_terminal_in_ascii(tmp_path: Path) -> None:
    done = shell(
        "qif-deploy targets", tmp_path, LC_ALL="C", PYTHONCOERCECLOCALE="0", PYTHONUTF8="0", TERM="dumb", NO_COLOR="1", COLUMNS="40"
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert max(map(len, done.stdout.decode("ascii").splitlines())) <= 40
    assert b"\x1b" not in done.stdout
    assert contents(tmp_path) == {}


@INSTALLED
def test_streams_that_are_not_read_change_no_exit_code_and_a_closed_stdout_is_refused(tmp_path: Path) -> None:
    done = shell("qif-deploy targets >&-; echo $?; qif-deploy check x.nir 2>&-; echo $?; qif-deploy check --help | true; echo $?", tmp_path)
    assert done.stdout.split() == [b"2", b"2", b"0"]
    assert done.stderr == b"error: standard output is closed; send it to a file or to /dev/null\n"
    early = shell("{ qif-deploy targets -v; echo $? >&2; } | head -n 1", tmp_path)
    assert (early.stdout.count(b"\n"), early.stderr) == (1, b"0\n")


@INSTALLED
def test_names_that_are_no_text_and_names_that_look_like_markup(tmp_path: Path) -> None:
    pytest.importorskip("h5py", reason="h5py is not installed (extra 'nir')")
    from tests.export.peers.stored import unpacked

    unpacked("snntorch-subtract", tmp_path)
    (tmp_path / "snntorch-subtract.nir").rename(tmp_path / os.fsdecode(b"[bold]\xff.nir"))
    script = (
        "qif-deploy convert *.nir --out '[red].nir'; qif-deploy check none/*.nir; "
        "qif-deploy convert '[bold]'*.nir --json -q --out \"$(printf '\\376.nir')\""
    )
    done = shell(script, tmp_path, LC_ALL="C.UTF-8", PYTHONIOENCODING="utf-8:strict")
    assert done.returncode == 0
    assert b"[red].nir" in done.stdout
    assert b'"graph": "\\udcfe.nir"' in done.stdout
    assert done.stderr.decode().count("\n") == 1
    assert b"does not exist" in done.stderr


@INSTALLED
def test_tables_are_bold_on_a_terminal_and_no_wider(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    environment = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "COLUMNS": "80"}
    running = subprocess.Popen([COMMAND, "targets"], cwd=tmp_path, env=environment, stdout=theirs, stderr=theirs, stdin=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # how Linux says that the other end is closed
            break
        if not part:
            break
        shown += part
    os.close(ours)
    assert running.wait(timeout=60) == 0
    assert b"\x1b[1m" in shown
    assert max(map(len, shown.decode().replace("\x1b[1m", "").replace("\x1b[0m", "").splitlines())) <= 80


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_shown_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    for stream, shown, expected in ((Terminal(), True, True), (Terminal(), False, False), (io.StringIO(), True, False)):
        monkeypatch.setattr(sys, "stderr", stream)
        with stages(("train",), shown=shown) as report:
            report("train", 0.5)
            report("train", 1.0)
        assert ("100 %" in stream.getvalue()) == expected


LONG = "a" * 300


@pytest.mark.parametrize(
    "words",
    [
        ("check", f"{LONG}.nir"), ("check", ""), ("check", "."), ("train", "--recipe", LONG), ("train", "--recipe", f"{LONG}.toml"),
        ("train", "--recipe", ""), ("train", "--recipe", "digits", "--out", LONG), ("targets", "--out", f"{LONG}.json"),
        ("targets", "--out", "."), ("report", LONG), ("demo", "--target", LONG), ("demo", "--out", LONG), ("demo", "--target", ""),
    ],
)  # fmt: skip
def test_names_that_no_file_can_have(words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert_one_line(cli(*words))
    assert contents(tmp_path) == {}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write into read-only folders")
def test_a_read_only_folder_to_work_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir(mode=0o500)
    monkeypatch.chdir(tmp_path / "here")
    assert_one_line(cli("targets", "--out", "t.json"), "not writable")
    assert_one_line(cli("demo"), "cannot make folder", "choose another --out")
    assert cli("targets", "-q", "--out", tmp_path / "t.json").code == 0


@INSTALLED
def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    done = shell("mkdir gone; cd gone; rmdir ../gone; qif-deploy check x.nir", tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"does not exist" in done.stderr
