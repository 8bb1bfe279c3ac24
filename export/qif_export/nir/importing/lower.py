"""Parts and edges of a float NIR graph into a Graph of the IR, in one walk from the inputs; findings are collected, not thrown."""

from __future__ import annotations

import graphlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import prod

import numpy as np
from typing_extensions import assert_never

from qif_deploy.errors import InputError, QifError, UnsupportedError, raise_findings
from qif_deploy.ir.graph import Graph
from qif_deploy.ir.nodes import QIF, AvgPool2d, Conv2d, ConvGeometry, Dense, Flatten, FloatNode, Input, Readout, Reduce, SumPool2d
from qif_deploy.neuron.params import QIFParams, ResetMode
from qif_deploy.shapes import Shape
from qif_export.nir.document import Edge
from qif_export.nir.importing.conventions import NeuronMap, Reading, neuron_map
from qif_export.nir.importing.parts import FlattenAxes, Floats, InputPort, Integrator, Neuron, OutputPort, Part, Quadratic, ScaleBy
from qif_export.nir.importing.signals import (
    Signal,
    Term,
    amplified,
    per_channel,
    summed,
    through_flatten,
    through_pool,
    through_scale,
    through_synapse,
    with_synapses,
)

MAX_ELEMENTS = 1 << 24
"""Elements of one signal; the largest of ResNet-34 on ImageNet has 800 thousand."""

