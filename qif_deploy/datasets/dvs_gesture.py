"""DVS128-Gesture: eleven hand and arm gestures before an event camera, 128x128 pixels, cut into one file per gesture.

Read as tonic lays it out (``ibmGestureTrain.tar.gz``, ``ibmGestureTest.tar.gz``): ``.npy`` arrays ``(event, 4)`` of column,
row, polarity and time in ms. The uncut AEDAT 3.1 recordings with their label tables are not read.

Source: A. Amir et al., "A Low Power, Fully Event-Based Gesture Recognition System", CVPR 2017;
https://figshare.com/ndownloader/files/38022171 and 38020584.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from qif_deploy.datasets.dataset import StreamedDataset
from qif_deploy.datasets.event_source import EventFileSource
from qif_deploy.datasets.events import POLARITIES, Events, FrameFormat, FrameSplit
from qif_deploy.datasets.folder import FROM_FOLDER, subfolder
from qif_deploy.errors import InputError, raise_findings
from qif_deploy.reading.array_file import read_arrays
from qif_deploy.reading.limits import MAX_TIME_US

SENSOR = (128, 128)
CLASSES = 11
DEFAULT_FRAMES = 16
HIGH = 31
"""Largest count of a cell. An assumption, kept small because a declared range widens every accumulator behind it."""
PARTS = ("ibmGestureTrain", "ibmGestureTest")


def open_dvs_gesture(root: Path, *, frames: int | None = None, high: int = HIGH) -> StreamedDataset:
    """Return DVS128-Gesture from ``root/DVSGesture/ibmGestureTrain/user*_*/0..10.npy`` and ``ibmGestureTest``; people are disjoint.

    Args:
        root: the data root.
        frames: T, 16 unless told; each holds the same number of events.
        high: largest count of a cell.

    Raises:
        InputError: a folder is missing, a file is not named after a class, or a value is outside its limits.
    """
    form = FrameFormat(frames=DEFAULT_FRAMES if frames is None else frames, size=SENSOR, high=high, split=FrameSplit.COUNT)
    place = FROM_FOLDER["dvs128-gesture"]
    folders = [subfolder("dvs128-gesture", root / place, part, holds="user01_fluorescent/0.npy ...") for part in PARTS]
    train, test = (EventFileSource(_files(folder), read=read_gesture, form=form) for folder in folders)
    return StreamedDataset(
        name="dvs128-gesture",
        shape=(POLARITIES, *SENSOR),
        low=0,
        high=high,
        scale=1.0,
        classes=CLASSES,
        train=train,
        test=test,
        frames=form.frames,
    )


def read_gesture(file: Path) -> Events:
    """Return the events of one file.

    Raises:
        InputError: the file is missing, no plain array of whole numbers ``(event, 4)``, cut off, or holds events outside the sensor.
    """
    if not file.is_file():
        raise InputError(f"event file {str(file)!r} cannot be read: No such file or directory; unpack the archive again")
    try:
        found = read_arrays(file).get("")
    except InputError:
        raise InputError(f"event file {str(file)!r} is cut off or no plain .npy array; unpack the archive again") from None
    if found is None or found.ndim != 2 or found.shape[1] != 4 or found.dtype.kind not in "iuf":
        raise InputError(f"event file {str(file)!r} holds no numbers (event, 4); give tonic's ibmGesture files")
    with np.errstate(invalid="ignore"):  # a signalling NaN is as little a whole number as another
        whole = np.array_equal(found, np.rint(found))
    latest = MAX_TIME_US // 1000
    if not whole or found.max(initial=0) > latest or found.min(initial=0) < -latest:
        raise InputError(f"event file {str(file)!r} holds fractions or times of years, allowed are whole pixels and ms; give tonic's files")
    x, y, p, t_ms = found.astype(np.int64).T
    return Events(x=x, y=y, t_us=t_ms * 1000, p=p, sensor=SENSOR)


def _files(folder: Path) -> list[tuple[Path, int]]:
    found = [(file, file.stem) for file in sorted(folder.glob("user*/*.npy"))]
    strange = [str(file) for file, stem in found if not (stem.isdecimal() and int(stem) < CLASSES)]
    named = f"allowed is 0.npy..{CLASSES - 1}.npy"
    raise_findings(InputError, [f"event file {file!r} is not named after a class, {named}; remove it" for file in strange])
    return [(file, int(stem)) for file, stem in found]
