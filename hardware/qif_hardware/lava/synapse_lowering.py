"""One synapse of the network -> the Lava processes that carry it exactly, or the reasons why none can. Pure NumPy.

A dense layer is one Dense. A convolution is Lava's Conv, or its Sparse: Sparse is exact for every geometry and faster, but
spells every tap out, so that Conv takes what would be too large. Weights beyond what Dense and Sparse keep become several
processes of narrow digits.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from qif_deploy.analysis.range_proof import synapse_range
from qif_deploy.analysis.signal_range import signal_of
from qif_deploy.errors import UnsupportedError
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, Conv2dCodes, DenseCodes, SumPool2d
from qif_hardware.lava.layout import conv_weight_to_lava, dense_weight_to_lava, lava_shape, reversed_pair
from qif_hardware.lava.plan import DENSE_HALVINGS, ConvPlan, DensePlan, SparsePlan, SynapsePlan, Wire
from qif_hardware.lava.pool_folding import FoldedConv, fold_into_conv, fold_into_dense
from qif_hardware.lava.sparse_matrix import CompressedRows, compressed, conv_entries, count_entries, largest_row_sum, through_pool
from qif_hardware.lava.weight_digits import DIGIT_BITS, weight_digits

CONV_SUM_LIMIT = 2**23 - 1
"""Lava's Conv keeps 24 bits of a sum and wraps silently."""

DENSE_SUM_LIMIT = 2**31 - 1
"""Lava's Dense and Sparse sum in int32 and wrap silently; the sums are those of doubled weights."""

GEOMETRY_LIMIT = 127
"""Lava's Conv holds kernel, stride, padding, dilation and groups in int8."""

FASTER_ENTRIES = 1 << 22
"""Up to here a convolution becomes a Sparse without being asked: measured 6 to 60 times faster than Conv, at 12 bytes an entry."""

MOST_ENTRIES = 1 << 25
"""A larger matrix is not formed at all: half a gigabyte."""

MESSAGE_BITS = 24
"""Signed width of graded spikes: what the ports of the synapses declare. Lava itself does not check it."""


class Convolution(enum.Enum):
    """Which of Lava's processes carries convolutions: ``AUTO`` takes Sparse where it is faster or Conv cannot, else Conv."""

    AUTO = "auto"
    CONV = "conv"
    SPARSE = "sparse"


@dataclass(frozen=True, slots=True, kw_only=True)
class SynapseTask:
    """One synapse to lower: it hears ``source`` through ``pools`` (nearest to the synapse first), ``delay`` steps late."""

    graph: QuantizedGraph
    name: str
    source: str
    pools: tuple[str, ...]
    delay: int
    convolution: Convolution
    findings: list[str] = field(default_factory=list)

    @property
    def node(self) -> DenseCodes | Conv2dCodes:
        """The synapse."""
        node = self.graph.nodes[self.name]
        assert isinstance(node, DenseCodes | Conv2dCodes)
        return node

    @property
    def largest(self) -> int:
        """Largest magnitude of a sum."""
        return int(synapse_range(self.node, signal_of(self.graph, self.graph.sources(self.name)[0])).magnitude.max())

    def pool(self, name: str) -> SumPool2d:
        """Return one of ``pools``."""
        pool = self.graph.nodes[name]
        assert isinstance(pool, SumPool2d)
        return pool

    def wire(self, *, keep: tuple[int, int] | None = None, graded: bool = False) -> Wire:
        """Return how the process hears the source; spikes need no bits, but Lava casts a code without bits to bool."""
        node = self.graph.nodes[self.source]
        codes = isinstance(node, CodeInput) and (node.low < 0 or node.high > 1)
        return Wire(source=self.source, delay=self.delay, keep=keep, message_bits=MESSAGE_BITS if codes or graded else 0)


def lower_synapse(task: SynapseTask) -> tuple[SynapsePlan, ...]:
    """Return the processes whose sums, scaled, add up to what the synapse gives; reasons against it go to ``task.findings``."""
    node = task.node
    match node:
        case DenseCodes():
            return _dense(task, node)
        case Conv2dCodes():
            return _conv_or_sparse(task, node)


def _dense(task: SynapseTask, node: DenseCodes) -> tuple[DensePlan, ...]:
    graph, shape = task.graph, task.graph.shapes[task.source]
    weight: NDArray[np.int64] = node.weight.astype(np.int64)
    if task.pools:
        weight = weight.reshape(weight.shape[0], *graph.shapes[task.pools[0]])
        for name in task.pools:
            weight = fold_into_dense(weight, task.pool(name), _size_before(graph, name))
        weight = weight.reshape(weight.shape[0], -1)
    digits = weight_digits(weight)
    signal = signal_of(graph, task.source)
    for digit in digits:
        alone = DenseCodes(weight=digit.astype(np.int32), shift=0)
        _check_doubled(task, task.largest if len(digits) == 1 else int(synapse_range(alone, signal).magnitude.max()), "Dense")
    return tuple(
        DensePlan(
            name=_digit_name(task.name, n),
            wire=task.wire(),
            weight=dense_weight_to_lava(digit << DENSE_HALVINGS, shape).astype(np.int32),
            shift=node.shift + DIGIT_BITS * n,
        )
        for n, digit in enumerate(digits)
    )


