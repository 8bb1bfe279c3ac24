"""Cores onto chips: runs along the network first, then halves improved by Kernighan and Lin until no halving cuts less traffic.

Source: B. W. Kernighan and S. Lin, "An efficient heuristic procedure for partitioning graphs", Bell System Technical Journal 49(2), 1970,
as networkx has it. It runs over blocks of neighbouring cores, all of one size, so that swaps keep the load of the chips.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qif_hardware.mapping.traffic import Traffic

Ints = NDArray[np.int64]
BLOCKS_PER_CHIP = 12
ROUNDS = 3
"""Sweeps of one halving; later ones rarely move anything."""


def assign_chips(count: int, traffic: Traffic, *, chips: int, cores_per_chip: int) -> Ints:
    """Return the chip of every core, ``(core,)``, on as few chips as hold them.

    Args:
        count: number of cores.
        traffic: messages between them.
        chips: chips there are.
        cores_per_chip: most cores on one.
    """
    used = min(chips, -(-count // cores_per_chip))
    if used <= 1:
        return np.zeros(count, np.int64)
    size = max(1, cores_per_chip // BLOCKS_PER_CHIP)
    block = np.arange(count) // size
    blocks = int(block[-1]) + 1
    weights = np.zeros((blocks, blocks))
    np.add.at(weights, (block[traffic.source], block[traffic.target]), traffic.messages)
    weights = weights + weights.T
    np.fill_diagonal(weights, 0)
    chip_of = np.zeros(blocks, np.int64)
    sizes = np.bincount(block, minlength=blocks)
    _halve(list(range(blocks)), 0, used, weights, sizes, cores_per_chip, chip_of)
    found: Ints = chip_of[block]
    if np.bincount(found, minlength=used).max() > cores_per_chip:  # blocks do not always fill chips to the last core
        found = np.arange(count) // cores_per_chip
    return found


def _halve(nodes: list[int], first: int, chips: int, weights: NDArray[np.float64], sizes: Ints, capacity: int, chip_of: Ints) -> None:
    """Spread ``nodes`` over chips ``first .. first + chips - 1``."""
    if chips == 1:
        chip_of[nodes] = first
        return
    left_chips = chips // 2
    total = int(sizes[nodes].sum())
    # As full as the share of the chips asks, but never so empty that the rest would not fit on the other side.
    goal = max(total * left_chips / chips, total - (chips - left_chips) * capacity)
    filled = np.cumsum(sizes[nodes])
    at = int(np.searchsorted(filled, goal))
    at = at + 1 if filled[min(at, len(nodes) - 1)] <= left_chips * capacity else at
    left, right = nodes[:at], nodes[at:]
    if left and right:
        left, right = _improved(left, right, weights, sizes, (left_chips * capacity, (chips - left_chips) * capacity))
    _halve(left, first, left_chips, weights, sizes, capacity, chip_of)
    _halve(right, first + left_chips, chips - left_chips, weights, sizes, capacity, chip_of)


def _improved(
    left: list[int], right: list[int], weights: NDArray[np.float64], sizes: Ints, capacities: tuple[int, int]
) -> tuple[list[int], list[int]]:
    from qif_hardware.mapping._networkx import Graph, kernighan_lin_bisection

    nodes = sorted([*left, *right])
    graph: Any = Graph()
    graph.add_nodes_from(nodes)
    inside = weights[np.ix_(nodes, nodes)]
    for a, b in zip(*np.nonzero(np.triu(inside)), strict=True):
        graph.add_edge(nodes[a], nodes[b], weight=float(inside[a, b]))
    one, two = kernighan_lin_bisection(graph, partition=(set(left), set(right)), max_iter=ROUNDS, weight="weight", seed=0)
    if len(one) != len(left):
        one, two = two, one
    new_left, new_right = sorted(one), sorted(two)

    def cut(a: list[int], b: list[int]) -> float:
        return float(weights[np.ix_(a, b)].sum())

    full = sizes[new_left].sum() > capacities[0] or sizes[new_right].sum() > capacities[1]
    return (left, right) if full or cut(new_left, new_right) >= cut(left, right) else (new_left, new_right)
