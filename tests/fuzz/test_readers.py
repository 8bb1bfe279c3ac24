"""Every reader answers every file with an object or with one line: a fixed, small share of what ``python -m tests.fuzz`` runs."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qif_deploy.errors import InputError
from tests.fuzz.campaign import REPORT, prepared
from tests.fuzz.mutate import mutated
from tests.fuzz.oracle import LONGEST_LINE, Violation, judge
from tests.fuzz.reader import Reader, Structure
from tests.fuzz.readers import READERS

for package in ("torch", "safetensors", "h5py", "nir", "onnx", "tonic", "PIL"):
    pytest.importorskip(package)

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.bin"))
PYTHON = [name for name, reader in READERS.items() if not reader.native]
NATIVE = [name for name, reader in READERS.items() if reader.native]
FUZZ = settings(max_examples=60, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))


@functools.cache
def seeds_of(name: str) -> tuple[bytes, ...]:
    """The files to start from, each read once: what that imports is not the time of a reader."""
    with tempfile.TemporaryDirectory() as folder:
        return prepared(READERS[name], Path(folder))


@pytest.mark.parametrize("name", READERS)
def test_files_to_start_from_are_read(name: str, tmp_path: Path) -> None:
    """Else the changes would all be refused for the same first reason."""
    reader = READERS[name]
    found = []
    for data in seeds_of(name):
        path = tmp_path / f"x{reader.suffix}"
        path.write_bytes(data)
        try:
            reader.read(path)
        except InputError as error:
            found.append(str(error))
        else:
            found.append("read")
    assert "read" in found, found


@pytest.mark.parametrize("name", PYTHON)
@FUZZ
@given(rng=st.randoms(use_true_random=False), seed=st.integers(0, 5))
def test_changed_files(name: str, rng, seed: int, tmp_path_factory) -> None:
    reader, seeds = READERS[name], seeds_of(name)
    path = tmp_path_factory.getbasetemp() / f"fuzz{reader.suffix}"
    path.unlink(missing_ok=True)
    path.write_bytes(mutated(seeds[seed % len(seeds)], reader.structure, rng, other=seeds[-1]))
    judge(reader, path)


def test_changed_files_of_readers_in_other_languages(tmp_path: Path) -> None:
    """In a process of their own, with a limit on its memory: a crash or a hang there is an answer, too."""
    command = [sys.executable, "-m", "tests.fuzz.campaign", ",".join(NATIVE), str(tmp_path), "1", "25", "30"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr[-2000:]
    reports = json.loads((tmp_path / REPORT).read_text())
    assert [report["reader"] for report in reports] == NATIVE
    assert [report["violations"] for report in reports] == [{}] * len(NATIVE)
    assert all(len(report["outcomes"]) > 1 for report in reports), "all changes came to the same"


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_files_that_were_answered_wrongly_once(path: Path, tmp_path: Path) -> None:
    reader = READERS[path.stem.rpartition("-")[0]]
    assert seeds_of(reader.name)
    copy = tmp_path / f"x{reader.suffix}"
    copy.write_bytes(path.read_bytes())
    judge(reader, copy)


def test_the_corpus_is_small() -> None:
    assert CORPUS
    assert sum(path.stat().st_size for path in CORPUS) < 1 << 20


class Worded(InputError):
    """An error that says its words as they are; those of the project make a short line of them."""

    def __init__(self, words: str) -> None:
        super().__init__("")
        self.words = words

    def __str__(self) -> str:
        return self.words


def fake(read) -> Reader:
    return Reader(name="fake", suffix=".x", structure=Structure.BYTES, seeds=lambda: (b"",), read=read, native=False)


def raising(error: BaseException):
    def read(_path: Path) -> object:
        raise error

    return read


def writing(path: Path) -> object:
    return (path.parent.parent / "elsewhere").write_text("x")


def unpickling(_path: Path) -> object:
    import pickle

    return pickle.loads(b"cos\ngetpid\n(tR.")


@pytest.mark.parametrize(
    ("read", "words"),
    [
        (raising(KeyError("x")), "KeyError"),
        (raising(RecursionError()), "RecursionError"),
        (raising(MemoryError()), "MemoryError"),
        (raising(Worded("one\ntwo")), "several lines"),
        (raising(Worded("x" * (LONGEST_LINE + 1))), "more than"),
        (writing, "writing outside"),
        (unpickling, "pickle"),
    ],
)
def test_the_judge_sees_what_a_reader_may_not_do(read, words: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(Violation, match=words):
        judge(fake(read), tmp_path / "in" / "x")


def test_the_judge_ends_what_does_not_end(monkeypatch, tmp_path: Path) -> None:
    def read(_path: Path) -> object:
        while True:
            pass

    monkeypatch.setattr("tests.fuzz.oracle.SECONDS", 0.2)
    with pytest.raises(Violation, match="no end"):
        judge(fake(read), tmp_path / "x")
