"""Address events of an event camera, and the frames of ON and OFF counts that a network of T steps takes."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_never

from qif_deploy.errors import InputError, raise_findings
from qif_deploy.shapes import frozen

EventInts = Annotated[NDArray[np.int64], "(event,)"]
FrameCodes = Annotated[NDArray[np.uint8], "(time, polarity, height, width)"]
POLARITIES = 2
"""Channel 0 counts OFF events (darker), channel 1 ON events (brighter), as in tonic and SpikingJelly."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Events:
    """Events of one recording in the order of the file: column, row, time, polarity (1 is ON); read-only int64 ``(event,)``.

    Raises:
        InputError: columns of different length, or an event outside the sensor.
    """

    x: EventInts
    y: EventInts
    t_us: EventInts
    p: EventInts
    sensor: tuple[int, int]

    def __post_init__(self) -> None:
        height, width = self.sensor
        sizes = {name: np.asarray(getattr(self, name)).shape for name in ("x", "y", "t_us", "p")}
        if len(set(sizes.values())) > 1 or len(sizes["x"]) != 1:
            raise InputError(f"events: columns of shapes {sizes} differ; give one entry per event in each")
        for name in sizes:
            object.__setattr__(self, name, frozen(getattr(self, name), np.int64))
        findings = []
        for name, most in (("x", width - 1), ("y", height - 1), ("p", POLARITIES - 1)):
            column = getattr(self, name)
            if column.size and not 0 <= column.min() <= column.max() <= most:
                findings.append(f"events: {name} = {column.min()}..{column.max()} leaves 0..{most}; give the true sensor size")
        raise_findings(InputError, findings)

    def __len__(self) -> int:
        return len(self.x)


class FrameSplit(enum.Enum):
    """How a recording is cut into frames: of the same duration, or with the same number of events."""

    TIME = "time"
    COUNT = "count"


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameFormat:
    """Frames of a recording.

    Args:
        frames: T, 1 or more.
        size: height and width of a frame; a smaller one than the sensor's adds up the events of neighbouring pixels.
        high: largest count of a cell, 1..255; what comes above is clipped and counted.
        split: same duration or same number of events.

    Raises:
        InputError: values outside their limits.
    """

    frames: int
    size: tuple[int, int]
    high: int
    split: FrameSplit

    def __post_init__(self) -> None:
        findings = []
        if self.frames < 1:
            findings.append(f"event frames: frames = {self.frames}, allowed is 1 or more")
        if not 1 <= self.high <= 255:
            findings.append(f"event frames: high = {self.high}, allowed is 1..255, what one byte holds")
        if min(self.size) < 1:
            findings.append(f"event frames: size = {self.size}, allowed is 1x1 pixels or more")
        raise_findings(InputError, findings)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EventFrames:
    """Counts ``(time, polarity, height, width)`` 0..high, and how many events the limit cost."""

    codes: FrameCodes
    clipped: int


def bin_events(events: Events, form: FrameFormat) -> EventFrames:
    """Count the events of every frame, polarity and pixel.

    With TIME, frame ``k`` of T holds ``k <= (t - t_first) T / (t_last - t_first + 1) < k + 1``; with COUNT, event ``i`` of N,
    in the order of time, is in frame ``i T // N``. Pixel ``x`` of W becomes ``x w // W`` of w. All in integers; no event is lost
    except by the limit: ``codes.sum() + clipped == len(events)``.

    Returns:
        The frames; a recording without events gives frames of zeros.
    """
    (height, width), (rows, columns) = events.sensor, form.size
    count = len(events)
    match form.split:
        case FrameSplit.TIME:
            since = events.t_us - events.t_us.min() if count else events.t_us
            frame = since * form.frames // (int(since.max(initial=0)) + 1)
        case FrameSplit.COUNT:
            frame = np.empty(count, np.int64)
            frame[np.argsort(events.t_us, kind="stable")] = np.arange(count) * form.frames // max(count, 1)
        case _:
            assert_never(form.split)
    cells = ((frame * POLARITIES + events.p) * rows + events.y * rows // height) * columns + events.x * columns // width
    shape = (form.frames, POLARITIES, rows, columns)
    counts = np.bincount(cells, minlength=int(np.prod(shape))).reshape(shape)
    return limited(counts, high=form.high)


def limited(counts: NDArray[Any], *, high: int) -> EventFrames:
    """Clip counts, 0 or more, to ``high`` (at most 255), and say how many events that cost."""
    over = np.maximum(counts.astype(np.int64) - high, 0)
    return EventFrames(codes=np.minimum(counts, high).astype(np.uint8), clipped=int(over.sum()))
