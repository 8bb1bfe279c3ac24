"""The float equation. Trainer and float simulator run these lines; operators only, so that tensors pass through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from qif_deploy.neuron.params import ResetMode
from qif_deploy.shapes import SharedArray


class FloatStep(NamedTuple):
    """Result of one step: ``u`` before reset, spikes ``s``, ``r`` after reset."""

    u: Any
    s: Any
    r: Any


def float_step(
    r: SharedArray,
    x: SharedArray,
    *,
    c2: Any,
    c1: Any,
    c0: Any,
    theta: Any,
    u_reset: Any,
    reset_by: Any,
    u_min: Any | None,
    reset: ResetMode,
    spike: Callable[[Any, Any], Any],
    gate: Callable[[Any], Any] = lambda s: s,
) -> FloatStep:
    """One step of ``u = (c2 r + c1) r + c0 + x``. Source: docs/numerics.md, section 1.

    Args:
        r: state after the last reset, ``(batch, channel, ...)``.
        x: input current, same axes.
        c2: coefficients of the parabola: floats or arrays that broadcast, as all constants here.
        c1: as c2.
        c0: as c2.
        theta: threshold.
        u_reset: state after a spike under hard reset.
        reset_by: what a spike takes off under subtract.
        u_min: lower clamp on ``u``, None for none.
        reset: hard or subtract.
        spike: ``(u, theta) -> 0/1`` in the dtype of ``u``; the trainer's carries the surrogate gradient.
        gate: what the reset sees of the spikes; the trainer may detach here.
    """
    h = r * c2 + c1
    u = h * r + c0 + x
    if u_min is not None:
        u = u.clip(u_min, None)
    s = spike(u, theta)
    fired = gate(s)
    if reset is ResetMode.HARD:
        return FloatStep(u, s, u * (1 - fired) + fired * u_reset)
    return FloatStep(u, s, u - fired * reset_by)
