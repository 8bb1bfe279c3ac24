"""Messages per step between cores: one per spike and destination core, as routed spikes are sent one by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qif_hardware.mapping.activity import Activity, spans
from qif_hardware.mapping.cores import LayerCut, LogicalCores
from qif_hardware.mapping.layer import Projection, Storage

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Traffic(NamedTuple):
    """Messages per step from ``source`` to ``target`` core; each pair once, sorted. Messages within a core are left out."""

    source: Ints
    target: Ints
    messages: Floats

    @property
    def total(self) -> float:
        """Messages per step that leave their core."""
        return float(self.messages.sum())


def traffic_of(cores: LogicalCores, activity: Activity) -> Traffic:
    """Return the traffic between logical cores; what is injected from outside is no part of it."""
    found: list[tuple[Ints, Ints, Floats]] = []
    for cut in cores.cuts.values():
        for p in cut.layer.projections:
            if p.source in cores.cuts:
                found.append(_between(cores.cuts[p.source], cut, p, activity.spikes[p.source]))
    return _summed(found, cores.count)


def injected_messages(cores: LogicalCores, activity: Activity, injected: Mapping[str, object]) -> float:
    """Return the messages per step that come from outside."""
    total = 0.0
    for cut in cores.cuts.values():
        for p in cut.layer.projections:
            if p.source in injected:
                spikes = activity.spikes[p.source]
                top, bottom, left, right = _read_by(p, cut)
                per_tile = _box_sums(spikes, top, bottom, left, right)
                total += float(per_tile.sum()) * (1 if p.groups > 1 else len(cut.cs) - 1)
    return total


def _between(source: LayerCut, target: LayerCut, p: Projection, spikes: Floats) -> tuple[Ints, Ints, Floats]:
    """Messages between all tiles of two layers: spikes within the overlap of what one has and the other reads."""
    top, bottom, left, right = _read_by(p, target)
    y0 = np.maximum(source.ys[:-1, None], top[None, :])
    y1 = np.minimum(source.ys[1:, None], bottom[None, :])
    x0 = np.maximum(source.xs[:-1, None], left[None, :])
    x1 = np.minimum(source.xs[1:, None], right[None, :])
    sy, ty = np.nonzero(y1 > y0)
    sx, tx = np.nonzero(x1 > x0)
    per_channel = _box_sums(spikes / source.layer.shape[0], y0[sy, ty], y1[sy, ty], x0[sx, tx], x1[sx, tx])  # (y pair, x pair)
    shared = _channels_heard(source, target, p)
    a, b = np.nonzero(shared)
    messages = per_channel[:, :, None] * shared[a, b][None, None, :]
    froms = source.core[sy][:, sx][:, :, a]
    tos = target.core[ty][:, tx][:, :, b]
    good = messages > 0
    return froms[good], tos[good], messages[good]


def _read_by(p: Projection, target: LayerCut) -> tuple[Ints, Ints, Ints, Ints]:
    """Rows and columns of the source that each row and column of tiles reads."""
    _, height, width = p.source_shape
    if p.storage is Storage.SHARED:
        return (*spans(p.y, target.ys, height), *spans(p.x, target.xs, width))
    rows, columns = len(target.ys) - 1, len(target.xs) - 1
    return np.zeros(rows, np.int64), np.full(rows, height), np.zeros(columns, np.int64), np.full(columns, width)


def _channels_heard(source: LayerCut, target: LayerCut, p: Projection) -> Ints:
    """How many channels of each split of the source each split of the target listens to."""
    first, last = source.cs[:-1], source.cs[1:]
    if p.groups == 1:
        return np.repeat((last - first)[:, None], len(target.cs) - 1, axis=1)
    inputs, outputs = p.source_shape[0] // p.groups, target.layer.shape[0] // p.groups
    low = target.cs[:-1] // outputs * inputs
    high = -(-target.cs[1:] // outputs) * inputs
    found: Ints = np.maximum(0, np.minimum(last[:, None], high[None, :]) - np.maximum(first[:, None], low[None, :]))
    return found


def _box_sums(spikes: Floats, top: Ints, bottom: Ints, left: Ints, right: Ints) -> Floats:
    """Sums over the boxes of all row ranges with all column ranges."""
    integral = np.zeros((spikes.shape[0] + 1, spikes.shape[1] + 1))
    integral[1:, 1:] = spikes.cumsum(axis=0).cumsum(axis=1)
    found: Floats = (
        integral[np.ix_(bottom, right)] - integral[np.ix_(top, right)] - integral[np.ix_(bottom, left)] + integral[np.ix_(top, left)]
    )
    return np.maximum(found, 0.0)


def _summed(parts: list[tuple[Ints, Ints, Floats]], count: int) -> Traffic:
    if not parts:
        return Traffic(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    froms, tos, messages = (np.concatenate(column) for column in zip(*parts, strict=True))
    away = froms != tos
    keys, place = np.unique(froms[away] * count + tos[away], return_inverse=True)
    sums = np.bincount(place, weights=messages[away], minlength=len(keys)).astype(np.float64)
    return Traffic(keys // count, keys % count, sums)
