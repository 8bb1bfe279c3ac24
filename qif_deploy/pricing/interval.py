"""Confidence interval of a mean over inputs: percentile bootstrap for few, normal for many."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

CONFIDENCE, RESAMPLES, SEED = 0.95, 2000, 0
MANY = 2000
"""Samples from which the mean is normal for any per-sample energy that a network has, and resampling only costs time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """``low..high`` holds the mean over all inputs of the kind with the stated confidence; it knows nothing of wrong prices."""

    low: float
    high: float
    method: str

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {"low": self.low, "high": self.high, "confidence": CONFIDENCE, "method": self.method}


def mean_interval(values: NDArray[np.float64]) -> Interval | None:
    """Return the interval of the mean of ``values (sample,)``; None for fewer than two samples, which say nothing of their spread."""
    samples = values.size
    if samples < 2:
        return None
    if samples >= MANY:
        reach = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * float(values.std(ddof=1)) / samples**0.5
        mean = float(values.mean())
        return Interval(low=mean - reach, high=mean + reach, method=f"normal interval of the mean over {samples} inputs")
    rng = np.random.default_rng(SEED)
    means = np.array([values[rng.integers(0, samples, samples)].mean() for _ in range(RESAMPLES)])
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    method = f"percentile bootstrap of the mean over {samples} inputs, {RESAMPLES} resamples, seed {SEED}"
    return Interval(low=float(low), high=float(high), method=method)
