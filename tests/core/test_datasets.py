"""Data sets: codes, split, doors."""

from __future__ import annotations

import dataclasses
import sys

import numpy as np
import pytest

from qif_deploy.datasets.dataset import load_dataset
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
    with pytest.raises(InputError, match=r"data set 'mnist' is unknown; use one of \['digits'\]"):
        load_dataset("mnist")


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
    ],
)
def test_wrong_declarations_cannot_be_built(change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        dataclasses.replace(load_dataset("digits"), **change)
