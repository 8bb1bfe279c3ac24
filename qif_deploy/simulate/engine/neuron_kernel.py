"""One compiled pass over a population: all steps, with branch shifts, bias, step, reset, spikes and counts, and no array in between.

A second form of ``neuron/fixed_step.py``, in the terms of ``fused_constants``; held to the first by exhaustive comparison at small
widths, by the conformance suite and by mutants. The loop over channels is innermost, where they lie side by side, so that it
runs in vector registers; the state of one position is one row that stays in the first-level cache.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call"
# numba types each call by its arguments; an array that is None is compiled away with what uses it.

from __future__ import annotations

from typing import Any

import numpy as np

from qif_deploy.simulate.engine._numba import compiled
from qif_deploy.simulate.engine.machine_integers import add, both, left, like, mul, right, sub


@compiled
def population_pass(sums, more, direct, direct_weight, shifts, table, scalars, first, last, spikes, rates, driven, saturated, i_out, u_out):
    """Run the samples of ``spikes`` at the positions ``first..last - 1`` from ``r0`` on.

    Args:
        sums: accumulated weights of one branch, ``(sample, time, position, channel)``, floats or integers; a time axis of length 1 is held.
        more: those of a second branch, or None.
        direct: codes of a branch that weighs each position by itself (an identity shortcut), same axes, uint8, or None.
        direct_weight: ``(channel,)`` weights of that branch, or None.
        shifts: left shifts of the three branches.
        table: see ``fused_constants``; its dtype is that of the state, and all sums fit it.
        scalars: likewise.
        first: position to start from.
        last: position to end before.
        spikes: uint8 out, ``(sample, time, position, channel)``.
        rates: int64 out, ``(sample, position)``: spikes over time and channels.
        driven: int64, ``(sample,)``: neurons and steps with a current other than the bias are added.
        saturated: int64, ``(sample,)``: values that a saturation changed are added; None where the range proof shows that there are
            none: then nothing is limited but by the lower clamp, and nothing is counted.
        i_out: input with bias, out; or None.
        u_out: state before reset, out; or None.
    """
    samples, steps, _, channels = spikes.shape
    zero = sub(scalars[0], scalars[0])
    sign = like(8 * table.itemsize - 1, zero)
    s1, offset1, below_zero1, limit, keep = scalars[0], scalars[1], scalars[2], scalars[3], scalars[4]
    bottom = like(-limit, zero)
    shift, more_shift, direct_shift = like(shifts[0], zero), like(shifts[1], zero), like(shifts[2], zero)
    c2m, c1m, s2, offset2, below_zero2 = table[0], table[1], table[2], table[3], table[4]
    bias, below, low, base, r0 = table[5], table[6], table[7], table[8], table[9]
    r = np.empty(channels, table.dtype)
    for b in range(samples):
        moved: Any = 0
        clipped: Any = 0
        for p in range(first, last):
            fired: Any = 0
            r[:] = r0
            for t in range(steps):
                x = sums[b, t if sums.shape[1] > 1 else 0, p]
                if more is not None:
                    y = more[b, t if more.shape[1] > 1 else 0, p]
                if direct is not None:
                    d = direct[b, t if direct.shape[1] > 1 else 0, p]
                out = spikes[b, t, p]
                if i_out is not None:
                    i_row, u_row = i_out[b, t, p], u_out[b, t, p]
                none: Any = np.int32(0)
                count, drive, over = none, none, none
                for c in range(channels):
                    current = left(like(x[c], zero), shift)
                    if more is not None:
                        current = add(current, left(like(y[c], zero), more_shift))
                    if direct is not None:
                        current = add(current, left(mul(like(d[c], zero), direct_weight[c]), direct_shift))
                    drive = add(drive, like(current != zero, none))
                    i = add(current, bias[c])
                    z = mul(c2m[c], r[c])
                    z = add(add(z, offset2[c]), both(right(z, sign), below_zero2[c]))
                    wide = add(right(z, s2[c]), c1m[c])
                    h = wide
                    if saturated is not None:
                        h = min(max(wide, bottom), limit)
                    z = mul(h, r[c])
                    z = add(add(z, offset1), both(right(z, sign), below_zero1))
                    free = add(right(z, s1), i)
                    u = max(free, low[c])
                    if saturated is not None:
                        u = min(u, limit)
                        over = add(over, add(like(wide != h, none), like((free > limit) | (free < bottom), none)))
                    after = add(both(u, keep), base[c])
                    if saturated is not None:
                        after = min(max(after, bottom), limit)
                    s = u > below[c]
                    r[c] = after if s else u
                    out[c] = s
                    count = add(count, like(s, none))
                    if i_out is not None:
                        i_row[c] = i
                        u_row[c] = u
                fired += count
                moved += drive
                clipped += over
            rates[b, p] = fired
        driven[b] += moved
        if saturated is not None:
            saturated[b] += clipped
