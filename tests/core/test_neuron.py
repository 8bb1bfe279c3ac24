"""Float parameters, the float step and the integer constants."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qif_deploy.errors import FormatError, InputError
from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.neuron.float_step import float_step
from qif_deploy.neuron.params import QIFParams, ResetMode
from tests.networks import chain

moderate = st.floats(-2, 2).map(lambda v: round(v, 4))


def step(params: QIFParams, r: float, x: float) -> tuple[float, float, float]:
    names = ("c2", "c1", "c0", "theta", "u_reset", "reset_by", "u_min")
    found = float_step(
        np.array([r]),
        np.array([x]),
        **{name: getattr(params, name) for name in names},
        reset=params.reset,
        spike=lambda u, theta: (u >= theta).astype(float),
    )
    return float(found.u[0]), float(found.s[0]), float(found.r[0])


@given(moderate, moderate, moderate, moderate, moderate)
def test_every_constructor_is_its_formula(a: float, u1: float, u2: float, r: float, x: float) -> None:
    near = {"rel": 1e-12, "abs": 1e-12}  # a handful of float64 roundings on values of order 10
    assert step(QIFParams.from_roots(a=a, u1=u1, u2=u2), r, x)[0] == pytest.approx(a * (r - u1) * (r - u2) + x, **near)
    assert step(QIFParams.from_fixed_points(a=a, u_rest=u1, u_crit=u2), r, x)[0] == pytest.approx(r + a * (r - u1) * (r - u2) + x, **near)
    assert step(QIFParams.from_normal_form(a=a, eta=u1), r, x)[0] == pytest.approx(r + a * (r * r + u1) + x, **near)
    assert step(QIFParams.lif(decay=a, c0=u1), r, x)[0] == pytest.approx(a * r + u1 + x, **near)
    ode = QIFParams.from_ode(tau=5.0, a0=a, v_rest=u1, v_crit=u2, gain=3.0, dt=0.5)
    expected = r + 0.1 * a * (r - u1) * (r - u2) + 0.3 * x
    assert step(ode.params, r, ode.input_gain * x)[0] == pytest.approx(expected, **near)


def test_halving_the_step_of_the_ode_halves_its_error() -> None:
    """Forward Euler is of first order: the trajectory's error against a fine one falls with dt."""

    def end(dt: float) -> float:
        ode = QIFParams.from_ode(tau=10.0, a0=1.0, v_rest=0.0, v_crit=1.0, gain=1.0, dt=dt, theta=100.0)
        r = 0.0
        for _ in range(round(8 / dt)):
            r = step(ode.params, r, ode.input_gain * 0.2)[2]
        return r

    exact = end(1 / 512)
    ratios = [(end(dt) - exact) / (end(dt / 2) - exact) for dt in (1.0, 0.5, 0.25)]
    assert all(1.9 < ratio < 2.15 for ratio in ratios), ratios


def test_fixed_points_are_fixed() -> None:
    params = QIFParams.from_fixed_points(a=0.25, u_rest=-0.2, u_crit=0.6)
    assert step(params, -0.2, 0.0)[0] == pytest.approx(-0.2)
    assert step(params, 0.6, 0.0)[0] == pytest.approx(0.6)
    assert abs(step(params, -0.1, 0.0)[0] + 0.2) < 0.1, "rest attracts"
    assert step(params, 0.7, 0.0)[0] > 0.7, "crit repels"


def test_resets_and_clamp() -> None:
    hard = QIFParams.of(c2=0.0, c1=1.0, u_reset=-0.5, u_min=-1.0)
    assert step(hard, 0.0, 1.0) == (1.0, 1.0, -0.5)
    assert step(hard, 0.0, 0.999) == (0.999, 0.0, 0.999)
    assert step(hard, 0.0, -3.0) == (-1.0, 0.0, -1.0)
    assert step(QIFParams.lif(decay=1.0, reset=ResetMode.SUBTRACT), 0.0, 1.75) == (1.75, 1.0, 0.75)


