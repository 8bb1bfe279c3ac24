"""Mean and variance of the membrane potential under Gaussian input, and the surrogate window that follows.

Two ways: a Gaussian closure, closed formulas and cheap; and the propagation of the density by quadrature, which knows
that the reset cuts the density at theta. Source: docs/numerics.md, section 1.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from itertools import pairwise
from math import erf, pi, sqrt
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_never

from qif_deploy.errors import InputError
from qif_deploy.neuron.params import QIFParams, ResetMode, Scalar
from qif_deploy.shapes import ChannelFloats, frozen

StepFloats = Annotated[NDArray[np.float64], "(time, channel)"]
Nodes = Annotated[NDArray[np.float64], "(channel, node)"]

REACH = 9.0
"""Standard deviations of the input that the grid covers on either side; what lies beyond has probability 2e-19."""

NODES = 160
"""Gauss-Legendre nodes per panel; the tests show that doubling them changes nothing visible."""

MASS_ERROR = 1e-6
"""Largest error of the density's total mass in one step; above it the grid is too coarse."""


AT_ONCE = 16
"""Channels whose densities are held at a time: nodes^2 numbers each, 0.8 MB."""


class MomentMethod(enum.Enum):
    """How the moments are found: CLOSURE takes the membrane for Gaussian, DENSITY propagates its density."""

    CLOSURE = "closure"
    DENSITY = "density"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MembraneMoments:
    """Mean and variance of ``u`` before reset and the probability of a spike, each ``(time, channel)``, t = 1..T."""

    mean: StepFloats
    var: StepFloats
    rate: StepFloats

    def __post_init__(self) -> None:
        for name in ("mean", "var", "rate"):
            object.__setattr__(self, name, frozen(getattr(self, name), np.float64))


def closure_step(
    params: QIFParams, *, mean: ChannelFloats, var: ChannelFloats, input_mean: ChannelFloats, input_var: ChannelFloats
) -> tuple[ChannelFloats, ChannelFloats]:
    """Moments of ``u`` for ``r ~ N(mu, v)`` and an independent ``x ~ (m_x, v_x)``; exact when ``r`` is Gaussian.

        E[u]   = c2 (mu^2 + v) + c1 mu + c0 + m_x
        Var[u] = c2^2 (2 v^2 + 4 mu^2 v) + c1^2 v + 4 c1 c2 mu v + v_x

    Args:
        params: the neuron; ``u_min`` is not seen.
        mean: ``mu``, ``(channel,)`` as all others.
        var: ``v``.
        input_mean: ``m_x``.
        input_var: ``v_x``.

    Returns:
        Mean and variance of ``u``.
    """
    c2, c1 = params.c2, params.c1
    u_mean = c2 * (mean**2 + var) + c1 * mean + params.c0 + input_mean
    u_var = c2**2 * (2 * var**2 + 4 * mean**2 * var) + c1**2 * var + 4 * c1 * c2 * mean * var + input_var
    return u_mean, u_var


def closure_moments(params: QIFParams, *, input_mean: Scalar, input_var: Scalar, steps: int) -> MembraneMoments:
    """Repeat ``closure_step``, taking ``u`` for Gaussian when the reset cuts it: the cheap form.

    Raises:
        InputError: a variance that is not positive, or no step.
    """
    m_x, v_x = _checked(params, input_mean, input_var, steps)
    r_mean, r_var = params.r0.copy(), np.zeros(params.channels)
    found = []
    for _ in range(steps):
        mean, var = closure_step(params, mean=r_mean, var=r_var, input_mean=m_x, input_var=v_x)
        r_mean, r_var, rate = _reset_gaussian(params, mean, var)
        found.append((mean, var, rate))
    mean, var, rate = (np.stack(values) for values in zip(*found, strict=True))
    return MembraneMoments(mean=mean, var=var, rate=rate)


