"""The float branches of a population or readout, each seen as one row of weights per output channel."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from qif_deploy.analysis.fan_in import sum_range
from qif_deploy.analysis.signal_range import Signal, signal_of
from qif_deploy.errors import GraphError
from qif_deploy.ir.graph import Graph
from qif_deploy.ir.nodes import Conv2d, Dense
from qif_deploy.shapes import ChannelCodes, ChannelFloats


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One synapse into a population: its node, its weights as ``(channel, fan_in)``, and what it reads.

    ``largest`` is the largest ``|W| s_b`` per channel, what one code of the signal can add; ``fan_in`` counts weights that are not zero.
    """

    name: str
    synapse: Dense | Conv2d
    rows: Annotated[NDArray[np.float64], "(channel, fan_in)"]
    signal: Signal
    largest: ChannelFloats
    fan_in: ChannelCodes

    def current_range(self) -> tuple[ChannelFloats, ChannelFloats]:
        """Range of the branch's input current per channel, in float units, bias excluded."""
        low, high = sum_range(self.synapse.weight, self.synapse.geometry if isinstance(self.synapse, Conv2d) else None, self.signal)
        value = float(self.signal.code_value)
        return low * value, high * value


def branches_of(graph: Graph, target: str) -> tuple[Branch, ...]:
    """Collect the branches of ``target`` in edge order.

    Raises:
        GraphError: a BatchNorm is still in the way; fold it first.
    """
    found = []
    for name in graph.sources(target):
        synapse = graph.nodes[name]
        if not isinstance(synapse, Dense | Conv2d):
            raise GraphError(f"node {name!r}: {type(synapse).__name__} before {target!r} cannot be quantised; run fold_batchnorm first")
        rows = synapse.weight.reshape(synapse.weight.shape[0], -1)
        signal = signal_of(graph, graph.sources(name)[0])
        largest = np.abs(rows).max(axis=1) * float(signal.code_value)
        fan_in = np.count_nonzero(rows, axis=1)
        found.append(Branch(name=name, synapse=synapse, rows=rows, signal=signal, largest=largest, fan_in=fan_in))
    return tuple(found)


def summed_bias(branches: tuple[Branch, ...], c0: ChannelFloats | None = None) -> list[Fraction]:
    """Return the exact sum of all branch biases and ``c0`` per channel."""
    channels = branches[0].rows.shape[0]
    parts = [b.synapse.bias for b in branches if b.synapse.bias is not None] + ([] if c0 is None else [c0])
    return [sum((Fraction(float(part[c])) for part in parts), Fraction(0)) for c in range(channels)]
