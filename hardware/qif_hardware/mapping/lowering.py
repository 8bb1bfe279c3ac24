"""From an integer network to layers of cores: pools folded or relayed, paths of a join made equally long, inputs given a place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import prod

from typing_extensions import assert_never

from qif_deploy.errors import UnsupportedError
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, Conv2dCodes, DenseCodes, Flatten, Population, ReadoutCodes, SumPool2d
from qif_deploy.shapes import Shape
from qif_hardware.chip import Chip
from qif_hardware.mapping.layer import Consumer, CoreLayer, LayerKind, Projection, Shape3, Storage, Taps
from qif_hardware.mapping.layer_fit import rule_tile

ONE_BITS = 2
"""Width of the weight 1 with its sign: what relays and pools have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lowered:
    """Layers in topological order. ``injected`` names inputs that come as spikes from outside and take no core, with their shapes.

    ``folded`` names pools that became part of the synapses behind them; ``relays`` says how many relay layers stand for long delays.
    """

    layers: tuple[CoreLayer, ...]
    injected: Mapping[str, Shape3]
    folded: tuple[str, ...]
    relays: int
    depth: int

    def layer(self, name: str) -> CoreLayer:
        """Return the layer called ``name``."""
        return next(layer for layer in self.layers if layer.name == name)


def lower(graph: QuantizedGraph, chip: Chip) -> Lowered:
    """Return the layers of ``graph`` for ``chip``.

    An input of graded codes is a layer of neurons that hold the codes, where the chip has graded spikes; spikes are injected. A pool is
    folded into the synapses behind it, or becomes a layer of neurons that send counts where that takes fewer cores and the chip has
    graded spikes. Where paths of unequal length meet, the synapses of the short one wait (a delay), and relays help out beyond the
    longest delay of the chip.
    """
    relayed = _relayed_pools(graph, chip)
    work = _Lowering(graph=graph, chip=chip, relayed=relayed)
    for name in graph.order:
        work.add(name)
    return Lowered(
        layers=tuple(work.layers),
        injected=work.injected,
        folded=tuple(n for n in graph.order if isinstance(graph.nodes[n], SumPool2d) and n not in relayed),
        relays=sum(layer.kind is LayerKind.RELAY for layer in work.layers),
        depth=max(work.depth.values()),
    )


def shape3(shape: Shape) -> Shape3:
    """Return ``(channel, height, width)``; a vector has height and width 1."""
    return (shape[0], shape[1], shape[2]) if len(shape) == 3 else (shape[0], 1, 1)


def is_graded(node: CodeInput) -> bool:
    """Whether an input carries more than spikes."""
    return (node.low, node.high) != (0, 1)