def density_moments(params: QIFParams, *, input_mean: Scalar, input_var: Scalar, steps: int, nodes: int = NODES) -> MembraneMoments:
    """Propagate the density of ``u`` for ``x ~ N(m_x, v_x)``, independent in time: exact up to quadrature.

        g[t+1](u) = integral g[t](u') phi(u - f(R(u')) - m_x; v_x) du',   f(r) = c2 r^2 + c1 r + c0,   R the reset

    Panels of Gauss-Legendre nodes end at theta (and at ``u_min``), where the reset has its jump, so the integrand is
    smooth in each. Mean and variance are those of ``f(R(u'))`` plus those of the input, and need no density of ``u``.

    Raises:
        InputError: a variance that is not positive, or no step.
    """
    m_x, v_x = _checked(params, input_mean, input_var, steps)
    r, weight = params.r0[:, np.newaxis], np.ones((params.channels, 1))  # before the first step all mass is at r0
    found = []
    for _ in range(steps):
        centre = _parabola(params, r) + m_x[:, np.newaxis]
        u, mass = _next_density(params, centre, weight, np.sqrt(v_x), nodes)
        if params.u_min is None:
            mean, second = _expect(centre, weight), _expect(centre**2, weight) + v_x
        else:  # the clamp cuts the density of u itself
            u = np.maximum(u, params.u_min[:, np.newaxis])
            mean, second = _expect(u, mass), _expect(u**2, mass)
        fired = u >= params.theta[:, np.newaxis]
        found.append((mean, second - mean**2, _expect(fired, mass)))
        r, weight = _reset_values(params, u, fired), mass
    mean, var, rate = (np.stack(values) for values in zip(*found, strict=True))
    return MembraneMoments(mean=mean, var=var, rate=rate)


def membrane_moments(
    params: QIFParams, *, input_mean: Scalar, input_var: Scalar, steps: int, method: MomentMethod = MomentMethod.DENSITY
) -> MembraneMoments:
    """Return the moments by either way.

    Raises:
        InputError: a variance that is not positive, or no step.
    """
    match method:
        case MomentMethod.CLOSURE:
            return closure_moments(params, input_mean=input_mean, input_var=input_var, steps=steps)
        case MomentMethod.DENSITY:
            return density_moments(params, input_mean=input_mean, input_var=input_var, steps=steps)
        case _:
            assert_never(method)


def surrogate_window(
    params: QIFParams,
    *,
    input_mean: Scalar,
    input_var: Scalar,
    steps: int,
    multiple: float,
    method: MomentMethod = MomentMethod.DENSITY,
) -> ChannelFloats:
    """Half width ``w = multiple * sqrt(Var[u])`` of the surrogate window around theta, ``(channel,)``.

    ``Var[u]`` is the mean over t = 1..T of the variance by ``method``. The input is what the normalisation in front of the
    population makes: mean 0 and variance ``(alpha theta)^2`` for tdBN.

    Raises:
        InputError: ``multiple`` or the variance not positive, or no step.
    """
    if not multiple > 0:
        raise InputError(f"surrogate window: multiple {multiple} is not positive; give the half width in standard deviations of u")
    moments = membrane_moments(params, input_mean=input_mean, input_var=input_var, steps=steps, method=method)
    window: ChannelFloats = multiple * np.sqrt(moments.var.mean(axis=0))
    return window


def _checked(params: QIFParams, input_mean: Scalar, input_var: Scalar, steps: int) -> tuple[ChannelFloats, ChannelFloats]:
    if steps < 1:
        raise InputError(f"moments: steps {steps} is below 1; give the number of time steps")
    m_x = np.broadcast_to(np.asarray(input_mean, np.float64), (params.channels,))
    v_x = np.broadcast_to(np.asarray(input_var, np.float64), (params.channels,))
    if not (np.isfinite(v_x).all() and (v_x > 0).all()):
        raise InputError(f"moments: input variance {v_x.min()} is not positive and finite; give the variance of the normalised input")
    return m_x, v_x


def _parabola(params: QIFParams, r: Nodes) -> Nodes:
    c2, c1, c0 = (values[:, np.newaxis] for values in (params.c2, params.c1, params.c0))
    f: Nodes = (c2 * r + c1) * r + c0
    return f


