"""What LIF and IF of a NIR file mean in discrete time, per tool that writes them.

The format states differential equations; what a tool runs is a map from step to step, and the tools differ in the step width, in
how they integrate, in what the resistance scales, in the comparison and in the reset. The table in docs/nir.md has them side by side;
each row was read in the tool's source and is held by a test against the tool's own simulation.

With decay ``d`` and gain ``g`` every row is our neuron with ``c2 = 0``:

    u = d r + (1 - d) v_leak + g x        s = u > theta or u >= theta        r = v_reset, or r = u - reset_by s
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from qif_deploy.errors import InputError, UnsupportedError
from qif_deploy.neuron.params import ResetMode
from qif_export.nir.importing.parts import Floats, Neuron, NeuronKind

FLOAT32_ERROR = 2.0**-22
"""Of ``dt / tau`` after two float32 roundings, where it is near 1."""


class Convention(enum.Enum):
    """Whose discrete time a file is read in."""

    NIR = "nir"
    SNNTORCH = "snntorch"
    NORSE = "norse"
    SINABS = "sinabs"
    SPIKINGJELLY = "spikingjelly"
    ROCKPOOL = "rockpool"


@dataclass(frozen=True, slots=True, kw_only=True)
class Discretisation:
    """Decay ``d`` of the state and gain ``g`` of the input current, of the shape that the file's parameters have."""

    decay: Floats
    gain: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """One row of the table.

    Args:
        dt: step in seconds that the tool writes with; 1 where its time constants count steps.
        lif: decay and gain of LIF and LI from ``tau``, ``r`` and ``dt``.
        current: gain of IF and I from ``r`` and ``dt``.
        spike_on_equal: whether reaching the threshold is enough.
        reset: what a spike does.
        late_subtraction: whether the subtraction comes in the next step, after the decay.
        starts_at_leak: whether the state starts at ``v_leak`` instead of ``v_reset``.
        remark: what the file does not carry.
    """

    dt: float
    lif: Callable[[Floats, Floats, float], Discretisation]
    current: Callable[[Floats, float], Floats]
    spike_on_equal: bool
    reset: ResetMode
    late_subtraction: bool = False
    starts_at_leak: bool = False
    remark: str = ""


def _euler(tau: Floats, r: Floats, dt: float) -> Discretisation:
    """``tau dv/dt = v_leak - v + r I`` by forward Euler."""
    return Discretisation(decay=1 - dt / tau, gain=r * (dt / tau))


def _snntorch(tau: Floats, r: Floats, dt: float) -> Discretisation:
    """``beta v + I`` is written as ``tau = dt / (1 - beta)``, ``r = tau / dt``: both infinite without leak, rounded to float32 else."""
    unscaled = np.isclose(r, tau / dt, rtol=1e-5, atol=0) | (np.isinf(r) & np.isinf(tau))
    with np.errstate(invalid="ignore"):
        return Discretisation(decay=1 - dt / tau, gain=np.where(unscaled, 1.0, r * (dt / tau)))


def _norse(tau: Floats, r: Floats, dt: float) -> Discretisation:
    """Forward Euler; the exporter writes ``tau = dt / tau_mem_inv``, dt times the time constant that it runs with."""
    return _euler(tau / dt, r, dt)


def _exponential_normalised(tau: Floats, r: Floats, dt: float) -> Discretisation:
    decay = np.exp(-dt / tau)
    return Discretisation(decay=decay, gain=(1 - decay) * r)


def _rockpool(_tau: Floats, r: Floats, _dt: float) -> Discretisation:
    """Exponential decay, unit gain; the file holds no dt but ``r = tau exp(-dt / tau) / dt``, which is solved for it."""
    fraction = _step_fraction(r)
    return Discretisation(decay=np.exp(-fraction), gain=np.ones_like(fraction))


def _step_fraction(r: Floats) -> Floats:
    """Solve ``exp(-x) / x = r`` for x by Newton on ``x + log x + log r``, which is concave: from below it never overshoots."""
    target = np.log(r)
    x = np.minimum(1 / (1 + r), 0.5)
    for _ in range(60):
        x = x - (x + np.log(x) + target) / (1 + 1 / x)
        x = np.maximum(x, 1e-300)
    return x


def _scaled(r: Floats, dt: float) -> Floats:
    """``dv/dt = r I`` by forward Euler."""
    return r * dt


def _unscaled(r: Floats, _dt: float) -> Floats:
    """``v + r I`` per step."""
    return r


