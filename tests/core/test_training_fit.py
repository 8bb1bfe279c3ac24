"""Training: deterministic, silent, without files; it learns, and every population spikes."""

from __future__ import annotations

import dataclasses
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from qif_deploy.datasets.catalogue import load_dataset
from qif_deploy.datasets.dataset import Dataset
from qif_deploy.errors import BackendError, InputError
from qif_deploy.training.augment import shift_images
from qif_deploy.training.evaluation import evaluate
from qif_deploy.training.recipe import Loss, load_recipe
from qif_deploy.training.trainer import fit, input_spec, loss_of
from tests.core.trained import chain_network, small_recipe


@pytest.fixture(scope="module")
def data() -> Dataset:
    full = load_dataset("digits")
    return dataclasses.replace(full, x_train=full.x_train[:256], y_train=full.y_train[:256])


def test_same_seed_same_weights_and_nothing_else_is_touched(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = small_recipe(shift_pixels=1)
    generator, numpy_state, handler = torch.get_rng_state(), np.random.get_state()[1].copy(), signal.getsignal(signal.SIGINT)  # noqa: NPY002  # the global one is what must not move
    shares: list[float] = []
    first, metrics = fit(recipe, data, progress=shares.append)
    again, _ = fit(recipe, data)
    other, _ = fit(recipe, data, seed=1)
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), again.state_dict().values(), strict=True))
    assert not torch.equal(first.by_name["bn1"].gain, other.by_name["bn1"].gain)
    assert shares == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert not first.training
    assert metrics.losses[0] > 0
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")
    assert torch.equal(torch.get_rng_state(), generator)
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_short_training_learns_and_every_population_spikes(data: Dataset) -> None:
    recipe = dataclasses.replace(load_recipe("digits"), epochs=6)
    _, metrics = fit(recipe, data)
    assert metrics.losses[-1] < 0.5 * metrics.losses[0]
    assert metrics.accuracy_test > 0.6  # ten classes: chance is 0.1
    assert all(0.03 < rate < 0.4 for rate in metrics.rates.values())
    assert metrics.as_json()["rates"].keys() == {"qif1", "qif2", "qif3"}


def test_interrupt_reaches_the_caller(data: Dataset) -> None:
    def stop(_share: float) -> None:
        raise KeyboardInterrupt

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        fit(small_recipe(), data, progress=stop)
    assert signal.getsignal(signal.SIGINT) is handler


def test_small_data_are_refused(data: Dataset) -> None:
    with pytest.raises(InputError, match="batch_size = 512 exceeds 256 training samples"):
        fit(small_recipe(batch_size=512), data)


def test_undefined_loss_ends_the_training(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qif_deploy.training.trainer.loss_of", lambda *args: loss_of(*args) * float("nan"))
    with pytest.raises(BackendError, match="loss nan at update 1; lower learning_rate"):
        fit(small_recipe(), data)


def test_losses_agree_for_constant_currents_only() -> None:
    labels = torch.tensor([0, 1])
    constant = torch.tensor([[2.0, 0.0], [0.0, 1.0]]).expand(4, 2, 2)
    varying = constant * torch.tensor([0.0, 0.5, 1.5, 2.0])[:, None, None]
    mean, each = (small_recipe(loss=loss) for loss in (Loss.MEAN, Loss.EACH_STEP))
    assert loss_of(constant, labels, mean) == pytest.approx(loss_of(constant, labels, each).item(), rel=1e-6)
    # Cross-entropy is convex in the currents, so the loss of the mean is below the mean of the losses.
    assert loss_of(varying, labels, mean) < loss_of(varying, labels, each)


def test_shifts_move_by_at_most_the_given_pixels_and_lose_nothing_inside() -> None:
    image = torch.zeros(500, 1, 5, 4, dtype=torch.int64)
    image[:, 0, 2, 1] = 7
    moved = shift_images(image, 1, torch.Generator().manual_seed(0))
    assert moved.dtype == image.dtype
    assert (moved.sum(dim=(1, 2, 3)) == 7).all()
    places = {(int(y), int(x)) for _, _, y, x in moved.nonzero()}
    assert places == {(y, x) for y in (1, 2, 3) for x in (0, 1, 2)}
    assert shift_images(image, 0, torch.Generator()) is image


def test_evaluation_counts(data: Dataset) -> None:
    network = chain_network().train()
    found = evaluate(network, data.x_test, data.y_test)
    assert network.training
    network.eval()
    with torch.no_grad():
        signals = dict(network.signals(torch.tensor(data.x_test)))
    answers = network.reduce(signals["readout"]).argmax(1).numpy()
    assert found.accuracy == (answers == data.y_test).mean()
    assert found.rates == {name: pytest.approx(signals[name].mean().item(), rel=1e-5) for name in network.populations()}
    assert input_spec(data).classes == 10
