"""The time model: a step takes as long as the busiest core or link, and at least as long as the barrier.

Loihi 2 (Combine.MAX): ``t = max(updates t_upd, synops t_syn, messages t_in, spikes t_out, link, barrier)``, the form of arXiv:2601.10035.
Loihi 1 (Combine.SUM): ``t = barrier + max(core sum of the four terms, link)``. Coefficients and their grades stand in the target's
profile; the spread from low to high is wide because nothing of Loihi 2's is public.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qif_hardware.chip import LEVELS, Chip, Combine, StaticPer
from qif_hardware.mapping.activity import Load

Nanoseconds = NDArray[np.float64]
TERMS = ("synop", "neuron_update", "message_in", "spike_out")


def term_times_ns(load: Load, chip: Chip, level: str, *, quadratic: bool) -> tuple[Nanoseconds, ...]:
    """Return nanoseconds per term of TERMS."""
    factor = chip.quadratic_factor.at(level) if quadratic else 1.0
    synop, update, message, spike = (chip.times_ns[term].at(level) for term in TERMS)
    return load.synops * synop, load.updates * (update * factor), load.messages_in * message, load.spikes_out * spike


def core_time_ns(terms: tuple[Any, ...], chip: Chip) -> Any:
    """Return the time of a core from its terms, summed over the layers on it."""
    return sum(terms) if chip.combine is Combine.SUM else np.maximum.reduce([np.asarray(t) for t in terms])


def barrier_ns(chip: Chip, level: str, chips_used: int) -> float:
    """Return what a step takes at least."""
    return chip.times_ns["barrier" if chips_used == 1 else "barrier_many_chips"].at(level)


def step_ns(core_ns: float, link_ns: float, barrier: float, chip: Chip) -> float:
    """Return the time of a step."""
    slowest = max(core_ns, link_ns)
    return slowest + barrier if chip.combine is Combine.SUM else max(slowest, barrier)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTime:
    """One level: the slowest core and link, the barrier, and the step, in nanoseconds; ``bound_by`` names what the step waits for."""

    core_ns: float
    link_ns: float
    barrier_ns: float
    step_ns: float
    bound_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeEstimate:
    """Time of an inference at low, typical and high; nothing of it was measured on silicon.

    ``latency`` counts ``steps + depth`` steps, since every layer hears the one before a step later; ``pipelined`` throughput counts
    ``steps`` only. ``static_j`` is the static power of what is powered times the latency.
    """

    levels: Mapping[str, StepTime]
    steps: int
    depth: int
    static_w: Mapping[str, float]

    def latency_s(self, level: str) -> float:
        """Seconds from the first frame to the answer."""
        return self.levels[level].step_ns * (self.steps + self.depth) * 1e-9

    def throughput_hz(self, level: str) -> float:
        """Inferences per second when samples follow each other without a gap."""
        return 1e9 / (self.levels[level].step_ns * self.steps)

    def static_j(self, level: str) -> float:
        """Static energy of one inference in joules: power and time both at this level."""
        return self.static_w[level] * self.latency_s(level)

    def as_json(self) -> dict[str, Any]:
        """Return plain values; every figure at three levels."""
        return {
            "step_s": {n: y.step_ns * 1e-9 for n, y in self.levels.items()},
            "slowest_core_s": {n: y.core_ns * 1e-9 for n, y in self.levels.items()},
            "busiest_link_s": {n: y.link_ns * 1e-9 for n, y in self.levels.items()},
            "barrier_s": {n: y.barrier_ns * 1e-9 for n, y in self.levels.items()},
            "bound_by": {n: y.bound_by for n, y in self.levels.items()},
            "steps": self.steps,
            "depth": self.depth,
            "latency_s": {n: self.latency_s(n) for n in self.levels},
            "throughput_hz": {n: self.throughput_hz(n) for n in self.levels},
            "static_power_w": dict(self.static_w),
            "static_energy_j": {n: self.static_j(n) for n in self.levels},
            "grade": "estimate from the profile's constants, never measured; see docs/mapping.md for its ratio to published measurements",
        }


def static_power_w(chip: Chip, *, cores: int, chips: int) -> dict[str, float]:
    """Return the static power of the powered cores, or chips where the profile gives it per chip."""
    count = chips if chip.static_per is StaticPer.CHIP else cores
    return {level: chip.static_w.at(level) * count for level in LEVELS}


def step_time(core_ns: float, link_ns: float, chip: Chip, level: str, chips_used: int) -> StepTime:
    """Return one level of the estimate."""
    barrier = barrier_ns(chip, level, chips_used)
    parts = {"slowest core": core_ns, "busiest link": link_ns, "barrier": barrier}
    bound_by = max(parts, key=lambda name: parts[name])
    return StepTime(
        core_ns=core_ns, link_ns=link_ns, barrier_ns=barrier, step_ns=step_ns(core_ns, link_ns, barrier, chip), bound_by=bound_by
    )
