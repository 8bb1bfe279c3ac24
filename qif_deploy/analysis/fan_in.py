"""Range of the sums over the fan-in: every synapse alone, and all branches of a population or readout together."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qif_deploy.analysis.interval import Interval
from qif_deploy.analysis.signal_range import Signal
from qif_deploy.errors import FormatError
from qif_deploy.ir.nodes import Conv2dCodes, ConvGeometry, DenseCodes
from qif_deploy.shapes import ChannelCodes

Taps = tuple[bool, ...]
BLOCK = 2**18
"""Weights that are widened to 64 bits at a time: a proof should not need more memory than the run that it is for."""

EXACT_BITS = 60
"""Sums beyond this many bits are refused, so that int64 holds every one that is formed here."""


def branch_ranges(
    synapses: Mapping[str, DenseCodes | Conv2dCodes], signals: Mapping[str, Signal], bias: ChannelCodes
) -> tuple[Interval, Interval]:
    """Return the hull of ``acc`` over the branches and the range of ``i``; exact in int64.

    Branches that read one node with equal geometry act as one synapse: their weights, shifts included, are added before the
    extremes are taken. All others are taken for independent of each other.

    Args:
        synapses: branch name -> synapse, all into one population or readout.
        signals: branch name -> the codes that it reads.
        bias: bias codes per channel.

    Raises:
        FormatError: a shifted sum beyond 60 bits.
    """
    alone: dict[str, Interval] = {}
    bound = int(np.abs(bias).max())
    for name, synapse in synapses.items():
        alone[name] = synapse_range(synapse, signals[name])
        bound += int(alone[name].magnitude.max()) << synapse.shift
        if bound >= 2**EXACT_BITS:
            raise FormatError(
                f"synapse {name!r}: with it the input may reach {bound}, beyond {EXACT_BITS} bits; use fewer weight_bits or smaller shifts"
            )
    lo, hi = bias.copy(), bias.copy()
    for names in _joined(synapses, signals):
        if len(names) == 1:
            low, high = (end << synapses[names[0]].shift for end in (alone[names[0]].lo, alone[names[0]].hi))
        else:
            weights = [(synapses[name].weight, synapses[name].shift) for name in names]
            low, high = _summed_range(weights, _geometry(synapses[names[0]]), signals[names[0]])
        lo, hi = lo + low, hi + high
    return functools.reduce(Interval.hull, alone.values()), Interval(lo=lo, hi=hi)


def synapse_range(synapse: DenseCodes | Conv2dCodes, signal: Signal) -> Interval:
    """Return the range of the sum over the fan-in, per output channel, before the branch shift.

    Raises:
        FormatError: a sum beyond 60 bits.
    """
    largest = largest_fan_in(synapse.weight) * max(abs(signal.low), abs(signal.high))  # Python integers: cannot wrap
    if largest >= 2**EXACT_BITS:
        raise FormatError(
            f"a sum over the fan-in may reach {largest}, beyond {EXACT_BITS} bits; use a smaller input range or fewer weight_bits"
        )
    low, high = _summed_range([(synapse.weight, 0)], _geometry(synapse), signal)
    return Interval(lo=low, hi=high)


def _summed_range(
    weights: list[tuple[NDArray[np.int32], int]], geometry: ConvGeometry | None, signal: Signal
) -> tuple[NDArray[Any], NDArray[Any]]:
    """``sum_range`` of the sum of ``weights``, each shifted to the left, in int64; a few output channels at a time."""
    blocks = zip(*(_blocks(weight) for weight, _ in weights), strict=True)
    shifts = [shift for _, shift in weights]
    found = []
    for block in blocks:
        total = sum(rows.astype(np.int64) << shift for rows, shift in zip(block, shifts, strict=True))
        assert isinstance(total, np.ndarray)
        found.append(sum_range(total.reshape(-1, *weights[0][0].shape[1:]), geometry, signal))
    return np.concatenate([low for low, _ in found]), np.concatenate([high for _, high in found])


def _blocks(weight: NDArray[np.int32]) -> list[NDArray[np.int32]]:
    """Cut the output channels so that a block has about BLOCK weights; rows ``(channel, weight)``."""
    rows = weight.reshape(weight.shape[0], -1)
    return np.array_split(rows, min(len(rows), -(-rows.size // BLOCK)))


def largest_fan_in(weight: NDArray[np.int32]) -> int:
    """Return the largest sum of weight magnitudes of an output channel."""
    return max(int(np.abs(rows.astype(np.int64)).sum(axis=1).max()) for rows in _blocks(weight))


def sum_range(weight: NDArray[Any], geometry: ConvGeometry | None, signal: Signal) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return lowest and highest sum of ``weight * code`` per output channel, in the dtype of ``weight``.

    Padding only ever removes terms. Where the size of the map is known, the sum runs over those taps of the kernel that meet the
    map together at some output position; else any tap may be missing.

    Args:
        weight: ``(out, in)``, or ``(out, in / groups, height, width)`` with a geometry.
        geometry: of a convolution, None for a dense synapse.
        signal: the codes that are read.
    """
    if geometry is None or geometry.padding == (0, 0):
        return _extremes(weight.reshape(weight.shape[0], -1), signal.low, signal.high)
    if signal.size is None:
        return _extremes(weight.reshape(weight.shape[0], -1), min(signal.low, 0), max(signal.high, 0))
    only_largest = signal.low <= 0 <= signal.high  # then a missing tap cannot reach further than a silent one
    rows, columns = (_taps(geometry, axis, signal.size[axis], weight.shape[2 + axis], only_largest) for axis in (0, 1))
    found = [
        _extremes(weight[:, :, list(row)][:, :, :, list(column)].reshape(weight.shape[0], -1), signal.low, signal.high)
        for row in rows
        for column in columns
    ]
    return np.minimum.reduce([low for low, _ in found]), np.maximum.reduce([high for _, high in found])


def _extremes(rows: NDArray[Any], low: int, high: int) -> tuple[NDArray[Any], NDArray[Any]]:
    positive, negative = np.maximum(rows, 0).sum(axis=1), np.minimum(rows, 0).sum(axis=1)
    return positive * low + negative * high, positive * high + negative * low


def _taps(geometry: ConvGeometry, axis: int, size: int, kernel: int, only_largest: bool) -> list[Taps]:
    """Return which taps of a kernel meet the map together, one entry per kind of output position."""
    stride, padding, dilation = geometry.stride[axis], geometry.padding[axis], geometry.dilation[axis]
    positions = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    kinds = {tuple(0 <= n * stride - padding + tap * dilation < size for tap in range(kernel)) for n in range(positions)}
    if only_largest:
        kinds = {a for a in kinds if not any(a != b and all(y or not x for x, y in zip(a, b, strict=True)) for b in kinds)}
    return sorted(kinds)


def _joined(synapses: Mapping[str, DenseCodes | Conv2dCodes], signals: Mapping[str, Signal]) -> list[list[str]]:
    """Group the branches that read one node with equal geometry."""
    groups: list[list[str]] = []
    for name, synapse in synapses.items():
        for group in groups:
            other = synapses[group[0]]
            same_codes = signals[name].node is not None and signals[name] == signals[group[0]]
            if same_codes and _geometry(synapse) == _geometry(other) and synapse.weight.shape == other.weight.shape:
                group.append(name)
                break
        else:
            groups.append([name])
    return groups


def _geometry(synapse: DenseCodes | Conv2dCodes) -> ConvGeometry | None:
    return synapse.geometry if isinstance(synapse, Conv2dCodes) else None


__all__ = ["branch_ranges", "largest_fan_in", "sum_range", "synapse_range"]