def _reset_values(params: QIFParams, u: Nodes, fired: NDArray[np.bool_]) -> Nodes:
    match params.reset:
        case ResetMode.HARD:
            return np.where(fired, params.u_reset[:, np.newaxis], u)
        case ResetMode.SUBTRACT:
            return np.where(fired, u - params.reset_by[:, np.newaxis], u)
        case _:
            assert_never(params.reset)


def _next_density(params: QIFParams, centre: Nodes, weight: Nodes, sigma: ChannelFloats, nodes: int) -> tuple[Nodes, Nodes]:
    """Return nodes of ``u`` and their probability masses, ``(channel, node)``, for ``u ~ sum of weight * N(centre, sigma^2)``."""
    reach = REACH * sigma
    edges = [centre.min(axis=1) - reach, centre.max(axis=1) + reach]
    breaks = [params.theta] if params.u_min is None else [params.u_min, params.theta]  # in order: a clamp lies below theta
    inner = [np.clip(b, edges[0], edges[1]) for b in breaks]  # a break beyond the mass leaves an empty panel
    legendre: Any = np.polynomial.legendre  # numpy 1 ships it without types
    x, w = legendre.leggauss(nodes)
    points, lengths = [], []
    bounds = [edges[0], *inner, edges[1]]
    for low, high in pairwise(bounds):
        half = (high - low)[:, np.newaxis] / 2
        points.append(low[:, np.newaxis] + half * (x + 1))
        lengths.append(half * w)
    u, length = np.concatenate(points, axis=1), np.concatenate(lengths, axis=1)
    density = np.empty_like(u)
    for begin in range(0, len(u), AT_ONCE):
        part = slice(begin, begin + AT_ONCE)
        s = sigma[part, np.newaxis, np.newaxis]
        kernel = np.exp(-(((u[part, :, np.newaxis] - centre[part, np.newaxis, :]) / s) ** 2) / 2) / (s * sqrt(2 * pi))
        density[part] = np.einsum("cij,cj->ci", kernel, weight[part])
    mass = density * length
    total = mass.sum(axis=1, keepdims=True)
    if (np.abs(total - 1) > MASS_ERROR).any():
        raise InputError(
            f"moments: {nodes} nodes hold {total.min():.6f} of the density's mass; the state spreads too far for its noise, "
            "give more nodes, or a fixed surrogate window where the map runs away, as a parabola does under subtract"
        )
    return u, mass / total  # else the quadrature's own error would build up over the steps


def _expect(values: NDArray[Any], weight: Nodes) -> ChannelFloats:
    mean: ChannelFloats = (values * weight).sum(axis=1)
    return mean


def _reset_gaussian(params: QIFParams, mean: ChannelFloats, var: ChannelFloats) -> tuple[ChannelFloats, ChannelFloats, ChannelFloats]:
    """Moments of ``r`` and the spike probability for ``u ~ N(mean, var)``, by the truncated Gaussian's closed moments.

    With ``b = (theta - mean) / s``, ``s^2 = var``: P = 1 - Phi(b), E[u; u >= theta] = mean P + s phi(b) and
    E[u^2; u >= theta] = (mean^2 + var) P + s (mean + theta) phi(b).
    """
    s = np.sqrt(var)
    b = (params.theta - mean) / s
    density = np.exp(-(b**2) / 2) / sqrt(2 * pi)
    rate = np.array([0.5 * (1 - erf(value / sqrt(2))) for value in b])
    first = mean * rate + s * density
    second = (mean**2 + var) * rate + s * (mean + params.theta) * density
    match params.reset:
        case ResetMode.HARD:
            r_mean = mean - first + params.u_reset * rate
            r_second = mean**2 + var - second + params.u_reset**2 * rate
        case ResetMode.SUBTRACT:
            r_mean = mean - params.reset_by * rate
            r_second = mean**2 + var - 2 * params.reset_by * first + params.reset_by**2 * rate
        case _:
            assert_never(params.reset)
    return r_mean, np.maximum(r_second - r_mean**2, 0.0), rate
