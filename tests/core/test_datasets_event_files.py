"""N-MNIST, CIFAR10-DVS and DVS128-Gesture, from files in their original formats, written here."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from qif_deploy.datasets.catalogue import open_dataset
from qif_deploy.datasets.cifar10_dvs import CLASSES, read_cifar10_dvs
from qif_deploy.datasets.dvs_gesture import read_gesture
from qif_deploy.datasets.event_source import EventFileSource
from qif_deploy.datasets.events import Events
from qif_deploy.datasets.nmnist import read_nmnist
from qif_deploy.errors import InputError, MissingDependencyError
from tests.core.data_files import random_events, write_aedat2, write_nmnist


def _assert_same(found: Events, columns: dict[str, np.ndarray]) -> None:
    assert all(np.array_equal(getattr(found, key), column) for key, column in columns.items())


@pytest.mark.parametrize("overflow_at", [None, 0, 150])
def test_nmnist_file_gives_its_events(tmp_path: Path, overflow_at: int | None) -> None:
    columns = random_events(np.random.default_rng(1), 300, side=34, last_us=315_000)
    columns["t_us"] += 2**13
    write_nmnist(tmp_path / "0.bin", columns, overflow_at=overflow_at)
    _assert_same(read_nmnist(tmp_path / "0.bin"), columns)


def test_aedat_file_gives_its_events(tmp_path: Path) -> None:
    columns = random_events(np.random.default_rng(2), 500, side=128, last_us=1_300_000)
    write_aedat2(tmp_path / "cat_0.aedat", columns)
    _assert_same(read_cifar10_dvs(tmp_path / "cat_0.aedat"), columns)


def test_events_written_by_hand(tmp_path: Path) -> None:
    """Bytes spelled out, so that readers and writers cannot share a mistake."""
    (tmp_path / "a.bin").write_bytes(bytes([3, 9, 0x80 | 0x01, 0x02, 0x03]))
    one = {"x": np.array([3]), "y": np.array([9]), "t_us": np.array([0x010203]), "p": np.array([1])}
    _assert_same(read_nmnist(tmp_path / "a.bin"), one)
    # Address 0x0302: column 3 from the right, row 1 from below, ON.
    (tmp_path / "a.aedat").write_bytes(b"#!AER-DAT2.0\r\n" + bytes([0, 0, 3, 2, 0, 1, 0, 0]))
    _assert_same(
        read_cifar10_dvs(tmp_path / "a.aedat"), {"x": np.array([124]), "y": np.array([126]), "t_us": np.array([65536]), "p": np.array([1])}
    )


@pytest.mark.parametrize("dtype", [np.float64, np.int16, np.int64])
def test_gesture_file_gives_its_events(tmp_path: Path, dtype: type) -> None:
    columns = random_events(np.random.default_rng(3), 400, side=128, last_us=6000)
    np.save(tmp_path / "4.npy", np.stack([columns["x"], columns["y"], columns["p"], columns["t_us"]], axis=1).astype(dtype))
    _assert_same(read_gesture(tmp_path / "4.npy"), columns | {"t_us": columns["t_us"] * 1000})


def _nmnist(root: Path) -> None:
    rng = np.random.default_rng(4)
    for part, each in (("Train", 3), ("Test", 2)):
        for label in range(10):
            for n in range(each):
                write_nmnist(root / "NMNIST" / part / str(label) / f"{n:05d}.bin", random_events(rng, 60, side=34, last_us=300_000))


def _cifar10_dvs(root: Path) -> None:
    rng = np.random.default_rng(5)
    for name in CLASSES:
        for n in range(10):
            write_aedat2(root / "CIFAR10DVS" / name / f"cifar10_{name}_{n}.aedat", random_events(rng, 50, side=128, last_us=1_000_000))


def _gesture(root: Path) -> None:
    rng = np.random.default_rng(6)
    for part, users in (("ibmGestureTrain", 3), ("ibmGestureTest", 1)):
        for user in range(users):
            folder = root / "DVSGesture" / part / f"user{user:02d}_led"
            folder.mkdir(parents=True)
            for label in range(11):
                np.save(folder / f"{label}.npy", rng.integers(0, [128, 128, 2, 5000], (70, 4)))


@pytest.mark.parametrize(
    ("name", "write", "counts", "shape", "events"),
    [
        ("nmnist", _nmnist, (30, 20), (10, 2, 34, 34), 60),
        ("cifar10-dvs", _cifar10_dvs, (90, 10), (10, 2, 48, 48), 50),
        ("dvs128-gesture", _gesture, (33, 11), (16, 2, 128, 128), 70),
    ],
)
def test_folder_becomes_frames(
    tmp_path: Path, name: str, write: Callable[[Path], None], counts: tuple[int, int], shape: tuple[int, ...], events: int
) -> None:
    write(tmp_path)
    data = open_dataset(name, root=tmp_path)
    assert (len(data.train), len(data.test)) == counts
    assert (data.frames, *data.shape) == shape
    for part in (data.train, data.test):
        assert np.ptp(np.bincount(part.labels)) == 0  # every class equally often
        codes, label = part[len(part) - 1]
        assert (codes.shape, codes.dtype, label) == (shape, np.uint8, part.labels[-1])
        assert codes.sum() == events
    assert open_dataset(name, root=tmp_path, frames=3).train[0][0].shape == (3, *shape[1:])
    held = data.validation(0.34, seed=0)
    assert len(held.train) + len(held.test) == counts[0]


def test_cifar10_dvs_split_is_a_function_of_its_seed(tmp_path: Path) -> None:
    _cifar10_dvs(tmp_path)
    first, again, other = (open_dataset("cifar10-dvs", root=tmp_path, split_seed=seed) for seed in (0, 0, 1))
    parts = [[codes.tobytes() for codes, _ in data.test] for data in (first, again, other)]
    assert parts[0] == parts[1] != parts[2]
    assert not set(parts[0]) & {codes.tobytes() for codes, _ in first.train}


def test_what_the_range_costs_is_reported(tmp_path: Path) -> None:
    _nmnist(tmp_path)
    file = tmp_path / "NMNIST" / "Train" / "0" / "00000.bin"
    same = {"x": np.full(40, 5), "y": np.full(40, 6), "t_us": np.zeros(40, np.int64), "p": np.ones(40, np.int64)}
    write_nmnist(file, same)
    train = open_dataset("nmnist", root=tmp_path).train
    assert isinstance(train, EventFileSource)
    assert (train.binned(0).codes[0, 1, 6, 5], train.binned(0).clipped) == (15, 25)


@pytest.mark.parametrize("end", [-1, -3])
def test_cut_off_files_are_named(tmp_path: Path, end: int) -> None:
    columns = random_events(np.random.default_rng(7), 9, side=34, last_us=99)
    for write, read, file in ((write_nmnist, read_nmnist, "a.bin"), (write_aedat2, read_cifar10_dvs, "a.aedat")):
        write(tmp_path / file, columns)
        (tmp_path / file).write_bytes((tmp_path / file).read_bytes()[:end])
        with pytest.raises(InputError, match=rf"{file}' is cut off: .*; unpack the archive again"):
            read(tmp_path / file)
    np.save(tmp_path / "0.npy", np.zeros((9, 4), np.int64))
    (tmp_path / "0.npy").write_bytes((tmp_path / "0.npy").read_bytes()[:end])
    with pytest.raises(InputError, match=r"0.npy' is cut off or no plain .npy array"):
        read_gesture(tmp_path / "0.npy")


@pytest.mark.parametrize("read", [read_nmnist, read_cifar10_dvs, read_gesture])
def test_missing_files_are_named(tmp_path: Path, read: Callable[[Path], Events]) -> None:
    with pytest.raises(InputError, match=r"gone' cannot be read: No such file or directory"):
        read(tmp_path / "gone")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((3, 5)), r"no numbers \(event, 4\)"),
        (np.full((3, 4), 0.5), "holds fractions"),
        (np.full((3, 4), np.nan), "holds fractions"),
        (np.array([[object()] * 4]), "no plain .npy array"),
        (np.array([["a"] * 4]), r"no numbers \(event, 4\)"),
    ],
)
def test_other_arrays_are_no_gestures(tmp_path: Path, values: np.ndarray, message: str) -> None:
    np.save(tmp_path / "0.npy", np.array(values), allow_pickle=True)
    with pytest.raises(InputError, match=message):
        read_gesture(tmp_path / "0.npy")


def test_an_event_outside_the_sensor_names_the_file(tmp_path: Path) -> None:
    _nmnist(tmp_path)
    file = tmp_path / "NMNIST" / "Train" / "0" / "00001.bin"
    write_nmnist(file, {"x": np.array([34]), "y": np.array([0]), "t_us": np.array([0]), "p": np.array([0])})
    with pytest.raises(InputError, match=r"event file '.*00001.bin': events: x = 34..34 leaves 0..33"):
        open_dataset("nmnist", root=tmp_path).train[1]


def test_aedat_of_another_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.aedat").write_bytes(b"#!AER-DAT4.0\r\n" + bytes(64))
    with pytest.raises(InputError, match=r"does not begin with '#!AER-DAT2.0'"):
        read_cifar10_dvs(tmp_path / "a.aedat")


def test_aedat_header_may_say_anything(tmp_path: Path) -> None:
    (tmp_path / "a.aedat").write_bytes(b"#!AER-DAT2.0\r\n# Creation time: noon\r\n#\r\n" + bytes(64))
    assert len(read_cifar10_dvs(tmp_path / "a.aedat")) == 8


def test_missing_class_folders_are_listed(tmp_path: Path) -> None:
    _nmnist(tmp_path)
    for file in (tmp_path / "NMNIST" / "Test" / "7").iterdir():
        file.unlink()
    (tmp_path / "NMNIST" / "Test" / "7").rmdir()
    with pytest.raises(InputError, match=r"lacks the folders \['7'\]; there must be one per class"):
        open_dataset("nmnist", root=tmp_path)


def test_a_gesture_that_is_no_class_is_named(tmp_path: Path) -> None:
    _gesture(tmp_path)
    np.save(tmp_path / "DVSGesture" / "ibmGestureTest" / "user00_led" / "11.npy", np.zeros((1, 4)))
    with pytest.raises(InputError, match=r"11.npy' is not named after a class, allowed is 0.npy..10.npy"):
        open_dataset("dvs128-gesture", root=tmp_path)


def test_missing_tonic_says_how_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "tonic.io", None)
    write_nmnist(tmp_path / "a.bin", random_events(np.random.default_rng(0), 3, side=34, last_us=9))
    with pytest.raises(MissingDependencyError, match=r"pip install 'qif-deploy\[data\]'"):
        read_nmnist(tmp_path / "a.bin")