def test_defaults_are_those_of_the_numerics_page() -> None:
    params = QIFParams.of(c2=0.1, c1=0.9, theta=np.array([1.0, 2.0]), u_reset=-0.1)
    np.testing.assert_array_equal(params.r0, params.u_reset)
    np.testing.assert_array_equal(params.reset_by, params.theta)
    assert (params.channels, params.u_min, params.reset, params.spike_on_equal) == (2, None, ResetMode.HARD, True)
    assert params == QIFParams.of(c2=0.1, c1=0.9, theta=np.array([1.0, 2.0]), u_reset=-0.1)
    assert params != replace(params, u_min=np.array([-1.0, -1.0]))
    assert params != replace(params, spike_on_equal=False)
    assert params.__eq__(1) is NotImplemented
    assert QIFParams.of(c2=0.1, c1=0.9).broadcast(3).channels == 3


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"c2": np.ones(2), "c1": np.ones(3)}, "'c2': 2 values where 3 channels"),
        ({"c2": np.ones((2, 2)), "c1": 1.0}, "are not .channel,."),
        ({"c2": np.nan, "c1": 1.0}, "'c2': value nan is not finite"),
        ({"c2": 0.0, "c1": 1.0, "u_reset": 1.0}, "'u_reset', channel 0: 1.0 is not below theta 1.0"),
        ({"c2": 0.0, "c1": 1.0, "r0": 2.0}, "'r0', channel 0"),
    ],
)
def test_impossible_parameters_are_refused(fields: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        QIFParams.of(**fields)


def test_parameters_of_another_width_are_refused() -> None:
    with pytest.raises(InputError, match="2 channels where the population has 3"):
        QIFParams.of(c2=np.zeros(2), c1=1.0).broadcast(3)
    with pytest.raises(InputError, match="must be positive"):
        QIFParams.from_ode(tau=0.0, a0=1.0, v_rest=0.0, v_crit=1.0, gain=1.0, dt=1.0)
    with pytest.raises(InputError, match=r"is not .channel,."):
        replace(QIFParams.of(c2=0.0, c1=1.0), c2=np.float64(0.0))
    with pytest.raises(InputError, match=r"'c1': shape .2,. differs"):
        replace(QIFParams.of(c2=0.0, c1=1.0), c1=np.ones(2))


GOOD = chain().population("q1").constants


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"c2m": np.full(4, 4097)}, "channel 0: c2m 4097 exceeds 4096"),
        ({"c1m": np.array([0, 0, -5000, 0])}, "channel 2: c1m -5000 exceeds 4096"),
        ({"bias": np.full(4, 2**23)}, "bias 8388608 exceeds 8388607"),
        ({"theta": np.full(4, 2**23)}, "theta 8388608 exceeds"),
        ({"u_min": np.full(4, -(2**23))}, "u_min -8388608 exceeds"),
        ({"s2": np.array([0, 31, 0, 0])}, "channel 1: s2 31 is outside 0..30"),
        ({"s1": 31}, "s1 31 is outside 0..30"),
        ({"reset": GOOD.theta}, "reset .* is not below theta"),
        ({"r0": GOOD.theta + 1}, "r0 .* is not below theta"),
        (
            {"reset_mode": ResetMode.SUBTRACT, "theta": np.zeros(4, int), "reset": -np.ones(4, int), "r0": -np.ones(4, int)},
            "below 1 under subtract",
        ),
        ({"reset_mode": ResetMode.SUBTRACT, "reset_by": np.full(4, 2**23)}, "reset_by 8388608 exceeds"),
        ({"bias": np.zeros(4)}, "dtype float64"),
        ({"bias": np.zeros(3, int)}, "one per channel"),
    ],
)
def test_impossible_constants_are_refused(change: dict, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        replace(GOOD, **change)


def test_constants_are_values() -> None:
    assert replace(GOOD) == GOOD
    assert replace(GOOD, theta=None) != GOOD
    assert GOOD.__eq__(1) is NotImplemented
    assert isinstance(GOOD, FixedConstants)
    assert (replace(GOOD, theta=None).spiking, GOOD.spiking) == (False, True)
