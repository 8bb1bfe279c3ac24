"""Encoders: what is held is held, what spikes spikes at the rate asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qif_deploy.datasets.encoders import bernoulli_spikes, hold
from qif_deploy.errors import InputError


def test_held_codes_are_the_same_at_every_step() -> None:
    codes = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    held = hold(codes, steps=5)
    assert held.shape == (5, 2, 3, 4)
    assert (held == codes).all()
    assert held.base is not None  # a view
    assert not held.flags.writeable


@given(high=st.integers(1, 255), seed=st.integers(0, 2**32))
def test_rate_is_the_code_over_high(high: int, seed: int) -> None:
    codes = np.unique([0, 1, high // 2, high])
    n = 4000
    spikes = bernoulli_spikes(codes, steps=n, high=high, rng=np.random.default_rng(seed))
    assert set(np.unique(spikes)) <= {0, 1}
    p = codes / high
    # Six standard deviations of a binomial share: false alarm below 1e-8 per rate.
    assert (np.abs(spikes.mean(axis=0) - p) <= 6 * np.sqrt(p * (1 - p) / n)).all()
    assert not spikes[:, 0].any()
    assert spikes[:, -1].all()


def test_spikes_are_a_function_of_the_generator() -> None:
    codes = np.full((3, 4), 7)
    first, again, other = (bernoulli_spikes(codes, steps=20, high=15, rng=np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_steps_are_independent() -> None:
    spikes = bernoulli_spikes(np.full(1, 8), steps=20_000, high=16, rng=np.random.default_rng(0))[:, 0].astype(float) - 0.5
    assert abs((spikes[1:] * spikes[:-1]).mean()) < 6 * 0.25 / np.sqrt(20_000)  # of a product of two fair signs of 1/2


@pytest.mark.parametrize(
    ("codes", "steps", "message"),
    [
        (np.array([16]), 1, "codes 16..16 leave 0..15"),
        (np.array([-1]), 1, "codes -1..-1 leave 0..15"),
        (np.array([0.5]), 1, "dtype float64 is not integer"),
        (np.array([1]), 0, "0 steps, allowed is 1 or more"),
    ],
)
def test_wrong_input_is_refused(codes: np.ndarray, steps: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        bernoulli_spikes(codes, steps=steps, high=15, rng=np.random.default_rng(0))
    if steps == 0:
        with pytest.raises(InputError, match=message):
            hold(codes, steps=steps)
