"""Cores onto the places of a chip's mesh: a snake along the network, improved by swaps that shorten hop-weighted traffic.

Messages travel along x, then along y (XY routing), one hop per router. How chips are wired is not public: they are taken to lie on the
squarest grid, and hops between chips are counted apart from hops on a chip.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qif_hardware.chip import Chip
from qif_hardware.mapping.traffic import Traffic

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
SWAPS = 400
"""Swaps per chip at most; each takes the pair that saves most."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mesh:
    """Places of all cores: chip, column, row and place on its router, ``(core,)`` each.

    ``hops_before`` and ``hops`` are messages times hops per step on the chips, before and after the swaps; ``chip_hops`` between chips.
    """

    chip: Ints
    x: Ints
    y: Ints
    slot: Ints
    hops_before: float
    hops: float
    chip_hops: float
    chips_used: int


def place_on_mesh(chip_of: Ints, traffic: Traffic, chip: Chip, *, swaps: int = SWAPS) -> Mesh:
    """Give every core a router: along a snake on its chip, then at most ``swaps`` swaps per chip."""
    sx, sy, slot = _snake_places(chip)
    place = np.zeros(len(chip_of), np.int64)
    before = after = 0.0
    for number in np.unique(chip_of):
        mine = np.flatnonzero(chip_of == number)
        weights = _inner(mine, len(chip_of), traffic, chip.cores_per_chip)
        distance = np.abs(sx[:, None] - sx[None, :]) + np.abs(sy[:, None] - sy[None, :])
        order, saved_from, saved_to = _swapped(weights, distance.astype(np.float64), swaps)
        place[mine] = order[: len(mine)]
        before, after = before + saved_from, after + saved_to
    (ax, ay), (bx, by) = (_chip_places(chip_of[ends], int(chip_of.max()) + 1) for ends in (traffic.source, traffic.target))
    chip_hops = float((traffic.messages * (np.abs(ax - bx) + np.abs(ay - by))).sum())
    return Mesh(
        chip=chip_of, x=sx[place], y=sy[place], slot=slot[place], hops_before=before, hops=after, chip_hops=chip_hops,
        chips_used=len(np.unique(chip_of)),
    )  # fmt: skip


def _snake_places(chip: Chip) -> tuple[Ints, Ints, Ints]:
    """Column, row and place on the router of the first ``cores_per_chip`` places along the snake."""
    number = np.arange(chip.cores_per_chip)
    router, slot = number // chip.cores_per_router, number % chip.cores_per_router
    y, x = router // chip.columns, router % chip.columns
    return np.where(y % 2 == 0, x, chip.columns - 1 - x), y, slot


def _inner(mine: Ints, count: int, traffic: Traffic, places: int) -> Floats:
    """Traffic among the cores of one chip, both ways together, padded with empty places."""
    local = np.full(count, -1, np.int64)
    local[mine] = np.arange(len(mine))
    a, b = local[traffic.source], local[traffic.target]
    both = (a >= 0) & (b >= 0)
    weights = np.zeros((places, places))
    np.add.at(weights, (a[both], b[both]), traffic.messages[both])
    summed: Floats = weights + weights.T
    return summed


def _swapped(weights: Floats, distance: Floats, swaps: int) -> tuple[Ints, float, float]:
    """Return the place per core after swaps, and hop-weighted traffic before and after.

    With ``C[i, p]`` the cost of core i at place p, swapping i and j changes the sum by
    ``C[i, pj] + C[j, pi] - C[i, pi] - C[j, pj] + 2 W[i, j] D[pi, pj]``; ``C`` is kept up to date, so a swap costs ``cores ** 2``.
    """
    place = np.arange(len(weights))
    cost = weights @ distance
    first = float((weights * distance).sum()) / 2
    for _ in range(swaps):
        pull = cost[:, place]  # pull[i, j]: core i at the place of core j
        own = np.diag(pull)
        change = pull + pull.T - own[:, None] - own[None, :] + 2 * weights * distance[np.ix_(place, place)]
        i, j = divmod(int(np.argmin(change)), len(weights))
        if change[i, j] >= -1e-9 * max(1.0, first):
            break
        moved = distance[place[j]] - distance[place[i]]
        cost += np.outer(weights[:, i] - weights[:, j], moved)
        place[[i, j]] = place[[j, i]]
    return place, first, float((weights * distance[np.ix_(place, place)]).sum()) / 2


def _chip_places(chip: Ints, chips: int) -> tuple[Ints, Ints]:
    """Column and row of chips along a snake on the squarest grid, so that chips that follow each other are neighbours."""
    columns = int(np.ceil(np.sqrt(chips)))
    y, x = chip // columns, chip % columns
    return np.where(y % 2 == 0, x, columns - 1 - x), y


Link = tuple[int, int, int, int, int]
"""A link on a chip: chip, then column and row of the router that it leaves and of the one that it enters."""

ChipLink = tuple[int, int, int, int]
"""A link between chips: column and row of the one on the grid of chips, then of the other."""


def link_loads(mesh: Mesh, traffic: Traffic) -> tuple[Mapping[Link, float], Mapping[ChipLink, float]]:
    """Return messages per step on every link of the meshes, and between neighbouring chips.

    Within a chip only its own traffic is counted: where messages of other chips enter its mesh is not public.
    """
    inner: dict[Link, float] = {}
    outer: dict[ChipLink, float] = {}
    a, b = mesh.chip[traffic.source], mesh.chip[traffic.target]
    chips = int(mesh.chip.max()) + 1
    same = np.flatnonzero(a == b)
    rows = np.stack(
        [a[same], mesh.x[traffic.source[same]], mesh.y[traffic.source[same]], mesh.x[traffic.target[same]], mesh.y[traffic.target[same]]]
    )
    for key, messages in _grouped(rows, traffic.messages[same]):
        number, x, y, to_x, to_y = key
        for one, two in _route((x, y), (to_x, to_y)):
            link = (number, *one, *two)
            inner[link] = inner.get(link, 0.0) + messages
    away = np.flatnonzero(a != b)
    (ax, ay), (bx, by) = _chip_places(a[away], chips), _chip_places(b[away], chips)
    for (x, y, to_x, to_y), messages in _grouped(np.stack([ax, ay, bx, by]), traffic.messages[away]):
        for one, two in _route((x, y), (to_x, to_y)):
            border = (*one, *two)
            outer[border] = outer.get(border, 0.0) + messages
    return inner, outer


def _grouped(rows: Ints, messages: Floats) -> list[tuple[tuple[int, ...], float]]:
    if rows.shape[1] == 0:
        return []
    keys, place = np.unique(rows, axis=1, return_inverse=True)
    sums = np.bincount(np.asarray(place).ravel(), weights=messages, minlength=keys.shape[1])
    return [(tuple(int(n) for n in keys[:, k]), float(sums[k])) for k in range(keys.shape[1])]


def _route(start: tuple[int, int], end: tuple[int, int]) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Hops along x, then along y."""
    found = []
    x, y = start
    while x != end[0]:
        step = 1 if end[0] > x else -1
        found.append(((x, y), (x + step, y)))
        x += step
    while y != end[1]:
        step = 1 if end[1] > y else -1
        found.append(((x, y), (x, y + step)))
        y += step
    return found
