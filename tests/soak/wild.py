"""Populations with any legal constants: every coefficient sign and shift, borders of the state, with and without spikes and a clamp."""

from __future__ import annotations

import numpy as np

from qif_deploy.fixedpoint import NumberFormat
from qif_deploy.ir.nodes import Population
from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.neuron.params import ResetMode


def wild_population(rng: np.random.Generator, channels: int, number_format: NumberFormat) -> Population:
    """Draw codes of every magnitude; one population in four is linear, one in ten never spikes."""
    f, limit = number_format, number_format.state_limit
    reset_mode = list(ResetMode)[rng.integers(len(ResetMode))]
    spiking, clamped, quadratic = rng.random() < 0.9, rng.random() < 0.25, rng.random() < 0.75

    def codes(largest: int) -> np.ndarray:
        """Codes whose magnitude is spread over all powers of two, zero and the border among them."""
        drawn = np.rint(2.0 ** rng.uniform(-1, np.log2(largest), channels)).astype(np.int64) * rng.choice([-1, 1], channels)
        return np.where(rng.random(channels) < 0.1, rng.choice([-largest, largest, 0], channels), drawn)

    theta = np.maximum(codes(limit), 1 if reset_mode is ResetMode.SUBTRACT else 1 - limit)
    below = theta - 1 if spiking else np.full(channels, limit)
    constants = FixedConstants(
        c2m=codes(f.coef_limit) if quadratic else np.zeros(channels, np.int64),
        c1m=codes(f.coef_limit),
        s2=rng.integers(0, f.coef_bits + 7, channels) if quadratic else np.zeros(channels, np.int64),
        s1=int(rng.integers(0, f.coef_bits + 1)),
        bias=codes(limit),
        theta=theta if spiking else None,
        reset=np.minimum(codes(limit), below),
        r0=np.minimum(codes(limit), below),
        reset_by=codes(limit),
        u_min=np.minimum(codes(limit), below) if clamped else None,
        reset_mode=reset_mode,
        number_format=f,
    )
    return Population(constants=constants, delta=rng.uniform(1e-6, 10.0, channels))
