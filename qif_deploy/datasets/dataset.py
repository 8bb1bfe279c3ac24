"""A labelled data set of integer codes, already split; and the doors that find one by name.

Normalisation is ``code * scale`` and nothing else: a mean that would be subtracted moves into the first layer's bias.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from qif_deploy.datasets.source import ArraySource, Labels, SampleSource, Subset
from qif_deploy.datasets.split import stratified
from qif_deploy.errors import InputError, raise_findings
from qif_deploy.shapes import Shape, frozen
from qif_deploy.suggestion import unknown_word

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


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRequest:
    """What a loader is asked for: seed of the split where none is published, data folder, frames of an event data set."""

    split_seed: int
    root: Path | None
    frames: int | None


def load_dataset(name: str, *, split_seed: int = 0, root: Path | None = None, frames: int | None = None) -> Dataset:
    """Return the data set ``name`` in memory.

    Args:
        name: one of ``LOADERS``.
        split_seed: draws train and test parts, the same ones for the same seed; 0 where the split is published.
        root: folder that holds the folders of the data sets, for those that no package carries.
        frames: time steps of an event data set, None for its default; what carries single frames takes None only.

    Raises:
        InputError: no such data set, no or a corrupt data file, an argument that the data set does not take.
        MissingDependencyError: the package that carries the data is not installed.
    """
    if name in STREAMS:
        raise InputError(f"data set {name!r} is too large for memory; open it with open_dataset, or use one of {sorted(LOADERS)}")
    if name not in LOADERS:
        raise unknown_word("data set", name, sorted(LOADERS))
    return LOADERS[name](_request(name, split_seed, root, frames))


def open_dataset(name: str, *, split_seed: int = 0, root: Path | None = None, frames: int | None = None) -> StreamedDataset:
    """Return any data set, to be read sample by sample; arguments and errors as of ``load_dataset``.

    Args:
        name: one of ``LOADERS`` or ``STREAMS``.
        split_seed: as for ``load_dataset``.
        root: as for ``load_dataset``.
        frames: as for ``load_dataset``.
    """
    if name in STREAMS:
        return STREAMS[name](_request(name, split_seed, root, frames))
    if name not in LOADERS:
        raise unknown_word("data set", name, sorted((*LOADERS, *STREAMS)))
    return streamed(load_dataset(name, split_seed=split_seed, root=root, frames=frames))


def _request(name: str, split_seed: int, root: Path | None, frames: int | None) -> DataRequest:
    findings = []
    if split_seed and name not in DRAWN_SPLIT:
        findings.append(f"data set {name!r}: split_seed = {split_seed}, but its split is published; leave it at 0")
    if frames is not None and name not in EVENT_DATA:
        findings.append(f"data set {name!r}: frames = {frames}, but it carries single frames, which are held; leave it out")
    if frames is not None and not 1 <= frames <= MOST_FRAMES:
        findings.append(f"data set {name!r}: frames = {frames}, allowed is 1..{MOST_FRAMES}")
    if name in FROM_FOLDER and root is None:
        findings.append(
            f"data set {name!r} is read from a local folder and none was given; give --data-root (root), which holds {FROM_FOLDER[name]!r}"
        )
    raise_findings(InputError, findings)
    return DataRequest(split_seed=split_seed, root=root, frames=frames)


def _digits(request: DataRequest) -> Dataset:
    from qif_deploy.datasets.digits import load_digits

    return load_digits(split_seed=request.split_seed)


def _mnist5k(request: DataRequest) -> Dataset:
    from qif_deploy.datasets.mnist5k import load_mnist5k

    return load_mnist5k(split_seed=request.split_seed)


def _mnist5k_saccade(request: DataRequest) -> Dataset:
    from qif_deploy.datasets.saccade import load_mnist5k_saccade

    return load_mnist5k_saccade(split_seed=request.split_seed, frames=request.frames)


def _cifar10(request: DataRequest) -> Dataset:
    from qif_deploy.datasets.cifar import load_cifar10

    return load_cifar10(_root(request))


def _cifar100(request: DataRequest) -> Dataset:
    from qif_deploy.datasets.cifar import load_cifar100

    return load_cifar100(_root(request))


def _imagenet(request: DataRequest) -> StreamedDataset:
    from qif_deploy.datasets.imagenet import open_imagenet

    return open_imagenet(_root(request))


def _nmnist(request: DataRequest) -> StreamedDataset:
    from qif_deploy.datasets.nmnist import open_nmnist

    return open_nmnist(_root(request), frames=request.frames)


def _cifar10_dvs(request: DataRequest) -> StreamedDataset:
    from qif_deploy.datasets.cifar10_dvs import open_cifar10_dvs

    return open_cifar10_dvs(_root(request), split_seed=request.split_seed, frames=request.frames)


def _dvs_gesture(request: DataRequest) -> StreamedDataset:
    from qif_deploy.datasets.dvs_gesture import open_dvs_gesture

    return open_dvs_gesture(_root(request), frames=request.frames)


def _root(request: DataRequest) -> Path:
    assert request.root is not None  # `_request` asked for it
    return request.root


LOADERS: Mapping[str, Callable[[DataRequest], Dataset]] = MappingProxyType(
    {"digits": _digits, "mnist5k": _mnist5k, "mnist5k-saccade": _mnist5k_saccade, "cifar10": _cifar10, "cifar100": _cifar100}
)
"""Name -> loader of a data set that fits into memory. A loader imports its module only when called, so that listing costs nothing."""

STREAMS: Mapping[str, Callable[[DataRequest], StreamedDataset]] = MappingProxyType(
    {"imagenet": _imagenet, "nmnist": _nmnist, "cifar10-dvs": _cifar10_dvs, "dvs128-gesture": _dvs_gesture}
)
"""Name -> opener of a data set that is read sample by sample."""

FROM_FOLDER: Mapping[str, str] = MappingProxyType(
    {
        "cifar10": "cifar-10-batches-bin",
        "cifar100": "cifar-100-binary",
        "imagenet": "imagenet",
        "nmnist": "NMNIST",
        "cifar10-dvs": "CIFAR10DVS",
        "dvs128-gesture": "DVSGesture",
    }
)
"""Name -> its folder below the data root: as the official archive unpacks, or as tonic names it."""

EVENT_DATA = frozenset({"mnist5k-saccade", "nmnist", "cifar10-dvs", "dvs128-gesture"})
"""Data sets with a time axis: ON and OFF counts per frame."""

DRAWN_SPLIT = frozenset({"digits", "mnist5k", "mnist5k-saccade", "cifar10-dvs"})
"""Data sets without a published split: ``split_seed`` draws it."""

MOST_FRAMES = 1024
"""As many time steps as a recipe may have."""
