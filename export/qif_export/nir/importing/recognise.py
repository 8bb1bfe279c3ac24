"""Which tool wrote a file, told by relations between its parameters that only that tool's exporter produces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from qif_deploy.errors import InputError
from qif_export.nir.importing.conventions import RULES, Convention, Reading, neuron_map
from qif_export.nir.importing.parts import Floats, Neuron, NeuronKind

TOLERANCE = 1e-4
"""Relative: the parameters are quotients of float32 numbers, with an error of a few 1e-7, and different rules differ by far more."""


def recognise(neurons: Mapping[str, Neuron], *, batch_in_shapes: bool) -> Convention:
    """Return the one convention whose exporter can have written all ``neurons``.

    Args:
        neurons: IF and LIF nodes by name.
        batch_in_shapes: whether the file's inputs declare a batch axis, which Norse's exporter leaves in.

    Raises:
        InputError: none or several can; names them.
    """
    kept = [kind for kind in TESTS if all(_fits(kind, neuron, batch_in_shapes) for neuron in neurons.values())]
    if len(kept) == 1:
        return kept[0]
    names = ", ".join(kind.value for kind in kept) if kept else "none of the known tools"
    raise InputError(
        f"its neurons {sorted(neurons)[:6]} could have been written by {names}, and what LIF and IF mean in discrete time differs between "
        f"tools; say which by `qif-deploy convert --convention` ({', '.join(kind.value for kind in RULES)})"
    )


def _fits(kind: Convention, neuron: Neuron, batch_in_shapes: bool) -> bool:
    return neuron.kind is NeuronKind.THRESHOLD or TESTS[kind](neuron, batch_in_shapes)


def _snntorch(neuron: Neuron, _batch: bool) -> bool:
    """LIF alone, ``tau = dt / (1 - beta)`` and ``r = tau / dt``, all float32, leak and reset zero."""
    if neuron.tau is None or neuron.r is None or not neuron.single_precision:
        return False
    return _equal_or_infinite(neuron.r, neuron.tau / RULES[Convention.SNNTORCH].dt) and _zero(neuron.v_leak) and _zero(neuron.v_reset)


def _spikingjelly(neuron: Neuron, _batch: bool) -> bool:
    """All float64; IF has ``r = 1 / dt``, LIF ``r = 1`` or ``tau / dt``, its leak goes to the reset."""
    dt = RULES[Convention.SPIKINGJELLY].dt
    if neuron.single_precision or neuron.r is None or neuron.v_reset is None:
        return False
    if neuron.tau is None:
        return _equal(neuron.r, 1 / dt)
    to_reset = neuron.v_leak is not None and np.array_equal(neuron.v_leak, neuron.v_reset)
    return (_equal(neuron.r, 1.0) or _equal(neuron.r, neuron.tau / dt)) and to_reset


def _norse(neuron: Neuron, batch: bool) -> bool:
    """``r = 1``; ``tau`` is dt times the real one, so microseconds; shapes with the batch axis."""
    if not (batch and neuron.single_precision and _equal(neuron.r, 1.0) and neuron.v_reset is not None):
        return False
    return neuron.tau is None or bool((neuron.tau < RULES[Convention.NORSE].dt).all())


def _sinabs(neuron: Neuron, _batch: bool) -> bool:
    """``r = 1``; ``tau`` counts steps; nir up to 1.0.4, to which the tool is held, writes no ``v_reset``."""
    if not (neuron.single_precision and _equal(neuron.r, 1.0) and neuron.v_reset is None):
        return False
    return neuron.tau is None or (bool((neuron.tau >= 0.1).all()) and _zero(neuron.v_leak))


def _rockpool(neuron: Neuron, _batch: bool) -> bool:
    """LIF alone, ``r = tau exp(-dt / tau) / dt`` with one dt of one digit, as people choose it."""
    if neuron.tau is None or neuron.r is None or not neuron.single_precision or not np.isfinite(neuron.r).all():
        return False
    decay = neuron_map("", neuron, Reading(convention=Convention.ROCKPOOL)).decay
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = -np.log(decay) * neuron.tau
    if not (np.isfinite(steps).all() and (steps > 0).all() and _equal(steps, float(steps.flat[0]))):
        return False
    digits = steps.flat[0] / 10.0 ** np.floor(np.log10(steps.flat[0]) + TOLERANCE)
    return _equal(digits, float(np.rint(digits)))


TESTS = {
    Convention.SNNTORCH: _snntorch,
    Convention.NORSE: _norse,
    Convention.SINABS: _sinabs,
    Convention.SPIKINGJELLY: _spikingjelly,
    Convention.ROCKPOOL: _rockpool,
}


def _equal(a: Any, b: Floats | float) -> bool:
    return bool(np.allclose(a, b, rtol=TOLERANCE, atol=0))


def _equal_or_infinite(a: Floats, b: Floats) -> bool:
    return a.shape == b.shape and bool((np.isclose(a, b, rtol=TOLERANCE, atol=0) | (np.isinf(a) & np.isinf(b))).all())


def _zero(a: Floats | None) -> bool:
    return a is not None and not a.any()


__all__ = ["recognise"]
