"""The codes that correct rounding gives a float network at the units that an integer network declares.

Units are the network's own: ``Delta`` per channel, ``s1`` and ``s2``, the branch shifts. What an undamaged network holds is then no
further from the float value than its rounding allows: half a code, and one for a threshold, which rounds up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qif_deploy.errors import FormatError, InputError
from qif_deploy.fixedpoint import rint_codes
from qif_deploy.ir.graph import Graph, QuantizedGraph
from qif_deploy.ir.nodes import QIF, Conv2d, Conv2dCodes, Dense, DenseCodes
from qif_deploy.neuron.params import QIFParams
from qif_deploy.passes.branches import Branch, branches_of, summed_bias
from qif_deploy.passes.scale_method import QuantizeOptions
from qif_deploy.shapes import ChannelFloats

Rows = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class IdealBranch:
    """A synapse as it stands in the network, and as rounding would have it; both ``(channel, fan_in)`` in codes.

    ``exact`` is ``W s_b / (Delta 2^k)`` before rounding, ``ideal`` after it. ``codes`` are the network's. ``shift`` is its k_b.
    """

    name: str
    node: DenseCodes | Conv2dCodes
    synapse: Dense | Conv2d
    codes: Rows
    exact: Rows
    ideal: Rows

    @property
    def shift(self) -> int:
        """The network's k_b."""
        return self.node.shift

    @property
    def holds(self) -> bool:
        """Whether every code is the rounded one."""
        return bool((self.codes == self.ideal).all())

    @property
    def ideal_weight(self) -> Rows:
        """The rounded codes in the shape of the synapse."""
        return self.ideal.reshape(self.node.weight.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdealNode:
    """Branches and bias of a population or readout; ``bias`` is the exact sum in codes, ``delta`` one value per channel.

    ``params`` is None for the readout.
    """

    name: str
    branches: tuple[IdealBranch, ...]
    bias: ChannelFloats
    delta: ChannelFloats
    params: QIFParams | None

    @property
    def holds(self) -> bool:
        """Whether the weights are the rounded ones in every branch."""
        return all(branch.holds for branch in self.branches)


def ideal_nodes(graph: Graph, quantized: QuantizedGraph) -> dict[str, IdealNode]:
    """Return populations and readout with their ideal codes.

    Raises:
        InputError: networks that are not of one origin: populations, synapses or shapes differ.
    """
    _require_same_origin(graph, quantized)
    found = {}
    for name in (*quantized.populations, quantized.readout):
        branches = branches_of(graph, name, quantized.number_format, QuantizeOptions())
        node = graph.nodes[name]
        params = node.params.broadcast(branches[0].rows.shape[0]) if isinstance(node, QIF) else None
        if params is None:
            delta: ChannelFloats = np.full(branches[0].rows.shape[0], quantized.readout_node().delta)
        else:
            delta = quantized.population(name).delta
        bias = np.array([float(b) for b in summed_bias(branches, None if params is None else params.c0)])
        found[name] = IdealNode(
            name=name,
            branches=tuple(_branch(branch, quantized, delta) for branch in branches),
            bias=bias / delta,
            delta=delta,
            params=params,
        )
    return found


def _branch(branch: Branch, quantized: QuantizedGraph, delta: ChannelFloats) -> IdealBranch:
    node = quantized.nodes[branch.name]
    assert isinstance(node, DenseCodes | Conv2dCodes)
    unit = (delta * 2.0**node.shift)[:, None]
    exact = branch.rows * float(branch.signal.code_value) / unit
    try:
        ideal = rint_codes(branch.rows, unit, code_value=branch.signal.code_value).astype(np.float64)
    except FormatError:  # a unit so wrong that codes leave 2**53; the float quotient then says enough
        ideal = np.rint(exact)
    return IdealBranch(
        name=branch.name,
        node=node,
        synapse=branch.synapse,
        codes=node.weight.reshape(branch.rows.shape).astype(np.float64),
        exact=exact,
        ideal=ideal,
    )


def _require_same_origin(graph: Graph, quantized: QuantizedGraph) -> None:
    hint = "they are not of one origin; give the model that the network was quantised from"
    if set(graph.populations) != set(quantized.populations):
        raise InputError(f"the model has populations {list(graph.populations)}, the network {list(quantized.populations)}; {hint}")
    if graph.readout != quantized.readout or set(graph.inputs) != set(quantized.inputs):
        raise InputError(
            f"the model reads {list(graph.inputs)} and answers at {graph.readout!r}, the network reads {list(quantized.inputs)} and "
            f"answers at {quantized.readout!r}; {hint}"
        )
    synapses = {name: node for name, node in graph.nodes.items() if isinstance(node, Dense | Conv2d)}
    codes = {name: node for name, node in quantized.nodes.items() if isinstance(node, DenseCodes | Conv2dCodes)}
    if set(synapses) != set(codes):
        raise InputError(f"the model has the synapses {sorted(synapses)}, the network {sorted(codes)}; {hint}")
    for name, synapse in synapses.items():
        if synapse.weight.shape != codes[name].weight.shape:
            raise InputError(f"synapse {name!r}: weights {synapse.weight.shape} in the model, {codes[name].weight.shape} here; {hint}")
    for name in (*quantized.inputs, *quantized.populations, quantized.readout):
        if graph.shapes[name] != quantized.shapes[name]:
            raise InputError(f"node {name!r}: shape {graph.shapes[name]} in the model, {quantized.shapes[name]} here; {hint}")


Ideal = Mapping[str, IdealNode]

__all__ = ["Ideal", "IdealBranch", "IdealNode", "ideal_nodes"]
