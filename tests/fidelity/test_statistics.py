"""Intervals and the paired test against SciPy's, and what they mean by counting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qif_deploy.fidelity.statistics import LEVEL, PairedAccuracy, mcnemar_exact, paired_accuracy, wilson

scipy_stats = pytest.importorskip("scipy.stats", reason="scipy comes with scikit-learn (extra 'data')")
counts = st.integers(0, 400)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_is_wilsons(pair: tuple[int, int]) -> None:
    expected = scipy_stats.binomtest(*pair).proportion_ci(LEVEL, method="wilson")
    assert wilson(*pair) == pytest.approx((expected.low, expected.high), abs=1e-12)
    low, high = wilson(*pair)
    assert 0 <= low <= pair[0] / pair[1] <= high <= 1


@given(counts, counts)
def test_the_paired_test_is_the_binomial_test(b: int, c: int) -> None:
    expected = scipy_stats.binomtest(b, b + c).pvalue if b + c else 1.0
    assert mcnemar_exact(b, c) == pytest.approx(expected, rel=1e-9)


@given(counts, counts, counts, st.integers(1, 400))
def test_the_interval_of_the_difference_holds_it_and_turns_with_the_sides(a: int, b: int, c: int, d: int) -> None:
    found = PairedAccuracy(both=a, only_float=b, only_integer=c, neither=d)
    other = PairedAccuracy(both=a, only_float=c, only_integer=b, neither=d)
    low, high = found.difference_interval
    assert low <= found.difference <= high
    assert other.difference_interval == pytest.approx((-high, -low))
    assert found.difference == pytest.approx(found.accuracy_integer - found.accuracy_float)
    assert other.p_value == found.p_value


@pytest.mark.parametrize("shares", [(0.9, 0.05, 0.02, 0.03), (0.6, 0.1, 0.1, 0.2), (0.97, 0.01, 0.01, 0.01)])
def test_the_interval_of_the_difference_covers_the_truth_as_often_as_it_says(shares: tuple[float, ...]) -> None:
    """1,000 draws at 95 % have a standard error of 0.7 points; the method is known to lie within about two points of its level."""
    draws = np.random.default_rng(0).multinomial(300, shares, size=1000)
    truth = shares[2] - shares[1]
    found = [PairedAccuracy(both=a, only_float=b, only_integer=c, neither=d).difference_interval for a, b, c, d in draws.tolist()]
    assert 0.925 <= np.mean([low <= truth <= high for low, high in found]) <= 0.995


def test_answers_are_counted_and_batches_add_up() -> None:
    rng = np.random.default_rng(0)
    first, second, labels = (rng.integers(0, 3, 200) for _ in range(3))
    whole = paired_accuracy(first, second, labels)
    assert whole.samples == 200
    assert whole.accuracy_float == (first == labels).mean()
    assert whole.accuracy_integer == (second == labels).mean()
    assert whole.only_float == sum(a == y != b for a, b, y in zip(first, second, labels, strict=True))
    parts = [paired_accuracy(first[p], second[p], labels[p]) for p in (slice(0, 70), slice(70, 200))]
    assert parts[0].merged(parts[1]) == whole
