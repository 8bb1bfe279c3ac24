"""Events and their frames: nothing gets lost but what is reported."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qif_deploy.datasets.events import EventFrames, Events, FrameFormat, FrameSplit, bin_events
from qif_deploy.errors import InputError
from tests.core.data_files import random_events


@st.composite
def recordings(draw: st.DrawFn) -> Events:
    n, side = draw(st.integers(0, 80)), draw(st.integers(1, 9))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    columns = random_events(rng, n, side=side, last_us=draw(st.sampled_from([1, 7, 1000])))
    order = rng.permutation(n)  # files are not always sorted
    return Events(**{key: column[order] for key, column in columns.items()}, sensor=(side, side))


formats = st.builds(
    FrameFormat,
    frames=st.integers(1, 6),
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    high=st.integers(1, 4),
    split=st.sampled_from(FrameSplit),
)


def _by_loop(events: Events, form: FrameFormat) -> EventFrames:
    """The definition, one event after the other."""
    counts = np.zeros((form.frames, 2, *form.size), np.int64)
    order = np.argsort(events.t_us, kind="stable")
    for nth, i in enumerate(order):
        first, last = events.t_us[order[0]], events.t_us[order[-1]]
        if form.split is FrameSplit.TIME:
            frame = int(events.t_us[i] - first) * form.frames // int(last - first + 1)
        else:
            frame = nth * form.frames // len(events)
        row, column = (int(at) * size // side for at, size, side in zip((events.y[i], events.x[i]), form.size, events.sensor, strict=True))
        counts[frame, events.p[i], row, column] += 1
    return EventFrames(codes=counts.clip(0, form.high).astype(np.uint8), clipped=int((counts - form.high).clip(0).sum()))


@given(recordings(), formats)
def test_frames_are_the_definition_and_conserve_events(events: Events, form: FrameFormat) -> None:
    found, slow = bin_events(events, form), _by_loop(events, form)
    assert np.array_equal(found.codes, slow.codes)
    assert found.clipped == slow.clipped
    assert found.codes.sum() + found.clipped == len(events)
    assert found.codes.max() <= form.high


def test_equal_counts_are_equal() -> None:
    events = Events(**random_events(np.random.default_rng(0), 1003, side=8, last_us=50), sensor=(8, 8))
    found = bin_events(events, FrameFormat(frames=10, size=(8, 8), high=255, split=FrameSplit.COUNT))
    assert found.codes.sum(axis=(1, 2, 3)).tolist() == [101, 100, 100, 101, 100, 100, 101, 100, 100, 100]


def test_a_recording_without_events_is_dark() -> None:
    none = np.zeros(0, np.int64)
    empty = Events(x=none, y=none, t_us=none, p=none, sensor=(3, 4))
    for split in FrameSplit:
        assert not bin_events(empty, FrameFormat(frames=2, size=(3, 4), high=1, split=split)).codes.any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": np.array([4])}, "x = 4..4 leaves 0..3"),
        ({"y": np.array([-1])}, "y = -1..-1 leaves 0..2"),
        ({"p": np.array([2])}, "p = 2..2 leaves 0..1"),
        ({"x": np.array([0, 1])}, "differ; give one entry per event"),
    ],
)
def test_wrong_events_cannot_be_built(change: dict, message: str) -> None:
    columns = dict.fromkeys(("x", "y", "t_us", "p"), np.zeros(1, np.int64))
    with pytest.raises(InputError, match=message):
        Events(**(columns | change), sensor=(3, 4))


@pytest.mark.parametrize(
    ("change", "message"), [({"frames": 0}, "frames = 0"), ({"high": 256}, "high = 256"), ({"size": (0, 3)}, r"size = \(0, 3\)")]
)
def test_wrong_frame_formats_cannot_be_built(change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        FrameFormat(**({"frames": 2, "size": (3, 4), "high": 1, "split": FrameSplit.TIME} | change))
