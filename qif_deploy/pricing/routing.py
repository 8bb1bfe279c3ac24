"""Messages and hops of the spikes of a run, over the cores of a placement.

A spike is sent once to every core that holds a target of it, for each target population; its own core counts, with no hop. Routes go along
x, then along y. A pool is taken to be part of the synapses behind it: where a placement gives it cores of its own, their counts are sent
as the spikes that they are made of. Spikes of inputs come from outside the mesh and are counted nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import Conv2dCodes, Flatten, SumPool2d
from qif_deploy.pricing.operations import LayerOperations
from qif_deploy.pricing.placement import Placement
from qif_deploy.pricing.terms import Term
from qif_deploy.shapes import Shape
from qif_deploy.simulate.op_counts import LayerCounts, Reaches, axis_links, conv_links

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """Messages and hops of one population over a whole run; ``hops`` are None where the placement names no routers.

    ``between_chips`` are messages that leave their chip; hops on the way between chips are not known and not counted.
    """

    messages: int
    hops: tuple[int, int] | None
    between_chips: int


def routes_of(
    graph: QuantizedGraph, reaches: Reaches, placement: Placement, activity: Mapping[str, NDArray[np.int64]]
) -> dict[str, Routes]:
    """Return population -> its messages, for ``activity`` spikes per neuron."""
    assert placement.where is not None
    found = {}
    for name in graph.populations:
        pairs: dict[tuple[int, int], int] = {}
        for target, branches in reaches.items():
            mine = [branch.name for branch in branches if branch.source == name]
            if mine:
                for pair, messages in _between(graph, placement.where, name, target, mine, activity[name]):
                    pairs[pair] = pairs.get(pair, 0) + messages
        found[name] = _routes(pairs, placement)
    return found


def routing_operations(layers: Iterable[LayerCounts], routes: Mapping[str, Routes]) -> tuple[LayerOperations, ...]:
    """Return messages and hops per layer and sample: the run's mean per spike, times the spikes of each sample."""
    found = []
    for layer in layers:
        if layer.name not in routes:
            continue
        per_spike = layer.spikes / max(1, int(layer.spikes.sum()))
        counts = {Term.MESSAGE: routes[layer.name].messages * per_spike}
        hops = routes[layer.name].hops
        if hops is not None:
            counts |= {Term.HOP_X: hops[0] * per_spike, Term.HOP_Y: hops[1] * per_spike}
        found.append(LayerOperations(name=layer.name, counts=counts))
    return tuple(found)


def _routes(pairs: Mapping[tuple[int, int], int], placement: Placement) -> Routes:
    total, places = sum(pairs.values()), placement.routers
    if not all(core in places for pair in pairs for core in pair):
        return Routes(messages=total, hops=None, between_chips=0)
    x = y = away = 0
    for (source, target), messages in pairs.items():
        a, b = places[source], places[target]
        if a.chip != b.chip:
            away += messages
            continue
        x += messages * abs(a.x - b.x)
        y += messages * abs(a.y - b.y)
    return Routes(messages=total, hops=(x, y), between_chips=away)


def _between(
    graph: QuantizedGraph, where: Mapping[str, NDArray[np.int64]], source: str, target: str, branches: list[str], spikes: NDArray[np.int64]
) -> Iterable[tuple[tuple[int, int], int]]:
    """Yield messages per pair of cores: for each core of the target, the spikes of all source neurons that one of its neurons hears."""
    home = where[source].ravel()
    for core in np.unique(where[target]):
        heard = np.zeros(graph.shapes[source], np.bool_)
        for branch in branches:
            heard |= _heard(graph, branch, where[target] == core)
        chosen = heard.ravel()
        sums = np.bincount(home[chosen], weights=spikes.ravel()[chosen])
        for sender in np.flatnonzero(sums):
            yield (int(sender), int(core)), int(sums[sender])


def _heard(graph: QuantizedGraph, synapse: str, wanted: Flags) -> Flags:
    """Neurons behind ``synapse`` of which a neuron of ``wanted`` hears; ``wanted`` is in the shape of what the synapse feeds."""
    node, source = graph.nodes[synapse], graph.sources(synapse)[0]
    shape = graph.shapes[source]
    if isinstance(node, Conv2dCodes):
        groups = node.geometry.groups
        per_group = wanted.reshape(groups, -1, *wanted.shape[1:]).any(axis=1)
        heard = np.repeat(_spread(per_group, *conv_links(node, shape)), shape[0] // groups, axis=0)
    else:
        heard = np.full(shape, wanted.any())
    while isinstance(between := graph.nodes[source], SumPool2d | Flatten):
        source = graph.sources(source)[0]
        shape = graph.shapes[source]
        heard = heard.reshape(shape) if isinstance(between, Flatten) else _spread(heard, *_pool_links(between, shape, heard.shape))
    return heard


def _pool_links(pool: SumPool2d, shape: Shape, out: Shape) -> tuple[Flags, Flags]:
    rows, columns = (axis_links(n, o, k, s, 0, 1) for n, o, k, s in zip(shape[1:], out[1:], pool.kernel, pool.stride, strict=True))
    return rows, columns


def _spread(wanted: Flags, rows: Flags, columns: Flags) -> Flags:
    """Return where an input ``(channel, row, column)`` is read by a wanted output; links as ``axis_links`` returns them."""
    up, along = (links.any(axis=2).astype(np.float32) for links in (rows, columns))
    found: Flags = up @ wanted.astype(np.float32) @ along.T > 0
    return found
