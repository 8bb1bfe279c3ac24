"""Inputs batch by batch are those that are read at once, and a data set is never held as a whole."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qif_deploy.api import loading
from qif_deploy.api.counting import count_network, neurobench_of
from qif_deploy.api.input_batches import input_batches
from qif_deploy.datasets.dataset import Dataset, StreamedDataset, streamed
from qif_deploy.errors import InputError
from qif_deploy.simulate.op_counts import LayerCounts, count_operations
from qif_deploy.simulate.reference import run_reference
from tests.networks import chain, random_inputs

GRAPH = dataclasses.replace(chain(), provenance={"dataset": "made"})
SAMPLES = 70


class Counted:
    """A source that remembers which samples were asked for."""

    def __init__(self, source: Any) -> None:
        self.source, self.labels, self.asked = source, source.labels, list[int]()

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, number: int) -> Any:
        self.asked.append(number)
        return self.source[number]


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch) -> StreamedDataset:
    x = np.random.default_rng(0).integers(0, 17, (SAMPLES, 1, 8, 8))
    labels = np.arange(SAMPLES) % 10
    made = streamed(
        Dataset(name="made", shape=(1, 8, 8), low=0, high=16, scale=1.0, classes=10, x_train=x, y_train=labels, x_test=x, y_test=labels)
    )
    counted = dataclasses.replace(made, test=Counted(made.test))
    monkeypatch.setattr(loading, "open_dataset", lambda name, *, root, frames: counted)
    return counted


def test_batches_are_the_data_set_in_order_and_read_as_they_are_needed(data: StreamedDataset) -> None:
    inputs = input_batches(GRAPH, data=None, input_file=None, samples=None)
    assert (inputs.samples, inputs.source) == (SAMPLES, "made, test part")
    batches = inputs.batches(size=32)
    first = next(batches)["image"]
    assert data.test.asked == list(range(32))  # type: ignore[attr-defined]
    rest = [batch["image"] for batch in batches]
    assert [first.shape[1], *(x.shape[1] for x in rest)] == [32, 32, 6]
    assert first.strides[0] == 0  # a held frame is one frame
    joined = np.concatenate([first, *rest], axis=1)
    at_once = loading.dataset_inputs(GRAPH, None, samples=None)
    np.testing.assert_array_equal(joined, at_once.codes["image"])
    assert at_once.labels is not None
    assert inputs.labels is not None
    np.testing.assert_array_equal(inputs.labels, at_once.labels)
    assert [b["image"].shape[1] for b in inputs.batches(size=32, samples=40)] == [32, 8]


def test_a_file_of_codes_is_cut_likewise(tmp_path: Path) -> None:
    codes = random_inputs(GRAPH, samples=10)["image"]
    np.save(tmp_path / "x.npy", codes)
    inputs = input_batches(GRAPH, data=str(tmp_path / "x.npy"), input_file=None, samples=7)
    assert (inputs.samples, inputs.labels) == (7, None)
    np.testing.assert_array_equal(np.concatenate([b["image"] for b in inputs.batches(size=3)], axis=1), codes[:, :7])


def test_a_network_without_a_data_set_asks_for_one() -> None:
    with pytest.raises(InputError, match="names no data set"):
        input_batches(chain(), data=None, input_file=None, samples=None)


@pytest.mark.parametrize("torch_there", [True, False])
def test_counting_needs_no_torch_and_is_that_of_one_trace(
    data: StreamedDataset, torch_there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if torch_there:
        pytest.importorskip("torch")
    monkeypatch.setattr("qif_deploy.api.counting._has_torch", lambda: torch_there)
    inputs = input_batches(GRAPH, data=None, input_file=None, samples=None)
    found = count_network(inputs, activity=True)
    trace = run_reference(GRAPH, loading.dataset_inputs(GRAPH, None, samples=None).codes)
    for layer, expected in zip(found.layers, count_operations(GRAPH, trace), strict=True):
        for field in dataclasses.fields(LayerCounts):
            np.testing.assert_array_equal(getattr(layer, field.name), getattr(expected, field.name))
    assert inputs.labels is not None
    assert found.accuracy == (trace.readout.argmax(axis=1) == inputs.labels).mean()
    assert found.activity is not None
    for name, population in trace.populations.items():
        np.testing.assert_array_equal(found.activity[name], population.s.sum(axis=(0, 1), dtype=np.int64))
    assert neurobench_of(inputs).samples == 64
