"""Each mutant of docs/numerics.md, section 6, is killed by a property, not only by a golden vector."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.numerics import properties
from tests.numerics.mutate import mutant

FIXEDPOINT, STEP = "qif_deploy.fixedpoint", "qif_deploy.neuron.fixed_step"
PROOF, REFERENCE, QUANTIZE = "qif_deploy.analysis.range_proof", "qif_deploy.simulate.reference", "qif_deploy.passes.quantize"


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
        lambda: mutant(PROOF, ", np.clip(vertex, r.lo, r.hi), np.clip(vertex + 1, r.lo, r.hi)]", "]").step_ranges,
    ),
    "slack missing in the interval": (
        properties.ranges_are_sound,
        lambda: mutant(PROOF, "slack = np.where(curved & (k.s2 > 0), r.magnitude, 0)", "slack = 0").step_ranges,
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


@pytest.mark.parametrize("name", STEP_MUTANTS)
def test_a_broken_step_is_caught(name: str) -> None:
    step = STEP_MUTANTS[name]()
    with pytest.raises(AssertionError):
        _meets_all_step_properties(step)


@pytest.mark.parametrize("name", OTHER_MUTANTS)
def test_a_broken_proof_reference_or_quantiser_is_caught(name: str) -> None:
    check, build = OTHER_MUTANTS[name]
    broken = build()  # outside: a mutant that no longer fits its source raises AssertionError too
    with pytest.raises(AssertionError):
        check(broken)


def _meets_all_step_properties(step: Callable[..., Any]) -> None:
    properties.step_equals_oracle(step)
    properties.step_meets_threshold(step)
