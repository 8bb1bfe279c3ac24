"""Test samples reach a network as the trainer showed them: held, as frames of events, or as spikes at a rate."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from qif_deploy.api import loading
from qif_deploy.api.loading import dataset_inputs
from qif_deploy.datasets.dataset import Dataset, StreamedDataset, streamed
from qif_deploy.datasets.encoders import Encoder
from qif_deploy.errors import InputError
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.training.batches import evaluation_batches
from tests.core.trained import small_recipe
from tests.networks import chain


def network(**provenance: str) -> QuantizedGraph:
    return dataclasses.replace(chain(), provenance=provenance)


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch) -> Dataset:
    graph = chain()
    node = graph.code_input(graph.inputs[0])
    rng = np.random.default_rng(0)
    x = rng.integers(node.low, node.high + 1, (6, *node.shape))
    made = Dataset(name="made", shape=node.shape, low=node.low, high=node.high, scale=1.0, classes=2,
                   x_train=x, y_train=np.zeros(6, int), x_test=x, y_test=np.arange(6) % 2)  # fmt: skip

    def open_made(name: str, *, root: object, frames: int | None) -> StreamedDataset:
        if frames is None:
            return streamed(made)
        repeated = np.stack([x + 0 * x] + [x[::-1]] * (frames - 1), axis=1)
        return streamed(dataclasses.replace(made, x_train=repeated, x_test=repeated, frames=frames))

    monkeypatch.setattr(loading, "open_dataset", open_made)
    return made


def test_still_images_are_held(data: Dataset) -> None:
    real = dataset_inputs(network(dataset="made"), None, samples=4)
    (codes,) = real.codes.values()
    assert np.array_equal(codes, np.broadcast_to(data.x_test[:4], codes.shape))
    assert real.labels is not None
    assert real.labels.tolist() == [0, 1, 0, 1]


def test_event_frames_come_time_first(data: Dataset) -> None:
    graph = network()
    (codes,) = dataset_inputs(graph, "mnist5k-saccade", samples=None).codes.values()
    assert codes.shape[:2] == (graph.steps, 6)
    assert np.array_equal(codes[0], data.x_test)
    assert np.array_equal(codes[-1], data.x_test[::-1])


def test_rate_encoded_networks_get_the_trainers_spikes(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = network(dataset="made", encoder="rate")
    (codes,) = dataset_inputs(graph, None, samples=None).codes.values()
    recipe = dataclasses.replace(small_recipe(encoder=Encoder.RATE), steps=graph.steps)
    ((spikes, _),) = evaluation_batches(streamed(data).test, recipe, data, batch_size=6)
    assert np.array_equal(codes, spikes.numpy())
    assert 0 < codes.mean() < 1


def test_what_cannot_be_shown_is_refused_in_one_line() -> None:
    with pytest.raises(InputError, match="names the encoder 'morse', known are direct, rate"):
        dataset_inputs(network(dataset="digits", encoder="morse"), None, samples=1)
    with pytest.raises(InputError, match=r"'imagenet' is read sample by sample, .* give --samples N"):
        dataset_inputs(network(), "imagenet", samples=None)
    with pytest.raises(InputError, match=r"give --data-root \(root\)"):
        dataset_inputs(network(), "cifar10", samples=1)
    with pytest.raises(InputError, match="names no data set"):
        dataset_inputs(network(), None, samples=1)
