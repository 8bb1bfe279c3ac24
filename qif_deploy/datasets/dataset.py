"""A labelled data set of integer codes, already split.

Normalisation is ``code * scale`` and nothing else: a mean that would be subtracted moves into the first layer's bias.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from qif_deploy.datasets.source import ArraySource, Labels, SampleSource, Subset
from qif_deploy.datasets.split import stratified
from qif_deploy.errors import InputError, raise_findings
from qif_deploy.shapes import Shape, frozen

SampleCodes = (
    Annotated[NDArray[np.uint8], "(sample, channel, height, width)"] | Annotated[NDArray[np.int64], "(sample, channel, height, width)"]
)
"""With ``frames`` there is a time axis behind the first: ``(sample, time, channel, height, width)``."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dataset:
    """Samples in memory as integer codes ``low..high``; a network sees ``code * scale``.

    Arrays are read-only; uint8 stays uint8 (an eighth of the memory), every other integer type becomes int64.

    Args:
        name: for reports.
        shape: of one frame, (channel, height, width).
        low: smallest code that may occur.
        high: largest.
        scale: value of code 1.
        classes: labels are 0..classes - 1.
        x_train: codes to learn from, ``(sample, *shape)``, or ``(sample, frames, *shape)``.
        y_train: their class indices.
        x_test: codes to look at once, at the end.
        y_test: their class indices.
        frames: time steps of an event data set; None where one frame is held for as many steps as a network wants.
        clipped_events: events of both parts that are missing because their cell of a frame was full (``high``).

    Raises:
        InputError: shapes, codes or labels that disagree with the declaration.
    """

    name: str
    shape: Shape
    low: int
    high: int
    scale: float
    classes: int
    x_train: SampleCodes
    y_train: Labels
    x_test: SampleCodes
    y_test: Labels
    frames: int | None = None
    clipped_events: int = 0

    def __post_init__(self) -> None:
        findings = []
        each = self.shape if self.frames is None else (self.frames, *self.shape)
        for part in ("train", "test"):
            x, y = np.asarray(getattr(self, f"x_{part}")), np.asarray(getattr(self, f"y_{part}"))
            where = f"data set {self.name!r}, {part} part"
            if not (np.issubdtype(x.dtype, np.integer) and np.issubdtype(y.dtype, np.integer)):
                findings.append(f"{where}: dtypes {x.dtype} and {y.dtype} are not both integer; give codes and class indices")
            elif x.shape[1:] != each or y.shape != x.shape[:1] or not len(x):
                fit = f"(sample, {', '.join(map(str, each))}) and (sample,)"
                findings.append(f"{where}: samples {x.shape} and labels {y.shape} do not fit; give {fit}")
            elif x.min() < self.low or x.max() > self.high:
                findings.append(f"{where}: codes {x.min()}..{x.max()} leave the declared {self.low}..{self.high}; declare the true range")
            elif y.min() < 0 or y.max() >= self.classes:
                findings.append(f"{where}: labels {y.min()}..{y.max()} leave 0..{self.classes - 1}; declare the number of classes")
            else:
                object.__setattr__(self, f"x_{part}", frozen(x, np.uint8 if x.dtype == np.uint8 else np.int64))
                object.__setattr__(self, f"y_{part}", frozen(y, np.int64))
        raise_findings(InputError, findings)

    def validation(self, fraction: float, *, seed: int) -> Dataset:
        """Return the same data set without its test part: ``fraction`` of the training part, of every class, takes that place.

        So hyperparameters are chosen with the code that tests, and the test samples cannot be looked at by mistake.

        Raises:
            InputError: ``fraction`` is not between 0 and 1, or leaves one part empty.
        """
        held = stratified(self.y_train, fraction, np.random.default_rng(seed))
        return replace(
            self,
            x_train=self.x_train[~held],
            y_train=self.y_train[~held],
            x_test=self.x_train[held],
            y_test=self.y_train[held],
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StreamedDataset:
    """A data set that is read sample by sample; ``train[i]`` is ``(codes, label)``, for torch's ``DataLoader`` as it is.

    Args:
        name: for reports.
        shape: of one frame, (channel, height, width).
        low: smallest code that may occur.
        high: largest.
        scale: value of code 1.
        classes: labels are 0..classes - 1.
        train: samples to learn from, codes ``shape`` or ``(frames, *shape)``.
        test: samples to look at once, at the end.
        frames: time steps of an event data set; None where one frame is held.

    Raises:
        InputError: an empty part, or labels that leave the declared classes.
    """

    name: str
    shape: Shape
    low: int
    high: int
    scale: float
    classes: int
    train: SampleSource
    test: SampleSource
    frames: int | None = None

    def __post_init__(self) -> None:
        findings = []
        for part, source in (("train", self.train), ("test", self.test)):
            where, labels = f"data set {self.name!r}, {part} part", source.labels
            if not len(source):
                findings.append(f"{where}: no sample; check the data folder")
            elif labels.min() < 0 or labels.max() >= self.classes:
                findings.append(f"{where}: labels {labels.min()}..{labels.max()} leave 0..{self.classes - 1}; check the data folder")
        raise_findings(InputError, findings)

    def validation(self, fraction: float, *, seed: int) -> StreamedDataset:
        """Return the same data set without its test part: ``fraction`` of the training part, of every class, takes that place.

        Raises:
            InputError: ``fraction`` is not between 0 and 1, or leaves one part empty.
        """
        held = stratified(self.train.labels, fraction, np.random.default_rng(seed))
        return replace(self, train=Subset(self.train, np.flatnonzero(~held)), test=Subset(self.train, np.flatnonzero(held)))


def streamed(dataset: Dataset) -> StreamedDataset:
    """Return a data set in memory as one that is read sample by sample, so that a trainer needs one way only."""
    return StreamedDataset(
        name=dataset.name,
        shape=dataset.shape,
        low=dataset.low,
        high=dataset.high,
        scale=dataset.scale,
        classes=dataset.classes,
        train=ArraySource(dataset.x_train, dataset.y_train),
        test=ArraySource(dataset.x_test, dataset.y_test),
        frames=dataset.frames,
    )
