"""Where an optional package is not installed, the verb that needs it says in one line how to get it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.core.conftest import Artefacts, words_of

CASES = (
    ("train --recipe digits", "torch", "train"),
    ("demo", "torch", "train"),
    ("quantize MODEL", "torch", "train"),
    ("convert NET", "h5py", "nir"),
    ("check ONNX", "onnx", "onnx"),
    ("check NET", "nir", "nir"),
    ("run NET --input CODES --backend batched", "torch", "engine"),
    ("diff MODEL NET", "torch", "train"),
    ("verify NET", "sklearn", "data"),
    ("export NET --to onnx", "onnxruntime", "onnx"),
    ("map NET --input CODES --plots plots", "matplotlib", "report"),
    ("energy NET", "h5py", "nir"),
    ("report RUN", "plotly", "report"),
)
"""Command line, package that is missing, extra that brings it."""

SCRIPT = """
import os, sys
from qif_deploy.cli.entry import guarded
guarded(["targets", "-q"])  # loads what all verbs have in common, before there is a process per case
for line in sys.stdin.read().splitlines():
    missing, *words = line.split("\\t")
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        sys.modules[missing] = None
        os._exit(guarded(words))
    print("exit code", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), file=sys.stderr)
"""
"""Each case in a process of its own that starts with what all have in common: a package is hidden best before it is first imported."""


@pytest.mark.timeout(300)
@pytest.mark.skipif(sys.platform == "win32", reason="this system has no fork")
def test_a_missing_package_is_named_with_the_line_that_installs_it(tiny: Artefacts, tmp_path: Path) -> None:
    lines = []
    for line, missing, _ in CASES:
        words = [str(tiny.folder) if word == "RUN" else word for word in words_of(tiny, tmp_path, line)]
        lines.append("\t".join((missing, *words)))
    done = subprocess.run([sys.executable, "-c", SCRIPT], input="\n".join(lines), cwd=tmp_path, capture_output=True, text=True, timeout=280)
    assert (done.returncode, done.stdout) == (0, "")
    said = done.stderr.splitlines()
    assert len(said) == 2 * len(CASES), done.stderr
    for (line, missing, extra), message, code in zip(CASES, said[::2], said[1::2], strict=True):
        assert code == "exit code 2", (line, missing, message)
        assert message.startswith("error: "), message
        assert f"pip install 'qif-deploy[{extra}]'" in message, (line, missing, message)
