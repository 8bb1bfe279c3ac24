"""What the walk over a foreign graph knows and has built: signals, nodes and edges of the Graph to be, findings and notes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from qif_deploy.ir.nodes import AvgPool2d, Flatten, FloatNode, Reduce, SumPool2d
from qif_export.nir.document import Edge
from qif_export.nir.importing.conventions import Reading
from qif_export.nir.importing.parts import Part
from qif_export.nir.importing.signals import Signal


@dataclass(frozen=True, slots=True, kw_only=True)
class InputCoding:
    """What a foreign file does not say of its inputs: the range of the integer codes, and what one code is worth."""

    low: int = 0
    high: int = 1
    scale: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """What a foreign file does not say of its outputs: how they become one value per class.

    ``drop_leak`` reads a leaky integrator at the end as the sum that ``reduce`` names; False refuses it.
    """

    reduce: Reduce = Reduce.SUM
    drop_leak: bool = False


@dataclass(slots=True)
class Walk:
    """What the walk has built so far."""

    parts: Mapping[str, Part]
    sources: Mapping[str, list[str]]
    targets: Mapping[str, list[str]]
    reading: Reading | None
    coding: InputCoding
    ends: Ends
    names: Mapping[str, str]
    signals: dict[str, Signal] = field(default_factory=dict)
    nodes: dict[str, FloatNode] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    reshaped: dict[tuple[str, str], str] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    readouts: list[str] = field(default_factory=list)

    def unused(self, name: str) -> str:
        """Return ``name``, or ``name.N`` where another node has it."""
        found, n = name, 2
        while found in self.nodes:
            found, n = f"{name}.{n}", n + 1
        return found


def attach(walk: Walk, target: str, signal: Signal) -> None:
    """Add the synapses of a current, and the pools and flattens before them, as branches of ``target``."""
    for term in signal.terms:
        assert term.synapse is not None
        at = term.source
        for reshaper_name, reshaper in term.reshapers:
            at = _reshaped(walk, at, reshaper_name, reshaper)
        name = walk.unused(term.name)
        walk.nodes[name] = term.synapse
        walk.edges += [(at, name), (name, target)]


def _reshaped(walk: Walk, source: str, name: str, reshaper: SumPool2d | AvgPool2d | Flatten) -> str:
    """Return the node that reshapes ``source``; branches share it."""
    if (source, name) not in walk.reshaped:
        used = walk.unused(name)
        walk.nodes[used] = reshaper
        walk.edges.append((source, used))
        walk.reshaped[source, name] = used
    return walk.reshaped[source, name]


__all__ = ["Ends", "InputCoding", "Walk", "attach"]
