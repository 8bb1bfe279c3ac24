"""What a network does per step: spikes per position, and from them the work that lands on a piece of a layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.simulate.op_counts import Tallies
from qif_hardware.mapping.layer import CoreLayer, LayerKind, Projection, Shape3, Storage, Taps
from qif_hardware.mapping.lowering import Lowered, is_graded

Floats = NDArray[np.float64]
SpikeMap = Annotated[Floats, "(height, width)"]

ASSUMED_RATE = 0.16
"""Spikes per neuron and step where no run is given; the mean rate of the networks that the recipes train is near it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """Spikes per step and position, over all channels, per emitting layer or injected input; ``source`` says where they come from."""

    spikes: Mapping[str, SpikeMap]
    source: str


def activity_of(graph: QuantizedGraph, lowered: Lowered, tallies: Tallies | None, *, source: str) -> Activity:
    """Return the mean activity of a run, or an assumed one without a run.

    A graded input sends every code in every step; a pool sends at most one count per channel and window that a spike reached.
    """
    found: dict[str, SpikeMap] = {}
    shapes: dict[str, Shape3] = {**lowered.injected, **{layer.name: layer.shape for layer in lowered.layers}}
    for name, (channels, height, width) in lowered.injected.items():
        found[name] = _measured(graph, tallies, name, (channels, height, width))
    for layer in lowered.layers:
        channels, height, width = layer.shape
        match layer.kind:
            case LayerKind.INPUT | LayerKind.POPULATION:
                found[layer.name] = _measured(graph, tallies, layer.name, layer.shape)
            case LayerKind.READOUT:
                found[layer.name] = np.zeros((height, width))
            case LayerKind.POOL:
                (p,) = layer.projections
                found[layer.name] = np.minimum(reached(p, found[p.source], layer.shape), float(channels))
            case LayerKind.RELAY:
                (p,) = layer.projections
                found[layer.name] = found[p.source]
    assert set(found) == set(shapes)
    return Activity(spikes=found, source=source)


def _measured(graph: QuantizedGraph, tallies: Tallies | None, name: str, shape: Shape3) -> SpikeMap:
    channels, height, width = shape
    if name in graph.inputs and is_graded(graph.code_input(name)):
        return np.full((height, width), float(channels))
    if tallies is None:
        return np.full((height, width), ASSUMED_RATE * channels)
    spikes: SpikeMap = (tallies.rates[name].mean(axis=0) / tallies.steps).reshape(height, width)
    return spikes


def reached(p: Projection, spikes: SpikeMap, shape: Shape3) -> SpikeMap:
    """Return, per position of the target, the spikes of all source channels that its taps read."""
    if p.storage is not Storage.SHARED:
        return np.full(shape[1:], float(spikes.sum()))
    found: SpikeMap = _reads(p.y, shape[1], spikes.shape[0]) @ spikes @ _reads(p.x, shape[2], spikes.shape[1]).T
    return found


def _reads(taps: Taps, outputs: int, inputs: int) -> Annotated[Floats, "(output, input)"]:
    found = np.zeros((outputs, inputs))
    at = np.arange(outputs)[:, None] * taps.stride - taps.padding + np.array(taps.taps)[None, :]
    rows = np.broadcast_to(np.arange(outputs)[:, None], at.shape)
    inside = (at >= 0) & (at < inputs)
    found[rows[inside], at[inside]] = 1.0
    return found


class Load(NamedTuple):
    """Operations per step on a piece of a layer (numbers or arrays): synaptic operations, updates, messages in, spikes out."""

    synops: Floats
    updates: Floats
    messages_in: Floats
    spikes_out: Floats


