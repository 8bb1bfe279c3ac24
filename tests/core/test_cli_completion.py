"""Shell completion, driven as the shells drive it: the words of every option, and nothing heavy loaded for them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from qif_deploy.cli import values
from qif_deploy.cli.entry import guarded

COMMAND = Path(sys.executable).with_name("qif-deploy")
pytestmark = pytest.mark.skipif(not COMMAND.exists(), reason="the command qif-deploy is not installed beside this Python")

HEAVY = ("torch", "numpy", "onnx", "onnxruntime", "nir", "h5py", "lava", "matplotlib", "plotly", "sklearn", "numba")
WORDS: dict[str, tuple[str, ...]] = {
    "qif-deploy ver": ("verify",),
    "qif-deploy train --rec": ("--recipe",),
    "qif-deploy train --recipe digits_": ("digits_lif", "digits_roots"),
    "qif-deploy quantize --target loihi": ("loihi1", "loihi2", "loihi2-brief", "loihi2-lava"),
    "qif-deploy verify net.nir --backend ": values.COMPARED,
    "qif-deploy run --backend o": ("onnx", "onnx-reference"),
    "qif-deploy export net.nir --to n": ("nir", "netx"),
    "qif-deploy export net.nir --to onnx --profile ": values.PROFILES,
    "qif-deploy energy net.nir --prices loihi1": ("loihi1-fitted", "loihi1-published"),
    "qif-deploy diff --data mnist5k": ("mnist5k", "mnist5k-saccade"),
    "qif-deploy check ./": (),  # the shell completes file names
}


def protocol(shell: str, typed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """What the command answers to a shell that asks how ``typed`` may go on."""
    for name, value in {
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(typed.split(" ")) - 1),
        "_TYPER_COMPLETE_ARGS": typed,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_QIF_DEPLOY_COMPLETE": f"complete_{shell}",
    }.items():
        monkeypatch.setenv(name, value)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as end:
        guarded([])
    signal.signal(signal.SIGTERM, before)
    shown = capsys.readouterr()
    assert (end.value.code, shown.err) == (0, "")
    return shown.out


@pytest.mark.parametrize("typed", WORDS)
def test_bash_is_told_the_words(typed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert tuple(protocol("bash", typed, monkeypatch, capsys).split()) == WORDS[typed]


def test_zsh_and_fish_are_told_words_and_their_meaning(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def asked(shell: str, typed: str) -> str:
        return protocol(shell, typed, monkeypatch, capsys)

    assert '"verify":"Compare every backend with the reference' in asked("zsh", "qif-deploy ver")
    assert asked("zsh", "qif-deploy train --recipe digits_").split() == ["_arguments", "'*:", ':(("digits_lif"', '"digits_roots"))\'']
    assert "_files" in asked("zsh", "qif-deploy check ./")
    assert asked("fish", "qif-deploy ver").startswith("verify\tCompare every backend")


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_a_real_bash_completes(tmp_path: Path) -> None:
    script = (
        'eval "$(_QIF_DEPLOY_COMPLETE=source_bash qif-deploy)"\n'
        "complete -p qif-deploy >/dev/null || exit 1\n"
        "COMP_WORDS=(qif-deploy energy net.nir --prices cm); COMP_CWORD=4\n"
        '_qif_deploy_completion qif-deploy; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    environment = {**os.environ, "PATH": f"{COMMAND.parent}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "--norc", "-c", script], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["cmos45-fp32", "cmos45-int"]


def test_completion_is_installed_into_the_home_of_the_user(tmp_path: Path) -> None:
    script = "qif-deploy --install-completion; qif-deploy --show-completion; exit"  # bash would become the last command, and be no parent
    environment = {**os.environ, "HOME": str(tmp_path), "PATH": f"{COMMAND.parent}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "--norc", "-c", script], env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert "complete -o default -F _qif_deploy_completion qif-deploy" in done.stdout
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any("_QIF_DEPLOY_COMPLETE" in path.read_text() for path in written)


def test_completing_a_word_loads_nothing_heavy() -> None:
    script = (
        "import os, sys; from qif_deploy.cli.entry import guarded\n"
        "for typed in ('energy --prices ', 'run --backend ', 'train --recipe ', 'check --data ', 'export --to '):\n"
        "    os.environ.update(COMP_WORDS='qif-deploy ' + typed, COMP_CWORD='3', _QIF_DEPLOY_COMPLETE='complete_bash')\n"
        "    try: guarded([])\n"
        "    except SystemExit: pass\n"
        f"print([m for m in {HEAVY} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "[]\n")
    assert "cmos45-int" in done.stdout