MAX_TERMS = 256
"""Branches into one node: a residual network adds one per block of a stage."""


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
class _Walk:
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
    walk = _Walk(
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


def wiring_findings(names: Mapping[str, object], edges: list[Edge]) -> list[str]:
    """Edges name nodes that are there, and none leads back."""
    loose = sorted({name for edge in edges for name in edge if name not in names})
    if loose:
        return [f"edges name nodes {loose[:10]} that are not there; export the network again"]
    sorter: graphlib.TopologicalSorter[str] = graphlib.TopologicalSorter(dict.fromkeys(sorted(names), ()))
    for a, b in edges:
        sorter.add(b, a)
    try:
        sorter.prepare()
    except graphlib.CycleError as error:
        cycle = [str(name) for name in error.args[1]]
        shown = " -> ".join(cycle[:8]) + (" ..." if len(cycle) > 8 else "")
        return [
            f"edges form a cycle {shown}; recurrent connections are not supported, train without them (snn.Leaky instead of snn.RLeaky)"
        ]
    return []


def _require_size(walk: _Walk, name: str) -> None:
    if name in walk.signals and prod(walk.signals[name].shape) > MAX_ELEMENTS:
        shape = walk.signals.pop(name).shape
        raise InputError(f"its signal has shape {shape}, more than {MAX_ELEMENTS} elements; no network that this project reads has as many")


def _visit(walk: _Walk, name: str, known: list[Signal]) -> None:
    part = walk.parts[name]
    match part:
        case InputPort():
            _input_port(walk, name, part)
            return
        case Input():
            _add_input(walk, name, part)
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
            _output(walk, name, signal)
        case Readout():
            _readout(walk, name, signal, part.reduce)
        case ScaleBy():
            walk.signals[name] = through_scale(name, part.factor, signal)
        case Dense() | Conv2d():
            walk.signals[name] = _synapse(walk, name, part, signal)
        case SumPool2d() | AvgPool2d():
            walk.signals[name] = through_pool(name, part, signal, _pooled_shape(part, signal.shape))
        case FlattenAxes():
            walk.signals[name] = _flatten(walk, name, part, signal)
        case Neuron():
            _neuron(walk, name, part, signal)
        case Quadratic():
            _population(walk, name, part.params, part.gain, signal)
        case Integrator():
            walk.signals[name] = _integrator(walk, name, part, signal)
        case _:
            assert_never(part)


# ---------------------------------------------------------------- inputs


def _input_port(walk: _Walk, name: str, part: InputPort) -> None:
    """A boundary node before our own input is a wire; before anything else it is the input."""
    fed = [walk.parts[target] for target in walk.targets[name]]
    if any(isinstance(target, Input) for target in fed):
        walk.signals[name] = Signal(terms=(), shape=())
        return
    shape = _input_shape(name, part.shape, fed)
    coding = walk.coding
    _add_input(walk, name, Input(shape=shape, low=coding.low, high=coding.high, scale=coding.scale))


def _add_input(walk: _Walk, name: str, node: Input) -> None:
    used = walk.unused(walk.names[name])
    walk.nodes[used] = node
    walk.signals[name] = Signal(terms=(Term(source=used, name=used),), shape=node.shape)


def _input_shape(name: str, declared: Shape, fed: list[Part]) -> Shape:
    """Return the shape without batch and time, which some writers leave in; what the input feeds tells how many axes count."""
    axes = {1 if isinstance(part, Dense) else 3 if isinstance(part, Conv2d | SumPool2d | AvgPool2d) else 0 for part in fed} - {0}
    if len(axes) == 1:
        (wanted,) = axes
        one_dimensional = all(part.weight.shape[2] == 1 for part in fed if isinstance(part, Conv2d)) and any(
            isinstance(p, Conv2d) for p in fed
        )
        channels = next((part.weight.shape[1] * part.geometry.groups for part in fed if isinstance(part, Conv2d)), None)
        if wanted == 1 and declared:
            return declared[-1:]
        if wanted == 1:
            return tuple(part.weight.shape[1] for part in fed if isinstance(part, Dense))[:1]
        if one_dimensional and len(declared) >= 2 and declared[-2] == channels and (len(declared) < 3 or declared[-3] != channels):
            return declared[-2], 1, declared[-1]
        if len(declared) >= 3:
            return declared[-3:]
    if len(declared) in (1, 3):
        return declared
    if len(declared) == 2:
        return declared[0], 1, declared[1]
    raise InputError(
        f"input {name!r}: its shape {declared} is neither (feature,), (channel, length) nor (channel, height, width); give it so"
    )


# ---------------------------------------------------------------- linear


def _synapse(walk: _Walk, name: str, part: Dense | Conv2d, signal: Signal) -> Signal:
    used = walk.names[name]
    if isinstance(part, Dense):
        flat = signal
        if signal.shape != (part.weight.shape[1],):
            # Some tools apply a linear layer to the one axis that an image of one pixel has left.
            if prod(signal.shape) != part.weight.shape[1] or len(signal.shape) == 1:
                raise InputError(
                    f"its weight {part.weight.shape} takes ({part.weight.shape[1]},), not {signal.shape}; a Flatten may be missing"
                )
            if prod(signal.shape[1:]) != 1:
                raise InputError(
                    f"its weight {part.weight.shape} takes ({part.weight.shape[1]},), not {signal.shape}; put a Flatten before it"
                )
            flat = through_flatten(walk.unused(f"{used}.flat"), signal)
        return through_synapse(used, part, flat, (part.weight.shape[0],))
    return through_synapse(used, part, signal, _conv_shape(part, signal.shape))


def _conv_shape(conv: Conv2d, shape: Shape) -> Shape:
    g, (out, inside, *kernel) = conv.geometry, conv.weight.shape
    if len(shape) != 3 or shape[0] != inside * g.groups or out % g.groups:
        raise InputError(f"its weight {conv.weight.shape} with {g.groups} groups takes {inside * g.groups} channels, not {shape}")
    height, width = g.output_size((shape[1], shape[2]), (kernel[0], kernel[1]))
    if height < 1 or width < 1:
        raise InputError(f"its kernel {tuple(kernel)} with padding {g.padding} leaves nothing of {shape}")
    return out, height, width


def _pooled_shape(pool: SumPool2d | AvgPool2d, shape: Shape) -> Shape:
    if len(shape) != 3 or any(n < k for n, k in zip(shape[1:], pool.kernel, strict=True)):
        raise InputError(f"its window {pool.kernel} does not fit a signal of shape {shape}")
    size = [(n - k) // s + 1 for n, k, s in zip(shape[1:], pool.kernel, pool.stride, strict=True)]
    return shape[0], size[0], size[1]


def _flatten(walk: _Walk, name: str, part: FlattenAxes, signal: Signal) -> Signal:
    """By the format axes count without the batch; a start of 1 that would leave the channels apart is a writer that counted it."""
    rank = len(signal.shape)
    end = part.end + rank if part.end < 0 else part.end
    one_dimensional = rank == 3 and signal.shape[1] == 1  # (channel, length) in the file
    if (part.start, end) == (0, rank - 1) or rank == 1 or (one_dimensional and (part.start, part.end) == (0, 1)):
        return through_flatten(walk.names[name], signal)
    if part.start == 1 and part.end in (-1, rank):
        walk.notes.append(f"node {name!r}: flatten from axis 1 read as counted with the batch, so over all axes")
        return through_flatten(walk.names[name], signal)
    raise UnsupportedError(
        f"axes {part.start}..{part.end} of {signal.shape} are flattened; only all axes together make a vector, flatten from 0 to -1"
    )


# ---------------------------------------------------------------- neurons


def _neuron(walk: _Walk, name: str, part: Neuron, signal: Signal) -> None:
    reading = walk.reading
    assert reading is not None
    found = neuron_map(name, part, reading)
    shape = signal.neuron_shape

    def channels(values: Floats, what: str) -> Floats:
        laid_out = values.reshape(shape) if values.size == prod(shape) else values
        return per_channel(name, laid_out, shape, what)

    params = _compact(
        QIFParams.of(
            c2=0.0,
            c1=channels(found.decay, "decay"),
            c0=channels(found.offset, "leak"),
            theta=channels(found.theta, "v_threshold"),
            u_reset=channels(found.u_reset, "v_reset"),
            r0=channels(found.r0, "initial state"),
            reset_by=channels(found.reset_by, "v_threshold"),
            reset=found.reset,
            spike_on_equal=found.spike_on_equal,
        )
    )
    _remark(walk, name, part, found)
    _population(walk, name, params, channels(found.gain, "gain"), signal)


def _remark(walk: _Walk, name: str, part: Neuron, found: NeuronMap) -> None:
    if part.v_reset is None and part.r is not None and found.reset is ResetMode.HARD:
        walk.notes.append(f"node {name!r}: the file has no v_reset, 0 is taken")
    if not np.array_equal(found.reset_by, found.theta) and found.reset is ResetMode.SUBTRACT:
        walk.notes.append(f"node {name!r}: subtraction after the decay becomes subtraction of theta / decay before it")


def _compact(params: QIFParams) -> QIFParams:
    """One value where all channels have the same."""
    names = ("c2", "c1", "c0", "theta", "u_reset", "r0", "reset_by")
    if any((getattr(params, n) != getattr(params, n)[0]).any() for n in names):
        return params
    single = {n: getattr(params, n)[:1] for n in names}
    return QIFParams.of(**single, reset=params.reset, spike_on_equal=params.spike_on_equal)


def _population(walk: _Walk, name: str, params: QIFParams, gain: Floats, signal: Signal) -> None:
    used = walk.unused(walk.names[name])
    shape = signal.neuron_shape
    whole = signal if signal.unflattened is not None else with_synapses(used, signal)
    _attach(walk, used, amplified(used, whole, per_channel(name, gain, shape, "gain")))
    walk.nodes[used] = QIF(params=params)
    spikes = Signal(terms=(Term(source=used, name=used),), shape=shape)
    walk.signals[name] = spikes if signal.unflattened is None else through_flatten(f"{used}.flat", spikes)


def _attach(walk: _Walk, target: str, signal: Signal) -> None:
    """Add the synapses of a current, and the pools and flattens before them, as branches of ``target``."""
    for term in signal.terms:
        assert term.synapse is not None
        at = term.source
        for reshaper_name, reshaper in term.reshapers:
            at = _reshaped(walk, at, reshaper_name, reshaper)
        name = walk.unused(term.name)
        walk.nodes[name] = term.synapse
        walk.edges += [(at, name), (name, target)]


def _reshaped(walk: _Walk, source: str, name: str, reshaper: SumPool2d | AvgPool2d | Flatten) -> str:
    """Return the node that reshapes ``source``; branches share it."""
    if (source, name) not in walk.reshaped:
        used = walk.unused(name)
        walk.nodes[used] = reshaper
        walk.edges.append((source, used))
        walk.reshaped[source, name] = used
    return walk.reshaped[source, name]


# ---------------------------------------------------------------- ends


def _integrator(walk: _Walk, name: str, part: Integrator, signal: Signal) -> Signal:
    """A neuron without spikes can only be the end, where the readout sums; what leaks is not a sum."""
    if not all(isinstance(walk.parts[target], OutputPort) for target in walk.targets[name]):
        raise UnsupportedError("it gives out its state, which only an output can read; put a spiking neuron there")
    if part.tau is None:
        gain = part.r if walk.reading is None else walk.reading.rules.current(part.r, walk.reading.step)
    else:
        assert walk.reading is not None
        found = walk.reading.rules.lif(part.tau, part.r, walk.reading.step)
        if (found.decay != 1).any():
            if not walk.ends.drop_leak:
                raise UnsupportedError(
                    f"a leaky integrator (it keeps {found.decay.min():.6g} per step) is no sum over time, and the readout here sums its "
                    "currents; allow dropping the leak, or train with an output that does not leak"
                )
            walk.notes.append(
                f"node {name!r}: its leak ({found.decay.min():.6g} kept per step) is dropped, the readout reduces the currents"
            )
        gain = found.gain
    shape = signal.neuron_shape
    return amplified(walk.names[name], with_synapses(walk.names[name], signal), per_channel(name, gain, shape, "gain"))


def _output(walk: _Walk, name: str, signal: Signal) -> None:
    source = walk.parts[walk.sources[name][0]]
    if isinstance(source, Readout):
        return
    used = walk.names[name]
    reduce = walk.ends.reduce if signal.is_current else Reduce.SUM
    if not signal.is_current:
        walk.notes.append(f"output {name!r}: the readout counts the spikes of each neuron")
        signal = through_flatten(f"{used}.flat", signal)
    else:
        walk.notes.append(f"output {name!r}: the readout takes the {'sum' if reduce is Reduce.SUM else 'last'} of the currents")
    _readout(walk, name, signal, reduce)


def _readout(walk: _Walk, name: str, signal: Signal, reduce: Reduce) -> None:
    used = walk.unused(walk.names[name])
    flat = _as_vector(used, with_synapses(used, signal))
    walk.nodes[used] = Readout(reduce=reduce)
    _attach(walk, used, flat)
    walk.readouts.append(used)
    walk.signals[name] = Signal(terms=(), shape=flat.shape)


def _as_vector(name: str, signal: Signal) -> Signal:
    """A readout takes a vector: a convolution that leaves one pixel is a dense layer over the whole image."""
    if len(signal.neuron_shape) == 1:
        return signal
    if prod(signal.neuron_shape[1:]) != 1:
        raise UnsupportedError(f"output {name!r}: currents of shape {signal.neuron_shape} reach it; end in a linear layer, or in neurons")
    terms = []
    for term in signal.terms:
        conv = term.synapse
        assert isinstance(conv, Conv2d)
        if conv.geometry.padding != (0, 0) or conv.geometry.groups != 1 or conv.geometry.dilation != ConvGeometry().dilation:
            raise UnsupportedError(f"output {name!r}: its last convolution {term.name!r} pads, groups or dilates; end in a linear layer")
        dense = Dense(weight=conv.weight.reshape(conv.weight.shape[0], -1), bias=conv.bias)
        terms.append(replace(term, synapse=dense, reshapers=(*term.reshapers, (f"{term.name}.flat", Flatten()))))
    return replace(signal, terms=tuple(terms), shape=signal.neuron_shape[:1], unflattened=None)


__all__ = ["Ends", "InputCoding", "Lowered", "lower", "wiring_findings"]
