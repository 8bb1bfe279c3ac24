"""A placement checked against its network by other means: every neuron and synapse on one core, every core's words counted again.

It reads ``placement.json`` and imports nothing of the mapper. Where the mapper calculates with closed formulas, this enumerates: neurons
are painted into arrays, the taps of folded pools are found by following indices back, lengths of paths by walking them. It holds the
formulas of the memory model a second time, written from docs/mapping.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, Conv2dCodes, DenseCodes, Flatten, SumPool2d
from qif_hardware.chip import AxonRule, Chip, SynapseRow

Json = Mapping[str, Any]
Counts = NDArray[np.int64]


@dataclass(slots=True, kw_only=True)
class Verified:
    """What was counted, and everything that is wrong; a placement holds when ``findings`` is empty."""

    cores: int = 0
    neurons: int = 0
    synapses: int = 0
    findings: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


@dataclass(frozen=True, slots=True, kw_only=True)
class _Edge:
    """Synapses as the network has them, followed back to what emits."""

    source: str
    source_shape: tuple[int, int, int]
    dense: bool
    bits: int
    groups: int
    rows: tuple[frozenset[int], ...]
    columns: tuple[frozenset[int], ...]
    row_taps: int
    column_taps: int


def verify_placement(graph: QuantizedGraph, placement: Json, chip: Chip) -> Verified:
    """Count a placement again.

    Args:
        graph: the network that it places.
        placement: the object of ``placement.json``.
        chip: the target's cores; the number of chips is taken from the placement.

    Returns:
        Counts and findings. Words have to be equal, but for input axons counted per position, where the mapper may count too many.
    """
    found = Verified()
    layers = {layer["name"]: layer for layer in placement["layers"]}
    _check_names(graph, placement, layers, found)
    if found.findings or placement["placement"] is None:
        found.findings += [] if placement["placement"] is not None else ["nothing is placed"]
        return found
    edges = {name: _edges(graph, layer, layers) for name, layer in layers.items()}
    found.findings += [
        f"synapses {s['name']!r} of {name!r} come from {edges[name][s['name']].source!r}, not {s['source']!r}"
        for name, layer in layers.items()
        for s in layer["synapses"]
        if s["name"] in edges[name] and edges[name][s["name"]].source != s["source"]
    ]
    pieces = [(core["core"], piece) for core in placement["placement"] for piece in core["pieces"]]
    _check_cover(layers, edges, pieces, found)
    _check_delays(graph, layers, chip, found)
    _check_words(placement, layers, edges, chip, found)
    _check_places(placement, chip, found)
    per_layer = {name: len({core for core, piece in pieces if piece["layer"] == name}) for name in layers}
    found.findings += [
        f"layer {name!r}: {layer['cores']} cores are claimed, {per_layer[name]} hold a piece"
        for name, layer in layers.items()
        if layer["cores"] != per_layer[name]
    ]
    found.cores = len(placement["placement"])
    if found.cores != placement["cores"]:
        found.findings.append(f"{placement['cores']} cores are claimed, {found.cores} are listed")
    return found


def _check_names(graph: QuantizedGraph, placement: Json, layers: Mapping[str, Json], found: Verified) -> None:
    """Everything that fires or is read has a layer; inputs and pools may be elsewhere."""
    elsewhere = {*placement["injected_inputs"], *placement["folded_pools"]}
    pools = [name for name in graph.order if isinstance(graph.nodes[name], SumPool2d)]
    needed = {*graph.populations, graph.readout}
    for name in (*graph.inputs, *pools):
        if (name in layers) == (name in elsewhere):
            found.findings.append(f"{name!r} has to be either a layer or injected or folded")
    found.findings += [f"{name!r} has no layer" for name in needed - set(layers)]
    relays = {name for name, layer in layers.items() if layer["kind"] == "relay"}
    found.findings += [f"layer {name!r} is not in the network" for name in set(layers) - needed - set(graph.inputs) - set(pools) - relays]
    for name in set(layers) - relays:
        shape = graph.shapes.get(name)
        if shape is not None and tuple(layers[name]["shape"]) != _three(shape):
            found.findings.append(f"layer {name!r}: shape {layers[name]['shape']} is not {shape}")


def _three(shape: Sequence[int]) -> tuple[int, int, int]:
    return (shape[0], shape[1], shape[2]) if len(shape) == 3 else (shape[0], 1, 1)


def _edges(graph: QuantizedGraph, layer: Json, layers: Mapping[str, Json]) -> dict[str, _Edge]:
    """Synapses into a layer: a population's synapse nodes, a pool's or relay's ones."""
    name, shape = layer["name"], tuple(layer["shape"])
    if name not in graph.nodes:  # a relay copies its source
        (synapse,) = layer["synapses"]
        one = tuple(frozenset({n}) for n in range(max(shape)))
        return {
            synapse["name"]: _Edge(
                source=synapse["source"], source_shape=shape, dense=False, bits=2, groups=shape[0], rows=one[: shape[1]],
                columns=one[: shape[2]], row_taps=1, column_taps=1,
            )
        }  # fmt: skip
    node = graph.nodes[name]
    if isinstance(node, CodeInput):
        return {}
    names = (name,) if isinstance(node, SumPool2d) else graph.sources(name)
    given = {synapse["name"]: synapse["source"] for synapse in layer["synapses"]}
    return {synapse: _edge(graph, synapse, layers, given.get(synapse, "")) for synapse in names}