def _conv_or_sparse(task: SynapseTask, node: Conv2dCodes) -> tuple[SynapsePlan, ...]:
    output = node.geometry.output_size(_size_before(task.graph, task.name), (node.weight.shape[2], node.weight.shape[3]))
    entries = count_entries(node, output, [task.pool(name) for name in task.pools])
    if task.convolution is Convolution.SPARSE or (task.convolution is Convolution.AUTO and entries <= FASTER_ENTRIES):
        return _sparse(task, node)
    conv, against = _conv(task, node)
    if conv is not None:
        return (conv,)
    if task.convolution is Convolution.CONV or entries > MOST_ENTRIES:
        larger = f"; its Sparse would hold {entries} weights, more than {MOST_ENTRIES}" if entries > MOST_ENTRIES else ""
        task.findings.extend(finding + larger for finding in against)
        return ()
    return _sparse(task, node)


def _sparse(task: SynapseTask, node: Conv2dCodes) -> tuple[SparsePlan, ...]:
    graph = task.graph
    shape = graph.shapes[graph.sources(task.name)[0]]
    entries = conv_entries(node, shape)
    for name in task.pools:
        entries = through_pool(entries, task.pool(name), graph.shapes[graph.sources(name)[0]])
    inputs = int(np.prod(graph.shapes[task.source]))
    rows = compressed(entries, inputs)
    digits = weight_digits(rows.values)
    signal = signal_of(graph, task.source)
    for digit in digits:
        one = CompressedRows(digit, rows.columns, rows.starts)
        _check_doubled(task, task.largest if len(digits) == 1 else largest_row_sum(one, signal.low, signal.high), "Sparse")
    return tuple(
        SparsePlan(
            name=_digit_name(task.name, n),
            # Spikes go as graded ones: Lava then multiplies, where for binary ones it first copies the columns that spiked.
            wire=task.wire(graded=True),
            values=(digit << DENSE_HALVINGS).astype(np.int32),
            columns=rows.columns.astype(np.int32),
            starts=rows.starts.astype(np.int32),
            inputs=inputs,
            shape=entries.shape,
            shift=node.shift + DIGIT_BITS * n,
        )
        for n, digit in enumerate(digits)
    )


def _conv(task: SynapseTask, node: Conv2dCodes) -> tuple[ConvPlan | None, list[str]]:
    """Return Lava's Conv, or None and why it cannot carry the synapse."""
    graph, against = task.graph, []
    if task.largest > CONV_SUM_LIMIT:
        against.append(
            f"synapse {task.name!r}: a sum may reach {task.largest}, which exceeds {CONV_SUM_LIMIT} of Lava's Conv (24 bits, wrapping); "
            "use smaller weights, a smaller input range or a smaller fan-in"
        )
    folded = FoldedConv(node.weight.astype(np.int64), node.geometry, None)
    try:
        for name in task.pools:
            folded = fold_into_conv(task.name, folded, task.pool(name), _size_before(graph, name))
    except UnsupportedError as error:
        return None, [*against, str(error)]
    g = folded.geometry
    extents = {"kernel": folded.weight.shape[2:], "stride": g.stride, "padding": g.padding, "dilation": g.dilation, "groups": (g.groups,)}
    against += [
        f"synapse {task.name!r}: {what} {max(values)} (pools folded in) exceeds {GEOMETRY_LIMIT} of Lava's Conv (int8); "
        "use a smaller one or a Dense layer"
        for what, values in extents.items()
        if max(values) > GEOMETRY_LIMIT
    ]
    if against:
        return None, against
    return ConvPlan(
        name=task.name,
        wire=task.wire(keep=None if folded.keep is None else reversed_pair(folded.keep)),
        weight=conv_weight_to_lava(folded.weight).astype(np.int32),
        input_shape=lava_shape(graph.shapes[task.source]),
        stride=reversed_pair(g.stride),
        padding=reversed_pair(g.padding),
        dilation=reversed_pair(g.dilation),
        groups=g.groups,
        shift=node.shift,
    ), []


def _check_doubled(task: SynapseTask, largest: int, process: str) -> None:
    if largest << DENSE_HALVINGS > DENSE_SUM_LIMIT:
        task.findings.append(
            f"synapse {task.name!r}: a sum may reach {largest}, its double exceeds {DENSE_SUM_LIMIT} of Lava's {process} (32 bits); "
            "use a smaller input range or fan-in"
        )


def _digit_name(name: str, digit: int) -> str:
    return name if digit == 0 else f"{name}.digit{digit}"


def _size_before(graph: QuantizedGraph, name: str) -> tuple[int, int]:
    """Return height and width of what feeds ``name``."""
    _, height, width = graph.shapes[graph.sources(name)[0]]
    return height, width
