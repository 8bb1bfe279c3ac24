"""Results that cannot be written, or that turn out wrong while they are: one line, and nothing half-written stays."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.core.cli_runner import assert_one_line, cli
from tests.core.conftest import Artefacts, words_of
from tests.export.peers.stored import unpacked

WRITING = {
    "quantize MODEL": ".nir", "run NET --input CODES": ".npz", "verify NET --backend batched": ".json", "energy NET": ".json",
    "diff MODEL NET": ".json", "export NET --to onnx": ".onnx", "export NET --to nir": ".nir",
    "export NET --to netx": ".net", "check NET": ".json", "targets": ".json",
}  # fmt: skip


@pytest.mark.parametrize("line", WRITING)
def test_results_that_cannot_be_written(tiny: Artefacts, wrong: Path, place: Path, line: str) -> None:
    suffix, words = WRITING[line], words_of(tiny, wrong, line)
    folder = place / f"results{suffix}"
    folder.mkdir()
    for out, reason in ((place / "none" / f"x{suffix}", "does not exist"), (folder, "is a folder"), ("x.txt", f"does not end in {suffix}")):
        assert_one_line(cli(*words, "--out", out), "x.txt" if out == "x.txt" else "cannot write", reason)


READING = {
    "quantize {0} --out {0}": "theirs.nir", "quantize {0}": "net.nir", "convert {0} --out {0}": "theirs.nir", "convert {0}": "graph.nir",
    "run NET --input {0} --out {0}": "vectors.npz", "energy NET --placement {0} --out {0}": "placement.json",
}  # fmt: skip


@pytest.mark.parametrize("line", READING)
def test_no_verb_replaces_what_it_reads(tiny: Artefacts, wrong: Path, tmp_path: Path, line: str) -> None:
    path = tmp_path / READING[line]
    if path.suffix == ".nir":
        unpacked("snntorch-subtract", tmp_path).rename(path)
    elif path.suffix == ".npz":
        np.savez(path, image=np.load(tiny.codes))
    else:
        path.write_text("{}")
    before = path.read_bytes()
    assert_one_line(cli(*words_of(tiny, wrong, line.format(path))), "is the file that is read, which would be lost", "--out")
    assert path.read_bytes() == before


@pytest.mark.parametrize("line", ["train --recipe RECIPE", "demo --recipe RECIPE"])
def test_result_folders_that_cannot_be_made(tiny: Artefacts, wrong: Path, place: Path, line: str) -> None:
    for out in (tiny.codes, tiny.codes / "below"):
        assert_one_line(cli(*words_of(tiny, wrong, line), "--out", out), "cannot make folder", "choose another --out")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write into read-only folders")
@pytest.mark.parametrize("line", WRITING)
def test_read_only_folders(tiny: Artefacts, wrong: Path, place: Path, line: str) -> None:
    place.chmod(0o500)
    try:
        assert_one_line(cli(*words_of(tiny, wrong, line), "--out", f"x{WRITING[line]}"), "not writable")
    finally:
        place.chmod(0o700)


def full_disk() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def ctrl_c() -> None:
    raise KeyboardInterrupt


def terminated() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def out_of_memory() -> None:
    raise MemoryError


@pytest.mark.parametrize(
    ("cause", "code", "line"),
    [
        (full_disk, 2, "cannot write 'v.npz': No space left on device"),
        (ctrl_c, 130, "interrupted; no half-written file is left"),
        (terminated, 130, "interrupted; no half-written file is left"),
        (out_of_memory, 1, "out of memory"),
    ],
)
def test_a_file_that_breaks_off_is_removed(
    tiny: Artefacts, place: Path, monkeypatch: pytest.MonkeyPatch, cause: Callable[[], None], code: int, line: str
) -> None:
    def breaks_off(stream: Any, _arrays: Any) -> None:
        stream.write(b"half")
        cause()

    monkeypatch.setattr("qif_deploy.simulate.trace.write_arrays", breaks_off)
    assert_one_line(cli("run", tiny.network, "--input", tiny.codes, "--out", "v.npz"), line, code=code)


def test_an_exported_file_that_computes_something_else_is_not_left(tiny: Artefacts, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import qif_export.onnx.verify as verify

    def wrong_by_one(*arguments: Any) -> Any:
        arrays = run(*arguments)
        arrays["readout"][0, 0] += 1
        return arrays

    run = verify.run_session
    monkeypatch.setattr(verify, "run_session", wrong_by_one)
    result = cli("export", tiny.network, "--to", "onnx", "--out", "net.onnx")
    assert_one_line(result, "readout, sample 0, class 0: it is ", "nothing was written", code=1)
