"""The proof of a whole network: no run leaves its intervals, and what fails is told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from qif_deploy.analysis.census import take_census
from qif_deploy.analysis.check_network import check_network
from qif_deploy.analysis.range_proof import Interval, Verdict, prove_population, prove_ranges
from qif_deploy.errors import InputError
from qif_deploy.fixedpoint import RoundingMode
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.neuron.fixed_step import fixed_step
from qif_deploy.neuron.params import ResetMode
from qif_deploy.simulate.inputs import require_steps
from qif_deploy.simulate.reference import run_reference
from tests.networks import LOIHI2, chain, number_format, random_inputs, residual


@pytest.mark.parametrize("rounding", RoundingMode)
@pytest.mark.parametrize("reset_mode", ResetMode)
def test_no_run_leaves_the_proven_intervals(rounding: RoundingMode, reset_mode: ResetMode) -> None:
    for graph in (chain(3, rounding=rounding, reset_mode=reset_mode), residual(3, rounding=rounding)):
        proof = prove_ranges(graph, steps=graph.steps)
        trace = run_reference(graph, random_inputs(graph, samples=40))
        for name, population in trace.populations.items():
            for quantity, values in (("i", population.i), ("u", population.u)):
                q = proof.nodes[name].ranges[quantity].interval
                per_channel = np.moveaxis(values, 2, 0).reshape(values.shape[2], -1)
                assert (q.lo <= per_channel.min(axis=1)).all(), (name, quantity)
                assert (per_channel.max(axis=1) <= q.hi).all(), (name, quantity)


def constants(**changed: object) -> FixedConstants:
    fields = {
        name: np.array([value])
        for name, value in {"c2m": 437, "c1m": 224, "s2": 12, "bias": 0, "theta": 600, "reset": 0, "r0": 0, "reset_by": 600}.items()
    }
    given = fields | {"s1": 8, "u_min": None, "reset_mode": ResetMode.HARD, "number_format": LOIHI2} | changed
    return FixedConstants(**given)


def interval(lo: int, hi: int) -> Interval:
    return Interval(lo=np.array([lo]), hi=np.array([hi]))


def test_the_bounds_are_tight() -> None:
    """Witnesses over two steps come within a quarter bit of the bounds on u: inhibited twice; just below theta, then excited."""
    k, i = constants(), interval(-900, 1100)
    u = prove_population(k, i, i, steps=2).ranges["u"]
    laid_out = k.laid_out(1)
    inhibited = fixed_step(k.r0, i.lo, laid_out)
    lowest = int(fixed_step(inhibited.r, i.lo, laid_out).u[0])
    ready = fixed_step(k.r0, np.array([599]), laid_out)
    highest = int(fixed_step(ready.r, i.hi, laid_out).u[0])
    assert (inhibited.s[0], ready.s[0]) == (0, 0)
    assert u.lo <= lowest < 0 < highest <= u.hi
    assert np.log2(u.lo / lowest) < 0.25
    assert np.log2(u.hi / highest) < 0.25


def test_u_above_the_top_is_harmless_under_hard_reset_and_fails_under_subtract() -> None:
    # A state of 13 bits: the input alone lifts u beyond 4095.
    narrow = number_format(state_bits=13, product_bits=32)
    wide_input = interval(-100, 5000)
    hard = prove_population(constants(number_format=narrow), wide_input, wide_input, steps=4)
    assert hard.ranges["u"].verdict is Verdict.HARMLESS
    assert hard.holds
    subtract = prove_population(constants(number_format=narrow, reset_mode=ResetMode.SUBTRACT), wide_input, wide_input, steps=4)
    assert subtract.ranges["u"].verdict is Verdict.FAILS


def test_u_below_the_bottom_fails_unless_a_clamp_is_declared() -> None:
    narrow = number_format(state_bits=13, product_bits=32)
    inhibition = interval(-5000, 10)
    assert not prove_population(constants(number_format=narrow), inhibition, inhibition, steps=1).holds
    clamped = constants(number_format=narrow, u_min=np.array([-600]))
    assert prove_population(clamped, inhibition, inhibition, steps=1).ranges["u"].verdict is Verdict.HARMLESS


def test_nearest_counts_its_half_towards_the_product() -> None:
    # c2m * r reaches the limit of 2^23 - 1 exactly to within the half of 2^11 that nearest adds before it shifts by 12.
    f = {mode: number_format(mode, state_bits=16, product_bits=20) for mode in (RoundingMode.FLOOR, RoundingMode.NEAREST)}
    i = interval(-1100, 10)
    verdicts = {
        m: prove_population(constants(number_format=x, c2m=np.array([476]), theta=np.array([2000])), i, i, steps=2).ranges["c2m_r"]
        for m, x in f.items()
    }
    assert 2**19 - 2**11 < -verdicts[RoundingMode.FLOOR].lo < 2**19
    assert verdicts[RoundingMode.FLOOR].verdict is Verdict.FITS
    assert verdicts[RoundingMode.NEAREST].verdict is Verdict.FAILS


def test_a_leak_reaches_a_fixed_point_and_then_covers_any_number_of_steps() -> None:
    leak = constants(c2m=np.array([0]), s2=np.array([0]), c1m=np.array([128]))
    i = interval(-200, 200)
    proof = prove_population(leak, i, i, steps=None)
    assert proof.steps is None
    assert -400 <= proof.ranges["u"].lo < -390  # i / (1 - 1/2), by the geometric series


@pytest.mark.parametrize(("c1m", "s1"), [(3686, 12), (4090, 12), (4095, 12), (15, 4), (-3900, 12)])
@pytest.mark.parametrize("rounding", RoundingMode)
def test_a_slow_leak_is_proven_for_any_number_of_steps(c1m: int, s1: int, rounding: RoundingMode) -> None:
    """Its time constant is up to 4096 steps; the bound is the end of the geometric series, within an eighth of a bit and the rounding."""
    f = number_format(rounding, product_bits=48)
    leak = constants(c2m=np.array([0]), s2=np.array([0]), c1m=np.array([c1m]), s1=s1, theta=None, number_format=f)
    i = interval(-900, 700)
    for steps in (None, 10**8):
        proof = prove_population(leak, i, i, steps=steps)
        assert (proof.holds, proof.steps) == (True, None)
    u = proof.ranges["u"].interval
    keep = abs(c1m) / 2**s1
    low, high = (
        (900 / (1 - keep), 700 / (1 - keep)) if c1m > 0 else ((900 + 700 * keep) / (1 - keep**2), (700 + 900 * keep) / (1 - keep**2))
    )
    assert -(low + 1 / (1 - keep)) * 2**0.125 <= u.lo[0]
    assert u.hi[0] <= (high + 1 / (1 - keep)) * 2**0.125
    r, reached = leak.r0, 0
    for _ in range(300):
        r = fixed_step(r, i.lo, leak.laid_out(1)).r
        reached = min(reached, int(r[0]))
    assert u.lo[0] <= reached


def test_what_a_threshold_or_a_clamp_holds_back_comes_to_rest() -> None:
    integrator = constants(c2m=np.array([0]), s2=np.array([0]), c1m=np.array([256]))
    for held, i in ((integrator, interval(0, 1)), (replace(integrator, u_min=np.array([-5000])), interval(-1, 1))):
        proof = prove_population(held, i, i, steps=None)
        assert (proof.holds, proof.steps) == (True, None)
        assert proof.ranges["r"].hi == 599
        assert proof.ranges["r"].lo == (0 if held is integrator else -5000)


def test_an_iteration_limit_proves_nothing() -> None:
    integrator = constants(c2m=np.array([0]), s2=np.array([0]), c1m=np.array([256]))
    i = interval(-1, 0)
    for steps in (None, 10**8):
        proof = prove_population(integrator, i, i, steps=steps)
        assert (proof.holds, proof.steps, list(proof.unsettled)) == (False, steps, [True])
    assert prove_population(integrator, i, i, steps=1000).holds


def test_a_run_longer_than_the_proof_is_refused() -> None:
    graph = chain(steps=4)
    with pytest.raises(InputError, match="5 time steps exceeds the 4"):
        require_steps(graph, 5)


def test_a_failing_network_is_told_by_population_and_channel() -> None:
    good = chain()
    q3 = good.population("q3")
    wild = replace(q3, constants=replace(q3.constants, c1m=np.full(16, 4096), s1=0))
    graph = QuantizedGraph(nodes=dict(good.nodes) | {"q3": wild}, edges=good.edges, number_format=good.number_format, steps=4)
    proof = prove_ranges(graph, steps=4)
    assert not proof.holds
    assert any(line.startswith("population 'q3', channel ") for line in proof.failures())
    report = check_network(graph)
    assert report.verdict == "fail"
    assert {f.object.split(".")[0] for f in report.findings if f.severity.value == "error"} == {"q3"}


def test_the_census_finds_what_fires_without_input() -> None:
    k = constants()
    census = take_census(k, interval(-4000, 599))
    laid_out = k.laid_out(1)
    fires = [r for r in range(-4000, 600) if fixed_step(np.array([r]), np.array([0]), laid_out).s[0]]
    below = [r for r in fires if r < 0]
    assert (census.self_firing, census.rebound) == (1, 1)
    level = census.rebound_level[0]
    slope = abs(2 * 437 / 2**12 * level + 224) / 2**8
    # The staircase moves u by at most |r| / 2^s1 (first rounding) plus 1 (second); the slope turns that into codes of r.
    assert abs(max(below) - level) <= (abs(level) / 2**8 + 1) / slope + 1
    assert take_census(k, interval(-100, 300)).rebound == 0


def test_check_compares_widths_with_a_target() -> None:
    report = check_network(chain(), target_format=number_format(weight_bits=4, state_bits=16))
    assert {(f.rule, f.object) for f in report.findings if f.severity.value == "error"} == {
        ("width", "weight_bits"),
        ("width", "state_bits"),
    }


def test_a_coarse_grid_is_a_warning_not_an_error() -> None:
    coarse = chain()
    q1 = coarse.population("q1")
    few = replace(q1.constants, theta=np.full(4, 60), reset=np.zeros(4, int), r0=np.zeros(4, int))
    graph = QuantizedGraph(
        nodes=dict(coarse.nodes) | {"q1": replace(q1, constants=few)}, edges=coarse.edges, number_format=coarse.number_format, steps=4
    )
    report = check_network(graph)
    assert report.verdict == "warn"
    warned = {f.object: (f.value, f.limit) for f in report.findings if f.rule == "resolution"}
    assert warned["q1.theta_code_median"] == (60, "at least 256")
    assert "q3.theta_code_median" not in warned
