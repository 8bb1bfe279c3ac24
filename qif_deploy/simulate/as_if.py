"""What arithmetic would explain a backend that differs: the usual mistakes, tried on the whole step where the difference begins.

A mistake is named only where it gives every value of that step as the backend has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qif_deploy.fixedpoint import RoundingMode, rshift, saturate
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.neuron.constants import FixedConstants, StepConstants
from qif_deploy.neuron.fixed_step import fixed_step
from qif_deploy.neuron.params import ResetMode
from qif_deploy.shapes import channelwise
from qif_deploy.simulate.compare import Mismatch
from qif_deploy.simulate.trace import Trace

Codes = NDArray[np.int64]
Mistake = tuple[str, Any]
"""What it is in words, and the array that it gives for the step."""


def as_if(graph: QuantizedGraph, reference: Trace, found: Trace, mismatch: Mismatch) -> tuple[str, ...]:
    """Return the mistakes that give the differing step of ``found``; empty where none does, or the arrays do not fit.

    Args:
        graph: the network.
        reference: its run.
        found: the other run on the same inputs.
        mismatch: the first difference, as ``compare_traces`` gives it: all before it in its population is equal.
    """
    name, _, quantity = mismatch.array.rpartition("/")
    if name not in graph.populations or not mismatch.index:
        return ()
    t = mismatch.index[0]
    right, other = reference.populations[name], found.populations[name]
    k = graph.population(name).constants
    i = right.i[t].astype(np.int64)
    match quantity:
        case "i":
            tried, differing = _current_mistakes(k, i), other.i[t]
        case "u":
            tried, differing = _step_mistakes(k, _before(k, right.u, right.s, t, k.reset_mode), i, right.u, right.s, t), other.u[t]
        case _:
            tried, differing = _spike_mistakes(k, right.u[t].astype(np.int64)), other.s[t]
    return tuple(dict.fromkeys(words for words, values in tried if np.array_equal(values, differing)))


def _before(k: FixedConstants, u: NDArray[Any], s: NDArray[Any], t: int, reset: ResetMode) -> Codes:
    """State before step ``t`` under a kind of reset."""
    ndim = u.ndim - 2
    if t == 0:
        return np.broadcast_to(channelwise(k.r0, ndim), u.shape[1:]).astype(np.int64)
    wide, spikes = u[t - 1].astype(np.int64), s[t - 1].astype(np.int64)
    if reset is ResetMode.HARD:
        return np.where(spikes != 0, channelwise(k.reset, ndim), wide)
    after: Codes = saturate(wide - spikes * channelwise(k.reset_by, ndim), k.number_format.state_limit)
    return after


def _current_mistakes(k: FixedConstants, i: Codes) -> Iterator[Mistake]:
    bias = channelwise(k.bias, i.ndim - 1)
    yield "the bias is left out", i - bias
    yield "the bias is added twice", i + bias
    for bits in (8, 16, 24):
        yield f"the current wraps at {bits} bits", ((i + (1 << (bits - 1))) % (1 << bits)) - (1 << (bits - 1))


def _step_mistakes(k: FixedConstants, r: Codes, i: Codes, u: NDArray[Any], s: NDArray[Any], t: int) -> Iterator[Mistake]:
    laid = k.laid_out(i.ndim - 1)
    for mode in RoundingMode:
        if mode is not laid.rounding:
            yield f"right shifts round {mode.value}, not {laid.rounding.value}", fixed_step(r, i, replace(laid, rounding=mode)).u
    for shift in (laid.s1 - 1, laid.s1 + 1):
        if shift >= 0:
            yield f"s1 is {shift}, not {laid.s1}", fixed_step(r, i, replace(laid, s1=shift)).u
    for change in (-1, 1):
        yield f"s2 is {change:+d} off", fixed_step(r, i, replace(laid, s2=np.maximum(laid.s2 + change, 0))).u
    yield "the curvature is left out", fixed_step(r, i, replace(laid, c2m=laid.c2m * 0)).u
    yield "the lower clamp is left out", fixed_step(r, i, replace(laid, u_min=None)).u
    free = _unsaturated(laid, r, i)
    width = 1 << k.number_format.state_bits
    yield "the membrane does not saturate", free
    yield "the membrane wraps instead of saturating", (free + width // 2) % width - width // 2
    if t == 0:
        yield "it starts from reset, not from r0", fixed_step(np.broadcast_to(laid.reset, r.shape), i, laid).u
        yield "it starts from 0, not from r0", fixed_step(r * 0, i, laid).u
        return
    yield "spikes do not reset", fixed_step(u[t - 1].astype(np.int64), i, laid).u
    other = ResetMode.SUBTRACT if k.reset_mode is ResetMode.HARD else ResetMode.HARD
    yield f"the reset is {other.value}, not {k.reset_mode.value}", fixed_step(_before(k, u, s, t, other), i, laid).u


def _unsaturated(laid: StepConstants, r: Codes, i: Codes) -> Codes:
    h = rshift(laid.c2m * r, laid.s2, rounding=laid.rounding) + laid.c1m
    found: Codes = rshift(h * r, laid.s1, rounding=laid.rounding) + i
    return found


def _spike_mistakes(k: FixedConstants, u: Codes) -> Iterator[Mistake]:
    if k.theta is None:
        return
    theta = channelwise(k.theta, u.ndim - 1)
    yield "a spike needs more than theta, not theta", (u > theta).astype(np.uint8)
    yield "thresholds are one code lower", (u >= theta - 1).astype(np.uint8)
    yield "no spike is emitted", np.zeros(u.shape, np.uint8)


__all__ = ["as_if"]
