"""All tiles of a layer that are worth considering: those that fit a core and are not beaten by another one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qif_hardware.chip import Chip
from qif_hardware.mapping.activity import Activity, LayerWork, edges
from qif_hardware.mapping.layer import Consumer, CoreLayer
from qif_hardware.mapping.memory import Tile, Words, axon_map_words, axon_mem_words, fits, tile_words
from qif_hardware.mapping.timing import core_time_ns, term_times_ns

Ints = NDArray[np.int64]
PARTS = 8
"""Sides of an image are cut into 1 to PARTS equal parts, besides the powers of two and the divisors."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TileOptions:
    """Tiles of one layer that fit a core by everything but their output axons, sorted by cores, then by time.

    ``core_ns`` is the typical time of the busiest tile, ``messages`` what comes into all tiles per step.
    """

    layer: CoreLayer
    tiles: Tile
    cores: Ints
    core_ns: NDArray[np.float64]
    messages: NDArray[np.float64]
    words: Words

    def feasible(self, chip: Chip, consumers: Sequence[Consumer]) -> NDArray[np.bool_]:
        """Which tiles fit with their output axons for these listeners."""
        found: NDArray[np.bool_] = fits(self.with_axons(chip, consumers), chip.limits)
        return found

    def with_axons(self, chip: Chip, consumers: Sequence[Consumer]) -> Words:
        """Return the words of all tiles, output axons included."""
        return self.words._replace(
            axon_map=axon_map_words(self.tiles, chip, consumers), axon_mem=axon_mem_words(self.tiles, chip, consumers)
        )

    def tile(self, number: int) -> Tile:
        """Return one tile."""
        return Tile(*(int(side[number]) for side in self.tiles))

    def splits(self, number: int) -> int:
        """Return into how many pieces tile ``number`` cuts the channels."""
        return -(-self.layer.shape[0] // int(self.tiles.c[number]))


def tile_options(layer: CoreLayer, activity: Activity, chip: Chip, consumers: Sequence[Consumer]) -> TileOptions:
    """Enumerate the tiles of a layer and keep the Pareto set of cores, time, messages, positions and neurons.

    Output axons depend on how the listeners are cut, which is chosen later; here they are counted as for listeners in one piece.
    """
    tiles = _candidates(layer)
    inputs = tile_words(layer, tiles, chip, consumers)
    good = np.broadcast_to(fits(inputs, chip.limits), tiles.c.shape)
    tiles = Tile(*(side[good] for side in tiles))
    words = Words(*(np.broadcast_to(np.asarray(value, np.int64), good.shape)[good] for value in inputs))
    channels, height, width = layer.shape
    cores = -(-width // tiles.w) * -(-height // tiles.h) * -(-channels // tiles.c)
    times, messages = _busiest_ns(layer, activity, chip, tiles)
    keep = _pareto(cores, times, messages, tiles.w * tiles.h, tiles.w * tiles.h * tiles.c)
    return TileOptions(
        layer=layer,
        tiles=Tile(*(side[keep] for side in tiles)),
        cores=cores[keep],
        core_ns=times[keep],
        messages=messages[keep],
        words=Words(*(value[keep] for value in words)),
    )


def fewest_cores(layer: CoreLayer, chip: Chip, consumers: Sequence[Consumer]) -> int | None:
    """Return the fewest cores that hold the layer, None where not even one neuron fits."""
    tiles = _candidates(layer)
    good = np.broadcast_to(fits(tile_words(layer, tiles, chip, consumers), chip.limits), tiles.c.shape)
    channels, height, width = layer.shape
    cores = (-(-width // tiles.w) * -(-height // tiles.h) * -(-channels // tiles.c))[good]
    return int(cores.min()) if cores.size else None


def _candidates(layer: CoreLayer) -> Tile:
    channels, height, width = layer.shape
    cuts = {-(-channels // k) for k in range(1, channels + 1)} if channels <= 4096 else {-(-channels // k) for k in range(1, 4097)}
    grid = np.meshgrid(_sides(width), _sides(height), np.array(sorted(cuts), np.int64), indexing="ij")
    return Tile(*(side.ravel() for side in grid))


def _sides(size: int) -> Ints:
    parts = {-(-size // k) for k in range(1, PARTS + 1)}
    powers = {2**k for k in range(size.bit_length()) if 2**k < size}
    divisors = {n for n in range(1, size + 1) if size % n == 0}
    return np.array(sorted(parts | powers | divisors), np.int64)


def _busiest_ns(layer: CoreLayer, activity: Activity, chip: Chip, tiles: Tile) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Typical time of the busiest tile and messages into all tiles, per candidate; tiles that differ in channels only share their sums."""
    work = LayerWork(layer, activity)
    found, messages = np.zeros(len(tiles.c)), np.zeros(len(tiles.c))
    _, height, width = layer.shape
    for w, h in sorted(set(zip(tiles.w.tolist(), tiles.h.tolist(), strict=True))):
        mine = np.flatnonzero((tiles.w == w) & (tiles.h == h))
        load, messages[mine] = work.busiest(edges(height, h), edges(width, w), tiles.c[mine])
        found[mine] = core_time_ns(term_times_ns(load, chip, "typical", quadratic=layer.quadratic), chip)
    return found, messages


def _pareto(cores: Ints, *costs: NDArray[Any]) -> Ints:
    """Return the candidates that no other one beats in cores and all ``costs``, sorted by cores, then by the costs in their order."""
    order = np.lexsort((*reversed(costs), cores))
    values = np.stack([cost[order].astype(np.float64) for cost in costs])
    kept: list[int] = []
    held = np.empty_like(values)
    for place in range(len(order)):
        n = len(kept)
        if n and bool((held[:, :n] <= values[:, place, None]).all(axis=0).any()):
            continue
        held[:, n] = values[:, place]
        kept.append(place)
    found: Ints = order[kept].astype(np.int64)
    return found
