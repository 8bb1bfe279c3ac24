"""Compiled passes over signals: order their axes, count their spikes, sum them over windows."""

# mypy: disable-error-code="no-untyped-def"
# numba types each call by its arguments.

from __future__ import annotations

from typing import Any

import numpy as np

from qif_deploy.simulate.engine._numba import compiled
from qif_deploy.simulate.engine.machine_integers import add, like


@compiled
def order_pass(codes, signal):
    """Write images ``codes (time, sample, channel, height, width)`` into ``signal (sample, time, height, width, channel)``."""
    samples, steps, rows, columns, channels = signal.shape
    for b in range(samples):
        for t in range(steps):
            for y in range(rows):
                for c in range(channels):
                    row = codes[t, b, c, y]
                    for x in range(columns):
                        signal[b, t, y, x, c] = row[x]


@compiled
def rate_pass(spikes, rates):
    """Count ``spikes (sample, time, position * channel)`` over time and channels into ``rates (sample, position)``.

    Over time first, where the loop is as long as the signal: over a few channels it would be short.
    """
    samples, steps, neurons = spikes.shape
    positions = rates.shape[1]
    channels = neurons // positions
    counts = np.empty(neurons, np.int32)
    for b in range(samples):
        counts[:] = 0
        for t in range(steps):
            row = spikes[b, t]
            for n in range(neurons):
                counts[n] = add(counts[n], like(row[n], counts[n]))
        for p in range(positions):
            count: Any = np.int32(0)
            for c in range(p * channels, (p + 1) * channels):
                count = add(count, counts[c])
            rates[b, p] = count


@compiled
def pool_pass(codes, counts, kernel, stride):
    """Sum over windows: ``codes (frame, height, width, channel)`` in, ``counts`` of the same axes out, in the dtype of ``counts``."""
    frames, rows, columns, channels = counts.shape
    for n in range(frames):
        for y in range(rows):
            for x in range(columns):
                out = counts[n, y, x]
                out[:] = 0
                for dy in range(kernel[0]):
                    for dx in range(kernel[1]):
                        source = codes[n, y * stride[0] + dy, x * stride[1] + dx]
                        for c in range(channels):
                            out[c] += source[c]