def _edge(graph: QuantizedGraph, synapse: str, layers: Mapping[str, Json], claimed: str) -> _Edge:
    node = graph.nodes[synapse]
    out = _three(graph.shapes[synapse])
    window = 1
    groups = 1
    if isinstance(node, Conv2dCodes):
        g = node.geometry
        groups = g.groups
        axes = [
            [[o * s - p + d * k for k in range(n)] for o in range(size)]
            for s, p, d, n, size in zip(g.stride, g.padding, g.dilation, node.weight.shape[2:], out[1:], strict=True)
        ]
    elif isinstance(node, SumPool2d):
        axes = [[[o * s + a for a in range(k)] for o in range(size)] for k, s, size in zip(node.kernel, node.stride, out[1:], strict=True)]
    else:
        axes = [[[0]], [[0]]]
    at = graph.sources(synapse)[0]
    while at not in layers and isinstance(between := graph.nodes[at], SumPool2d | Flatten):
        if isinstance(between, SumPool2d):
            axes = [
                [[i * s + a for i in reads for a in range(k)] for reads in axis]
                for axis, k, s in zip(axes, between.kernel, between.stride, strict=True)
            ]
            window *= prod(-(-k // s) for k, s in zip(between.kernel, between.stride, strict=True))
        at = graph.sources(at)[0]
    shape = _three(graph.shapes[at])
    if isinstance(node, SumPool2d):
        groups = shape[0]
    largest = int(np.abs(node.weight.astype(np.int64)).max()) if isinstance(node, DenseCodes | Conv2dCodes) else 1
    rows, columns = ([frozenset(i for i in reads if 0 <= i < size) for reads in axis] for axis, size in zip(axes, shape[1:], strict=True))
    end = claimed
    while layers.get(end, {}).get("kind") == "relay":  # relays stand between; what feeds them has to be what feeds the synapse
        end = layers[end]["synapses"][0]["source"]
    source = claimed if end == at else at
    return _Edge(
        source=source, source_shape=shape, dense=isinstance(node, DenseCodes), bits=max(2, (largest * window).bit_length() + 1),
        groups=groups,
        rows=tuple(rows), columns=tuple(columns), row_taps=len(set(axes[0][0])), column_taps=len(set(axes[1][0])),
    )  # fmt: skip


def _check_cover(
    layers: Mapping[str, Json], edges: Mapping[str, Mapping[str, _Edge]], pieces: Sequence[tuple[int, Json]], found: Verified
) -> None:
    """Paint neurons, and the synapses of every neuron, and look for what was painted not once."""
    painted = {name: np.zeros(layer["shape"], np.int64) for name, layer in layers.items()}
    held = {(name, s): np.zeros(layers[name]["shape"], np.int64) for name, into in edges.items() for s in into}
    for core, piece in pieces:
        name = piece["layer"]
        if name not in painted:
            found.findings.append(f"core {core} holds a piece of {name!r}, which is no layer")
            continue
        where = tuple(slice(*piece[axis]) for axis in ("c", "y", "x"))
        limits = zip(("c", "y", "x"), layers[name]["shape"], strict=True)
        if not all(0 <= piece[axis][0] < piece[axis][1] <= size for axis, size in limits):
            found.findings.append(f"core {core}: piece of {name!r} is empty or outside the layer")
            continue
        painted[name][where] += 1
        for synapse in piece["synapses"]:
            if (name, synapse) in held:
                held[name, synapse][where] += 1
            else:
                found.findings.append(f"core {core}: {synapse!r} is no synapse into {name!r}")
    for name, counts in painted.items():
        found.findings += _not_once(counts, f"neurons of {name!r}")
        found.neurons += int(counts.size)
    for (name, synapse), counts in held.items():
        found.findings += _not_once(counts, f"synapses {synapse!r} of {name!r}")
        found.synapses += int((counts * _fan_in(edges[name][synapse], counts.shape)).sum())


def _not_once(counts: Counts, what: str) -> list[str]:
    return [f"{what}: {int((counts == n).sum())} on {n} cores" for n in np.unique(counts).tolist() if n != 1]


def _fan_in(edge: _Edge, shape: tuple[int, ...]) -> Counts:
    """True number of synapses per neuron, borders counted."""
    if edge.dense:
        return np.full(shape, prod(edge.source_shape), np.int64)
    rows, columns = (np.array([len(reads) for reads in axis]) for axis in (edge.rows, edge.columns))
    per_position = rows[:, None] * columns[None, :] * (edge.source_shape[0] // edge.groups)
    return np.broadcast_to(per_position, shape).astype(np.int64)


def _check_delays(graph: QuantizedGraph, layers: Mapping[str, Json], chip: Chip, found: Verified) -> None:
    """All paths into a layer are equally long, delays included; what comes from an input may wait outside."""
    depth: dict[str, int] = dict.fromkeys(graph.inputs, 0)
    for name, layer in layers.items():
        arrivals = set()
        for synapse in layer["synapses"]:
            if not 0 <= synapse["delay"] <= chip.reach["delay_steps"]:
                found.findings.append(f"synapses {synapse['name']!r}: delay {synapse['delay']} is outside 0..{chip.reach['delay_steps']}")
            if synapse["source"] not in depth:
                found.findings.append(f"layer {name!r} stands before its source {synapse['source']!r}")
                return
            if synapse["source"] not in graph.inputs:
                arrivals.add(depth[synapse["source"]] + 1 + synapse["delay"])
        if len(arrivals) > 1:
            found.findings.append(f"layer {name!r}: spikes arrive after {sorted(arrivals)} steps")
        depth[name] = max(arrivals, default=0 if name in graph.inputs else 1)


def _check_words(
    placement: Json, layers: Mapping[str, Json], edges: Mapping[str, Mapping[str, _Edge]], chip: Chip, found: Verified
) -> None:
    """Count every core's words again and hold them against the ceilings."""
    cuts: dict[str, set[tuple[int, int]]] = {name: set() for name in layers}
    for core in placement["placement"]:
        for piece in core["pieces"]:
            cuts[piece["layer"]].add((piece["c"][0], piece["c"][1]))
    listeners = {
        name: [(edge, len(cuts[target])) for target, into in edges.items() for edge in into.values() if edge.source == name]
        for name in layers
    }
    delayed = {(name, s["name"]): bool(s["delay"]) for name, layer in layers.items() for s in layer["synapses"]}
    for core in placement["placement"]:
        counted: Counter[str] = Counter()
        for piece in core["pieces"]:
            name = piece["layer"]
            counted.update(_piece_words(piece, layers[name], edges[name], listeners[name], delayed, chip))
        claimed = core["words"]
        for resource in claimed:
            mine = counted[resource]
            loose = resource == "axon_in" and chip.axon_rule is AxonRule.POSITION
            if mine > claimed[resource] or (mine != claimed[resource] and not loose):
                found.findings.append(f"core {core['core']}: {resource} is {mine}, not {claimed[resource]}")
            if resource in chip.limits and mine > chip.limits[resource]:
                found.findings.append(f"core {core['core']}: {resource} {mine} exceeds {chip.limits[resource]}")
        if "total" in chip.limits and sum(counted.values()) > chip.limits["total"]:
            found.findings.append(f"core {core['core']}: {sum(counted.values())} words in all exceed {chip.limits['total']}")


def _row_words(row: SynapseRow, synapses: int, bits: int) -> int:
    stored = bits + (bits == row.missing_bits)
    headers = -(-synapses // row.block) if row.block else 1
    return -(-(headers * row.header_bits + synapses * (stored + row.index_bits)) // row.word_bits)


def _piece_words(
    piece: Json,
    layer: Json,
    edges: Mapping[str, _Edge],
    listeners: Sequence[tuple[_Edge, int]],
    delayed: Mapping[tuple[str, str], bool],
    chip: Chip,
) -> dict[str, int]:
    first, last = piece["c"]
    width, height, channels = piece["x"][1] - piece["x"][0], piece["y"][1] - piece["y"][0], last - first
    by_position = chip.axon_rule is AxonRule.POSITION
    synmem = axon_in = 0
    for name, edge in edges.items():
        bits = edge.bits + (chip.delay_bits if delayed[layer["name"], name] else 0)
        if edge.dense:
            synmem += prod(edge.source_shape) * _row_words(chip.dense_row, channels, bits)
            axon_in += prod(edge.source_shape)
            continue
        in_group = Counter(c // (layer["shape"][0] // edge.groups) for c in range(first, last))
        rows = sum(_row_words(chip.conv_row, n, bits) for n in in_group.values())
        synmem += edge.row_taps * edge.column_taps * (edge.source_shape[0] // edge.groups) * rows
        if by_position:
            y, x = (_reach(axis[slice(*piece[key])]) for axis, key in ((edge.rows, "y"), (edge.columns, "x")))
            heard = edge.source_shape[0] if edge.groups == 1 else channels
            axon_in += y * x * -(-heard // chip.channels_per_axon)
        else:
            axon_in += 1
    positions = width * height
    axon_map = axon_mem = 0
    for edge, cuts in listeners:
        reached = cuts if edge.dense else max(1, -(-cuts // edge.groups))
        entries = channels if edge.dense else -(-channels // chip.channels_per_axon) if by_position else 1
        axon_map += positions * entries * (reached if by_position else 1)
        if not edge.dense and not by_position:
            axon_mem += positions * reached if reached > 1 else -(-positions // 2)
    conv_readout = layer["kind"] == "readout" and any(not edge.dense for edge in edges.values())
    return {
        "synmem": synmem,
        "axon_in": axon_in,
        "axon_map": axon_map if listeners else positions * channels,
        "axon_mem": axon_mem,
        "neurons": positions * channels * chip.state_words,
        "groups": 2 if conv_readout else 1,
    }


def _reach(axis: Sequence[frozenset[int]]) -> int:
    read = frozenset().union(*axis)
    return max(read) - min(read) + 1 if read else 0


def _check_places(placement: Json, chip: Chip, found: Verified) -> None:
    """Every core has a place of its own on a chip that there is."""
    system = placement["system"]
    places = Counter((core["chip"], *core["router"], core["slot"]) for core in placement["placement"])
    found.findings += [f"place {place} is taken by {n} cores" for place, n in places.items() if n > 1]
    sizes = (system["chips"], chip.columns, chip.rows, chip.cores_per_router)
    found.findings += [
        f"place {place} is outside {sizes}" for place in places if not all(0 <= n < size for n, size in zip(place, sizes, strict=True))
    ]
    per_chip = Counter(core["chip"] for core in placement["placement"])
    found.findings += [
        f"chip {number} has {n} of {system['cores_per_chip']} cores" for number, n in per_chip.items() if n > system["cores_per_chip"]
    ]
