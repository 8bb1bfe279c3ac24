"""Float parameters of a QIF population in the one canonical form, with constructors for the field's other forms."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from qif_deploy.errors import InputError, raise_findings
from qif_deploy.rebuilding import Rebuilt
from qif_deploy.shapes import ChannelFloats, frozen

Scalar = float | ChannelFloats


class ResetMode(enum.Enum):
    """What a spike does to the membrane."""

    HARD = "hard"
    SUBTRACT = "subtract"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class QIFParams(Rebuilt):
    """``u = (c2 r + c1) r + c0 + x``; spike at ``u >= theta``; then the reset. LIF is the case ``c2 = 0``.

    Symbols as in docs/numerics.md, section 1. Every array is float64 of shape ``(channel,)``, or ``(1,)`` for one
    value that serves the whole population. ``r0`` defaults to ``u_reset``, ``reset_by`` to ``theta``.
    ``u_min`` is an optional lower clamp on ``u``. ``spike_on_equal`` is false for sources that spike on strict ``>``.

    Raises:
        InputError: shapes that disagree, values that are not finite, ``theta`` not above reset and ``r0``.
    """

    c2: ChannelFloats
    c1: ChannelFloats
    c0: ChannelFloats
    theta: ChannelFloats
    u_reset: ChannelFloats
    r0: ChannelFloats
    reset_by: ChannelFloats
    u_min: ChannelFloats | None = None
    reset: ResetMode = ResetMode.HARD
    spike_on_equal: bool = True

    @classmethod
    def of(
        cls,
        *,
        c2: Scalar,
        c1: Scalar,
        c0: Scalar = 0.0,
        theta: Scalar = 1.0,
        u_reset: Scalar = 0.0,
        r0: Scalar | None = None,
        reset_by: Scalar | None = None,
        u_min: Scalar | None = None,
        reset: ResetMode = ResetMode.HARD,
        spike_on_equal: bool = True,
    ) -> QIFParams:
        """Build from scalars or per-channel arrays, with the defaults of docs/numerics.md filled in."""
        given = {"c2": c2, "c1": c1, "c0": c0, "theta": theta, "u_reset": u_reset}
        given["r0"] = u_reset if r0 is None else r0
        given["reset_by"] = theta if reset_by is None else reset_by
        if u_min is not None:
            given["u_min"] = u_min
        arrays = {name: np.atleast_1d(np.asarray(value, np.float64)) for name, value in given.items()}
        if any(array.ndim != 1 for array in arrays.values()):
            shapes = sorted({a.shape for a in arrays.values()})
            raise InputError(f"QIF parameters: shapes {shapes} are not (channel,); give a scalar or one value per channel")
        channels = max(array.size for array in arrays.values())
        wrong = [
            f"QIF parameter {name!r}: {a.size} values where {channels} channels are given"
            for name, a in arrays.items()
            if a.size not in (1, channels)
        ]
        raise_findings(InputError, wrong)
        full = {name: np.broadcast_to(array, (channels,)) for name, array in arrays.items()}
        return cls(reset=reset, spike_on_equal=spike_on_equal, **full)

    @classmethod
    def from_roots(cls, *, a: Scalar, u1: Scalar, u2: Scalar, theta: Scalar = 1.0, u_reset: Scalar = 0.0) -> QIFParams:
        """``a (r - u1)(r - u2) + x``."""
        return cls.of(c2=a, c1=-a * (u1 + u2), c0=a * u1 * u2, theta=theta, u_reset=u_reset)

    @classmethod
    def from_fixed_points(cls, *, a: Scalar, u_rest: Scalar, u_crit: Scalar, theta: Scalar = 1.0, u_reset: Scalar = 0.0) -> QIFParams:
        """``r + a (r - u_rest)(r - u_crit) + x``: forward Euler; ``u_rest`` is stable, ``u_crit`` unstable."""
        return cls.of(c2=a, c1=1.0 - a * (u_rest + u_crit), c0=a * u_rest * u_crit, theta=theta, u_reset=u_reset)

    @classmethod
    def from_normal_form(cls, *, a: Scalar, eta: Scalar, theta: Scalar = 1.0, u_reset: Scalar = 0.0) -> QIFParams:
        """``r + a (r^2 + eta) + x``: forward Euler of ``dv/dt = v^2 + eta + I`` with step ``a``.

        With ``eta > 0`` the neuron has no rest and fires on its own, which no ``from_fixed_points`` says; with ``eta < 0`` it rests at
        ``-sqrt(-eta)``. Source: G. B. Ermentrout and D. H. Terman, Mathematical Foundations of Neuroscience, 2010.
        """
        return cls.of(c2=a, c1=1.0, c0=a * eta, theta=theta, u_reset=u_reset)

    @classmethod
    def from_ode(
        cls,
        *,
        tau: float,
        a0: float,
        v_rest: float,
        v_crit: float,
        gain: float,
        dt: float,
        theta: Scalar = 1.0,
        u_reset: Scalar = 0.0,
    ) -> DiscretizedODE:
        """Forward Euler of ``tau dv/dt = a0 (v - v_rest)(v - v_crit) + gain I`` with step ``dt`` (same unit as ``tau``)."""
        if not tau > 0 or not dt > 0:
            raise InputError(f"QIF ODE: tau {tau!r} and dt {dt!r} must be positive; give both in the same unit")
        params = cls.from_fixed_points(a=a0 * dt / tau, u_rest=v_rest, u_crit=v_crit, theta=theta, u_reset=u_reset)
        return DiscretizedODE(params=params, input_gain=gain * dt / tau)

    @classmethod
    def lif(
        cls, *, decay: Scalar, c0: Scalar = 0.0, theta: Scalar = 1.0, u_reset: Scalar = 0.0, reset: ResetMode = ResetMode.HARD
    ) -> QIFParams:
        """``decay * r + c0 + x``; ``decay = 1`` is the integrate-and-fire neuron."""
        return cls.of(c2=0.0, c1=decay, c0=c0, theta=theta, u_reset=u_reset, reset=reset)

    def __post_init__(self) -> None:
        shape = np.shape(self.c2)
        findings = []
        if len(shape) != 1 or shape[0] < 1:
            findings.append(f"QIF parameter 'c2': shape {shape} is not (channel,); use QIFParams.of to build from scalars")
        for name in _ARRAYS:
            value = getattr(self, name)
            if value is None:
                continue
            value = frozen(value, np.float64)
            object.__setattr__(self, name, value)
            if value.shape != shape:
                findings.append(f"QIF parameter {name!r}: shape {value.shape} differs from {shape} of 'c2'; give one value per channel")
            elif not np.isfinite(value).all():
                findings.append(f"QIF parameter {name!r}: value {value[~np.isfinite(value)][0]} is not finite")
        raise_findings(InputError, findings)
        for name in ("u_reset", "r0", "u_min"):
            if getattr(self, name) is None:
                continue
            bad = np.flatnonzero(getattr(self, name) >= self.theta)
            if bad.size:
                value, theta = getattr(self, name)[bad[0]], self.theta[bad[0]]
                findings.append(
                    f"QIF parameter {name!r}, channel {bad[0]}: {value} is not below theta {theta}; such a neuron fires for ever"
                )
        raise_findings(InputError, findings)

    @property
    def channels(self) -> int:
        """Number of channels, 1 when one value serves all."""
        return int(self.c2.size)

    def broadcast(self, channels: int) -> QIFParams:
        """Return the same parameters with one value per channel."""
        if self.channels not in (1, channels):
            raise InputError(f"QIF parameters: {self.channels} channels where the population has {channels}; give 1 or {channels} values")
        arrays = {n: None if getattr(self, n) is None else np.broadcast_to(getattr(self, n), (channels,)) for n in _ARRAYS}
        return QIFParams(reset=self.reset, spike_on_equal=self.spike_on_equal, **arrays)  # type: ignore[arg-type]  # None only where the field allows it

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, QIFParams):
            return NotImplemented
        if (self.reset, self.spike_on_equal) != (other.reset, other.spike_on_equal):
            return False
        return all(_same(getattr(self, name), getattr(other, name)) for name in _ARRAYS)

    __hash__ = None  # type: ignore[assignment]  # value equality over arrays: not hashable, as ndarray itself


_ARRAYS = ("c2", "c1", "c0", "theta", "u_reset", "r0", "reset_by", "u_min")


class DiscretizedODE(NamedTuple):
    """Parameters of the discretised equation, and the factor that its input current takes."""

    params: QIFParams
    input_gain: float


def _same(a: ChannelFloats | None, b: ChannelFloats | None) -> bool:
    if a is None or b is None:
        return a is b
    return bool(np.array_equal(a, b))
