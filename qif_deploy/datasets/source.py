"""One part of a data set, sample by sample: what a torch ``DataLoader`` calls a map-style data set, without torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from qif_deploy.errors import InputError
from qif_deploy.shapes import frozen

Labels = Annotated[NDArray[np.int64], "(sample,)"]
Codes = NDArray[np.uint8] | NDArray[np.int64]
"""Codes of one sample: ``(channel, height, width)`` to be held, or frames ``(time, channel, height, width)``."""
Sample = tuple[Codes, int]
"""Codes, a fresh writable array, and the class index."""


class SampleSource(ABC):
    """Samples by index; opening one costs nothing, reading a sample may read a file."""

    @property
    @abstractmethod
    def labels(self) -> Labels:
        """Class indices of all samples, known without reading any."""

    @abstractmethod
    def __getitem__(self, index: int) -> Sample:
        """Return sample ``index`` of 0..len - 1.

        Raises:
            InputError: the file behind it is missing or corrupt.
            IndexError: no such sample; this ends a plain ``for`` loop over a source.
        """

    def __len__(self) -> int:
        return len(self.labels)

    def draw(self, index: int, rng: np.random.Generator) -> Sample:  # noqa: ARG002 # one view only, unless a source has more
        """Return a random view of sample ``index`` for training: another crop where the file holds more than the sample."""
        return self[index]


class ArraySource(SampleSource):
    """Samples that are in memory."""

    def __init__(self, x: Codes, y: Labels) -> None:
        if len(x) != len(y):
            raise InputError(f"{len(x)} samples and {len(y)} labels; give one label per sample")
        self._x, self._y = x, frozen(y, np.int64)

    @property
    def labels(self) -> Labels:
        """Class indices of all samples."""
        return self._y

    def __getitem__(self, index: int) -> Sample:
        """Return a copy, because the array is read-only and torch warns of such."""
        return self._x[index].copy(), int(self._y[index])


class Subset(SampleSource):
    """Chosen samples of another source, in the given order."""

    def __init__(self, source: SampleSource, chosen: NDArray[np.int64]) -> None:
        if chosen.size and not 0 <= chosen.min() <= chosen.max() < len(source):
            raise InputError(f"subset: indices {chosen.min()}..{chosen.max()} leave the source's 0..{len(source) - 1}; choose among them")
        self._source, self._chosen = source, frozen(chosen, np.int64)
        self._labels = frozen(source.labels[chosen], np.int64)

    @property
    def labels(self) -> Labels:
        """Class indices of the chosen samples."""
        return self._labels

    def __getitem__(self, index: int) -> Sample:
        """Return the sample that was chosen as number ``index``."""
        return self._source[int(self._chosen[index])]

    def draw(self, index: int, rng: np.random.Generator) -> Sample:
        """Return a random view of the sample that was chosen as number ``index``."""
        return self._source.draw(int(self._chosen[index]), rng)
