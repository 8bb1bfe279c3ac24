"""The float branches of a population or readout, each seen as one row of weights per output channel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from qif_deploy.analysis.fan_in import sum_range
from qif_deploy.analysis.signal_range import Signal, signal_of
from qif_deploy.errors import GraphError, InputError
from qif_deploy.fixedpoint import NumberFormat
from qif_deploy.ir.graph import Graph
from qif_deploy.ir.nodes import BatchNorm, Conv2d, Dense
from qif_deploy.passes.fold_batchnorm import folded_synapse
from qif_deploy.passes.scale_method import QuantizeOptions, blocks_of, reach_of, weight_limit
from qif_deploy.shapes import ChannelCodes, ChannelFloats

ACTIVITY = 0.2
"""Assumed mean square of a code relative to its largest; only ranks candidates, decides no result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One synapse into a population: its node, its weights as ``(channel, fan_in)``, and what it reads.

    ``limit`` is the largest weight code. ``reach`` is the weight magnitude per channel that gets it; ``largest`` is ``reach s_b``, what
    one code of the signal can add; ``fan_in`` counts weights that are not zero.
    """

    name: str
    synapse: Dense | Conv2d
    rows: Annotated[NDArray[np.float64], "(channel, fan_in)"]
    signal: Signal
    limit: int
    reach: ChannelFloats
    largest: ChannelFloats
    fan_in: ChannelCodes

    @property
    def activity(self) -> ChannelFloats:
        """Assumed sum over the fan-in of the squares of the codes."""
        found: ChannelFloats = self.fan_in * ACTIVITY * max(abs(self.signal.low), abs(self.signal.high)) ** 2
        return found

    def parts(self) -> Iterator[slice]:
        """Slices of the channels whose weights are worked on together."""
        return blocks_of(self.rows)

    def current_range(self) -> tuple[ChannelFloats, ChannelFloats]:
        """Range of the branch's input current per channel, in float units, bias excluded."""
        # Clipped weights included: a channel whose codes reach further than planned must not be proven for less.
        geometry = self.synapse.geometry if isinstance(self.synapse, Conv2d) else None
        low, high = sum_range(self.rows.reshape(self.synapse.weight.shape), geometry, self.signal)
        value = float(self.signal.code_value)
        return low * value, high * value


def branches_of(graph: Graph, target: str, number_format: NumberFormat, options: QuantizeOptions) -> tuple[Branch, ...]:
    """Collect the branches of ``target`` in edge order; a BatchNorm in between is folded into its synapse.

    Folding here, one population at a time, keeps the float64 weights of one population in memory and no more.

    Raises:
        GraphError: something else than a synapse, or a synapse with its norm, feeds ``target``.
        InputError: the options ask for wider weights than the format has.
    """
    found = []
    for source in graph.sources(target):
        name, synapse = _synapse_behind(graph, source, target)
        rows = synapse.weight.reshape(synapse.weight.shape[0], -1).astype(np.float64, copy=False)
        signal = signal_of(graph, graph.sources(name)[0])
        limit = weight_limit(width_of(name, number_format, options))
        reach = reach_of(rows, limit, options)
        found.append(
            Branch(
                name=name,
                synapse=synapse,
                rows=rows,
                signal=signal,
                limit=limit,
                reach=reach,
                largest=reach * float(signal.code_value),
                fan_in=np.count_nonzero(rows, axis=1),
            )
        )
    return tuple(found)


def width_of(name: str, number_format: NumberFormat, options: QuantizeOptions) -> int:
    """Return the weight width of a synapse: its own, or the format's.

    Raises:
        InputError: its own is wider than the format's.
    """
    bits = options.weight_bits.get(name, number_format.weight_bits)
    if bits > number_format.weight_bits:
        raise InputError(
            f"synapse {name!r}: weight_bits {bits} exceeds {number_format.weight_bits} of format {number_format.name!r}; "
            "give a smaller width or a wider target"
        )
    return bits


def _synapse_behind(graph: Graph, source: str, target: str) -> tuple[str, Dense | Conv2d]:
    node = graph.nodes[source]
    if isinstance(node, BatchNorm):
        (name,) = graph.sources(source)
        synapse = graph.nodes[name]
        assert isinstance(synapse, Dense | Conv2d)
        return name, folded_synapse(synapse, node)
    if not isinstance(node, Dense | Conv2d):
        raise GraphError(f"node {source!r}: {type(node).__name__} before {target!r} cannot be quantised; put a synapse there")
    return source, node


def summed_bias(branches: tuple[Branch, ...], c0: ChannelFloats | None = None) -> list[Fraction]:
    """Return the exact sum of all branch biases and ``c0`` per channel."""
    channels = branches[0].rows.shape[0]
    parts = [b.synapse.bias for b in branches if b.synapse.bias is not None] + ([] if c0 is None else [c0])
    return [sum((Fraction(float(part[c])) for part in parts), Fraction(0)) for c in range(channels)]