RULES = {
    Convention.NIR: Rules(
        dt=1e-4, lif=_euler, current=_scaled, spike_on_equal=False, reset=ResetMode.HARD,
        remark="the format fixes no time step; give the one that the network was trained with",
    ),
    Convention.SNNTORCH: Rules(
        dt=1e-4, lif=_snntorch, current=_scaled, spike_on_equal=False, reset=ResetMode.SUBTRACT, late_subtraction=True,
        remark="the file does not hold reset_mechanism: 'subtract' is its default, choose reset hard for 'zero'",
    ),
    Convention.NORSE: Rules(
        dt=1e-3, lif=_norse, current=_unscaled, spike_on_equal=False, reset=ResetMode.HARD, starts_at_leak=True,
        remark="the file holds neither v_reset nor the reset method: v_reset 0 and reset to it are the defaults",
    ),
    Convention.SINABS: Rules(
        dt=1.0, lif=_exponential_normalised, current=_unscaled, spike_on_equal=True, reset=ResetMode.SUBTRACT,
        remark="the file holds neither spike_fn nor norm_input: one spike per step (SingleSpike) and norm_input are taken",
    ),
    Convention.SPIKINGJELLY: Rules(
        dt=1e-4, lif=_euler, current=_scaled, spike_on_equal=True, reset=ResetMode.HARD,
    ),
    Convention.ROCKPOOL: Rules(
        dt=1e-3, lif=_rockpool, current=_unscaled, spike_on_equal=True, reset=ResetMode.SUBTRACT,
        remark="the file holds neither the bias nor max_spikes_per_dt of its neurons: no bias and one spike per step are taken",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A convention and what the caller overrides of it; None keeps the convention's own.

    Raises:
        InputError: ``dt`` is not positive and finite.
    """

    convention: Convention
    dt: float | None = None
    reset: ResetMode | None = None
    spike_on_equal: bool | None = None
    unit_gain: bool = False

    def __post_init__(self) -> None:
        if self.dt is not None and not (np.isfinite(self.dt) and self.dt > 0):
            raise InputError(f"dt {self.dt} is not positive and finite; give the time step in the unit of the file's time constants")

    @property
    def rules(self) -> Rules:
        """The row of the table."""
        return RULES[self.convention]

    @property
    def step(self) -> float:
        """The time step in use."""
        return self.rules.dt if self.dt is None else self.dt

    def describe(self) -> str:
        """Say in one line what is applied."""
        reset = self.rules.reset if self.reset is None else self.reset
        equal = self.rules.spike_on_equal if self.spike_on_equal is None else self.spike_on_equal
        late = ", taken off in the next step after the decay" if reset is ResetMode.SUBTRACT and self.rules.late_subtraction else ""
        dt = "from r and tau" if self.convention is Convention.ROCKPOOL and self.dt is None else f"{self.step:g}"
        remark = f"; {self.rules.remark}" if self.rules.remark else ""
        gain = ", input not scaled" if self.unit_gain else ""
        return f"{self.convention.value}: dt {dt}, spike at {'>=' if equal else '>'}, {reset.value} reset{late}{gain}{remark}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NeuronMap:
    """A neuron as a map from step to step, parameters of the file's shapes."""

    decay: Floats
    gain: Floats
    offset: Floats
    theta: Floats
    u_reset: Floats
    r0: Floats
    reset_by: Floats
    reset: ResetMode
    spike_on_equal: bool


def neuron_map(name: str, neuron: Neuron, reading: Reading) -> NeuronMap:
    """Return the map of ``neuron`` as ``reading`` has it.

    Raises:
        UnsupportedError: the map is not one of ours.
        InputError: the parameters make no sense in that convention.
    """
    rules = reading.rules
    zero, one = np.zeros(1), np.ones(1)
    reset = rules.reset if reading.reset is None else reading.reset
    equal = rules.spike_on_equal if reading.spike_on_equal is None else reading.spike_on_equal
    leak = zero if neuron.v_leak is None else neuron.v_leak
    u_reset = zero if neuron.v_reset is None else neuron.v_reset
    match neuron.kind:
        case NeuronKind.THRESHOLD:
            # Stateless: neither reset nor start can be seen, and the format's comparison is the strict one.
            return NeuronMap(
                decay=zero, gain=one, offset=zero, theta=neuron.v_threshold, u_reset=neuron.v_threshold - 1, r0=neuron.v_threshold - 1,
                reset_by=one, reset=ResetMode.HARD, spike_on_equal=bool(reading.spike_on_equal),
            )  # fmt: skip
        case NeuronKind.IF:
            assert neuron.r is not None
            decay, gain = one, rules.current(neuron.r, reading.step)
        case NeuronKind.LIF:
            assert neuron.r is not None
            assert neuron.tau is not None
            found = rules.lif(neuron.tau, neuron.r, reading.step)
            decay = _as_single(found.decay) if neuron.single_precision else found.decay
            gain = found.gain
    _require_decay(name, decay, reading)
    if reading.unit_gain:
        gain = one
    if not np.isfinite(gain).all():
        raise InputError(
            f"node {name!r}: its gain is not finite in convention {reading.convention.value!r} (r infinite, tau not); choose another"
        )
    reset_by = neuron.v_threshold
    if reset is ResetMode.SUBTRACT and rules.late_subtraction:
        if (decay == 0).any():
            raise UnsupportedError(
                f"node {name!r}: it subtracts the threshold one step after the spike but keeps nothing of its state (decay 0); "
                "use reset_mechanism 'zero', or a decay above 0"
            )
        reset_by = neuron.v_threshold / decay  # so that what is left of it after the decay is the threshold
    return NeuronMap(
        decay=decay,
        gain=gain,
        offset=(1 - decay) * leak,
        theta=neuron.v_threshold,
        u_reset=u_reset,
        r0=leak if rules.starts_at_leak else u_reset,
        reset_by=reset_by,
        reset=reset,
        spike_on_equal=equal,
    )


def _as_single(decay: Floats) -> Floats:
    """The decay that ran was a float32 number, of which the file holds a rounded function of ``1 - decay``: the nearest one is it."""
    nearest = decay.astype(np.float32).astype(np.float64)
    return np.where(np.abs(nearest) < FLOAT32_ERROR, 0.0, nearest)


def _require_decay(name: str, decay: Floats, reading: Reading) -> None:
    wrong = decay[~((decay >= 0) & (decay <= 1))]
    if wrong.size:
        raise InputError(
            f"node {name!r}: decay {wrong.flat[0]:.6g} per step is outside 0..1 in convention {reading.convention.value!r} with dt "
            f"{reading.step:g}; choose another convention or dt"
        )


__all__ = ["RULES", "Convention", "NeuronMap", "Reading", "Rules", "neuron_map"]
