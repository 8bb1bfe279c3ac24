"""From held codes to a code per time step: the same at every step, or spikes at a rate.

The third way, event frames, starts from events: ``qif_deploy.datasets.events.bin_events``.
"""

from __future__ import annotations

import enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qif_deploy.errors import InputError, raise_findings


class Encoder(enum.Enum):
    """How a still image becomes a code per step; event frames have one already and take DIRECT.

    DIRECT holds the codes. RATE draws a spike per step with probability ``code / high``.
    """

    DIRECT = "direct"
    RATE = "rate"


def encoded_sample(codes: NDArray[Any], encoder: Encoder, *, steps: int, high: int, seed: int, epoch: int, index: int) -> NDArray[Any]:
    """Return one sample as a network takes it: ``codes`` as they are, or spikes ``(time, ...)`` drawn for (seed, epoch, index).

    Raises:
        InputError: as of ``bernoulli_spikes``.
    """
    if encoder is Encoder.DIRECT:
        return codes
    rng = np.random.default_rng([seed, epoch, index, 1])  # an augmentation's generator has no fourth number
    return bernoulli_spikes(codes, steps=steps, high=high, rng=rng)


def hold(codes: NDArray[Any], *, steps: int) -> NDArray[Any]:
    """Direct encoding: show the same codes at every step; the first layer's neurons turn them into spikes.

    Source: N. Rathi and K. Roy, "DIET-SNN: Direct Input Encoding With Leakage and Threshold Optimization", 2020.

    Args:
        codes: any axes and dtype.
        steps: T.

    Returns:
        A read-only view ``(time, ...)`` that takes no memory.

    Raises:
        InputError: no step.
    """
    if steps < 1:
        raise InputError(f"direct encoding: {steps} steps, allowed is 1 or more")
    return np.broadcast_to(codes, (steps, *codes.shape))


def bernoulli_spikes(codes: NDArray[Any], *, steps: int, high: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Rate encoding: at every step a spike with probability ``code / high``, independent of all others.

    This is the Poisson encoding of the field, at most one spike per step. The probability is exact, because it is drawn as
    ``integer in 0..high - 1 < code``; a comparison of floats would miss it by the rounding of the quotient.

    Args:
        codes: integers 0..high, any axes.
        steps: T.
        high: the code that spikes at every step.
        rng: draws; the same state gives the same spikes.

    Returns:
        Spikes 0 or 1, ``(time, ...)``; their scale is 1.

    Raises:
        InputError: no step, codes that are not integer or leave 0..high.
    """
    findings = []
    if steps < 1:
        findings.append(f"rate encoding: {steps} steps, allowed is 1 or more")
    if not np.issubdtype(codes.dtype, np.integer):
        findings.append(f"rate encoding: dtype {codes.dtype} is not integer; give codes 0..{high}")
    elif codes.size and not 0 <= codes.min() <= codes.max() <= high:
        findings.append(f"rate encoding: codes {codes.min()}..{codes.max()} leave 0..{high}; give the declared range of the data")
    raise_findings(InputError, findings)
    return (rng.integers(0, high, size=(steps, *codes.shape)) < codes).astype(np.uint8)
