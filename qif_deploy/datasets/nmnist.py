"""N-MNIST: MNIST before an event camera that makes three saccades, 34x34 pixels, files of 40-bit events.

Source: G. Orchard, A. Jayawant, G. K. Cohen and N. Thakor, "Converting Static Image Datasets to Spiking Neuromorphic Datasets
Using Saccades", Frontiers in Neuroscience 9:437 (2015).
"""

from __future__ import annotations

from pathlib import Path

from qif_deploy.datasets._tonic import nmnist_columns
from qif_deploy.datasets.dataset import StreamedDataset
from qif_deploy.datasets.event_source import EventFileSource
from qif_deploy.datasets.events import POLARITIES, Events, FrameFormat, FrameSplit
from qif_deploy.datasets.folder import FROM_FOLDER, classes_in, read_records, subfolder

SENSOR = (34, 34)
CLASSES = tuple("0123456789")
EVENT_BYTES = 5
DEFAULT_FRAMES = 10
HIGH = 15
"""Largest count of a cell. An assumption, kept small because a declared range widens every accumulator behind it."""


def open_nmnist(root: Path, *, frames: int | None = None, high: int = HIGH) -> StreamedDataset:
    """Return N-MNIST from ``root/NMNIST/Train/0..9/*.bin`` and ``Test``, as frames of equal duration.

    Args:
        root: the data root.
        frames: T, 10 unless told.
        high: largest count of a cell.

    Raises:
        InputError: a folder is missing, or a value is outside its limits.
    """
    form = FrameFormat(frames=DEFAULT_FRAMES if frames is None else frames, size=SENSOR, high=high, split=FrameSplit.TIME)
    folder = subfolder("nmnist", root, FROM_FOLDER["nmnist"], holds="Train/0..9/*.bin and Test/0..9/*.bin")
    parts = []
    for part in ("Train", "Test"):
        labelled = classes_in("nmnist", folder / part, CLASSES)
        files = [(file, label) for label, place in enumerate(labelled) for file in sorted(place.glob("*.bin"))]
        parts.append(EventFileSource(files, read=read_nmnist, form=form))
    train, test = parts
    return StreamedDataset(
        name="nmnist",
        shape=(POLARITIES, *SENSOR),
        low=0,
        high=high,
        scale=1.0,
        classes=len(CLASSES),
        train=train,
        test=test,
        frames=form.frames,
    )


def read_nmnist(file: Path) -> Events:
    """Return the events of one file: bits 39..32 column, 31..24 row, 23 polarity, 22..0 time in us, high byte first.

    Raises:
        InputError: the file is missing, empty, cut off, or holds events outside the sensor.
        MissingDependencyError: tonic is not installed.
    """
    found = nmnist_columns(read_records("nmnist", file, size=EVENT_BYTES))
    return Events(x=found["x"], y=found["y"], t_us=found["t"], p=found["p"], sensor=SENSOR)
