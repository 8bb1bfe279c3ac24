"""CIFAR10-DVS: CIFAR-10 on a screen before an event camera, 10,000 recordings of 128x128 pixels in AEDAT 2.0 files.

Source: H. Li, H. Liu, X. Ji, G. Li and L. Shi, "CIFAR10-DVS: An Event-Stream Dataset for Object Classification", Frontiers in
Neuroscience 11:309 (2017). Original files (``airplane.zip`` ...): https://figshare.com/articles/dataset/4724671
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from qif_deploy.datasets._tonic import aedat2_columns
from qif_deploy.datasets.dataset import StreamedDataset
from qif_deploy.datasets.event_source import EventFileSource
from qif_deploy.datasets.events import POLARITIES, Events, FrameFormat, FrameSplit
from qif_deploy.datasets.folder import FROM_FOLDER, classes_in, subfolder
from qif_deploy.datasets.source import Subset
from qif_deploy.datasets.split import stratified

SENSOR = (128, 128)
SIZE = (48, 48)
"""Frames of the field for this data set; the events of 2 or 3 pixels a side add up."""
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
TEST_SHARE = 0.1
"""No split is published; the field takes 9,000 recordings to learn from and 1,000 to test."""
DEFAULT_FRAMES = 10
HIGH = 31
"""Largest count of a cell. An assumption, kept small because a declared range widens every accumulator behind it."""


def open_cifar10_dvs(root: Path, *, split_seed: int = 0, frames: int | None = None, high: int = HIGH) -> StreamedDataset:
    """Return CIFAR10-DVS from ``root/CIFAR10DVS/airplane/*.aedat`` ..., as frames with the same number of events.

    Args:
        root: the data root.
        split_seed: draws the test part, a tenth of every class.
        frames: T, 10 unless told.
        high: largest count of a cell.

    Raises:
        InputError: a folder is missing, or a value is outside its limits.
    """
    form = FrameFormat(frames=DEFAULT_FRAMES if frames is None else frames, size=SIZE, high=high, split=FrameSplit.COUNT)
    folder = subfolder("cifar10-dvs", root, FROM_FOLDER["cifar10-dvs"], holds="airplane/*.aedat, automobile/*.aedat, ..., truck/*.aedat")
    labelled = classes_in("cifar10-dvs", folder, CLASSES)
    files = [(file, label) for label, place in enumerate(labelled) for file in sorted(place.glob("*.aedat"))]
    everything = EventFileSource(files, read=read_cifar10_dvs, form=form)
    test = stratified(everything.labels, TEST_SHARE, np.random.default_rng(split_seed))
    return StreamedDataset(
        name="cifar10-dvs",
        shape=(POLARITIES, *SIZE),
        low=0,
        high=high,
        scale=1.0,
        classes=len(CLASSES),
        train=Subset(everything, np.flatnonzero(~test)),
        test=Subset(everything, np.flatnonzero(test)),
        frames=form.frames,
    )


def read_cifar10_dvs(file: Path) -> Events:
    """Return the events of one file; the picture upright.

    Address bits 14..8 count columns from the right, bits 7..1 rows from below, bit 0 is 0 for ON. Where the camera's own naming
    has x and y the other way round, the picture would lie on its side: https://github.com/jackd/events-tfds/pull/1

    Raises:
        InputError: the file is missing, of another format or cut off.
        MissingDependencyError: tonic is not installed.
    """
    address, t_us = aedat2_columns(file)
    height, width = SENSOR
    return Events(
        x=width - 1 - ((address >> 8) & 127),
        y=height - 1 - ((address >> 1) & 127),
        t_us=t_us,
        p=1 - (address & 1),
        sensor=SENSOR,
    )
