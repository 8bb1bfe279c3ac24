"""Ends of a foreign graph into the readout: integrators, outputs, and what makes one value per class of them."""

from __future__ import annotations

from dataclasses import replace
from math import prod

from qif_deploy.errors import UnsupportedError
from qif_deploy.ir.nodes import Conv2d, ConvGeometry, Dense, Flatten, Readout, Reduce
from qif_export.nir.importing.parts import Integrator, OutputPort
from qif_export.nir.importing.signals import Signal, amplified, per_channel, through_flatten, with_synapses
from qif_export.nir.importing.walk import Walk, attach


def through_integrator(walk: Walk, name: str, part: Integrator, signal: Signal) -> Signal:
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


def add_output(walk: Walk, name: str, signal: Signal) -> None:
    """Add the readout of an output: currents are reduced, spikes are counted; ours is read already."""
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
    add_readout(walk, name, signal, reduce)


def add_readout(walk: Walk, name: str, signal: Signal, reduce: Reduce) -> None:
    """Add a readout and the synapses that feed it."""
    used = walk.unused(walk.names[name])
    flat = _as_vector(used, with_synapses(used, signal))
    walk.nodes[used] = Readout(reduce=reduce)
    attach(walk, used, flat)
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


__all__ = ["add_output", "add_readout", "through_integrator"]
