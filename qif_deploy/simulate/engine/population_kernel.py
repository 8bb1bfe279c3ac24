"""The integer neuron over all steps on a GPU: one program holds the states of ``BLOCK`` neurons of one sample in registers.

A second form of ``neuron/fixed_step.py`` in the terms of ``fused_constants``, as ``neuron_kernel`` is for CPUs; held to the reference
in Triton's interpreter.
"""

# No `from __future__ import annotations`: the interpreter of triton 2.3 finds constexpr arguments by their annotation object.
# mypy: disable-error-code="no-untyped-def, misc, untyped-decorator, no-untyped-call"
# Triton ships no types, and its arguments are pointers and blocks that Python's types do not describe.

from qif_deploy.simulate.engine._triton import tl, triton


@triton.jit
def _clip(z, low, high):  # by comparison: the interpreter of triton 2.3 knows no minimum and maximum
    z = tl.where(z < low, low, z)
    return tl.where(z > high, high, z)


@triton.jit
def population_steps(
    sums_ptr, table_ptr, scalars_ptr, spikes_ptr, driven_ptr, saturated_ptr, i_ptr, u_ptr, neurons, channels, sums_step, shift,
    STEPS: tl.constexpr, HELD: tl.constexpr, TRACED: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Axes ``(sample, time, position, channel)``, dense; a program takes neurons (position and channel) of one sample.

    ``driven`` and ``saturated`` are int32 per ``(sample, neuron)``. ``sums_step`` is 0 where a current is held for all steps.
    """
    sample = tl.program_id(1).to(tl.int64)
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    there = at < neurons
    row = table_ptr + at % channels
    c2m = tl.load(row, mask=there, other=0)
    c1m = tl.load(row + channels, mask=there, other=0)
    s2 = tl.load(row + 2 * channels, mask=there, other=0)
    offset2 = tl.load(row + 3 * channels, mask=there, other=0)
    below_zero2 = tl.load(row + 4 * channels, mask=there, other=0)
    bias = tl.load(row + 5 * channels, mask=there, other=0)
    below = tl.load(row + 6 * channels, mask=there, other=0)
    low = tl.load(row + 7 * channels, mask=there, other=0)
    base = tl.load(row + 8 * channels, mask=there, other=0)
    r = tl.load(row + 9 * channels, mask=there, other=0)
    s1 = tl.load(scalars_ptr)
    offset1 = tl.load(scalars_ptr + 1)
    below_zero1 = tl.load(scalars_ptr + 2)
    limit = tl.load(scalars_ptr + 3)
    keep = tl.load(scalars_ptr + 4)
    zero = c2m - c2m
    top = zero + limit
    bottom = zero - limit
    none = at - at  # tl.zeros is unknown to the interpreter of triton 2.3
    moved, clipped = none, none
    sums_at = sums_ptr + sample * (1 if HELD else STEPS) * neurons + at
    out = sample * STEPS * neurons + at
    for _ in range(STEPS):
        current = tl.load(sums_at, mask=there, other=0).to(r.dtype) << shift
        i = current + bias
        z = c2m * r
        z = (z + offset2 + tl.where(z < 0, below_zero2, zero)) >> s2
        wide = z + c1m
        h = _clip(wide, bottom, top)
        z = h * r
        free = ((z + offset1 + tl.where(z < 0, zero + below_zero1, zero)) >> s1) + i
        u = _clip(free, low, top)
        after = _clip((u & keep) + base, bottom, top)
        s = (u > below) & there
        r = tl.where(s, after, u)
        moved += tl.where((current != 0) & there, none + 1, none)
        clipped += tl.where((wide != h) & there, none + 1, none) + tl.where(((free > top) | (free < bottom)) & there, none + 1, none)
        tl.store(spikes_ptr + out, tl.where(s, none + 1, none), mask=there)
        if TRACED:
            tl.store(i_ptr + out, i, mask=there)
            tl.store(u_ptr + out, u, mask=there)
        sums_at += sums_step
        out += neurons
    tl.store(driven_ptr + sample * neurons + at, moved, mask=there)
    tl.store(saturated_ptr + sample * neurons + at, clipped, mask=there)
