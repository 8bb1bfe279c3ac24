"""One part of an event data set: one file per recording, read and binned when asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from qif_deploy.datasets.events import EventFrames, Events, FrameFormat, bin_events
from qif_deploy.datasets.source import Labels, Sample, SampleSource
from qif_deploy.errors import InputError
from qif_deploy.shapes import frozen

EventReader = Callable[[Path], Events]
"""Reads one recording; a function of a module, so that worker processes can be handed it."""


class EventFileSource(SampleSource):
    """Recordings as frames of ON and OFF counts ``(time, 2, height, width)``, uint8."""

    def __init__(self, files: Sequence[tuple[Path, int]], *, read: EventReader, form: FrameFormat) -> None:
        self._files = tuple(file for file, _ in files)
        self._labels = frozen([label for _, label in files], np.int64)
        self._read, self._form = read, form

    @property
    def labels(self) -> Labels:
        """Class indices of all recordings."""
        return self._labels

    def __getitem__(self, index: int) -> Sample:
        """Return the frames of one recording and its class index."""
        return self.binned(index).codes, int(self._labels[index])

    def binned(self, index: int) -> EventFrames:
        """Return the frames of one recording and how many of its events the declared range cost.

        Raises:
            InputError: the file is missing or corrupt.
        """
        file = self._files[index]
        try:
            return bin_events(self._read(file), self._form)
        except InputError as error:
            if str(file) in str(error):
                raise
            raise InputError(f"event file {str(file)!r}: {error}") from None