@dataclass(slots=True, kw_only=True)
class _Lowering:
    graph: QuantizedGraph
    chip: Chip
    relayed: frozenset[str]
    layers: list[CoreLayer] = field(default_factory=list)
    injected: dict[str, Shape3] = field(default_factory=dict)
    depth: dict[str, int] = field(default_factory=dict)

    def add(self, name: str) -> None:
        node = self.graph.nodes[name]
        shape = shape3(self.graph.shapes[name])
        match node:
            case CodeInput():
                self.depth[name] = 0
                if is_graded(node) and self.chip.operations["graded_spikes"].allowed:
                    self.layers.append(CoreLayer(name=name, kind=LayerKind.INPUT, shape=shape, projections=()))
                else:
                    self.injected[name] = shape
            case Population():
                projections = [_projection(self.graph, s, self.relayed) for s in self.graph.sources(name)]
                self._append(name, LayerKind.POPULATION, shape, projections, quadratic=bool(node.constants.c2m.any()))
            case ReadoutCodes():
                projections = [_projection(self.graph, s, self.relayed) for s in self.graph.sources(name)]
                self._append(name, LayerKind.READOUT, shape, projections)
            case SumPool2d():
                if name in self.relayed:
                    self._append(name, LayerKind.POOL, shape, [_pool_projection(self.graph, name, self.relayed)])
            case DenseCodes() | Conv2dCodes() | Flatten():
                pass
            case _:
                assert_never(node)

    def _append(self, name: str, kind: LayerKind, shape: Shape3, projections: list[Projection], *, quadratic: bool = False) -> None:
        self.depth[name] = 1 + max(self.depth[p.source] for p in projections)
        delayed = tuple(self._delayed(p, self.depth[name] - 1 - self.depth[p.source]) for p in projections)
        self.layers.append(CoreLayer(name=name, kind=kind, shape=shape, projections=delayed, quadratic=quadratic))

    def _delayed(self, p: Projection, delay: int) -> Projection:
        """Let the spikes of ``p`` wait: in the synapse as long as the chip can, in relays beyond. Inputs wait outside."""
        longest = self.chip.reach["delay_steps"]
        if p.source in self.graph.inputs or delay == 0:
            return p
        source = p.source
        for number in range(max(0, -(-(delay - longest) // (longest + 1)))):
            here = min(longest, delay - 1)
            relay = f"{p.name}.relay{number}"
            identity = Projection(
                name=relay, source=source, source_shape=p.source_shape, storage=Storage.SHARED, bits=ONE_BITS, groups=p.source_shape[0],
                delay=here,
            )  # fmt: skip
            self.layers.append(CoreLayer(name=relay, kind=LayerKind.RELAY, shape=p.source_shape, projections=(identity,)))
            self.depth[relay] = self.depth[source] + 1 + here
            source, delay = relay, delay - 1 - here
        return replace(p, source=source, delay=delay)


def _projection(graph: QuantizedGraph, synapse: str, relayed: frozenset[str]) -> Projection:
    """Return a synapse node with the pools in front of it folded, back to what emits."""
    node = graph.nodes[synapse]
    assert isinstance(node, DenseCodes | Conv2dCodes)
    y, x = Taps(), Taps()
    if isinstance(node, Conv2dCodes):
        g = node.geometry
        y, x = (
            Taps(stride=s, padding=p, taps=tuple(d * k for k in range(n)))
            for s, p, d, n in zip(g.stride, g.padding, g.dilation, node.weight.shape[2:], strict=True)
        )
    source, y, x, gain = _behind(graph, graph.sources(synapse)[0], relayed, y, x)
    largest = int(abs(node.weight.astype("int64")).max())
    return Projection(
        name=synapse,
        source=source,
        source_shape=shape3(graph.shapes[source]),
        storage=Storage.SHARED if isinstance(node, Conv2dCodes) else Storage.DENSE,
        bits=max(ONE_BITS, (largest * gain).bit_length() + 1),
        y=y if isinstance(node, Conv2dCodes) else Taps(),
        x=x if isinstance(node, Conv2dCodes) else Taps(),
        groups=node.geometry.groups if isinstance(node, Conv2dCodes) else 1,
    )


def _pool_projection(graph: QuantizedGraph, pool: str, relayed: frozenset[str]) -> Projection:
    node = graph.nodes[pool]
    assert isinstance(node, SumPool2d)
    y, x = (Taps(stride=s, taps=tuple(range(k))) for k, s in zip(node.kernel, node.stride, strict=True))
    source, y, x, gain = _behind(graph, graph.sources(pool)[0], relayed, y, x)
    shape = shape3(graph.shapes[source])
    bits = max(ONE_BITS, gain.bit_length() + 1)
    return Projection(name=pool, source=source, source_shape=shape, storage=Storage.SHARED, bits=bits, y=y, x=x, groups=shape[0])


def _behind(graph: QuantizedGraph, at: str, relayed: frozenset[str], y: Taps, x: Taps) -> tuple[str, Taps, Taps, int]:
    """Walk back to what emits; also return how many windows may cover one input, by which a folded weight may grow."""
    gain = 1
    while at not in relayed and isinstance(node := graph.nodes[at], SumPool2d | Flatten):
        if isinstance(node, SumPool2d):
            y, x = y.of_pool(node.kernel[0], node.stride[0]), x.of_pool(node.kernel[1], node.stride[1])
            gain *= prod(-(-k // s) for k, s in zip(node.kernel, node.stride, strict=True))
        at = graph.sources(at)[0]
    return at, y, x, gain


def _relayed_pools(graph: QuantizedGraph, chip: Chip) -> frozenset[str]:
    """Return the pools that become layers: where folding would take more cores, or cannot be done at all."""
    if not chip.operations["graded_spikes"].allowed:
        return frozenset()
    found: set[str] = set()
    for name in graph.order:
        if not isinstance(graph.nodes[name], SumPool2d):
            continue
        synapses = _synapses_behind(graph, name)
        if synapses is None:
            continue  # a pool behind the pool: the later one decides
        before, after = frozenset(found), frozenset({*found, name})
        folded = sum(_cores(graph, s, before, chip) for s in synapses)
        relay = CoreLayer(
            name=name, kind=LayerKind.POOL, shape=shape3(graph.shapes[name]), projections=(_pool_projection(graph, name, after - {name}),)
        )
        if sum(_cores(graph, s, after, chip) for s in synapses) + _cores_of(relay, chip) < folded:
            found.add(name)
    return frozenset(found)


def _synapses_behind(graph: QuantizedGraph, name: str) -> list[str] | None:
    found: list[str] = []
    for target in graph.targets(name):
        node = graph.nodes[target]
        if isinstance(node, SumPool2d):
            return None
        more = _synapses_behind(graph, target) if isinstance(node, Flatten) else [target]
        if more is None:
            return None
        found += more
    return found


def _cores(graph: QuantizedGraph, synapse: str, relayed: frozenset[str], chip: Chip) -> float:
    target = graph.targets(synapse)[0]
    layer = CoreLayer(
        name=target, kind=LayerKind.POPULATION, shape=shape3(graph.shapes[target]), projections=(_projection(graph, synapse, relayed),)
    )
    return _cores_of(layer, chip)


def _cores_of(layer: CoreLayer, chip: Chip) -> float:
    try:
        tile = rule_tile(layer, chip, (Consumer(shared=True),))
    except UnsupportedError:
        return float("inf")
    return float(prod(-(-n // t) for n, t in zip(layer.shape, (tile.c, tile.h, tile.w), strict=True)))
