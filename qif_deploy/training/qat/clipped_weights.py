"""Where to clip the weights of a channel so that few bits serve it best."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from qif_deploy.fixedpoint import NumberFormat, round_units
from qif_deploy.ir.graph import Graph
from qif_deploy.ir.nodes import QIF, Conv2d, Dense, FloatNode
from qif_deploy.shapes import ChannelFloats

CANDIDATES = 64
"""Shares of the largest weight that are tried."""


def clip_weights(graph: Graph, number_format: NumberFormat) -> Graph:
    """Return the graph with every weight clipped to the limit of its row at which rounding to codes has the least squared error.

    A row is a channel of a population; the rows of a readout share one limit, since they share one unit. ``quantize_graph`` takes
    the largest weight for the largest code, so it chooses this limit's unit. With one code besides zero (2 bits) that is
    the difference between most weights at zero and about a third of them.
    """
    nodes: dict[str, FloatNode] = dict(graph.nodes)
    for name, node in graph.nodes.items():
        if not isinstance(node, Dense | Conv2d):
            continue
        rows = node.weight.reshape(node.weight.shape[0], -1).astype(np.float64, copy=False)
        together = not isinstance(graph.nodes[graph.targets(name)[0]], QIF)
        best = _best_limits(rows.reshape(1, -1) if together else rows, number_format.weight_limit)
        clipped = np.clip(rows, -best[:, None], best[:, None])
        nodes[name] = replace(node, weight=clipped.reshape(node.weight.shape))
    return Graph(nodes=nodes, edges=graph.edges)


def _best_limits(rows: NDArray[np.float64], limit: int) -> ChannelFloats:
    largest = np.abs(rows).max(axis=1)
    best: ChannelFloats = largest.copy()
    least = np.full(largest.shape, np.inf)
    for share in np.arange(CANDIDATES, 0, -1) / CANDIDATES:
        unit = np.where(largest > 0, largest, 1.0)[:, None] * (share / limit)
        error = ((round_units(rows / unit, limit=limit) * unit - rows) ** 2).sum(axis=1)
        best, least = np.where(error < least, largest * share, best), np.minimum(error, least)
    return best
