"""Parts and edges of a float NIR graph into a Graph of the IR, in one walk from the inputs; findings are collected, not thrown."""

from __future__ import annotations

import graphlib
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from typing_extensions import assert_never

from qif_deploy.errors import InputError, QifError, UnsupportedError, raise_findings
from qif_deploy.ir.graph import Graph
from qif_deploy.ir.nodes import AvgPool2d, Conv2d, Dense, Input, Readout, SumPool2d
from qif_export.nir.document import Edge
from qif_export.nir.importing.conventions import Reading
from qif_export.nir.importing.lower_ends import add_output, add_readout, through_integrator
from qif_export.nir.importing.lower_inputs import add_input, add_input_port
from qif_export.nir.importing.lower_linear import flattened, pooled_shape, through_linear
from qif_export.nir.importing.lower_neurons import add_neuron, add_population
from qif_export.nir.importing.parts import FlattenAxes, InputPort, Integrator, Neuron, OutputPort, Part, Quadratic, ScaleBy
from qif_export.nir.importing.signals import Signal, Term, summed, through_pool, through_scale
from qif_export.nir.importing.walk import Ends, InputCoding, Walk

MAX_ELEMENTS = 1 << 24
"""Elements of one signal; the largest of ResNet-34 on ImageNet has 800 thousand."""

MAX_TERMS = 256
"""Branches into one node: a residual network adds one per block of a stage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lowered:
    """The graph, and what was done that the file did not say in so many words."""

    graph: Graph
    notes: tuple[str, ...]


def lower(
    parts: Mapping[str, Part], edges: list[Edge], *, reading: Reading | None, coding: InputCoding, ends: Ends, names: Mapping[str, str]
) -> Lowered:
    """Return the float graph of a file.

    Args:
        parts: nodes by name.
        edges: their wiring, without wiring findings; edges into one node add up.
        reading: discrete time of LIF and IF, None where there is none.
        coding: of inputs that the file does not describe.
        ends: of outputs that the file does not describe.
        names: usable name of every node.

    Raises:
        UnsupportedError: what cannot be represented, all of it at once, with what to do.
        InputError: wiring that makes no sense.
    """
    sources: dict[str, list[str]] = {name: [] for name in parts}
    targets: dict[str, list[str]] = {name: [] for name in parts}
    for a, b in sorted(edges):
        sources[b].append(a)
        targets[a].append(b)
    walk = Walk(
        parts=parts,
        sources=sources,
        targets=targets,
        reading=reading,
        coding=coding,
        ends=ends,
        names=names,
    )
    for name in graphlib.TopologicalSorter(sources).static_order():
        known = [walk.signals[source] for source in walk.sources[name] if source in walk.signals]
        if len(known) < len(walk.sources[name]):
            continue  # what feeds it was refused, with its reason
        try:
            _visit(walk, name, known)
            _require_size(walk, name)
        except QifError as error:
            line = str(error)
            walk.findings.append(line if f"{name!r}" in line else f"node {name!r}: {line}")
            if isinstance(parts[name], Neuron | Quadratic | ScaleBy) and len({signal.shape for signal in known}) == 1:
                # It keeps the shape, so what comes behind can be looked at too.
                walk.signals[name] = Signal(terms=(Term(source=name, name=name),), shape=known[0].shape)
    raise_findings(UnsupportedError, walk.findings)
    if len(walk.readouts) != 1:
        raise UnsupportedError(f"it has {len(walk.readouts)} outputs {walk.readouts}; a network here has one, take the others away")
    return Lowered(graph=Graph(nodes=walk.nodes, edges=tuple(walk.edges)), notes=tuple(walk.notes))


def _require_size(walk: Walk, name: str) -> None:
    if name in walk.signals and prod(walk.signals[name].shape) > MAX_ELEMENTS:
        shape = walk.signals.pop(name).shape
        raise InputError(f"its signal has shape {shape}, more than {MAX_ELEMENTS} elements; no network that this project reads has as many")


def _visit(walk: Walk, name: str, known: list[Signal]) -> None:
    part = walk.parts[name]
    match part:
        case InputPort():
            add_input_port(walk, name, part)
            return
        case Input():
            add_input(walk, name, part)
            return
        case _:
            pass
    if not known:
        raise InputError(f"node {name!r} is fed by nothing; connect it or remove it")
    signal = summed(name, known)
    if len(signal.terms) > MAX_TERMS:
        raise UnsupportedError(f"node {name!r}: {len(signal.terms)} branches meet in it, more than {MAX_TERMS}; put neurons between")
    match part:
        case OutputPort():
            add_output(walk, name, signal)
        case Readout():
            add_readout(walk, name, signal, part.reduce)
        case ScaleBy():
            walk.signals[name] = through_scale(name, part.factor, signal)
        case Dense() | Conv2d():
            walk.signals[name] = through_linear(walk, name, part, signal)
        case SumPool2d() | AvgPool2d():
            walk.signals[name] = through_pool(name, part, signal, pooled_shape(part, signal.shape))
        case FlattenAxes():
            walk.signals[name] = flattened(walk, name, part, signal)
        case Neuron():
            add_neuron(walk, name, part, signal)
        case Quadratic():
            add_population(walk, name, part.params, part.gain, signal)
        case Integrator():
            walk.signals[name] = through_integrator(walk, name, part, signal)
        case _:
            assert_never(part)


__all__ = ["Lowered", "lower"]
