"""Moments of the membrane potential: closed formulas against exact quadrature, both ways against Monte Carlo."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qif_deploy.errors import InputError
from qif_deploy.neuron.float_step import float_step
from qif_deploy.neuron.moments import MomentMethod, closure_moments, closure_step, density_moments, surrogate_window
from qif_deploy.neuron.params import QIFParams, ResetMode

SAMPLES = 100_000
NEURONS = {
    "fixed_points": QIFParams.from_fixed_points(a=0.25, u_rest=0.0, u_crit=0.5),
    "roots": QIFParams.from_roots(a=0.25, u1=0.0, u2=0.5),
    "without rest": QIFParams.from_normal_form(a=0.25, eta=0.5, u_reset=-0.25),
    "lif": QIFParams.lif(decay=0.5),
    "subtract": QIFParams.lif(decay=0.9, reset=ResetMode.SUBTRACT),
    "clamped": QIFParams.of(c2=0.25, c1=0.875, c0=0.05, theta=0.8, u_reset=-0.1, u_min=-1.0),
    "clamp at the noise": QIFParams.of(c2=0.25, c1=0.875, u_min=0.2),
}


def monte_carlo(p: QIFParams, *, input_mean: float, input_var: float, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Membrane potentials and spikes ``(time, sample)`` of one channel."""
    rng = np.random.default_rng(7)
    r = np.full(SAMPLES, p.r0[0])
    potentials, spikes = [], []
    for _ in range(steps):
        step = float_step(
            r, rng.normal(input_mean, np.sqrt(input_var), SAMPLES), c2=p.c2, c1=p.c1, c0=p.c0, theta=p.theta, u_reset=p.u_reset,
            reset_by=p.reset_by, u_min=p.u_min, reset=p.reset, spike=lambda u, theta: (u >= theta).astype(np.float64),
        )  # fmt: skip
        potentials.append(step.u)
        spikes.append(step.s)
        r = step.r
    return np.array(potentials), np.array(spikes)


@pytest.mark.parametrize("name", NEURONS)
@pytest.mark.parametrize(("input_mean", "input_var"), [(0.0, 1.0), (0.3, 0.2)])
def test_propagated_density_agrees_with_monte_carlo(name: str, input_mean: float, input_var: float) -> None:
    u, s = monte_carlo(NEURONS[name], input_mean=input_mean, input_var=input_var, steps=4)
    found = density_moments(NEURONS[name], input_mean=input_mean, input_var=input_var, steps=4)
    # Standard errors of the estimates: sqrt(var/n) of a mean, sqrt((m4 - var^2)/n) of a variance, sqrt(p(1-p)/n) of a
    # rate; the samples are independent within a step. Five of them miss once in 1.7 million comparisons.
    mean, var, rate = u.mean(axis=1), u.var(axis=1), s.mean(axis=1)
    fourth = ((u - mean[:, None]) ** 4).mean(axis=1)
    assert rate.min() > 0.02
    assert (np.abs(found.mean[:, 0] - mean) <= 5 * np.sqrt(var / SAMPLES)).all()
    assert (np.abs(found.var[:, 0] - var) <= 5 * np.sqrt((fourth - var**2) / SAMPLES)).all()
    assert (np.abs(found.rate[:, 0] - rate) <= 5 * np.sqrt(rate * (1 - rate) / SAMPLES)).all()


