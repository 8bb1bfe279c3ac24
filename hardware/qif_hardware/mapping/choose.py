"""Choosing one tile per layer: the least time of the slowest core or link within the budget of cores, then the fewest cores.

Given a bound T on the time, every layer takes the fewest cores that keep it, so the smallest T whose layers fit the budget is the
optimum of the dynamic programme over layers and cores; a search over the times that occur finds it in ``layers * log`` steps instead
of ``layers * cores``. Layers are visited from the readout back, since a layer's output axons depend on how its listeners are cut.

On several chips the links between them may be slower than the cores, and how many messages come depends on the tiles: channels cut in k
pieces hear every spike k times. So each bound is also tried with cores spent to save messages, at several rates of exchange, and the
link is guessed from where the borders of the chips would fall.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from copy import copy
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

    ``bound_ns`` is the bound on a core's time, infinite where only cores count. ``impossible`` names layers of which not even the
    smallest tile fits; they have no tile. ``messages`` come into each layer per step.
    """

    tiles: Mapping[str, Tile]
    shared: tuple[tuple[str, ...], ...]
    cores: int
    bound_ns: float
    impossible: Mapping[str, Words]
    messages: Mapping[str, float]


MESSAGES_PER_CORE = (np.inf, 1e5, 3e4, 1e4, 3e3, 1e3, 3e2)
"""Rates of exchange: so many messages per step saved are worth one more core."""

TIGHTER = (1.0, 0.7, 0.5, 0.35, 0.25, 0.17)
"""Shares of the bound that was found with guessed links, at which placements are compared."""

LINK_STEPS = 12
"""Bounds that are tried beyond the slowest core, where links are slower."""


class Chooser:
    """Everything about a network that does not depend on the budget."""

    def __init__(self, lowered: Lowered, activity: Activity, chip: Chip) -> None:
        self.lowered, self.activity, self.chip = lowered, activity, chip
        self.options: dict[str, TileOptions] = {
            layer.name: tile_options(layer, activity, chip, consumers_of(layer.name, lowered.layers)) for layer in lowered.layers
        }

    def on(self, chip: Chip) -> Chooser:
        """Return the same for another number of chips, without enumerating the tiles again."""
        other = copy(self)
        other.chip = chip
        return other

    def choose(self, *, budget: int, objective: Objective) -> Choice:
        """Return the choice for ``budget`` cores; where even the fewest cores are too many, the choice with the fewest."""
        fewest = self.at(np.inf)
        if objective is Objective.CORES or fewest.cores > budget or fewest.impossible:
            return fewest
        many = fewest.cores > self.chip.cores_per_chip
        rates = MESSAGES_PER_CORE if many else MESSAGES_PER_CORE[:1]
        floor = barrier_ns(self.chip, "typical", self.chip.chips)
        times = np.unique(np.concatenate([np.maximum(option.core_ns, floor) for option in self.options.values()]))
        slowest_link = self._link_ns(fewest)
        if slowest_link > times[-1]:
            times = np.append(times, np.geomspace(times[-1], slowest_link, LINK_STEPS + 1)[1:])
        low, high = 0, len(times)  # times[high] stands for no bound
        best = fewest
        while low < high:
            middle = (low + high) // 2
            bound = float(times[middle])
            found = [self.at(bound, messages_per_core=rate) for rate in rates]
            good = [one for one in found if one.cores <= budget and not one.impossible and self._link_ns(one) <= bound]
            if good:
                best, high = min(good, key=lambda one: one.cores), middle
            else:
                low = middle + 1
        return best

    def candidates(self, *, budget: int, objective: Objective) -> list[Choice]:
        """Return choices that are worth placing to see their links: one where the cores fit on a chip or only their number counts.

        With several chips ``choose`` had to guess the links; so tighter bounds on the cores follow, each with the fewest messages.
        """
        first = self.choose(budget=budget, objective=objective)
        found = [first]
        if objective is Objective.CORES or first.cores <= self.chip.cores_per_chip or first.cores > budget or first.impossible:
            return found
        slowest = max(float(option.core_ns.max()) for option in self.options.values())
        for share in TIGHTER:
            bound = min(first.bound_ns, slowest) * share
            tried = [self.at(bound, messages_per_core=rate) for rate in MESSAGES_PER_CORE]
            good = [one for one in tried if one.cores <= budget and not one.impossible]
            if not good:
                break
            best = min(good, key=lambda one: (sum(one.messages.values()), one.cores))
            if all(best.tiles != one.tiles for one in found):
                found.append(best)
        return found

    def at(self, bound_ns: float, *, messages_per_core: float = np.inf) -> Choice:
        """Return the fewest cores whose time stays within ``bound_ns``; or some more, each for ``messages_per_core`` messages less."""
        tiles: dict[str, Tile] = {}
        splits: dict[str, int] = {}
        impossible: dict[str, Words] = {}
        messages: dict[str, float] = {}
        cores = 0
        for layer in reversed(self.lowered.layers):
            option = self.options[layer.name]
            listening = consumers_of(layer.name, self.lowered.layers, splits)
            good = option.feasible(self.chip, listening) & (option.core_ns <= bound_ns)
            if not good.any():
                impossible[layer.name] = Words(*map(int, tile_words(layer, Tile(1, 1, 1), self.chip, listening)))
                continue
            price = option.cores + option.messages / messages_per_core
            number = int(np.argmin(np.where(good, price, np.inf)))
            tiles[layer.name], splits[layer.name] = option.tile(number), option.splits(number)
            messages[layer.name] = float(option.messages[number])
            cores += int(option.cores[number])
        tiles = {layer.name: tiles[layer.name] for layer in self.lowered.layers if layer.name in tiles}
        shared = self._together(tiles, splits, bound_ns)
        return Choice(
            tiles=tiles,
            shared=shared,
            cores=cores - sum(len(group) - 1 for group in shared),
            bound_ns=bound_ns,
            impossible=impossible,
            messages=messages,
        )

    def _link_ns(self, choice: Choice) -> float:
        """Guess the busiest link between chips that are filled along the network: what comes into the layers at a border."""
        if choice.impossible or choice.cores <= self.chip.cores_per_chip:
            return 0.0
        layers = [layer for layer in self.lowered.layers if layer.name in choice.tiles]
        sizes = [-(-n // t) for layer in layers for n, t in zip(reversed(layer.shape), choice.tiles[layer.name], strict=True)]
        ends = np.cumsum(np.prod(np.array(sizes).reshape(-1, 3), axis=1))
        worst = 0.0
        for border in range(self.chip.cores_per_chip, int(ends[-1]), self.chip.cores_per_chip):
            at = int(np.searchsorted(ends, border, side="right"))
            start = int(ends[at - 1]) if at else 0
            before = (border - start) / (int(ends[at]) - start)
            coming = choice.messages[layers[at].name] * (1 - before)
            leaving = sum(
                choice.messages[layer.name]
                for layer in layers
                if layer.name != layers[at].name and any(p.source == layers[at].name for p in layer.projections)
            )
            worst = max(worst, coming + leaving * before)
        return worst * self.chip.times_ns["chip_link_message"].at("typical")

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
