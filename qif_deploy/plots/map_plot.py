"""The map of a neuron and its cobweb: how a state moves under constant input."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from qif_deploy.errors import InputError
from qif_deploy.neuron.fixed_points import analyse_map
from qif_deploy.neuron.params import QIFParams, ResetMode
from qif_deploy.plots._matplotlib import Axes, Figure

POINTS = 400
"""Abscissae at which the parabola is drawn."""


def plot_map(params: QIFParams, *, channel: int = 0, current: float = 0.0, start: float | None = None, steps: int = 20) -> Figure:
    """Draw ``u = f(r) + current`` over ``r`` with the diagonal, theta, fixed points, self-firing band and a cobweb.

    Args:
        params: the neuron.
        channel: which of its channels.
        current: constant input ``x``; fixed points are those under this input, band and rebound are those without.
        start: first state of the cobweb, ``r0`` unless given.
        steps: steps of the cobweb; a spike is drawn up to ``u`` and then down to the state after reset.

    Returns:
        A figure; ``figure.savefig(path)`` writes it.

    Raises:
        InputError: no such channel, no step, a current or start that is not finite.
    """
    if not 0 <= channel < params.channels:
        raise InputError(f"map plot: channel {channel} where the neuron has {params.channels}; give 0..{params.channels - 1}")
    if steps < 1:
        raise InputError(f"map plot: steps {steps} is below 1; give the number of steps of the cobweb")
    one = _one_channel(params, channel)
    first = float(one.r0[0]) if start is None else start
    if not (np.isfinite(current) and np.isfinite(first)):
        raise InputError(f"map plot: current {current} or start {first} is not finite; give finite values")
    trail = cobweb(one, current=current, start=first, steps=steps)
    figure = Figure(figsize=(5.5, 5.0), layout="constrained")
    axes = figure.add_subplot()
    _draw(axes, one, current=current, trail=trail)
    return figure


def cobweb(params: QIFParams, *, current: float, start: float, steps: int) -> Annotated[NDArray[np.float64], "(point, 2)"]:
    """Return the corners of the cobweb of channel 0, ``(r, r)``, ``(r, u)``, ``(r', r')`` ... with the reset in between."""
    c2, c1, c0, theta = (float(getattr(params, name)[0]) for name in ("c2", "c1", "c0", "theta"))
    r = start
    points = [(r, r)]
    for _ in range(steps):
        u = (c2 * r + c1) * r + c0 + current
        if params.u_min is not None:
            u = max(u, float(params.u_min[0]))
        points.append((r, u))
        if u >= theta if params.spike_on_equal else u > theta:
            after = float(params.u_reset[0]) if params.reset is ResetMode.HARD else u - float(params.reset_by[0])
            points.append((r, after))  # straight down: the reset happens within the step
            u = after
        points.append((u, u))
        r = u
    return np.array(points)


def _one_channel(params: QIFParams, channel: int) -> QIFParams:
    names = ("c2", "c1", "c0", "theta", "u_reset", "r0", "reset_by")
    values = {name: getattr(params, name)[channel : channel + 1] for name in names}
    u_min = None if params.u_min is None else params.u_min[channel : channel + 1]
    return QIFParams(**values, u_min=u_min, reset=params.reset, spike_on_equal=params.spike_on_equal)


def _draw(axes: Axes, params: QIFParams, *, current: float, trail: NDArray[np.float64]) -> None:
    facts = analyse_map(params)
    shifted = analyse_map(QIFParams.of(c2=params.c2, c1=params.c1, c0=params.c0 + current, theta=params.theta, u_reset=params.u_reset))
    theta = float(params.theta[0])
    found = shifted.fixed_points[0][np.isfinite(shifted.fixed_points[0])]
    gap = theta - float(params.u_reset[0])
    inside = [float(v) for v in (*found, facts.vertex[0], facts.rebound[0]) if abs(v - theta) < 6 * gap]  # NaN compares false
    low = min(*inside, *trail[:, 0], float(params.u_reset[0]) - gap / 2, theta)
    high = max(*inside, *trail[:, 0], theta + gap / 2)
    r = np.linspace(low, high, POINTS)
    axes.plot(r, (params.c2 * r + params.c1) * r + params.c0 + current, label="u = f(r) + x")
    axes.plot(r, r, color="0.6", linewidth=0.8, label="u = r")
    axes.axhline(theta, color="tab:red", linestyle="--", linewidth=0.9, label="theta")
    axes.plot(trail[:, 0], trail[:, 1], color="tab:orange", linewidth=0.9, label="cobweb")
    if np.isfinite(facts.self_fire_to[0]):
        axes.axvspan(
            max(float(facts.self_fire_from[0]), low), float(facts.self_fire_to[0]), color="tab:red", alpha=0.12, label="self-firing"
        )
    if low < facts.rebound[0]:
        axes.axvspan(low, float(facts.rebound[0]), color="tab:purple", alpha=0.12, label="rebound")
    for value, stable in zip(shifted.fixed_points[0], shifted.stable[0], strict=True):
        if low <= value <= high:
            label = "stable fixed point" if stable else "unstable fixed point"
            axes.plot([value], [value], "o", color="black", fillstyle="full" if stable else "none", label=label)
    axes.set_xlabel("r, state before the step")
    axes.set_ylabel("u, membrane potential before reset")
    axes.legend(fontsize="small")
