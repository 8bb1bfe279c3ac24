"""The memory model: words of each resource that a tile of a layer takes on its core.

Recovered from the tables that the closed compiler printed, and fitted to them alone; docs/mapping.md lists each formula with the rows
that it reproduces. All functions take integers or integer arrays (many tiles at once).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from qif_hardware.chip import RESOURCES, AxonRule, Chip
from qif_hardware.mapping.layer import Consumer, CoreLayer, LayerKind, Projection, Storage

Count = Any
"""An int, or an int64 array with one entry per tile."""

CONV_READOUT_GROUPS = 2
"""Neuron groups of a readout behind a convolution; one printed row, all other layers have 1."""


class Tile(NamedTuple):
    """Width, height and channels of a piece of a layer; a dense layer has ``(1, 1, neurons)``."""

    w: Count
    h: Count
    c: Count


class Words(NamedTuple):
    """Words per resource, in the order of ``RESOURCES``; ``neurons`` counts words of state."""

    synmem: Count
    axon_in: Count
    axon_map: Count
    axon_mem: Count
    neurons: Count
    groups: Count

    @property
    def total(self) -> Count:
        """Sum of all resources, as the printed totals have it."""
        return self.synmem + self.axon_in + self.axon_map + self.axon_mem + self.neurons + self.groups

    def plus(self, other: Words) -> Words:
        """Words of two layers on one core."""
        return Words(*(a + b for a, b in zip(self, other, strict=True)))

    def as_json(self) -> dict[str, int]:
        """Return plain values."""
        return {name: int(value) for name, value in zip(RESOURCES, self, strict=True)}


def tile_words(layer: CoreLayer, tile: Tile, chip: Chip, consumers: Sequence[Consumer], *, first: int | None = None) -> Words:
    """Return the words that a tile takes.

    Args:
        layer: the layer.
        tile: its size; not larger than the layer.
        chip: the memory model.
        consumers: who listens to the layer; nobody for a readout, whose neurons are read out one by one.
        first: its first channel, which matters for convolutions in groups; None for the fullest tile of that size.
    """
    synmem = sum((synapse_words(p, tile, layer.shape[0], chip, first=first) for p in layer.projections), 0)
    groups = CONV_READOUT_GROUPS if _is_conv_readout(layer) else 1
    return Words(
        synmem=synmem,
        axon_in=sum((axon_in_words(p, tile, chip) for p in layer.projections), 0),
        axon_map=axon_map_words(tile, chip, consumers) * max((p.copies for p in layer.projections), default=1),
        axon_mem=axon_mem_words(tile, chip, consumers),
        neurons=tile.w * tile.h * tile.c * chip.state_words,
        groups=groups + 0 * tile.c,
    )


def synapse_words(projection: Projection, tile: Tile, channels: int, chip: Chip, *, first: int | None = None) -> Count:
    """SynMem. Shared: ``taps * Cin * row(c)``, whatever the width and height; dense: ``n_in * row(c)``; sparse: rows cut in proportion.

    Source: every printed convolution and dense row. Groups are ours: each group on the tile has its own rows, so a depthwise kernel takes
    one row of one synapse per channel and tap. Sparse rows are ours too: no printed table has one.
    """
    bits = projection.bits + (chip.delay_bits if projection.delay else 0)
    match projection.storage:
        case Storage.SHARED:
            per_group = projection.source_shape[0] // projection.groups
            taps = len(projection.y.taps) * len(projection.x.taps)
            if first is not None:
                return taps * per_group * rows_of_range(first, first + tile.c, channels // projection.groups, bits, chip)
            return taps * per_group * _grouped_rows(tile.c, channels, projection.groups, bits, chip)
        case Storage.DENSE:
            return projection.sources * chip.dense_row.words(tile.c, bits)
        case Storage.SPARSE:
            return sum((chip.dense_row.words(-(-n * tile.c // channels), bits) for n in projection.rows if n), 0 * tile.c)


def _grouped_rows(c: Count, channels: int, groups: int, bits: int, chip: Chip) -> Count:
    """Words of one kernel tap and input channel, summed over the groups on a tile of ``c`` channels; the largest over its tiles."""
    if groups == 1:
        return chip.conv_row.words(c, bits)
    if groups == channels:
        return c * int(chip.conv_row.words(1, bits))
    per_group = channels // groups
    if isinstance(c, np.ndarray):
        return np.array([_grouped_rows(int(n), channels, groups, bits, chip) for n in c.ravel()], np.int64).reshape(c.shape)
    return max(rows_of_range(first, min(first + c, channels), per_group, bits, chip) for first in range(0, channels, c))


def rows_of_range(first: int, last: int, per_group: int, bits: int, chip: Chip) -> int:
    """Words of one tap for output channels ``first .. last - 1`` in groups of ``per_group``."""
    found = 0
    for group in range(first // per_group, (last - 1) // per_group + 1):
        inside = min(last, (group + 1) * per_group) - max(first, group * per_group)
        found += int(chip.conv_row.words(inside, bits))
    return found


def axon_in_words(projection: Projection, tile: Tile, chip: Chip) -> Count:
    """AxonIn. Dense: one entry per source neuron. Shared: one per edge, or one per source position that the tile reads.

    Source: all printed rows for the first form; block.py of nengo-loihi for the second, which Loihi 1 has.
    """
    if projection.storage is not Storage.SHARED:
        return projection.sources * projection.copies + 0 * tile.c
    if chip.axon_rule is AxonRule.EDGE:
        return projection.copies + 0 * tile.c
    channels, height, width = projection.source_shape
    rows = np.minimum((tile.h - 1) * projection.y.stride + projection.y.taps[-1] - projection.y.taps[0] + 1, height)
    columns = np.minimum((tile.w - 1) * projection.x.stride + projection.x.taps[-1] - projection.x.taps[0] + 1, width)
    # A tile of few channels of a depthwise kernel hears those channels only.
    heard = -(-channels // chip.channels_per_axon) if projection.groups == 1 else -(-tile.c // chip.channels_per_axon)
    return rows * columns * heard * projection.copies


def axon_map_words(tile: Tile, chip: Chip, consumers: Sequence[Consumer]) -> Count:
    """AxonMap. ``w * h`` for a consumer with shared kernels, ``w * h * c`` for another or where the neurons are read out.

    Source: all printed rows. Where several listen their entries add up (ours). On a chip with copies (AxonRule.POSITION) an entry is an
    output axon, one per destination.
    """
    if not consumers:
        return tile.w * tile.h * tile.c
    copies = chip.axon_rule is AxonRule.POSITION
    blocks = -(-tile.c // chip.channels_per_axon) if copies else 1
    return sum(
        (
            tile.w * tile.h * (blocks if one.shared else tile.c) * ((one.destinations if one.shared else one.splits) if copies else 1)
            for one in consumers
        ),
        0 * tile.c,
    )


def axon_mem_words(tile: Tile, chip: Chip, consumers: Sequence[Consumer]) -> Count:
    """AxonMem. Per position and shared consumer: one word per destination where there are several, half a word where there is one.

    Fitted to four printed rows of one network (Y1, Y3, Y4, Y6), which it reproduces; dense consumers take none in any printed row. The
    older table's 0.3 to 0.8 words per position are not explained, so outside the newer table this is an assumption. At most 2.8 % of a
    core.
    """
    if chip.axon_rule is AxonRule.POSITION:
        return 0 * tile.c
    positions = tile.w * tile.h
    shared = [one.destinations for one in consumers if one.shared]
    return sum((positions * n if n > 1 else -(-positions // 2) for n in shared), 0 * tile.c)


def _is_conv_readout(layer: CoreLayer) -> bool:
    return layer.kind is LayerKind.READOUT and any(p.storage is Storage.SHARED for p in layer.projections)


def fits(words: Words, limits: Mapping[str, int]) -> Any:
    """Whether every resource and the total stay within their ceilings; a bool, or an array with one per tile."""
    found: Any = words.total <= limits["total"] if "total" in limits else words.synmem * 0 == 0
    for name, value in zip(RESOURCES, words, strict=True):
        if name in limits:
            found = found & (value <= limits[name])
    return found


def shares(words: Words, limits: Mapping[str, int]) -> dict[str, float]:
    """Return used over ceiling per resource that has one, and of the total."""
    found = {name: float(value) / limits[name] for name, value in zip(RESOURCES, words, strict=True) if name in limits}
    if "total" in limits:
        found["total"] = float(words.total) / limits["total"]
    return found


def fullest(used: Mapping[str, float]) -> str:
    """Return the resource, or ``total``, with the largest share; groups count only where they are all taken, as one layer is one group."""
    return max(used, key=lambda name: (used[name] if name != "groups" or used[name] >= 1 else -1.0, name))
