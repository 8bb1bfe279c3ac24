"""CIFAR in its binary version, written here."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from qif_deploy.datasets.catalogue import load_dataset
from qif_deploy.errors import InputError
from tests.core.data_files import write_cifar


@pytest.mark.parametrize(("name", "before", "files"), [("cifar10", 1, 5), ("cifar100", 2, 1)])
def test_codes_and_labels_are_those_of_the_file(tmp_path: Path, name: str, before: int, files: int) -> None:
    _, written = write_cifar(tmp_path, name, samples=100 if name == "cifar100" else 20)
    data = load_dataset(name, root=tmp_path)
    *train, test = written.values()
    assert len(train) == files
    joined = np.concatenate(train)
    assert np.array_equal(data.x_train.reshape(len(joined), -1), joined[:, before:])
    assert np.array_equal(data.y_train, joined[:, before - 1])
    assert np.array_equal(data.x_test[3, 1, 2, 5], test[3, before + 1024 + 2 * 32 + 5])  # green plane, third row, sixth column
    assert (data.x_train.dtype, data.high, data.scale, data.classes) == (np.uint8, 255, 1 / 255, 10 if name == "cifar10" else 100)


def test_cut_off_file_is_named(tmp_path: Path) -> None:
    folder, _ = write_cifar(tmp_path, "cifar10")
    file = folder / "data_batch_3.bin"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"data_batch_3.bin' is cut off: 61459 bytes are no whole number of 3073-byte records") as caught:
        load_dataset("cifar10", root=tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "is empty"), (bytes([10]) + bytes(3072), "holds label 10, allowed is 0..9"), (None, "cannot be read: No such file")],
)
def test_broken_file_is_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    folder, _ = write_cifar(tmp_path, "cifar10")
    file = folder / "test_batch.bin"
    file.unlink() if content is None else file.write_bytes(content)
    with pytest.raises(InputError, match=rf"test_batch.bin' {message}"):
        load_dataset("cifar10", root=tmp_path)


class _Trap:
    def __reduce__(self) -> tuple:
        return (pytest.fail, ("a file of the user was unpickled",))


def test_a_pickle_in_the_place_of_a_batch_is_never_loaded(tmp_path: Path) -> None:
    folder, _ = write_cifar(tmp_path, "cifar10")
    (folder / "test_batch.bin").write_bytes(pickle.dumps(_Trap()))
    with pytest.raises(InputError, match="is cut off"):
        load_dataset("cifar10", root=tmp_path)


def test_validation_keeps_the_test_file_out(tmp_path: Path) -> None:
    write_cifar(tmp_path, "cifar10")
    data = load_dataset("cifar10", root=tmp_path)
    cut = data.validation(0.2, seed=0)
    test = {x.tobytes() for x in data.x_test}
    assert (len(cut.x_train), len(cut.x_test)) == (80, 20)
    assert not test & {x.tobytes() for x in (*cut.x_train, *cut.x_test)}
