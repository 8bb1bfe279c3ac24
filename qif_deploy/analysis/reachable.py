"""Which states a population can reach: the step iterated on intervals, over T steps or to an interval that it never leaves.

The interval of ``r`` only grows (the hull over all steps so far), so a step that adds nothing ends the iteration. A leak comes to
rest only after many steps; then an interval is guessed from the growth and *verified*: it holds ``r0``, and one step maps it into
itself, so by induction no run leaves it. That is a complete proof, however the guess was made.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qif_deploy.analysis.interval import Interval
from qif_deploy.analysis.step_range import after_reset, step_ranges
from qif_deploy.errors import InputError
from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.shapes import ChannelFlags, ChannelFloats

ITERATION_LIMIT = 1024
"""Steps that are iterated at most. A longer run needs an interval that is never left; reaching the limit proves nothing."""

FIRST_GUESS = 16
"""Steps after which such an interval is guessed, again after each doubling: what settles at once is found exactly before."""

DOUBLINGS, HALVINGS, SHRINKINGS = 24, 10, 8
"""Search for the interval: doublings of the last growth until it holds, halvings towards the smallest that does, steps within it."""


def require_coverable(steps: int | None) -> None:
    """Raise InputError when a proof over ``steps`` steps would cover nothing."""
    if steps is not None and not (isinstance(steps, int) and steps >= 1):
        raise InputError(
            f"steps {steps!r} is no number of time steps that a proof can cover; give an integer of at least 1, or None for any"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reachable:
    """Ranges over all steps that are covered: ``c2m_r``, ``h``, ``h_r``, ``u``, and ``r``, ``r0`` and the states after each step.

    ``steps`` None: they hold for any number of steps. ``unsettled`` marks channels in which nothing is proven beyond the limit.
    """

    ranges: dict[str, Interval]
    steps: int | None
    unsettled: ChannelFlags


def reachable_ranges(k: FixedConstants, i: Interval, *, steps: int | None) -> Reachable:
    """Iterate the step on intervals from ``r0``.

    Args:
        k: constants of the population.
        i: range of the input, shifts and bias included, the same at every step.
        steps: number of steps to cover, None for any; above ITERATION_LIMIT only an interval that is never left covers them.

    Raises:
        InputError: fewer than one step.
    """
    require_coverable(steps)
    r = Interval(lo=k.r0.copy(), hi=k.r0.copy())
    open_ended = steps is None or steps > ITERATION_LIMIT
    seen: dict[str, Interval] = {}
    held, kept = r, np.zeros(k.channels, dtype=bool)
    growing = ~kept
    next_guess = FIRST_GUESS
    for done in range(1, (ITERATION_LIMIT if steps is None else min(steps, ITERATION_LIMIT)) + 1):
        seen = step_ranges(k, r, i)  # of this step and all before, since r holds those before
        before, r = r, r.hull(after_reset(k, seen["u"]))
        growing = ~r.within(before)
        if not growing.any():
            return Reachable(ranges=seen | {"r": r}, steps=None, unsettled=growing)
        if open_ended and done == next_guess:
            next_guess *= 2
            held, kept = _never_left(k, i, before, r)
            if (kept | ~growing | _integrates(k, before, r)).all():
                break
    seen["r"] = r
    if open_ended:
        found = step_ranges(k, held, i) | {"r": held}
        seen = {name: found[name].where(kept, interval) for name, interval in seen.items()}
    unsettled = growing & ~kept & open_ended
    return Reachable(ranges=seen, steps=None if open_ended and not unsettled.any() else steps, unsettled=unsettled)


def _integrates(k: FixedConstants, before: Interval, r: Interval) -> ChannelFlags:
    """Where a linear channel without leak grows at an end that nothing holds back: it never comes to rest."""
    down = (r.lo < before.lo) & (k.u_min is None)
    up = (r.hi > before.hi) & (k.theta is None)
    never: ChannelFlags = (k.c2m == 0) & (k.c1m >= 1 << k.s1) & (down | up)
    return never


def _never_left(k: FixedConstants, i: Interval, before: Interval, r: Interval) -> tuple[Interval, ChannelFlags]:
    """Guess an interval per channel that holds ``r`` and is never left; return it and where that is verified.

    The guess is ``r`` stretched along its last growth: a geometric series ends at a multiple of it. The smallest multiple that
    is verified is found by doubling and halving; steps within it then take off what the stretch took too much.
    """
    limit = k.number_format.state_limit
    down, up = before.lo - r.lo, r.hi - before.hi

    def stretched(factor: ChannelFloats) -> Interval:
        more = [np.ceil(np.minimum(factor * growth, 2.0 * limit + 2)).astype(np.int64) for growth in (down, up)]
        return Interval(lo=r.lo - more[0], hi=r.hi + more[1])

    def stays(guess: Interval) -> ChannelFlags:
        inside = (guess.lo >= -limit) & (guess.hi <= limit)
        bounded = Interval(lo=np.maximum(guess.lo, -limit), hi=np.minimum(guess.hi, limit))
        found: ChannelFlags = inside & _next(k, i, bounded).within(bounded)
        return found

    factor = np.zeros(k.channels)
    kept = stays(stretched(factor))
    good = np.where(kept, 0.0, np.nan)
    bad = factor
    factor = np.ones(k.channels)
    for _ in range(DOUBLINGS):
        if kept.all():
            break
        new = ~kept & stays(stretched(factor))
        good, kept = np.where(new, factor, good), kept | new
        bad = np.where(kept, bad, factor)
        factor = factor * 2
    for _ in range(HALVINGS):
        middle = np.where(kept, (np.nan_to_num(good) + bad) / 2, 0.0)
        holds = stays(stretched(middle))
        good, bad = np.where(holds, middle, good), np.where(holds, bad, middle)
    held = stretched(np.where(kept, np.nan_to_num(good), 0.0))
    for _ in range(SHRINKINGS):
        # What one step makes of an interval that is never left is never left either, and no larger.
        held = _next(k, i, held).where(kept, held)
    return held, kept


def _next(k: FixedConstants, i: Interval, r: Interval) -> Interval:
    """Return ``r0`` and all that one step makes of ``r``."""
    return after_reset(k, step_ranges(k, r, i)["u"]).hull(Interval(lo=k.r0, hi=k.r0))


__all__ = ["ITERATION_LIMIT", "Reachable", "reachable_ranges", "require_coverable"]
