"""Learned constants: the claims of stable_map hold after any gradient step, and the window follows them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from qif_deploy.errors import InputError
from qif_deploy.neuron.fixed_points import analyse_map
from qif_deploy.neuron.params import QIFParams, ResetMode
from qif_deploy.training.neuron import QIFNeuron
from qif_deploy.training.spike import RectangularSpike
from qif_deploy.training.stable_map import LearnedConstant
from qif_deploy.training.surrogate import DerivedWindow, FixedWindow, Surrogate

STARTS = {
    "fixed_points": QIFParams.from_fixed_points(a=0.25, u_rest=0.0, u_crit=0.5),
    "roots": QIFParams.from_roots(a=0.25, u1=0.0, u2=0.5),
    "lif": QIFParams.lif(decay=0.5),
    "shifted": QIFParams.from_fixed_points(a=0.02, u_rest=-65.0, u_crit=-50.0, theta=-45.0, u_reset=-66.0),
    "channels": QIFParams.of(c2=np.array([0.2, 0.0, 0.1]), c1=np.array([0.5, 0.7, -0.3]), c0=0.02, theta=0.9, u_reset=-0.05),
}
SETS = [frozenset(s) for n in range(1, 5) for s in itertools.combinations(LearnedConstant, n)]


def neuron_of(start: QIFParams, learned: frozenset[LearnedConstant], **more: object) -> QIFNeuron:
    return QIFNeuron(start, spike=RectangularSpike(np.array([0.5])), learned=learned, **more)


@given(
    name=st.sampled_from(sorted(STARTS)),
    learned=st.sampled_from(SETS),
    values=st.lists(st.one_of(st.floats(-3, 3), st.sampled_from([-1e30, 1e30, 30.0, -30.0])), min_size=12, max_size=12),
)
def test_claims_hold_wherever_the_optimiser_goes(name: str, learned: frozenset[LearnedConstant], values: list[float]) -> None:
    start = STARTS[name]
    try:
        neuron = neuron_of(start, learned)
    except InputError:
        return  # this start stands outside the range of that set; which ones do is tested below
    rest = iter(values)
    with torch.no_grad():
        for parameter in neuron.parameters():
            parameter.copy_(torch.tensor([next(rest) for _ in range(parameter.numel())]))
    p = neuron.params()
    facts = analyse_map(p)
    assert facts.stable.any(axis=1).all()
    point = np.where(facts.stable[:, 0], facts.fixed_points[:, 0], facts.fixed_points[:, 1])
    assert (point < p.theta).all()
    assert (p.u_reset < p.theta).all()
    for r in (p.u_reset, p.r0):
        distance = np.abs(r - point)
        for _ in range(40):
            r = (p.c2 * r + p.c1) * r + p.c0
            assert (r < p.theta).all()
        # Contraction by 0.995 a step, and float32 coefficients that place the rest to about 1e-5 of theta - u_reset.
        assert (np.abs(r - point) <= 0.996**40 * distance + 1e-4 * (p.theta - p.u_reset)).all()


def test_large_gradient_steps_keep_the_neuron_stable() -> None:
    neuron = neuron_of(STARTS["channels"], frozenset(LearnedConstant))
    optimiser = torch.optim.SGD(neuron.parameters(), lr=50.0)
    x = torch.randn(6, 8, 3, generator=torch.Generator().manual_seed(0))
    before = neuron.params()
    for sign in (1, -1, 1):
        optimiser.zero_grad()
        (sign * neuron(x).sum()).backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in neuron.parameters())
        optimiser.step()
        assert analyse_map(neuron.params()).stable.any(axis=1).all()
    assert not np.allclose(before.c2, neuron.params().c2)


@pytest.mark.parametrize("name", STARTS)
def test_the_start_is_the_given_neuron(name: str) -> None:
    p = STARTS[name]
    for learned in SETS:
        try:
            found = neuron_of(p, learned).params()
        except InputError:
            continue
        size = np.abs(p.c2) * p.theta**2 + np.abs(p.c1 * p.theta) + np.abs(p.c0) + 1  # rounding of float32, relative to the terms
        for c in ("c2", "c1", "c0", "theta"):
            assert (np.abs(getattr(found, c) - getattr(p, c)) <= 1e-5 * size).all(), (learned, c)


def test_which_starts_are_refused() -> None:
    every = frozenset(LearnedConstant)
    for p in (STARTS["fixed_points"], STARTS["roots"], STARTS["lif"], STARTS["channels"]):
        neuron_of(p, every)
    with pytest.raises(InputError, match="channel 0: the map has no stable fixed point"):
        neuron_of(QIFParams.lif(decay=1.0), every)
    with pytest.raises(InputError, match=r"channel 0: \|slope at rest\| is 0.995, not below"):
        neuron_of(QIFParams.lif(decay=0.995), every)


def test_lif_stays_lif_unless_its_curvature_is_learned() -> None:
    neuron = neuron_of(STARTS["lif"], frozenset({LearnedConstant.SLOPE, LearnedConstant.REST}))
    with torch.no_grad():
        for parameter in neuron.parameters():
            parameter += 0.7
    assert neuron.params().c2.tolist() == [0.0]
    assert neuron.params().c1[0] > 0.5


def test_a_spike_that_takes_off_theta_follows_it() -> None:
    p = QIFParams.lif(decay=0.5, reset=ResetMode.SUBTRACT)
    neuron = neuron_of(p, frozenset({LearnedConstant.THRESHOLD}))
    with torch.no_grad():
        next(neuron.parameters()).fill_(0.5)
    assert neuron.params().theta[0] > 1
    assert neuron.params().reset_by.tolist() == neuron.params().theta.tolist()


def test_window_follows_learned_constants_in_training_only() -> None:
    start = STARTS["lif"]
    window = DerivedWindow(multiple=0.5, steps=3, input_std=1.0)
    spike = Surrogate(window=window).spike(start)
    neuron = QIFNeuron(start, spike=spike, learned=frozenset({LearnedConstant.SLOPE}), window=window)
    x = torch.zeros(2, 1, 1)
    first = spike.half_width.item()
    assert first == pytest.approx(window.half_width(start)[0])
    with torch.no_grad():
        next(neuron.parameters()).fill_(1.5)
    neuron.eval()(x)
    assert spike.half_width.item() == first
    neuron.train()(x)
    assert spike.half_width.item() == pytest.approx(window.half_width(neuron.params())[0])
    assert spike.half_width.item() > 1.05 * first  # less leak, wider membrane


def test_windows_refuse_what_has_no_width() -> None:
    with pytest.raises(InputError, match=r"width 0\.0 is not positive"):
        FixedWindow(width=0.0)
    with pytest.raises(InputError, match=r"input_std -1\.0 is not positive"):
        DerivedWindow(multiple=0.5, steps=4, input_std=-1.0)
    with pytest.raises(InputError, match="Identity, which has no width"):
        QIFNeuron(STARTS["lif"], spike=torch.nn.Identity(), window=FixedWindow(width=1.0))
