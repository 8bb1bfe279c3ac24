"""Confidence interval of a mean over inputs, by the percentile bootstrap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

CONFIDENCE, RESAMPLES, SEED = 0.95, 2000, 0
AT_ONCE = 2**20
"""Drawn indices that exist at once, so that memory does not grow with the samples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """``low..high`` holds the mean over all inputs of the kind with the stated confidence; it knows nothing of wrong prices."""

    low: float
    high: float
    samples: int

    def as_json(self) -> dict[str, Any]:
        """Return plain values, with the method."""
        method = f"percentile bootstrap of the mean over {self.samples} inputs, {RESAMPLES} resamples, seed {SEED}"
        return {"low": self.low, "high": self.high, "confidence": CONFIDENCE, "method": method}


def bootstrap_interval(values: NDArray[np.float64]) -> Interval | None:
    """Return the interval of the mean of ``values (sample,)``; None for fewer than two samples, which say nothing of their spread."""
    samples = values.size
    if samples < 2:
        return None
    rng = np.random.default_rng(SEED)
    rows = max(1, AT_ONCE // samples)
    means = np.concatenate(
        [values[rng.integers(0, samples, (min(rows, RESAMPLES - done), samples))].mean(axis=1) for done in range(0, RESAMPLES, rows)]
    )
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(low=float(low), high=float(high), samples=samples)
