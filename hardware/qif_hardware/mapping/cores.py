"""Pieces of layers on logical cores, and what each core holds and does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qif_hardware.chip import Chip
from qif_hardware.mapping.activity import Activity, LayerWork, edges
from qif_hardware.mapping.choose import Choice
from qif_hardware.mapping.layer import CoreLayer, Projection, consumers_of
from qif_hardware.mapping.lowering import Lowered
from qif_hardware.mapping.memory import Tile, Words, tile_words
from qif_hardware.mapping.timing import TERMS, term_times_ns

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Half-open ranges of one layer: columns ``x``, rows ``y``, channels ``c``; it holds the synapses of all its neurons."""

    layer: str
    x: tuple[int, int]
    y: tuple[int, int]
    c: tuple[int, int]
    words: Words

    def as_json(self, projections: tuple[Projection, ...]) -> dict[str, Any]:
        """Return plain values."""
        return {
            "layer": self.layer, "x": list(self.x), "y": list(self.y), "c": list(self.c), "synapses": [p.name for p in projections]
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerCut:
    """One layer cut into tiles: borders per axis, and the logical core of every tile as ``(row, column, split)``."""

    layer: CoreLayer
    tile: Tile
    ys: Ints
    xs: Ints
    cs: Ints
    core: NDArray[np.int64]

    @property
    def cores(self) -> int:
        """Number of tiles."""
        return int(self.core.size)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LogicalCores:
    """All cores before they get a place: pieces, words, and nanoseconds per term of TERMS at each level as ``(core, term)``."""

    cuts: Mapping[str, LayerCut]
    pieces: tuple[tuple[Piece, ...], ...]
    words: tuple[Words, ...]
    terms_ns: Mapping[str, Floats]

    @property
    def count(self) -> int:
        """Number of cores."""
        return len(self.pieces)


def cut_layers(lowered: Lowered, choice: Choice, chip: Chip, activity: Activity, levels: tuple[str, ...]) -> LogicalCores:
    """Cut every layer by its tile, number the cores along the network, and sum up what each core holds and does."""
    first_of = {name: group[0] for group in choice.shared for name in group}
    splits = {name: -(-lowered.layer(name).shape[0] // tile.c) for name, tile in choice.tiles.items()}
    cuts: dict[str, LayerCut] = {}
    pieces: list[list[Piece]] = []
    words: list[Words] = []
    chosen = [layer for layer in lowered.layers if layer.name in choice.tiles]
    for layer in chosen:
        tile = choice.tiles[layer.name]
        channels, height, width = layer.shape
        ys, xs, cs = edges(height, tile.h), edges(width, tile.w), edges(channels, tile.c)
        shape = (len(ys) - 1, len(xs) - 1, len(cs) - 1)
        host = first_of.get(layer.name, layer.name)
        if host != layer.name:
            numbers = cuts[host].core
        else:
            numbers = _snake(shape) + len(pieces)
            pieces.extend([] for _ in range(numbers.size))
            words.extend(Words(0, 0, 0, 0, 0, 0) for _ in range(numbers.size))
        cuts[layer.name] = LayerCut(layer=layer, tile=tile, ys=ys, xs=xs, cs=cs, core=numbers)
        listening = consumers_of(layer.name, lowered.layers, splits)
        known: dict[tuple[int, ...], Words] = {}
        for (row, column, split), core in np.ndenumerate(numbers):
            y, x, c = ((int(b[n]), int(b[n + 1])) for b, n in ((ys, row), (xs, column), (cs, split)))
            size = (x[1] - x[0], y[1] - y[0], c[1] - c[0])
            key = (*size, c[0])
            if key not in known:
                known[key] = Words(*map(int, tile_words(layer, Tile(*size), chip, listening, first=c[0])))
            pieces[core].append(Piece(layer=layer.name, x=x, y=y, c=c, words=known[key]))
            words[core] = words[core].plus(known[key])
    terms = {level: np.zeros((len(pieces), len(TERMS))) for level in levels}
    for cut in cuts.values():
        _add_terms(cut, activity, chip, terms)
    return LogicalCores(cuts=cuts, pieces=tuple(map(tuple, pieces)), words=tuple(words), terms_ns=terms)


def _snake(shape: tuple[int, int, int]) -> Ints:
    """Number the tiles so that neighbours follow each other: every other row of tiles runs backwards, splits of a tile stay together."""
    numbers: Ints = np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape)
    numbers[1::2] = numbers[1::2, ::-1]
    return numbers


def _add_terms(cut: LayerCut, activity: Activity, chip: Chip, terms: Mapping[str, Floats]) -> None:
    work = LayerWork(cut.layer, activity)
    by_size: dict[int, Any] = {}
    for split, size in enumerate(np.diff(cut.cs).tolist()):
        if size not in by_size:
            load = work.grid(cut.ys, cut.xs, size)
            by_size[size] = {level: term_times_ns(load, chip, level, quadratic=cut.layer.quadratic) for level in terms}
        for level, found in terms.items():
            for number, term in enumerate(by_size[size][level]):
                found[cut.core[:, :, split].ravel(), number] += np.broadcast_to(term, cut.core.shape[:2]).ravel()