@pytest.mark.parametrize("input_std", [0.4, 1.0])
@pytest.mark.parametrize("reset", list(ResetMode))
def test_density_is_within_a_percent_of_monte_carlo_over_a_grid(input_std: float, reset: ResetMode) -> None:
    a, decay, theta = (g.ravel() for g in np.meshgrid([0.0, 0.1, 0.25], [-0.1, 0.5, 0.875], [0.7, 1.3]))
    if reset is ResetMode.SUBTRACT:  # this reset bounds the state from no side, so steep parabolas run away within four steps
        a = a / 4
    p = QIFParams.of(c2=a, c1=decay, c0=0.02, theta=theta, reset=reset)
    n = 40_000
    half = np.random.default_rng(3).normal(0.0, input_std, (4, n // 2, 1))
    x = np.concatenate([half, -half], axis=1)  # antithetic: the mean's error falls
    r = np.zeros((n, p.channels))
    found = density_moments(p, input_mean=0.0, input_var=input_std**2, steps=4)
    for t in range(4):
        step = float_step(
            r, x[t], c2=p.c2, c1=p.c1, c0=p.c0, theta=p.theta, u_reset=p.u_reset, reset_by=p.reset_by, u_min=None,
            reset=p.reset, spike=lambda u, theta: (u >= theta).astype(np.float64),
        )  # fmt: skip
        r = step.r
        deviation = np.sqrt(found.var[t])
        # One percent, and the estimate's own error: 5 / sqrt(n) of the deviation for a mean, sqrt((kurtosis - 1) / n) for a variance.
        fourth = ((step.u - step.u.mean(0)) ** 4).mean(0) / step.u.var(0) ** 2
        assert (np.abs(found.mean[t] - step.u.mean(0)) <= (0.01 + 5 / np.sqrt(n)) * deviation).all()
        assert (np.abs(found.var[t] / step.u.var(0) - 1) <= 0.01 + 5 * np.sqrt((fourth - 1) / n)).all()


def test_a_clamp_per_channel() -> None:
    u_min = np.array([-0.2, 0.25])
    both = QIFParams.of(c2=0.25, c1=0.5, theta=np.array([0.3, 0.3]), u_min=u_min)
    found = density_moments(both, input_mean=0.0, input_var=1.0, steps=3)
    for channel in range(2):
        alone = density_moments(QIFParams.of(c2=0.25, c1=0.5, theta=0.3, u_min=u_min[channel]), input_mean=0.0, input_var=1.0, steps=3)
        assert found.var[:, channel] == pytest.approx(alone.var[:, 0], abs=1e-12)


def test_window_by_closure_is_close_to_the_honest_one() -> None:
    ways = [surrogate_window(NEURONS["fixed_points"], input_mean=0.0, input_var=1.0, steps=4, multiple=0.5, method=m) for m in MomentMethod]
    assert ways[0] != pytest.approx(ways[1], rel=1e-6)
    assert ways[0] == pytest.approx(ways[1], rel=0.1)


@pytest.mark.parametrize("name", NEURONS)
def test_doubling_the_nodes_changes_nothing(name: str) -> None:
    coarse, fine = (density_moments(NEURONS[name], input_mean=0.0, input_var=1.0, steps=4, nodes=n) for n in (160, 320))
    # A clamp inside the mass is a break between panels too, so the rule converges geometrically everywhere.
    for a, b in ((coarse.mean, fine.mean), (coarse.var, fine.var), (coarse.rate, fine.rate)):
        assert np.abs(a - b).max() < 1e-10


@given(
    coefficients=st.tuples(*[st.floats(-2, 2)] * 3), mu=st.floats(-2, 2), v=st.floats(0, 2), m_x=st.floats(-2, 2), v_x=st.floats(0.01, 2)
)
def test_closure_step_is_exact_for_a_gaussian_state(coefficients: tuple[float, ...], mu: float, v: float, m_x: float, v_x: float) -> None:
    c2, c1, c0 = coefficients
    p = QIFParams.of(c2=c2, c1=c1, c0=c0)
    mean, var = closure_step(p, mean=np.array([mu]), var=np.array([v]), input_mean=np.array([m_x]), input_var=np.array([v_x]))
    # Gauss-Hermite of 6 nodes is exact for the polynomials of degree 4 that mean and variance are; only rounding remains.
    z, w = np.polynomial.hermite_e.hermegauss(6)
    w = w / w.sum()
    r = mu + np.sqrt(v) * z
    f = c2 * r**2 + c1 * r + c0
    expected_mean = (w * f).sum() + m_x
    expected_var = (w * (f - (w * f).sum()) ** 2).sum() + v_x
    assert mean[0] == pytest.approx(expected_mean, abs=1e-10)
    assert var[0] == pytest.approx(expected_var, abs=1e-10)


def test_both_ways_agree_where_both_are_exact() -> None:
    first = {way: way(NEURONS["fixed_points"], input_mean=0.1, input_var=0.7, steps=1) for way in (closure_moments, density_moments)}
    a, b = first.values()
    for x, y in ((a.mean, b.mean), (a.var, b.var), (a.rate, b.rate)):
        assert x == pytest.approx(y, abs=1e-12)
    # LIF: the map is linear, so the closed moments of the truncated Gaussian hold for the second step too (mean and variance).
    for name in ("lif", "subtract"):
        closed, dense = (way(NEURONS[name], input_mean=0.0, input_var=1.0, steps=2) for way in (closure_moments, density_moments))
        assert closed.mean == pytest.approx(dense.mean, abs=1e-12)
        assert closed.var == pytest.approx(dense.var, abs=1e-12)


def test_channels_are_independent() -> None:
    both = QIFParams.of(c2=np.array([0.25, 0.0]), c1=np.array([0.875, 0.5]))
    found = density_moments(both, input_mean=np.array([0.0, 0.2]), input_var=1.0, steps=3)
    for channel, (name, mean) in enumerate((("fixed_points", 0.0), ("lif", 0.2))):
        alone = density_moments(NEURONS[name], input_mean=mean, input_var=1.0, steps=3)
        assert found.var[:, channel] == pytest.approx(alone.var[:, 0], abs=1e-12)


def test_window_is_a_multiple_of_the_standard_deviation() -> None:
    p = NEURONS["fixed_points"]
    var = density_moments(p, input_mean=0.0, input_var=1.0, steps=4).var.mean()
    assert surrogate_window(p, input_mean=0.0, input_var=1.0, steps=4, multiple=0.5) == pytest.approx([0.5 * np.sqrt(var)])
    narrow, wide = (surrogate_window(p, input_mean=0.0, input_var=v, steps=4, multiple=0.5)[0] for v in (0.25, 1.0))
    assert 0 < narrow < wide


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"multiple": 0.0}, "multiple 0.0 is not positive"),
        ({"input_var": 0.0}, "input variance 0.0 is not positive"),
        ({"input_var": np.nan}, "input variance nan is not positive"),
        ({"steps": 0}, "steps 0 is below 1"),
    ],
)
def test_window_refuses(change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        surrogate_window(NEURONS["lif"], **{"input_mean": 0.0, "input_var": 1.0, "steps": 4, "multiple": 0.5} | change)


def test_a_grid_that_is_too_coarse_is_refused() -> None:
    explosive = QIFParams.of(c2=-40.0, c1=30.0)
    with pytest.raises(InputError, match="give more nodes"):
        density_moments(explosive, input_mean=0.0, input_var=0.01, steps=4)
