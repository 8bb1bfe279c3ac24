"""What is legal in a stage, as named functions that return findings; empty means legal."""

from __future__ import annotations

import graphlib
from collections import Counter
from collections.abc import Mapping
from typing import Any, get_args

from qif_deploy.fixedpoint import NumberFormat
from qif_deploy.ir.nodes import (
    QIF,
    AvgPool2d,
    BatchNorm,
    CodeInput,
    Conv2d,
    Conv2dCodes,
    Dense,
    DenseCodes,
    Flatten,
    Input,
    Node,
    Population,
    Readout,
    ReadoutCodes,
    SumPool2d,
)

SOURCES = (Input, CodeInput)
SYNAPSES = (Dense, Conv2d, DenseCodes, Conv2dCodes)
RESHAPERS = (Flatten, SumPool2d, AvgPool2d)
POPULATIONS = (QIF, Population)
READOUTS = (Readout, ReadoutCodes)

# What may feed what. A synapse's current goes through an optional BatchNorm into exactly one population or readout;
# only signals (inputs, spikes, pooled counts) go into synapses, pools and flattens. So two spike trains are never
# added without weights: an identity shortcut is a depthwise 1x1 Conv2d.
ALLOWED_SOURCES: tuple[tuple[tuple[type, ...], tuple[type, ...]], ...] = (
    (SYNAPSES + RESHAPERS, SOURCES + POPULATIONS + RESHAPERS),
    ((BatchNorm,), SYNAPSES),
    (POPULATIONS + READOUTS, (*SYNAPSES, BatchNorm)),
)


def stage_findings(nodes: Mapping[str, Node], allowed: Any, stage: str) -> list[str]:
    """Every node is of a type that the stage knows."""
    kinds = get_args(allowed)
    return [
        f"node {name!r}: {type(node).__name__} does not belong in a {stage}" for name, node in nodes.items() if not isinstance(node, kinds)
    ]


def wiring_findings(nodes: Mapping[str, Node], edges: tuple[tuple[str, str], ...]) -> list[str]:
    """Names are usable, edges join existing nodes once, nothing is recurrent, there is one readout and an input."""
    found = [f"node name {name!r} is not usable; use letters, digits, '_', '-' and '.'" for name in nodes if not _usable(name)]
    found += [
        f"population name {name!r} is taken by the vectors file; use another"
        for name in nodes
        if name == "input" and isinstance(nodes[name], POPULATIONS)
    ]
    found += [f"edge {a!r} -> {b!r}: no node {x!r}" for a, b in edges for x in (a, b) if x not in nodes]
    found += [f"edge {a!r} -> {b!r} is given {n} times; join through separate synapses" for (a, b), n in Counter(edges).items() if n > 1]
    if found:
        return found
    sorter = graphlib.TopologicalSorter({name: [a for a, b in edges if b == name] for name in nodes})
    try:
        sorter.prepare()
    except graphlib.CycleError as error:
        found.append(f"edges form a cycle {' -> '.join(error.args[1])}; recurrent connections are not supported, unroll or remove them")
    readouts = [name for name, node in nodes.items() if isinstance(node, READOUTS)]
    if len(readouts) != 1:
        found.append(f"the graph has {len(readouts)} readouts {readouts}; it needs exactly one")
    if not any(isinstance(node, SOURCES) for node in nodes.values()):
        found.append("the graph has no input; add one")
    return found


def arity_findings(nodes: Mapping[str, Node], edges: tuple[tuple[str, str], ...]) -> list[str]:
    """Every node is fed and read by the kinds and numbers of nodes that it can have."""
    found = []
    for name, node in nodes.items():
        feeding = [a for a, b in edges if b == name]
        read = [b for a, b in edges if a == name]
        kind = type(node).__name__
        if isinstance(node, SOURCES):
            found += [f"{kind} {name!r} is fed by {feeding}; an input has no sources"] if feeding else []
        elif not feeding:
            found.append(f"{kind} {name!r} is fed by nothing; connect it or remove it")
        elif len(feeding) > 1 and not isinstance(node, POPULATIONS + READOUTS):
            found.append(f"{kind} {name!r} is fed by {feeding}; only a population or readout joins branches, each through its own synapse")
        if isinstance(node, READOUTS) and read:
            found.append(f"{kind} {name!r} feeds {read}; a readout is the end")
        if isinstance(node, (*SYNAPSES, BatchNorm)) and len(read) != 1:
            found.append(f"{kind} {name!r} feeds {read}; it belongs to exactly one population or readout")
        if isinstance(node, SOURCES + RESHAPERS) and not read:
            found.append(f"{kind} {name!r} feeds nothing; connect it or remove it")
        for targets, sources in ALLOWED_SOURCES:
            if isinstance(node, targets):
                found += [
                    f"{type(nodes[a]).__name__} {a!r} cannot feed {kind} {name!r}; {_REMEDY}"
                    for a in feeding
                    if not isinstance(nodes[a], sources)
                ]
    return found


_REMEDY = "signals go through a synapse into a population or readout, an identity shortcut is a depthwise 1x1 Conv2d"


def code_findings(nodes: Mapping[str, Node], number_format: NumberFormat) -> list[str]:
    """Every code fits the number format, and every population is of that format."""
    found = []
    for name, node in nodes.items():
        if isinstance(node, DenseCodes | Conv2dCodes):
            largest = int(abs(node.weight.astype("int64")).max())
            if largest > number_format.weight_limit:
                found.append(
                    f"synapse {name!r}: weight code {largest} exceeds {number_format.weight_limit} "
                    f"(weight_bits = {number_format.weight_bits}); recalibrate or use a wider format"
                )
        if isinstance(node, Population) and node.constants.number_format != number_format:
            found.append(
                f"population {name!r}: its number format {node.constants.number_format.name!r} is not the graph's {number_format.name!r}"
            )
    return found


def _usable(name: str) -> bool:
    return bool(name) and not name.startswith(".") and all(c.isalnum() or c in "_-." for c in name) and name.isascii()