class LayerWork:
    """Sums over rectangles of a layer, in constant time each.

    Synaptic operations are exact for the mean activity: every channel of a position receives the same spikes. In a grouped convolution
    the spikes are taken to be spread evenly over the groups, and so are spikes over the channels of a position.
    """

    def __init__(self, layer: CoreLayer, activity: Activity) -> None:
        self.layer = layer
        channels, height, width = layer.shape
        per_channel = np.zeros((height, width))
        for p in layer.projections:
            per_channel += reached(p, activity.spikes[p.source], layer.shape) / p.groups
        self._synops = _integral(per_channel)
        self._emitted = _integral(activity.spikes[layer.name] / channels)
        self._incoming = [_integral(activity.spikes[p.source]) for p in layer.projections]

    def grid(self, ys: NDArray[np.int64], xs: NDArray[np.int64], c: int) -> Load:
        """Return the load of every rectangle between the edges ``ys`` and ``xs``, for ``c`` channels; arrays ``(row, column)``."""
        messages = np.zeros((len(ys) - 1, len(xs) - 1))
        for p, incoming in zip(self.layer.projections, self._incoming, strict=True):
            messages += float(self._heard(p, np.int64(c))) * _halo_sums(p, incoming, ys, xs)
        area = np.diff(ys)[:, None] * np.diff(xs)[None, :]
        return Load(
            synops=_rectangles(self._synops, ys, xs) * c,
            updates=area * float(c),
            messages_in=messages,
            spikes_out=_rectangles(self._emitted, ys, xs) * c,
        )

    def busiest(self, ys: NDArray[np.int64], xs: NDArray[np.int64], c: NDArray[np.int64]) -> tuple[Load, Floats]:
        """Return, for every number of channels in ``c``, the largest of each term over the rectangles, and all messages into the layer.

        The load is that of the busiest rectangle where one leads in all terms, and an upper bound elsewhere; arrays like ``c``.
        """
        messages, everywhere = np.zeros(len(c)), np.zeros(len(c))
        for p, incoming in zip(self.layer.projections, self._incoming, strict=True):
            sums, heard = _halo_sums(p, incoming, ys, xs), self._heard(p, c)
            messages += heard * sums.max()
            everywhere += heard * sums.sum() * -(-self.layer.shape[0] // c)
        many = c.astype(np.float64)
        largest = float(np.diff(ys).max() * np.diff(xs).max())
        load = Load(
            synops=_rectangles(self._synops, ys, xs).max() * many,
            updates=largest * many,
            messages_in=messages,
            spikes_out=_rectangles(self._emitted, ys, xs).max() * many,
        )
        return load, everywhere

    def _heard(self, p: Projection, c: Any) -> Any:
        """Share of the source's channels that a tile of ``c`` channels listens to."""
        return 1.0 if p.groups == 1 else np.minimum(1.0, -(-c * p.groups // self.layer.shape[0]) / p.groups)


def edges(size: int, step: int) -> NDArray[np.int64]:
    """Return the borders of pieces of ``step`` in ``size``; the last piece may be smaller."""
    return np.append(np.arange(0, size, step, dtype=np.int64), size)


def _integral(values: SpikeMap) -> Floats:
    """Return sums over all rectangles from the origin."""
    found = np.zeros((values.shape[0] + 1, values.shape[1] + 1))
    found[1:, 1:] = values.cumsum(axis=0).cumsum(axis=1)
    return found


def _rectangles(integral: Floats, ys: NDArray[np.int64], xs: NDArray[np.int64]) -> Floats:
    corner = integral[np.ix_(ys, xs)]
    found: Floats = corner[1:, 1:] - corner[:-1, 1:] - corner[1:, :-1] + corner[:-1, :-1]
    return found


def _halo_sums(p: Projection, incoming: Floats, ys: NDArray[np.int64], xs: NDArray[np.int64]) -> Floats:
    """Return the spikes of all channels within what each rectangle reads."""
    if p.storage is not Storage.SHARED:
        return np.full((len(ys) - 1, len(xs) - 1), float(incoming[-1, -1]))
    _, height, width = p.source_shape
    top, bottom = spans(p.y, ys, height)
    left, right = spans(p.x, xs, width)
    found: Floats = (
        incoming[np.ix_(bottom, right)] - incoming[np.ix_(top, right)] - incoming[np.ix_(bottom, left)] + incoming[np.ix_(top, left)]
    )
    return found


def spans(taps: Taps, borders: NDArray[np.int64], size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return first and last + 1 input that each piece between ``borders`` reads, within ``0 .. size``."""
    low = np.clip(borders[:-1] * taps.stride - taps.padding + taps.taps[0], 0, size)
    high = np.clip((borders[1:] - 1) * taps.stride - taps.padding + taps.taps[-1] + 1, 0, size)
    return low, np.maximum(low, high)
