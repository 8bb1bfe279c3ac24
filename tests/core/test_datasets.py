"""Data sets: codes, split, doors."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qif_deploy.datasets import dataset
from qif_deploy.datasets.catalogue import load_dataset, open_dataset
from qif_deploy.datasets.dataset import Dataset, StreamedDataset, streamed
from qif_deploy.datasets.folder import FROM_FOLDER
from qif_deploy.datasets.source import Subset
from qif_deploy.datasets.split import stratified
from qif_deploy.errors import InputError, MissingDependencyError


def test_digits_are_codes_in_a_stratified_split() -> None:
    data = load_dataset("digits")
    assert data.x_train.shape == (1347, 1, 8, 8)
    assert data.x_test.shape == (450, 1, 8, 8)
    assert (data.x_train.min(), data.x_train.max(), data.x_test.max()) == (0, 16, 16)
    assert data.scale == 1 / 16
    share = np.bincount(data.y_test) / (np.bincount(data.y_test) + np.bincount(data.y_train))
    assert (np.abs(share - 0.25) < 0.003).all()  # half a sample of the smallest class, 0.5 / 174
    assert not data.x_train.flags.writeable


def test_split_is_a_function_of_its_seed() -> None:
    first, again, other = load_dataset("digits"), load_dataset("digits", split_seed=0), load_dataset("digits", split_seed=1)
    assert np.array_equal(first.x_test, again.x_test)
    assert not np.array_equal(first.x_test, other.x_test)
    # Every sample is in exactly one part, whatever the seed. A few digits occur twice, so counts are compared.
    counts = [np.unique(np.concatenate([d.x_train, d.x_test]), axis=0, return_counts=True) for d in (first, other)]
    assert all(np.array_equal(a, b) for a, b in zip(*counts, strict=True))


def test_unknown_data_set_lists_the_known() -> None:
    with pytest.raises(InputError, match="data set 'mnist' is unknown; use one of cifar10, cifar100, digits, "):
        load_dataset("mnist")
    with pytest.raises(InputError, match=r"data set 'mnist' is unknown; use one of .*imagenet"):
        open_dataset("mnist")


@pytest.mark.parametrize("whole", [load_dataset, open_dataset])
def test_validation_part_comes_from_the_training_part_alone(whole: Callable[[str], Dataset | StreamedDataset]) -> None:
    full = whole("digits")
    cut, again, other = full.validation(0.2, seed=3), full.validation(0.2, seed=3), full.validation(0.2, seed=4)
    (learn, held), (whole_train, _) = _parts(cut), _parts(full)
    assert _multiset(learn + held) == _multiset(whole_train)  # disjoint and complete, counted because a few digits occur twice
    labels = np.array([label for _, label in whole_train])
    share = np.bincount([label for _, label in held]) / np.bincount(labels)
    assert (np.abs(share - 0.2) <= 0.5 / np.bincount(labels).min()).all()  # rounded to whole samples
    assert _parts(again) == _parts(cut)
    assert _parts(other) != _parts(cut)


def _parts(data: Dataset | StreamedDataset) -> tuple[list[tuple[bytes, int]], ...]:
    source = data if isinstance(data, StreamedDataset) else streamed(data)
    return tuple([(codes.tobytes(), label) for codes, label in part] for part in (source.train, source.test))


def _multiset(samples: list[tuple[bytes, int]]) -> Counter[tuple[bytes, int]]:
    return Counter(samples)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 1e-9])
def test_validation_fraction_leaves_both_parts_something(fraction: float) -> None:
    with pytest.raises(InputError, match="share = "):
        load_dataset("digits").validation(fraction, seed=0)


@given(
    labels=st.lists(st.integers(0, 4), min_size=2, max_size=60),
    share=st.floats(0.05, 0.95),
    seed=st.integers(0, 9),
)
def test_stratified_takes_the_share_of_every_class(labels: list[int], share: float, seed: int) -> None:
    y = np.array(labels)
    try:
        chosen = stratified(y, share, np.random.default_rng(seed))
    except InputError:
        assert sum(round(share * n) for n in np.bincount(y)) in {0, len(y)}
        return
    assert [round(share * n) for n in np.bincount(y)] == np.bincount(y[chosen], minlength=y.max() + 1).tolist()


def test_streamed_digits_are_the_digits() -> None:
    data, stream = load_dataset("digits"), open_dataset("digits")
    codes, label = stream.train[7]
    assert np.array_equal(codes, data.x_train[7])
    assert label == data.y_train[7]
    assert (len(stream.train), len(stream.test)) == (1347, 450)
    assert np.array_equal(stream.test.labels, data.y_test)
    codes[:] = 0  # a sample is the caller's own
    assert stream.train[7][0].any()
    assert np.array_equal(stream.train.draw(7, np.random.default_rng(0))[0], data.x_train[7])
    with pytest.raises(IndexError):
        stream.train[1347]


def test_subset_refuses_indices_that_are_not_there() -> None:
    source = open_dataset("digits").train
    with pytest.raises(InputError, match=r"indices 0..1347 leave the source's 0..1346"):
        Subset(source, np.array([0, 1347]))
    with pytest.raises(IndexError):
        Subset(source, np.array([3, 4]))[2]


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("digits", {"frames": 4}, "frames = 4, but it carries single frames"),
        ("mnist5k-saccade", {"frames": 0}, r"frames = 0, allowed is 1\.\.1024"),
        ("nmnist", {"split_seed": 1, "root": Path()}, "split_seed = 1, but its split is published"),
        ("cifar10", {}, r"none was given; give --data-root \(root\), which holds 'cifar-10-batches-bin'"),
        ("imagenet", {}, r"give --data-root \(root\), which holds 'imagenet'"),
    ],
)
def test_arguments_that_a_data_set_does_not_take_are_refused(name: str, arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_dataset(name, **arguments)


def test_large_data_set_is_not_loaded_into_memory() -> None:
    with pytest.raises(InputError, match="'nmnist' is too large for memory; open it with open_dataset"):
        load_dataset("nmnist", root=Path())


def test_every_data_set_read_from_a_folder_says_what_it_misses(tmp_path: Path) -> None:
    for name, folder in FROM_FOLDER.items():
        with pytest.raises(InputError, match=rf"data set '{name}': folder '.*{folder}.*' is missing; unpack the data there") as caught:
            open_dataset(name, root=tmp_path)
        assert "\n" not in str(caught.value)


def test_importing_the_data_sets_imports_numpy_only() -> None:
    heavy = ("torch", "torchvision", "tonic", "sklearn", "mlxtend", "PIL")
    modules = [f"qif_deploy.datasets.{file.stem}" for file in Path(dataset.__file__).parent.glob("*.py")]
    script = f"import sys, importlib; [importlib.import_module(m) for m in {modules}]; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_missing_package_says_how_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'qif-deploy\[data\]'"):
        load_dataset("digits")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"high": 15}, "codes 0..16 leave the declared 0..15"),
        ({"classes": 9}, "labels 0..9 leave 0..8"),
        ({"shape": (1, 8, 9)}, "do not fit"),
        ({"x_train": np.zeros((1, 1, 8, 8))}, "not both integer"),
        ({"x_train": np.zeros((0, 1, 8, 8), int), "y_train": np.zeros(0, int)}, "do not fit"),
        ({"frames": 4}, r"do not fit; give \(sample, 4, 1, 8, 8\)"),
    ],
)
def test_wrong_declarations_cannot_be_built(change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        dataclasses.replace(load_dataset("digits"), **change)


def test_bytes_stay_bytes() -> None:
    data = load_dataset("digits")
    small = dataclasses.replace(data, x_train=data.x_train.astype(np.uint8), x_test=data.x_test.astype(np.int16))
    assert (small.x_train.dtype, small.x_test.dtype) == (np.uint8, np.int64)
    assert not small.x_train.flags.writeable


@pytest.mark.parametrize(
    ("change", "message"),
    [({"classes": 9}, "labels 0..9 leave 0..8"), ({"test": Subset(open_dataset("digits").train, np.zeros(0, np.int64))}, "no sample")],
)
def test_wrong_streams_cannot_be_built(change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        dataclasses.replace(open_dataset("digits"), **change)
