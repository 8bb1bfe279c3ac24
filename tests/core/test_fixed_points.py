"""Fixed points, bands and levels of the map: the definition itself, then the known numbers of both quadratic forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qif_deploy.errors import InputError
from qif_deploy.neuron.fixed_points import analyse_map
from qif_deploy.neuron.params import QIFParams

COEFFICIENT = st.one_of(st.just(0.0), st.floats(-2, 2).filter(lambda v: abs(v) > 1e-3))


@given(c2=COEFFICIENT, c1=COEFFICIENT, c0=COEFFICIENT, theta=st.floats(0.1, 2))
def test_bands_are_exactly_the_states_that_fire_without_input(c2: float, c1: float, c0: float, theta: float) -> None:
    facts = analyse_map(QIFParams.of(c2=c2, c1=c1, c0=c0, theta=theta, u_reset=-1.0))
    r = np.linspace(-50, theta, 2001)[:-1]
    excess = (c2 * r + c1) * r + c0 - theta
    told = (r <= facts.rebound[0]) | ((r >= facts.self_fire_from[0]) & (r < facts.self_fire_to[0]))
    clear = np.abs(excess) > 1e-9 * (abs(c2) * r**2 + np.abs(c1 * r) + abs(c0) + theta)  # else rounding decides
    assert np.array_equal(told[clear], excess[clear] >= 0)


@given(c2=COEFFICIENT, c1=COEFFICIENT, c0=COEFFICIENT)
def test_fixed_points_stay_where_they_are(c2: float, c1: float, c0: float) -> None:
    facts = analyse_map(QIFParams.of(c2=c2, c1=c1, c0=c0))
    for r, slope, stable in zip(facts.fixed_points[0], facts.slopes[0], facts.stable[0], strict=True):
        if np.isfinite(r):
            size = abs(c2) * r**2 + abs(c1 * r) + abs(c0) + abs(r)
            assert (c2 * r + c1) * r + c0 == pytest.approx(r, abs=1e-9 * size)
            assert slope == pytest.approx(2 * c2 * r + c1)
        assert stable == (abs(slope) < 1)


def test_form_with_the_leading_state() -> None:
    facts = analyse_map(QIFParams.from_fixed_points(a=0.25, u_rest=0.0, u_crit=0.5))
    assert facts.fixed_points[0].tolist() == [0.0, 0.5]
    assert facts.stable[0].tolist() == [True, False]
    assert (facts.vertex[0], facts.vertex_value[0]) == (-1.75, -0.765625)
    assert facts.self_fire_from[0] == pytest.approx(0.907536, abs=1e-6)
    assert facts.self_fire_to[0] == 1.0
    assert facts.rebound[0] == pytest.approx(-4.407536, abs=1e-6)


def test_form_without_the_leading_state() -> None:
    facts = analyse_map(QIFParams.from_roots(a=0.25, u1=0.0, u2=0.5))
    assert facts.vertex_value[0] == -0.015625
    assert np.isnan(facts.self_fire_from[0])
    assert facts.rebound[0] == pytest.approx(-1.7656, abs=1e-4)


def test_the_normal_form_rests_below_a_fold_and_fires_on_its_own_above() -> None:
    rests, tonic = analyse_map(QIFParams.from_normal_form(a=0.25, eta=-0.25)), QIFParams.from_normal_form(a=0.25, eta=0.25)
    assert rests.fixed_points[0].tolist() == [-0.5, 0.5]
    assert np.isnan(analyse_map(tonic).fixed_points).all()
    r, period = -1.0, 0
    while r < 1.0:
        r, period = float((tonic.c2[0] * r + tonic.c1[0]) * r + tonic.c0[0]), period + 1
    assert 10 < period < 100


def test_lif_and_the_integrator() -> None:
    facts = analyse_map(QIFParams.of(c2=0.0, c1=np.array([0.5, 1.0, 1.0]), c0=np.array([0.1, 0.1, 0.0])))
    assert facts.fixed_points[0, 0] == pytest.approx(0.2)
    assert facts.stable.tolist() == [[True, False], [False, False], [False, False]]
    assert np.isnan(facts.fixed_points[1:]).all()
    assert np.isnan(facts.vertex).all()
    assert (facts.rebound == -np.inf).all()
    assert facts.self_fire_from[1] == pytest.approx(0.9)


def test_plot_shows_the_map_and_refuses_what_it_cannot_draw() -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra 'report')")
    from qif_deploy.plots.map_plot import cobweb, plot_map

    p = QIFParams.from_fixed_points(a=0.25, u_rest=0.0, u_crit=0.5)
    (axes,) = plot_map(p, current=0.3, steps=10).axes
    labels = {text.get_text() for text in axes.get_legend().get_texts()}
    assert {"u = f(r) + x", "theta", "cobweb", "self-firing"} <= labels
    trail = cobweb(p, current=0.3, start=0.0, steps=10)
    assert trail[:3].tolist() == [[0.0, 0.0], [0.0, 0.3], [0.3, 0.3]]
    assert trail[:, 0].max() < 1  # a state after reset is below theta
    assert trail[:, 1].max() >= 1  # and it did spike
    plot_map(QIFParams.lif(decay=0.9), current=-0.2).savefig("/dev/null", format="svg")
    for change, message in (({"channel": 1}, "channel 1"), ({"steps": 0}, "steps 0"), ({"current": np.nan}, "not finite")):
        with pytest.raises(InputError, match=message):
            plot_map(p, **change)
