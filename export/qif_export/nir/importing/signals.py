"""What flows along an edge: a sum of terms, each a source seen through pools, flattens, factors and at most one synapse.

In a float NIR graph linear nodes stand in any order, and edges into any node add up. A network of ours has one form: signal, pools and
flattens, one synapse, population. All of it is linear, so a walk along the edges can bring every term into that form exactly:
factors go into the weights, a pool behind a convolution makes its kernel larger, two matrices become their product.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from qif_deploy.errors import UnsupportedError
from qif_deploy.ir.nodes import AvgPool2d, Conv2d, ConvGeometry, Dense, Flatten, FloatWeight, SumPool2d
from qif_deploy.shapes import Shape
from qif_export.nir.importing.parts import Floats

Pool = SumPool2d | AvgPool2d
MAX_IDENTITY = 4096
"""Features that an identity matrix may join: 64 MiB of float32."""

MAX_CHANNELS = 1 << 16
MAX_WEIGHTS = 1 << 26
"""Weights of a synapse that is made here, by a product, by a pool, or by a copy per branch: 512 MiB."""

MAX_WINDOW = 1024
"""Pixels of a pool that goes into a convolution."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """``synapse(reshapers(source) * factor)``.

    ``factor`` is None for 1, else of a shape that broadcasts over what the reshapers give. ``synapse`` is None while the term is still a
    signal of codes; ``name`` is then that of the node it came from last. A bias is part of the synapse.
    """

    source: str
    name: str
    reshapers: tuple[tuple[str, Pool | Flatten], ...] = ()
    factor: Floats | None = None
    synapse: Dense | Conv2d | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """The sum of ``terms``, of ``shape``.

    ``unflattened`` is the shape before a flatten that came behind a synapse: neurons are elementwise, so they may as well come first.
    """

    terms: tuple[Term, ...]
    shape: Shape
    unflattened: Shape | None = None

    @property
    def is_current(self) -> bool:
        """Whether a synapse is behind any of it."""
        return any(term.synapse is not None for term in self.terms)

    @property
    def neuron_shape(self) -> Shape:
        """Shape in which a neuron takes it."""
        return self.shape if self.unflattened is None else self.unflattened


def through_synapse(name: str, synapse: Dense | Conv2d, signal: Signal, shape: Shape) -> Signal:
    """Return ``synapse(signal)``, of ``shape``."""
    if signal.unflattened is not None:
        raise UnsupportedError(
            f"node {name!r}: a linear layer follows another through a flatten without neurons between; put a neuron there"
        )
    if len(signal.terms) > 1 and len(signal.terms) * synapse.weight.size > MAX_WEIGHTS:
        raise UnsupportedError(
            f"node {name!r}: {len(signal.terms)} branches would each need its {synapse.weight.size} weights; put neurons before it"
        )
    # Only one of several branches carries the bias: it is added once.
    bare = synapse if synapse.bias is None else replace(synapse, bias=None)
    terms = [_into(name, synapse if n == 0 else bare, term, signal.shape) for n, term in enumerate(signal.terms)]
    return Signal(terms=tuple(terms), shape=shape)


def _into(name: str, synapse: Dense | Conv2d, term: Term, shape: Shape) -> Term:
    if term.synapse is None:
        return replace(term, name=name, factor=None, synapse=_factored_in(name, synapse, term.factor, shape))
    if isinstance(synapse, Dense) and isinstance(term.synapse, Dense):
        return replace(term, name=name, synapse=_product(name, synapse, term.synapse))
    raise UnsupportedError(_two_in_a_row(name))


def _product(name: str, second: Dense, first: Dense) -> Dense:
    if second.weight.shape[0] * first.weight.shape[1] > MAX_WEIGHTS:
        raise UnsupportedError(f"node {name!r}: its product with the linear layer before it would have more than {MAX_WEIGHTS} weights")
    outer = second.weight.astype(np.float64)
    biases = [part for part in (second.bias, None if first.bias is None else outer @ first.bias) if part is not None]
    return Dense(weight=outer @ first.weight.astype(np.float64), bias=np.sum(biases, axis=0) if biases else None)


def _two_in_a_row(name: str) -> str:
    return f"node {name!r}: a convolution next to another linear layer without neurons between; put a neuron there or merge the two"


def _factored_in(name: str, synapse: Dense | Conv2d, factor: Floats | None, shape: Shape) -> Dense | Conv2d:
    """Put a factor on the input into the weights."""
    if factor is None:
        return synapse
    if isinstance(synapse, Dense):
        return replace(synapse, weight=_kept(synapse.weight, np.broadcast_to(factor, shape)[np.newaxis, :]))
    channels = per_channel(name, factor, shape, "factor before a convolution")
    groups, inside = synapse.geometry.groups, synapse.weight.shape[1]
    of_weight = np.repeat(channels.reshape(groups, 1, inside), synapse.weight.shape[0] // groups, axis=1).reshape(-1, inside, 1, 1)
    return replace(synapse, weight=_kept(synapse.weight, of_weight))


def through_scale(name: str, factor: Floats, signal: Signal) -> Signal:
    """Return ``factor * signal``."""
    if factor.size != 1 and factor.shape != signal.shape and not _broadcasts(factor.shape, signal.shape):
        raise UnsupportedError(
            f"node {name!r}: factors of shape {factor.shape} for a signal of shape {signal.shape}; give one per element or one"
        )
    if not signal.is_current:
        return replace(signal, terms=tuple(_with_factor(name, term, factor) for term in signal.terms))
    laid_out = factor if signal.unflattened is None or factor.size == 1 else factor.reshape(signal.unflattened)
    return amplified(name, signal, per_channel(name, laid_out, signal.neuron_shape, "factor on a current"))


def _broadcasts(factor: Shape, shape: Shape) -> bool:
    return len(factor) == len(shape) and all(n in (1, m) for n, m in zip(factor, shape, strict=True))


def _with_factor(name: str, term: Term, factor: Floats) -> Term:
    flat = factor.reshape(()) if factor.size == 1 else factor
    return replace(term, name=name, factor=flat if term.factor is None else np.multiply(term.factor, flat))


def amplified(name: str, signal: Signal, gain: Floats) -> Signal:
    """Return the current times ``gain`` per channel ``(channel,)``; the terms are all behind a synapse."""
    if (gain == 1).all():
        return signal
    whole = with_synapses(name, signal)
    terms = []
    for term in whole.terms:
        assert term.synapse is not None
        weight = _kept(term.synapse.weight, gain.reshape(-1, *[1] * (term.synapse.weight.ndim - 1)))
        bias = None if term.synapse.bias is None else term.synapse.bias * gain
        terms.append(replace(term, synapse=replace(term.synapse, weight=weight, bias=bias)))
    return replace(whole, terms=tuple(terms))


def with_synapses(name: str, signal: Signal) -> Signal:
    """Return the signal as a current: what has no synapse yet goes through an identity, depthwise on images."""
    return replace(signal, terms=tuple(term if term.synapse is not None else _joined(name, term, signal.shape) for term in signal.terms))


def _joined(name: str, term: Term, shape: Shape) -> Term:
    if shape[0] > (MAX_IDENTITY if len(shape) == 1 else MAX_CHANNELS):
        raise UnsupportedError(
            f"node {name!r}: {shape[0]} features join it without weights, more than {MAX_IDENTITY}; put a linear layer there"
        )
    if len(shape) == 3:
        identity: Dense | Conv2d = Conv2d(weight=np.ones((shape[0], 1, 1, 1), np.float32), geometry=ConvGeometry(groups=shape[0]))
    else:
        identity = Dense(weight=np.eye(shape[0], dtype=np.float32))
    return replace(term, name=f"{term.name}.to.{name}", factor=None, synapse=_factored_in(name, identity, term.factor, shape))


def through_pool(name: str, pool: Pool, signal: Signal, shape: Shape) -> Signal:
    """Return the pooled signal, of ``shape``; behind a convolution the pool becomes part of the kernel."""
    if len(signal.shape) != 3 or signal.unflattened is not None:
        raise UnsupportedError(f"node {name!r}: it pools a signal of shape {signal.shape}; pool before the flatten")
    terms = tuple(_pooled(name, pool, term, signal.shape) for term in signal.terms)
    return Signal(terms=terms, shape=shape)


def _pooled(name: str, pool: Pool, term: Term, shape: Shape) -> Term:
    if term.synapse is None:
        factor = term.factor
        if factor is not None and factor.size > 1:
            factor = per_channel(name, factor, shape, "factor before a pool").reshape(-1, 1, 1)
        return replace(term, name=name, factor=factor, reshapers=(*term.reshapers, (name, pool)))
    assert isinstance(term.synapse, Conv2d)
    return replace(term, name=name, synapse=_widened(name, term.synapse, pool))


def _widened(name: str, conv: Conv2d, pool: Pool) -> Conv2d:
    """One convolution for convolution and pool: kernel ``(p - 1) s + d (k - 1) + 1``, stride ``s q`` for window p and its stride q."""
    g = conv.geometry
    kernel = conv.weight.shape[2:]
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, g.dilation, strict=True)]
    size = [(p - 1) * s + n for p, s, n in zip(pool.kernel, g.stride, reach, strict=True)]
    if prod((*conv.weight.shape[:2], *size)) > MAX_WEIGHTS or prod(pool.kernel) > MAX_WINDOW:
        raise UnsupportedError(
            f"node {name!r}: pooling {pool.kernel} behind a convolution makes a kernel of {tuple(size)}; put a neuron between"
        )
    wide = np.zeros((*conv.weight.shape[:2], *size))
    for y in range(pool.kernel[0]):
        for x in range(pool.kernel[1]):
            top, left = y * g.stride[0], x * g.stride[1]
            wide[:, :, top : top + reach[0] : g.dilation[0], left : left + reach[1] : g.dilation[1]] += conv.weight
    bias = conv.bias
    if isinstance(pool, AvgPool2d):
        wide /= prod(pool.kernel)
    elif bias is not None:
        bias = bias * prod(pool.kernel)
    stride = (g.stride[0] * pool.stride[0], g.stride[1] * pool.stride[1])
    return Conv2d(weight=wide, bias=bias, geometry=ConvGeometry(stride=stride, padding=g.padding, groups=g.groups))


def through_flatten(name: str, signal: Signal) -> Signal:
    """Return the signal with all its axes flattened to one."""
    if len(signal.shape) == 1:
        return signal
    flat = (prod(signal.shape),)
    if signal.is_current:
        return replace(with_synapses(name, signal), shape=flat, unflattened=signal.shape)
    terms = []
    for term in signal.terms:
        factor = term.factor
        if factor is not None and factor.size > 1:
            factor = np.broadcast_to(factor, signal.shape).reshape(-1)
        terms.append(replace(term, name=name, factor=factor, reshapers=(*term.reshapers, (name, Flatten()))))
    return replace(signal, terms=tuple(terms), shape=flat)


def summed(name: str, signals: list[Signal]) -> Signal:
    """Return the sum of what several edges bring."""
    if len(signals) == 1:
        return signals[0]
    shapes = {signal.shape for signal in signals}
    if len(shapes) > 1:
        raise UnsupportedError(f"node {name!r}: signals of shapes {sorted(shapes)} meet in it; a sum needs equal ones")
    unflattened = {signal.unflattened for signal in signals}
    if len(unflattened) > 1:
        raise UnsupportedError(f"node {name!r}: flattened currents meet others in it; flatten behind the neurons")
    terms = _merged(term for signal in signals for term in signal.terms)
    return Signal(terms=terms, shape=signals[0].shape, unflattened=signals[0].unflattened)


def _merged(terms: Iterable[Term]) -> tuple[Term, ...]:
    """One term for those that see the same source in the same way: their factors add up."""
    found: dict[tuple[object, ...], Term] = {}
    for n, term in enumerate(terms):
        key = (term.source, tuple(name for name, _ in term.reshapers)) if term.synapse is None else (n,)
        held = found.get(key)
        found[key] = term if held is None else replace(term, factor=_or_one(held.factor) + _or_one(term.factor))
    return tuple(found.values())


def _or_one(factor: Floats | None) -> Floats:
    return np.ones(()) if factor is None else factor


def per_channel(name: str, values: Floats, shape: Shape, what: str) -> Floats:
    """Reduce values that broadcast over ``shape`` to one per channel.

    Raises:
        UnsupportedError: they differ within a channel.
    """
    if values.size == 1:
        return np.full(shape[0], values.reshape(-1)[0])
    if values.size == shape[0] and (len(shape) == 1 or values.shape in ((shape[0],), (shape[0], 1, 1))):
        return values.reshape(-1).astype(np.float64)
    if values.size == prod(shape):
        rows = values.reshape(shape[0], -1)
        if (rows == rows[:, :1]).all():
            return rows[:, 0].astype(np.float64)
        channel = int(np.flatnonzero((rows != rows[:, :1]).any(axis=1))[0])
        low, high = rows[channel].min(), rows[channel].max()
        raise UnsupportedError(
            f"node {name!r}: {what} of channel {channel} goes from {low:.6g} to {high:.6g} over its pixels, "
            "a population here has one value per channel; train it so, or flatten first"
        )
    raise UnsupportedError(f"node {name!r}: {what} has shape {values.shape}, the signal {shape}; give one per channel, per element, or one")


def _kept(weight: FloatWeight, factor: Floats) -> FloatWeight:
    """Multiply in float64; stay float32 where that is exact, as for powers of two."""
    exact = weight.astype(np.float64) * factor
    single = exact.astype(np.float32)
    same: FloatWeight = single if weight.dtype == np.float32 and np.array_equal(single, exact) else exact
    return same


__all__ = [
    "Signal",
    "Term",
    "amplified",
    "per_channel",
    "summed",
    "through_flatten",
    "through_pool",
    "through_scale",
    "through_synapse",
    "with_synapses",
]
