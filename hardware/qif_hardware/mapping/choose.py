"""Choosing one tile per layer: the least time of the slowest core within the budget of cores, then the fewest cores.

Given a bound T on the time, every layer takes the fewest cores that keep it, so the smallest T whose layers fit the budget is the
optimum of the dynamic programme over layers and cores; a search over the times that occur finds it in ``layers * log`` steps instead
of ``layers * cores``. Layers are visited from the readout back, since a layer's output axons depend on how its listeners are cut.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from qif_hardware.chip import Chip
from qif_hardware.mapping.activity import Activity, LayerWork, edges
from qif_hardware.mapping.layer import CoreLayer, consumers_of
from qif_hardware.mapping.lowering import Lowered
from qif_hardware.mapping.memory import Tile, Words, fits, shares, tile_words
from qif_hardware.mapping.tiles import TileOptions, tile_options
from qif_hardware.mapping.timing import barrier_ns, core_time_ns, term_times_ns


class Objective(enum.Enum):
    """TIME: the fastest step that the budget allows, down to the barrier. CORES: the fewest cores, however slow."""

    TIME = "time"
    CORES = "cores"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One tile per layer; ``shared`` lists layers that sit together on one core, each group in the order of the network.

    ``bound_ns`` is the bound on a core's time, infinite where only cores count. ``impossible`` names layers of which not even the smallest
    tile fits; they have no tile.
    """

    tiles: Mapping[str, Tile]
    shared: tuple[tuple[str, ...], ...]
    cores: int
    bound_ns: float
    impossible: Mapping[str, Words]


class Chooser:
    """Everything about a network that does not depend on the budget."""

    def __init__(self, lowered: Lowered, activity: Activity, chip: Chip) -> None:
        self.lowered, self.activity, self.chip = lowered, activity, chip
        self.options: dict[str, TileOptions] = {
            layer.name: tile_options(layer, activity, chip, consumers_of(layer.name, lowered.layers)) for layer in lowered.layers
        }

    def choose(self, *, budget: int, objective: Objective) -> Choice:
        """Return the choice for ``budget`` cores; where even the fewest cores are too many, the choice with the fewest."""
        fewest = self.at(np.inf)
        if objective is Objective.CORES or fewest.cores > budget or fewest.impossible:
            return fewest
        floor = barrier_ns(self.chip, "typical", self.chip.chips)
        times = np.unique(np.concatenate([np.maximum(option.time_ns, floor) for option in self.options.values()]))
        low, high = 0, len(times)  # times[high] stands for no bound
        best = fewest
        while low < high:
            middle = (low + high) // 2
            found = self.at(float(times[middle]))
            if found.cores <= budget and not found.impossible:
                best, high = found, middle
            else:
                low = middle + 1
        return best

    def at(self, bound_ns: float) -> Choice:
        """Return the fewest cores whose time stays within ``bound_ns``."""
        tiles: dict[str, Tile] = {}
        splits: dict[str, int] = {}
        impossible: dict[str, Words] = {}
        cores = 0
        for layer in reversed(self.lowered.layers):
            option = self.options[layer.name]
            listening = consumers_of(layer.name, self.lowered.layers, splits)
            good = option.feasible(self.chip, listening) & (option.time_ns <= bound_ns)
            if not good.any():
                impossible[layer.name] = Words(*map(int, tile_words(layer, Tile(1, 1, 1), self.chip, listening)))
                continue
            first = int(np.argmax(good))
            tiles[layer.name], splits[layer.name] = option.tile(first), option.splits(first)
            cores += int(option.cores[first])
        tiles = {layer.name: tiles[layer.name] for layer in self.lowered.layers if layer.name in tiles}
        shared = self._together(tiles, splits, bound_ns)
        return Choice(
            tiles=tiles,
            shared=shared,
            cores=cores - sum(len(group) - 1 for group in shared),
            bound_ns=bound_ns,
            impossible=impossible,
        )

    def _together(self, tiles: Mapping[str, Tile], splits: dict[str, int], bound_ns: float) -> tuple[tuple[str, ...], ...]:
        """Put layers that need one core only together, the fullest first, each on the first core where it fits."""
        single = [layer for layer in self.lowered.layers if tiles.get(layer.name) == Tile(*reversed(layer.shape))]
        items = [(layer, self._words(layer, splits), self._terms(layer)) for layer in single]
        items.sort(key=lambda item: (-max(shares(item[1], self.chip.limits).values()), item[0].name))
        bins: list[tuple[list[str], Words, tuple[float, ...]]] = []
        for layer, words, terms in items:
            for number, (names, used, spent) in enumerate(bins):
                both, together = used.plus(words), tuple(a + b for a, b in zip(spent, terms, strict=True))
                if fits(both, self.chip.limits) and core_time_ns(together, self.chip) <= bound_ns:
                    bins[number] = ([*names, layer.name], both, together)
                    break
            else:
                bins.append(([layer.name], words, terms))
        order = {layer.name: n for n, layer in enumerate(self.lowered.layers)}
        groups = [tuple(sorted(names, key=order.__getitem__)) for names, _, _ in bins if len(names) > 1]
        return tuple(sorted(groups, key=lambda group: order[group[0]]))

    def _words(self, layer: CoreLayer, splits: dict[str, int]) -> Words:
        whole = Tile(*reversed(layer.shape))
        return Words(*map(int, tile_words(layer, whole, self.chip, consumers_of(layer.name, self.lowered.layers, splits))))

    def _terms(self, layer: CoreLayer) -> tuple[float, ...]:
        channels, height, width = layer.shape
        load = LayerWork(layer, self.activity).grid(edges(height, height), edges(width, width), channels)
        return tuple(float(t[0, 0]) for t in term_times_ns(load, self.chip, "typical", quadratic=layer.quadratic))
