"""Killed writers, full disks, read-only folders, missing GPUs: a clear line, and the old file or the new one."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from multiprocessing.queues import SimpleQueue
from pathlib import Path

import pytest

from qif_deploy.atomic import STALE_S, atomic_folder, atomic_path, publish, write_text
from qif_deploy.errors import InputError
from tests.reliability.kills import killed
from tests.reliability.writers import ARTEFACTS, ROOT

for package in ("h5py", "nir", "onnx"):
    pytest.importorskip(package)


@pytest.mark.parametrize("name", ["vectors.npz", "net.nir", "net.onnx"])
def test_a_killed_writer_leaves_the_old_file_or_the_new_one(name: str) -> None:
    found = killed(ARTEFACTS[name], kills=2, seed=0)
    assert found["first"] + found["second"] == 2


FULL = """
import resource, sys
from pathlib import Path
from qif_deploy.errors import InputError
from tests.reliability.writers import ARTEFACTS
name, folder = sys.argv[1:]
ARTEFACTS[name].write(Path(folder) / f"first-{name}", 1)  # and all that is imported for it, whose compiled form would be cut, too
unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, unlimited[1]))  # a disk that is full after as many bytes, for this process alone
try:
    ARTEFACTS[name].write(Path(folder) / name, 1)
except InputError as error:
    sys.exit(str(error))
finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)  # what traces this process writes at its end
"""


@pytest.mark.parametrize("name", ["result.json", "vectors.npz", "net.nir", "net.net", "net.onnx"])
def test_a_full_disk_is_one_line_and_keeps_the_old_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(b"the old file")
    command = [sys.executable, "-c", FULL, name, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("cannot write"), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert path.read_bytes() == b"the old file"
    assert [entry.name for entry in tmp_path.iterdir() if not entry.name.startswith("first-")] == [name]


def _as_nobody(path: Path, answers: SimpleQueue[str]) -> None:
    if os.geteuid() == 0:  # root may write anywhere
        os.setgid(65534)
        os.setuid(65534)
    try:
        write_text(path, "x")
    except InputError as error:
        answers.put(str(error))
    else:
        answers.put("written")


def test_a_folder_that_may_only_be_read() -> None:
    fork = multiprocessing.get_context("fork")
    answers: SimpleQueue[str] = fork.SimpleQueue()
    with tempfile.TemporaryDirectory() as place:  # not pytest's folder, which is closed to others
        Path(place).chmod(0o555)
        child = fork.Process(target=_as_nobody, args=(Path(place) / "x.json", answers))
        child.start()
        child.join(30)
        assert "is not writable; choose another --out" in answers.get()
        assert list(Path(place).iterdir()) == []


def test_a_gpu_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    import numpy as np

    from tests.core.cli_runner import assert_one_line, cli
    from tests.networks import chain, random_inputs

    ARTEFACTS["net.nir"].write(tmp_path / "net.nir", 0)
    np.save(tmp_path / "codes.npy", random_inputs(chain(), samples=2)["image"])
    words = ("run", tmp_path / "net.nir", "--backend", "batched", "--input", tmp_path / "codes.npy", "--out", tmp_path / "v.npz")
    assert_one_line(cli(*words, "--device", "cuda"), "cuda")
    assert not (tmp_path / "v.npz").exists()


def test_hidden_files_of_killed_writers_go_once_they_are_old(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    with atomic_path(path) as temporary:
        old, young = (
            temporary.with_name(temporary.name.replace(".x.json.", f".x.json.{digit}")[: -len(".json") - 1] + ".json") for digit in "ab"
        )
        temporary.write_text("new")
    for left in (old, young):
        left.write_text("half")
    other = tmp_path / ".x.json.notes.json"
    other.write_text("not ours")
    for file in (old, other):
        os.utime(file, (time.time() - 2 * STALE_S,) * 2)
    write_text(path, "newer")
    assert {entry.name for entry in tmp_path.iterdir()} == {"x.json", young.name, other.name}


def test_rights_are_those_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "x.json", "{}")
        with atomic_folder(tmp_path / "bundle") as folder:
            (folder / "a").write_text("a")
            publish(folder, tmp_path / "bundle")
    finally:
        os.umask(before)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("x.json", "bundle")] == [0o640, 0o750]


def test_a_link_in_the_place_of_the_file_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "x.json").symlink_to(tmp_path / "secret")
    write_text(tmp_path / "x.json", "{}")
    assert (tmp_path / "secret").read_text() == "secret"
    assert not (tmp_path / "x.json").is_symlink()


def test_what_is_no_plain_file_is_not_read(tmp_path: Path) -> None:
    """A pipe without a writer would be waited for until the end of days."""
    from qif_deploy.reading.array_file import read_arrays
    from qif_deploy.sourced import read_toml

    os.mkfifo(tmp_path / "pipe.toml")
    with pytest.raises(InputError, match="pipe or device"):
        read_toml(tmp_path / "pipe.toml")
    with pytest.raises(InputError, match="pipe or device"):
        read_arrays(Path("/dev/zero"))
