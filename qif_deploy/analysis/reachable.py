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
from qif_deploy.fixedpoint import rshift
from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.shapes import ChannelFlags, ChannelFloats

ITERATION_LIMIT = 1024
"""Steps that are iterated at most. A longer run needs an interval that is never left; reaching the limit proves nothing."""

FIRST_GUESS = 8
"""Steps after which such an interval is guessed, again after each doubling: what settles at once is found exactly before."""

LIKELY = 1 / 64
"""What is added to the likeliest interval, as a share of what it adds and of the last growth: below 0.03 bit."""

DOUBLINGS, HALVINGS, SHRINKINGS = 24, 10, 4
"""Search for the interval: doublings of the last growth until it holds, halvings towards the smallest that does, steps within it."""


MOST_STEPS = 2**31 - 1
"""Of a network: a choice, far beyond any run, that keeps a mistyped number from being taken for one."""


def require_coverable(steps: int | None) -> None:
    """Raise InputError when a proof over ``steps`` steps would cover nothing."""
    if steps is not None and not (isinstance(steps, int) and 1 <= steps <= MOST_STEPS):
        raise InputError(
            f"steps {steps!r} is no number of time steps that a proof can cover; give an integer of 1..{MOST_STEPS}, or None for any"
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
    before = r
    held, kept = r, np.zeros(k.channels, dtype=bool)
    growing = ~kept
    next_guess = FIRST_GUESS
    for done in range(1, (ITERATION_LIMIT if steps is None else min(steps, ITERATION_LIMIT)) + 1):
        seen = step_ranges(k, r, i)  # of this step and all before, since r holds those before
        first, before, r = before, r, r.hull(after_reset(k, seen["u"]))
        growing = ~r.within(before)
        if not growing.any():
            return Reachable(ranges=seen | {"r": r}, steps=None, unsettled=growing)
        if open_ended and done == next_guess:
            next_guess *= 2
            hopeless = _overruns(k, i, before, r)
            held, kept = _never_left(k, i, (first, before, r), hopeless)
            if (kept | ~growing | hopeless).all():
                break
    seen["r"] = r
    if open_ended:
        found = step_ranges(k, held, i) | {"r": held}
        seen = {name: found[name].where(kept, interval) for name, interval in seen.items()}
    unsettled = growing & ~kept & open_ended
    return Reachable(ranges=seen, steps=None if open_ended and not unsettled.any() else steps, unsettled=unsettled)


def _overruns(k: FixedConstants, i: Interval, before: Interval, r: Interval) -> ChannelFlags:
    """Where a linear channel cannot come to rest: it grows at an end that nothing holds back, and leaves the state from its last code."""
    limit, mode = k.number_format.state_limit, k.number_format.rounding
    down = (r.lo < before.lo) & (k.u_min is None) & (rshift(k.c1m * -limit, k.s1, rounding=mode) + i.lo < -limit)
    up = (r.hi > before.hi) & (k.theta is None) & (rshift(k.c1m * limit, k.s1, rounding=mode) + i.hi > limit)
    never: ChannelFlags = (k.c2m == 0) & (k.c1m > 0) & (down | up)
    return never


class _Stretch:
    """Intervals that hold ``r``, stretched along its last growth: a geometric series comes to rest at a multiple of it."""

    def __init__(self, k: FixedConstants, i: Interval, grown: tuple[Interval, Interval, Interval]) -> None:
        first, before, self.r = grown
        self.k, self.i, self.limit = k, i, k.number_format.state_limit
        down, up = before.lo - self.r.lo, self.r.hi - before.hi
        flips = (k.c2m == 0) & (k.c1m < 0)  # then each end grows as the other did one step before
        self.down, self.up = (np.where(flips, np.maximum(down, up), growth) for growth in (down, up))
        self.may_saturate = (k.c2m == 0) & ~flips
        last, previous = np.maximum(self.down, self.up), np.maximum(first.lo - before.lo, before.hi - first.hi)
        ratio = np.where(k.c2m == 0, np.abs(k.c1m) / 2.0**k.s1, last / np.maximum(previous, 1))
        ratio = np.clip(ratio, 0.0, 1 - 2.0**-20)
        self.likely: ChannelFloats = ratio / (1 - ratio)

    def by(self, factor: ChannelFloats) -> Interval:
        """Return the interval with ``factor`` times the last growth added at both ends, within the state."""
        free = self._free(factor)
        return Interval(lo=np.maximum(free.lo, -self.limit), hi=np.minimum(free.hi, self.limit))

    def _free(self, factor: ChannelFloats) -> Interval:
        more = [np.ceil(np.minimum(factor * growth, 2.0 * self.limit + 2)).astype(np.int64) for growth in (self.down, self.up)]
        return Interval(lo=self.r.lo - more[0], hi=self.r.hi + more[1])

    def stays(self, factor: ChannelFloats) -> ChannelFlags:
        """Where one step maps that interval into itself.

        The whole state is never left either, since it saturates. That is of use to a leak that comes to rest just before its end;
        elsewhere it says nothing.
        """
        guess = self.by(factor)
        useful: ChannelFlags = self.may_saturate | self._free(factor).within(guess)
        verified: ChannelFlags = useful & _next(self.k, self.i, guess).within(guess)
        return verified


def _never_left(
    k: FixedConstants, i: Interval, grown: tuple[Interval, Interval, Interval], hopeless: ChannelFlags
) -> tuple[Interval, ChannelFlags]:
    """Find an interval per channel that holds ``r`` and is never left; return it and where that is verified.

    First a multiple of the growth is tried that the ratio of the last two growths makes likely. Where that fails, or less than
    half of it holds too, the smallest that holds is found by doubling and halving. Steps within it then take off what is too much.
    """
    stretch = _Stretch(k, i, grown)
    good, half = stretch.likely * (1 + LIKELY) + LIKELY, np.maximum(stretch.likely / 2 - 1, 0.0)
    still = stretch.stays(np.zeros(k.channels))
    kept = still | stretch.stays(good)
    good = np.where(still, 0.0, good)
    loose = ~still & ~hopeless & (~kept | stretch.stays(half))
    if loose.any():
        kept, good = _searched(stretch, loose, kept, good)
    kept = kept & ~hopeless
    held = stretch.by(np.where(kept, good, 0.0))
    for _ in range(SHRINKINGS):
        # What one step makes of an interval that is never left is never left either, and no larger.
        held = _next(k, i, held).where(kept, held)
    return held, kept


def _searched(stretch: _Stretch, loose: ChannelFlags, kept: ChannelFlags, good: ChannelFloats) -> tuple[ChannelFlags, ChannelFloats]:
    """Search the loose channels for the smallest factor that holds, by doubling, then halving."""
    bad, factor = np.zeros(loose.shape), np.ones(loose.shape)
    for _ in range(DOUBLINGS):
        if (kept | ~loose).all():
            break
        new = ~kept & stretch.stays(factor)
        good, kept = np.where(new, factor, good), kept | new
        bad = np.where(kept, bad, factor)
        factor = factor * 2
    for _ in range(HALVINGS):
        middle = np.where(kept & loose, (good + bad) / 2, good)
        holds = stretch.stays(middle)
        good, bad = np.where(kept & holds, middle, good), np.where(kept & ~holds, middle, bad)
    return kept, good


def _next(k: FixedConstants, i: Interval, r: Interval) -> Interval:
    """Return ``r0`` and all that one step makes of ``r``."""
    return after_reset(k, step_ranges(k, r, i)["u"]).hull(Interval(lo=k.r0, hi=k.r0))


__all__ = ["ITERATION_LIMIT", "Reachable", "reachable_ranges", "require_coverable"]
