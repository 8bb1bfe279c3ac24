"""The two kernels: one program holds the membranes of ``BLOCK`` neurons in registers and walks all time steps.

The float operations of ``float_step`` stand here a second time, in its order and without fused multiply-add, since Triton
compiles source text; tests/core/test_fused_kernel.py holds both to bit equality.

Backward needs ``u`` in reverse order. It is recomputed from ``x``, not stored: time is cut into chunks of ``K`` steps, forward
stores the state at the start of every chunk but the first, backward restarts from there for each step. That is
``4 / K`` bytes per neuron and step instead of 4, and nothing at all for ``T <= K``; the repeated reads of ``x`` hit the cache.
"""

# No `from __future__ import annotations`: the interpreter of triton 2.3 finds constexpr arguments by their annotation object.
# mypy: disable-error-code="no-untyped-def, misc, untyped-decorator, no-untyped-call"
# ruff: noqa: SIM108, RUF059
# Triton ships no types, and its arguments are pointers and blocks that Python's types do not describe; a branch on a constexpr is
# one of the compiler, and reads better as a statement.

from qif_deploy.training.kernels._triton import tl, triton, unrolled

ROWS = ("c2", "c1", "c0", "theta", "u_reset", "r0", "reset_by", "u_min", "half_width", "inverse_width", "peak")
"""Rows of the constants' table ``(row, channel)``, float32; the kernels read them by this order."""


@triton.jit
def _update(
    r, x, c2, c1, c0, theta, u_reset, reset_by, u_min, HARD: tl.constexpr, CLAMPED: tl.constexpr, ON_EQUAL: tl.constexpr
):  # the steps of qif_deploy.neuron.float_step, operation by operation
    h = r * c2 + c1
    free = h * r + c0 + x
    u = free
    if CLAMPED:
        u = tl.where(free < u_min, u_min, free)
    if ON_EQUAL:
        s = (u >= theta).to(tl.float32)
    else:
        s = (u > theta).to(tl.float32)
    if HARD:
        after = u * (1.0 - s) + s * u_reset
    else:
        after = u - s * reset_by
    return h, free, u, s, after


@triton.jit
def _slope(distance, half_width, inverse_width, peak, SHAPE: tl.constexpr):
    """``ds/du`` at ``u - theta``: 0 rectangular, 1 triangular, 2 arctan; see qif_deploy.training.spike."""
    if SHAPE == 0:
        slope = tl.where(tl.abs(distance) <= half_width, peak, 0.0)
    elif SHAPE == 1:
        side = 1.0 - tl.abs(distance) * inverse_width
        slope = tl.where(side > 0.0, side, 0.0) * peak
    else:
        scaled = distance * inverse_width
        slope = peak / (1.0 + scaled * scaled)
    return slope


