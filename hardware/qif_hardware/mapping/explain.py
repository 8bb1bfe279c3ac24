"""Why a layer is cut as it is, and what would let it do with fewer cores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from qif_hardware.chip import Chip
from qif_hardware.mapping.layer import Consumer, CoreLayer
from qif_hardware.mapping.memory import Tile, Words, fullest, shares
from qif_hardware.mapping.tiles import fewest_cores

UNITS = {
    "synmem": "words of synaptic memory", "axon_in": "input axons", "axon_map": "words of axon map", "axon_mem": "words of axon memory",
    "neurons": "words of neuron state", "groups": "neuron groups", "total": "words in all",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerReport:
    """How one layer sits: the fullest core's words, the share of each ceiling, what binds, and what would fix the split."""

    layer: CoreLayer
    tile: Tile
    cores: int
    words: Words
    used: Mapping[str, float]
    time_ns: Mapping[str, float]
    binding: str
    reason: str
    fix: str

    def as_json(self) -> dict[str, Any]:
        """Return the keys of the ``map`` contract and more; ``tile`` is ``[w, h, c]``."""
        return {
            "name": self.layer.name,
            "kind": self.layer.kind.value,
            "shape": list(self.layer.shape),
            "neurons": self.layer.neurons,
            "tile": list(self.tile),
            "cores": self.cores,
            "words": self.words.as_json(),
            "used": dict(self.used),
            "slowest_core_s": {level: value * 1e-9 for level, value in self.time_ns.items()},
            "binding": self.binding,
            "reason": self.reason,
            "fix": self.fix,
            "synapses": [
                {"name": p.name, "source": p.source, "storage": p.storage.value, "bits": p.bits, "delay": p.delay, "fan_in": p.fan_in}
                for p in self.layer.projections
            ],
        }  # fmt: skip


def explain(
    layer: CoreLayer, tile: Tile, words: Words, time_ns: Mapping[str, float], chip: Chip, consumers: Sequence[Consumer], *, bound_ns: float
) -> LayerReport:
    """Return the report of a layer with its tile.

    The binding resource is the one that a full tile uses most. ``time`` binds where the layer is cut finer than its memory asks.
    """
    cores = cores_of(layer, tile)
    used = shares(words, chip.limits)
    fewest = fewest_cores(layer, chip, consumers)
    most = fullest(used)
    if fewest is not None and cores > fewest:
        return LayerReport(
            layer=layer, tile=tile, cores=cores, words=words, used=used, time_ns=time_ns, binding="time",
            reason=f"{fewest} would hold it; cut into {cores} to stay within {bound_ns / 1000:,.4g} us per step on cores and links",
            fix="fewer cores: --objective cores; more speed: more chips, fewer spikes",
        )  # fmt: skip
    if cores == 1:
        reason = f"one core; {most} is used most, {used[most]:.0%}"
        return LayerReport(
            layer=layer, tile=tile, cores=1, words=words, used=used, time_ns=time_ns, binding=most, reason=reason, fix="nothing to fix"
        )
    binding = _what_splits(layer, chip, consumers, cores, default=most)
    limit = chip.limits[binding]
    reason = f"{cores} cores, because a core has {limit} {UNITS[binding]} and this tile uses {used[binding]:.0%} of them"
    return LayerReport(
        layer=layer, tile=tile, cores=cores, words=words, used=used, time_ns=time_ns, binding=binding, reason=reason,
        fix=_fix(layer, chip, consumers, cores),
    )  # fmt: skip


def cores_of(layer: CoreLayer, tile: Tile) -> int:
    """Return how many tiles cover the layer."""
    return prod(-(-size // n) for size, n in zip(reversed(layer.shape), tile, strict=True))


def _what_splits(layer: CoreLayer, chip: Chip, consumers: Sequence[Consumer], cores: int, *, default: str) -> str:
    """The ceiling whose lifting saves most cores; the fullest resource where no single one does."""
    found = {}
    for name in chip.limits:
        without = fewest_cores(layer, replace(chip, limits={n: v for n, v in chip.limits.items() if n != name}), consumers)
        if without is not None and without < cores:
            found[name] = without
    return min(found, key=lambda name: (found[name], name)) if found else default


def _fix(layer: CoreLayer, chip: Chip, consumers: Sequence[Consumer], cores: int) -> str:
    """Say which smaller change would save a core: narrower weights, or fewer channels."""
    widest = max((p.bits for p in layer.projections), default=0)
    for bits in range(widest - 1, 1, -1):
        narrow = replace(layer, projections=tuple(replace(p, bits=min(p.bits, bits)) for p in layer.projections))
        found = fewest_cores(narrow, chip, consumers)
        if found is not None and found < cores:
            return f"weights of {bits} bits instead of {widest}: {found} core{'' if found == 1 else 's'}"
    channels, height, width = layer.shape
    if height * width == 1 or channels == 1:
        return "fewer neurons or inputs; narrower weights alone do not save a core"
    fewer = replace(layer, shape=(channels - 1, height, width), projections=tuple(replace(p, groups=1) for p in layer.projections))
    per_core = layer.neurons / cores
    found = fewest_cores(fewer, chip, consumers)
    saved = "" if found is None or found >= cores else f", one channel less: {found} cores"
    return f"fewer neurons (a core holds about {per_core:.0f} of them); narrower weights alone do not save a core{saved}"
