"""Each mutant of docs/numerics.md, section 6, is killed by a property, not only by a golden vector."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.numerics import network_properties, properties
from tests.numerics.mutate import mutant

FIXEDPOINT, STEP = "qif_deploy.fixedpoint", "qif_deploy.neuron.fixed_step"
REFERENCE, SYNAPSES, QUANTIZE = "qif_deploy.simulate.reference", "qif_deploy.simulate.synapses", "qif_deploy.passes.quantize"
ANALYSIS = "qif_deploy.analysis."
STEP_RANGE, REACHABLE, FAN_IN, PROOF = (ANALYSIS + name for name in ("step_range", "reachable", "fan_in", "range_proof"))


def _step(old: str, new: str) -> Callable[..., Any]:
    return mutant(STEP, old, new).fixed_step


def _step_with(name: str, old: str, new: str) -> Callable[..., Any]:
    """The step over a mutated function of fixedpoint."""
    broken = getattr(mutant(FIXEDPOINT, old, new), name)
    return mutant(STEP, **{name: broken}).fixed_step


TOWARD_ZERO = "return (codes + (negative & mask)) >> bits"
STEP_MUTANTS = {
    "rounding: toward zero becomes floor": lambda: _step_with("rshift", TOWARD_ZERO, "return codes >> bits"),
    "rounding: floor becomes toward zero": lambda: _step_with("rshift", "if rounding is RoundingMode.FLOOR", "if False"),
    "rounding: half goes up, not away from zero": lambda: _step_with("rshift", "- (negative & (mask & 1))", ""),
    "rounding: nearest becomes half toward zero": lambda: _step_with("rshift", "half = (mask + 1) >> 1", "half = mask >> 1"),
    "shift one too far": lambda: _step_with("rshift", "return codes >> bits", "return codes >> (bits + 1)"),
    "first shift off by one": lambda: _step("k.c2m * r, k.s2", "k.c2m * r, k.s2 + 1"),
    "second shift off by one": lambda: _step("h * r, k.s1", "h * r, k.s1 + 1"),
    "shifts exchanged": lambda: _step("k.c2m * r, k.s2", "k.c2m * r, k.s1"),
    "> for >=": lambda: _step("s = u >= k.theta", "s = u >= k.theta + 1"),
    "wrap for saturate": lambda: _step_with(
        "saturate", "return codes.clip(-limit, limit)", "return (codes + limit) % (2 * limit + 1) - limit"
    ),
    "two's complement limit": lambda: _step_with("saturate", "codes.clip(-limit, limit)", "codes.clip(-limit - 1, limit)"),
    "h not saturated": lambda: _step(
        "h = saturate(rshift(k.c2m * r, k.s2, rounding=k.rounding) + k.c1m, k.state_limit)",
        "h = rshift(k.c2m * r, k.s2, rounding=k.rounding) + k.c1m",
    ),
    "reset before compare": lambda: _step("s = u >= k.theta", "s = (u >= k.theta) & (k.reset >= k.theta)"),
    "reset not applied": lambda: _step("u + s * (k.reset - u)", "u"),
    "subtract not saturated": lambda: _step("saturate(u - s * k.reset_by, k.state_limit)", "u - s * k.reset_by"),
    "lower clamp after the reset only": lambda: _step("u = u.clip(k.u_min, None)", "pass"),
    "input added before the shift": lambda: _step(
        "rshift(h * r, k.s1, rounding=k.rounding) + i", "rshift(h * r + i, k.s1, rounding=k.rounding)"
    ),
}

OTHER_MUTANTS: dict[str, tuple[Callable[..., None], Callable[[], Callable[..., Any]]]] = {
    "vertex missing in the interval": (
        properties.ranges_are_sound,
        lambda: mutant(STEP_RANGE, "np.clip(vertex, near, far)", "near", "np.clip(vertex + 1, near, far)", "far").step_ranges,
    ),
    "slack missing in the interval": (
        properties.ranges_are_sound,
        lambda: mutant(STEP_RANGE, "gain = _rounding_gain(k, p)", "gain = 0 * p").step_ranges,
    ),
    "bias added before the branch shift": (
        properties.reference_equals_oracle,
        lambda: (
            mutant(
                REFERENCE,
                "i = current + channelwise(node.constants.bias, ndim)",
                "i = current + (channelwise(node.constants.bias, ndim) << 1)",
            ).run_reference
        ),
    ),
    "branch shift forgotten": (
        properties.reference_equals_oracle,
        lambda: (
            mutant(
                REFERENCE,
                "out = dense(merged, node.weight.astype(np.int64)) << node.shift",
                "out = dense(merged, node.weight.astype(np.int64))",
            ).run_reference
        ),
    ),
    "readout Delta per class": (
        properties.readout_classes_compare,
        lambda: (
            mutant(
                QUANTIZE, "np.full(len(bias), float(alive.max()) / 2.0**level)", "np.where(np.isfinite(finest), finest, 1.0) / 2.0**level"
            ).quantize_graph
        ),
    ),
}


def _reachable_with(old: str, new: str) -> Callable[..., Any]:
    """The iteration over a mutated step on intervals."""
    broken = mutant(STEP_RANGE, old, new)
    return mutant(REACHABLE, step_ranges=broken.step_ranges, after_reset=broken.after_reset).reachable_ranges


PROOF_MUTANTS: dict[str, tuple[Callable[..., None], Callable[[], Callable[..., Any]]]] = {
    "sides of zero exchanged": (
        properties.ranges_are_tight,
        lambda: mutant(STEP_RANGE, "near = np.maximum(np.where(SIDE > 0, r.lo, -r.hi), 0)", "near = np.maximum(-r.hi, 0)").step_ranges,
    ),
    "h cut off at the bottom taken for the parabola": (
        properties.ranges_are_sound,
        lambda: mutant(STEP_RANGE, "np.where(cut_off, g_far * near,", "np.where(False, 0,").step_ranges,
    ),
    "inner end exact where h changes sign": (
        properties.ranges_are_sound,
        lambda: mutant(STEP_RANGE, "np.where(g_near <= 0, g_near * near, falling)", "g_near * near").step_ranges,
    ),
    "first step only": (
        network_properties.iteration_is_sound,
        lambda: mutant(REACHABLE, 'r.hull(after_reset(k, seen["u"]))', "r").reachable_ranges,
    ),
    "hull over the steps missing": (
        network_properties.iteration_is_sound,
        lambda: mutant(REACHABLE, 'r.hull(after_reset(k, seen["u"]))', 'after_reset(k, seen["u"])').reachable_ranges,
    ),
    "guess taken without its verification": (
        network_properties.iteration_is_sound,
        lambda: mutant(REACHABLE, "useful & _next(self.k, self.i, guess).within(guess)", "useful").reachable_ranges,
    ),
    "r0 left out of the interval that is never left": (
        network_properties.iteration_is_sound,
        lambda: mutant(REACHABLE, ".hull(Interval(lo=k.r0, hi=k.r0))", "").reachable_ranges,
    ),
    "r below theta by two": (
        network_properties.iteration_is_sound,
        lambda: _reachable_with("np.minimum(hi, k.theta - 1)", "np.minimum(hi, k.theta - 2)"),
    ),
    "reset forgotten": (
        network_properties.iteration_is_sound,
        lambda: _reachable_with("fired_lo = fired_hi = k.reset", "fired_lo = fired_hi = lo"),
    ),
    "what a spike leaves under subtract forgotten": (
        network_properties.iteration_is_sound,
        lambda: _reachable_with("np.maximum(rest_hi, fired_hi), fired_hi)", "rest_hi, fired_hi)"),
    ),
    "lower clamp forgotten": (
        network_properties.iteration_is_sound,
        lambda: _reachable_with("lo, hi = np.maximum(lo, k.u_min), np.maximum(hi, k.u_min)", "pass"),
    ),
    "branch left out of the sum": (
        network_properties.branch_sums_are_exact,
        lambda: mutant(FAN_IN, "lo, hi = lo + low, hi + high", "lo, hi = bias + low, bias + high").branch_ranges,
    ),
    "branch left out of the hull of acc": (
        network_properties.branch_sums_are_exact,
        lambda: mutant(FAN_IN, "functools.reduce(Interval.hull, alone.values())", "alone[name]").branch_ranges,
    ),
    "branch shift left out of the range": (
        network_properties.branch_sums_are_exact,
        lambda: mutant(FAN_IN, "(end << synapses[names[0]].shift for end in", "(end for end in").branch_ranges,
    ),
    "shift of a joined branch left out of the range": (
        network_properties.joined_branches_are_exact,
        lambda: mutant(FAN_IN, "astype(np.int64) << shift for", "astype(np.int64) for").branch_ranges,
    ),
    "padding taken for a full kernel": (
        network_properties.branch_sums_are_exact,
        lambda: mutant(FAN_IN, "geometry is None or geometry.padding == (0, 0)", "True").branch_ranges,
    ),
    "a missing tap forgotten where codes have one sign": (
        network_properties.branch_sums_are_exact,
        lambda: mutant(FAN_IN, "only_largest = signal.low <= 0 <= signal.high", "only_largest = True").branch_ranges,
    ),
    "branches of different nodes joined": (
        network_properties.joined_branches_are_exact,
        lambda: mutant(FAN_IN, "signals[name].node is not None and signals[name] == signals[group[0]]", "True").branch_ranges,
    ),
    "branches of one node not joined": (
        network_properties.joined_branches_are_exact,
        lambda: mutant(FAN_IN, "signals[name].node is not None and", "False and").branch_ranges,
    ),
    "readout of one step proven for all": (
        network_properties.proofs_hold_runs,
        lambda: mutant(PROOF, "added = 1 if node.reduce is Reduce.LAST else steps", "added = 1").prove_ranges,
    ),
}

NETWORK_MUTANTS: dict[str, Callable[[], Callable[..., Any]]] = {
    "readout of the last step": lambda: mutant(REFERENCE, "i.sum(axis=0) if node.reduce is Reduce.SUM else i[-1]", "i[-1]").run_reference,
    "readout summed where the last is asked for": lambda: (
        mutant(REFERENCE, "i.sum(axis=0) if node.reduce is Reduce.SUM else i[-1]", "i.sum(axis=0)").run_reference
    ),
    "readout bias once, not every step": lambda: (
        mutant(
            REFERENCE, "+ node.bias\n", "\n", "i.sum(axis=0) if", "i.sum(axis=0) + node.bias if", "else i[-1]", "else i[-1] + node.bias"
        ).run_reference
    ),
    "one branch of a join": lambda: (
        mutant(
            REFERENCE, "_run_population(name, node, sum(feeding[1:], feeding[0]))", "_run_population(name, node, feeding[0])"
        ).run_reference
    ),
    "stride exchanged": lambda: _reference_with("::sh, ::sw, ::dh, ::dw", "::sw, ::sh, ::dh, ::dw"),
    "padding exchanged": lambda: _reference_with("(ph, ph), (pw, pw)", "(pw, pw), (ph, ph)"),
    "groups read from the first inputs": lambda: _reference_with(
        "slice(group * per_group, (group + 1) * per_group)", "slice(0, per_group)"
    ),
    "pool stride taken for its kernel": lambda: _reference_with(":: stride[0], :: stride[1]", ":: kernel[0], :: kernel[1]"),
}


def _reference_with(old: str, new: str) -> Callable[..., Any]:
    """The reference over mutated synapses and pools."""
    broken = mutant(SYNAPSES, old, new)
    return mutant(REFERENCE, dense=broken.dense, conv2d=broken.conv2d, sum_pool2d=broken.sum_pool2d).run_reference


@pytest.mark.parametrize("name", STEP_MUTANTS)
def test_a_broken_step_is_caught(name: str) -> None:
    step = STEP_MUTANTS[name]()
    with pytest.raises(AssertionError):
        _meets_all_step_properties(step)


@pytest.mark.parametrize("name", OTHER_MUTANTS | PROOF_MUTANTS)
def test_a_broken_proof_reference_or_quantiser_is_caught(name: str) -> None:
    check, build = (OTHER_MUTANTS | PROOF_MUTANTS)[name]
    broken = build()  # outside: a mutant that no longer fits its source raises AssertionError too
    with pytest.raises(AssertionError):
        check(broken)


@pytest.mark.parametrize("name", NETWORK_MUTANTS)
def test_a_broken_network_is_caught(name: str) -> None:
    broken = NETWORK_MUTANTS[name]()
    with pytest.raises((AssertionError, ValueError)):  # exchanged axes may also leave shapes that do not fit
        network_properties.networks_equal_oracle(broken)


def _meets_all_step_properties(step: Callable[..., Any]) -> None:
    properties.step_equals_oracle(step)
    properties.step_meets_threshold(step)
