"""Accuracy with its uncertainty: intervals of proportions, and the paired test of two networks on the same samples.

Written out here, so that the package needs no statistics library; the tests hold it against SciPy's.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
"""Confidence level of every interval."""

_Z = 1.959963984540054
"""Two-sided quantile of the normal distribution at LEVEL."""

Interval = tuple[float, float]
Answers = NDArray[np.int64]


def wilson(successes: int, total: int) -> Interval:
    """Return the score interval of a proportion at LEVEL; it stays inside 0..1 and is right at both ends.

        (p + z^2/2n  +-  z sqrt(p (1 - p)/n + z^2/4n^2)) / (1 + z^2/n)

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22, 1927.

    Args:
        successes: 0..total.
        total: at least 1.
    """
    p, z2 = successes / total, _Z * _Z
    middle = (p + z2 / (2 * total)) / (1 + z2 / total)
    half = _Z * sqrt(p * (1 - p) / total + z2 / (4 * total * total)) / (1 + z2 / total)
    low = 0.0 if successes == 0 else max(0.0, middle - half)
    return low, 1.0 if successes == total else min(1.0, middle + half)


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Return the two-sided p-value that two networks on the same samples are equally often right.

    Of the ``n`` samples that exactly one gets right, either is equally likely to be the one: twice the binomial tail, at most 1.
    Integers throughout until the last division. Source: Q. McNemar, Psychometrika 12, 1947, in its exact binomial form.
    """
    n = only_first + only_second
    tail = sum(comb(n, k) for k in range(min(only_first, only_second) + 1))
    return min(1.0, 2 * tail / (1 << n))


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedAccuracy:
    """Right and wrong answers of two networks on the same samples: both, either alone, neither."""

    both: int
    only_float: int
    only_integer: int
    neither: int

    @property
    def samples(self) -> int:
        """Number of samples."""
        return self.both + self.only_float + self.only_integer + self.neither

    @property
    def accuracy_float(self) -> float:
        """Share that the float network answers right."""
        return (self.both + self.only_float) / self.samples

    @property
    def accuracy_integer(self) -> float:
        """Share that the integer network answers right."""
        return (self.both + self.only_integer) / self.samples

    @property
    def difference(self) -> float:
        """Accuracy of the integer network less that of the float network."""
        return (self.only_integer - self.only_float) / self.samples

    @property
    def difference_interval(self) -> Interval:
        """Interval of ``difference`` at LEVEL.

        Source: R. G. Newcombe, "Improved confidence intervals for the difference between binomial proportions based on paired
        data", Statistics in Medicine 17, 1998, method 10: Wilson's intervals of both, joined with their correlation.
        """
        integer, single = self.both + self.only_integer, self.both + self.only_float
        (low1, high1), (low2, high2) = wilson(integer, self.samples), wilson(single, self.samples)
        p1, p2 = integer / self.samples, single / self.samples
        phi = self._correlation()
        below = (p1 - low1) ** 2 - 2 * phi * (p1 - low1) * (high2 - p2) + (high2 - p2) ** 2
        above = (high1 - p1) ** 2 - 2 * phi * (high1 - p1) * (p2 - low2) + (p2 - low2) ** 2
        return self.difference - sqrt(max(0.0, below)), self.difference + sqrt(max(0.0, above))

    @property
    def p_value(self) -> float:
        """Probability of a split at least as uneven if both were equally good."""
        return mcnemar_exact(self.only_float, self.only_integer)

    def _correlation(self) -> float:
        a, b, c, d, n = self.both, self.only_integer, self.only_float, self.neither, self.samples
        marginals = (a + b) * (c + d) * (a + c) * (b + d)
        if marginals == 0:
            return 0.0
        excess = a * d - b * c
        corrected: float = excess if excess < 0 else max(0.0, excess - n / 2)
        return corrected / sqrt(marginals)

    def merged(self, other: PairedAccuracy) -> PairedAccuracy:
        """Return the counts over both sets of samples."""
        return PairedAccuracy(
            both=self.both + other.both,
            only_float=self.only_float + other.only_float,
            only_integer=self.only_integer + other.only_integer,
            neither=self.neither + other.neither,
        )

    def as_json(self) -> dict[str, Any]:
        """Return intervals and test."""
        n = self.samples
        return {
            "samples": n,
            "interval": {
                "float": list(wilson(self.both + self.only_float, n)),
                "integer": list(wilson(self.both + self.only_integer, n)),
                "method": "Wilson",
                "level": LEVEL,
            },
            "difference": {"value": self.difference, "interval": list(self.difference_interval), "method": "Newcombe, paired"},
            "paired": {
                "both": self.both,
                "only_float": self.only_float,
                "only_integer": self.only_integer,
                "neither": self.neither,
                "p_value": self.p_value,
                "test": "McNemar, exact, two-sided",
            },
        }


def paired_accuracy(first: Answers, second: Answers, labels: Answers) -> PairedAccuracy:
    """Count right answers of the float (``first``) and the integer network (``second``), one class per sample each."""
    a, b = first == labels, second == labels
    return PairedAccuracy(
        both=int((a & b).sum()), only_float=int((a & ~b).sum()), only_integer=int((~a & b).sum()), neither=int((~a & ~b).sum())
    )


__all__ = ["LEVEL", "Interval", "PairedAccuracy", "mcnemar_exact", "paired_accuracy", "wilson"]