@triton.jit
def population_forward(
    x_ptr, table_ptr, spikes_ptr, starts_ptr, neurons, x_stride, channel_stride, channels,
    FIRST: tl.constexpr, CHUNKS: tl.constexpr, K: tl.constexpr,
    HARD: tl.constexpr, CLAMPED: tl.constexpr, ON_EQUAL: tl.constexpr, STORE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """All steps: ``x (time, neuron)`` in, spikes of the same axes out, states at the chunks' starts ``(chunk, neuron)`` out."""
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)  # below 2^31, so that the division for the channel is a short one
    there = at < neurons
    row = table_ptr + (at // channel_stride) % channels
    c2 = tl.load(row, mask=there, other=0.0)
    c1 = tl.load(row + channels, mask=there, other=0.0)
    c0 = tl.load(row + 2 * channels, mask=there, other=0.0)
    theta = tl.load(row + 3 * channels, mask=there, other=0.0)
    u_reset = tl.load(row + 4 * channels, mask=there, other=0.0)
    r = tl.load(row + 5 * channels, mask=there, other=0.0)
    reset_by = tl.load(row + 6 * channels, mask=there, other=0.0)
    u_min = tl.load(row + 7 * channels, mask=there, other=0.0)
    x_at, s_at, start_at = x_ptr + at, spikes_ptr + at, starts_ptr + at
    for _ in range(FIRST):
        x = tl.load(x_at, mask=there, other=0.0).to(tl.float32)
        h, free, u, s, r = _update(r, x, c2, c1, c0, theta, u_reset, reset_by, u_min, HARD, CLAMPED, ON_EQUAL)
        tl.store(s_at, s.to(spikes_ptr.dtype.element_ty), mask=there)
        x_at += x_stride
        s_at += neurons
    for _ in range(CHUNKS):
        if STORE:
            tl.store(start_at, r, mask=there)
        start_at += neurons
        for _ in range(K):
            x = tl.load(x_at, mask=there, other=0.0).to(tl.float32)
            h, free, u, s, r = _update(r, x, c2, c1, c0, theta, u_reset, reset_by, u_min, HARD, CLAMPED, ON_EQUAL)
            tl.store(s_at, s.to(spikes_ptr.dtype.element_ty), mask=there)
            x_at += x_stride
            s_at += neurons


@triton.jit
def _chunk_backward(
    start, x_at, out_at, grad_at, neurons, x_stride, there, grad_r, g2, g1, g0, g_theta, g_by,
    c2, c1, c0, theta, u_reset, reset_by, u_min, half_width, inverse_width, peak,
    LENGTH: tl.constexpr, HARD: tl.constexpr, CLAMPED: tl.constexpr, ON_EQUAL: tl.constexpr,
    DETACH: tl.constexpr, SHAPE: tl.constexpr, LEARN: tl.constexpr,
):  # fmt: skip
    """Walk ``LENGTH`` steps back; pointers stand at the chunk's first step, ``start`` is the state before it."""
    for back in unrolled(LENGTH):
        r = start
        for step in unrolled(LENGTH - 1 - back):
            x = tl.load(x_at + step * x_stride, mask=there, other=0.0).to(tl.float32)
            h, free, u, s, r = _update(r, x, c2, c1, c0, theta, u_reset, reset_by, u_min, HARD, CLAMPED, ON_EQUAL)
        t = LENGTH - 1 - back
        x = tl.load(x_at + t * x_stride, mask=there, other=0.0).to(tl.float32)
        h, free, u, s, after = _update(r, x, c2, c1, c0, theta, u_reset, reset_by, u_min, HARD, CLAMPED, ON_EQUAL)
        grad_s = tl.load(out_at + t * neurons, mask=there, other=0.0).to(tl.float32)
        if HARD:
            grad_u = grad_r * (1.0 - s)
            if not DETACH:
                grad_s += grad_r * u_reset - grad_r * u
        else:
            grad_u = grad_r
            if not DETACH:
                grad_s -= grad_r * reset_by
            if LEARN:
                g_by -= grad_r * s
        through = grad_s * _slope(u - theta, half_width, inverse_width, peak, SHAPE)
        grad_u += through
        if CLAMPED:
            grad_u = tl.where(free >= u_min, grad_u, 0.0)
        grad_h = grad_u * r
        grad_r = grad_u * h + grad_h * c2
        if LEARN:
            g_theta -= through
            g0 += grad_u
            g1 += grad_h
            g2 += grad_h * r
        tl.store(grad_at + t * neurons, grad_u.to(grad_at.dtype.element_ty), mask=there)
    return grad_r, g2, g1, g0, g_theta, g_by


@triton.jit
def population_backward(
    x_ptr, table_ptr, starts_ptr, out_ptr, grad_ptr, sums_ptr, neurons, x_stride, channel_stride, channels,
    FIRST: tl.constexpr, CHUNKS: tl.constexpr, K: tl.constexpr,
    HARD: tl.constexpr, CLAMPED: tl.constexpr, ON_EQUAL: tl.constexpr,
    DETACH: tl.constexpr, SHAPE: tl.constexpr, LEARN: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Gradient of ``x`` from that of the spikes; with ``LEARN`` also each neuron's share of those of c2, c1, c0, theta, reset_by."""
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)  # below 2^31, so that the division for the channel is a short one
    there = at < neurons
    row = table_ptr + (at // channel_stride) % channels
    c2 = tl.load(row, mask=there, other=0.0)
    c1 = tl.load(row + channels, mask=there, other=0.0)
    c0 = tl.load(row + 2 * channels, mask=there, other=0.0)
    theta = tl.load(row + 3 * channels, mask=there, other=0.0)
    u_reset = tl.load(row + 4 * channels, mask=there, other=0.0)
    r0 = tl.load(row + 5 * channels, mask=there, other=0.0)
    reset_by = tl.load(row + 6 * channels, mask=there, other=0.0)
    u_min = tl.load(row + 7 * channels, mask=there, other=0.0)
    half_width = tl.load(row + 8 * channels, mask=there, other=1.0)
    inverse_width = tl.load(row + 9 * channels, mask=there, other=1.0)
    peak = tl.load(row + 10 * channels, mask=there, other=0.0)
    grad_r = tl.zeros((BLOCK,), dtype=tl.float32)
    g2 = tl.zeros((BLOCK,), dtype=tl.float32)
    g1 = tl.zeros((BLOCK,), dtype=tl.float32)
    g0 = tl.zeros((BLOCK,), dtype=tl.float32)
    g_theta = tl.zeros((BLOCK,), dtype=tl.float32)
    g_by = tl.zeros((BLOCK,), dtype=tl.float32)
    zero = tl.program_id(0).to(tl.int64) * 0
    neurons_wide, stride_wide = zero + neurons, zero + x_stride  # offsets over all steps may pass 2^31
    for done in range(CHUNKS):
        chunk = CHUNKS - 1 - done
        start = tl.load(starts_ptr + chunk * neurons_wide + at, mask=there, other=0.0)
        first = FIRST + chunk * K
        grad_r, g2, g1, g0, g_theta, g_by = _chunk_backward(
            start, x_ptr + first * stride_wide + at, out_ptr + first * neurons_wide + at, grad_ptr + first * neurons_wide + at,
            neurons_wide, stride_wide, there, grad_r, g2, g1, g0, g_theta, g_by,
            c2, c1, c0, theta, u_reset, reset_by, u_min, half_width, inverse_width, peak,
            K, HARD, CLAMPED, ON_EQUAL, DETACH, SHAPE, LEARN,
        )  # fmt: skip
    grad_r, g2, g1, g0, g_theta, g_by = _chunk_backward(
        r0, x_ptr + at, out_ptr + at, grad_ptr + at,
        neurons_wide, stride_wide, there, grad_r, g2, g1, g0, g_theta, g_by,
        c2, c1, c0, theta, u_reset, reset_by, u_min, half_width, inverse_width, peak,
        FIRST, HARD, CLAMPED, ON_EQUAL, DETACH, SHAPE, LEARN,
    )  # fmt: skip
    if LEARN:
        tl.store(sums_ptr + at, g2, mask=there)
        tl.store(sums_ptr + neurons_wide + at, g1, mask=there)
        tl.store(sums_ptr + 2 * neurons_wide + at, g0, mask=there)
        tl.store(sums_ptr + 3 * neurons_wide + at, g_theta, mask=there)
        tl.store(sums_ptr + 4 * neurons_wide + at, g_by, mask=there)
