"""Neurons of a foreign graph into populations: the convention's map per channel, and the synapses that the current brings."""

from __future__ import annotations

from math import prod

import numpy as np

from qif_deploy.ir.nodes import QIF
from qif_deploy.neuron.params import QIFParams, ResetMode
from qif_export.nir.importing.conventions import NeuronMap, neuron_map
from qif_export.nir.importing.parts import Floats, Neuron
from qif_export.nir.importing.signals import Signal, Term, amplified, per_channel, through_flatten, with_synapses
from qif_export.nir.importing.walk import Walk, attach


def add_neuron(walk: Walk, name: str, part: Neuron, signal: Signal) -> None:
    """Add a LIF or IF neuron as the convention of the reading has it."""
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
    add_population(walk, name, params, channels(found.gain, "gain"), signal)


def _remark(walk: Walk, name: str, part: Neuron, found: NeuronMap) -> None:
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


def add_population(walk: Walk, name: str, params: QIFParams, gain: Floats, signal: Signal) -> None:
    """Add a population and the synapses that feed it, with the gain in their weights."""
    used = walk.unused(walk.names[name])
    shape = signal.neuron_shape
    whole = signal if signal.unflattened is not None else with_synapses(used, signal)
    attach(walk, used, amplified(used, whole, per_channel(name, gain, shape, "gain")))
    walk.nodes[used] = QIF(params=params)
    spikes = Signal(terms=(Term(source=used, name=used),), shape=shape)
    walk.signals[name] = spikes if signal.unflattened is None else through_flatten(f"{used}.flat", spikes)


__all__ = ["add_neuron", "add_population"]
