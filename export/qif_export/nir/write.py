"""Write an integer network as NIR.

How it is carried, field by field:

| in the network | in the file |
| --- | --- |
| CodeInput NAME | standard `Input` named `NAME:input`, then our `QIFInput` named NAME: shape, low, high, scale |
| DenseCodes | `Linear`, weight float32 = code * 2^shift |
| Conv2dCodes | `Conv2d`, weight likewise, bias zero (it is in the population), geometry as pairs, groups as they are |
| SumPool2d, Flatten | `SumPool2d` with padding zero; `Flatten` over all axes, which in NIR do not count the batch |
| Population | our `QIF` (nodes.py): codes per channel, widths, rounding, overflow, comparison, reset; float view; delta |
| ReadoutCodes NAME | our `QIFReadout` named NAME: bias, reduce, delta, then standard `Output` named `NAME:output` |
| number format, steps, provenance, hashes | metadata `qif` of the graph, one JSON text with the schema version |

What decides a result is a node field. Two things sit in metadata, where standard nodes leave no other place: the exponent
that splits a synapse's weight into code and shift (its value is complete without it) with the hash of the codes, and the facts of
the whole network. Own nodes for input and readout, because standard `Input` and `I` take neither a code range nor a bias.

Nodes and edges are sorted, so equal networks give equal bytes; the order in which nodes were listed is not kept.
Grouped and non-square convolutions are written as they are: expanding them for the type check of the stock reader, which
refuses the file anyway for the node types it does not know, would cost a factor of `groups` in size.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from qif_deploy.atomic import atomic_path
from qif_deploy.errors import BackendError, InputError
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, Conv2dCodes, DenseCodes, Flatten, Population, ReadoutCodes, SumPool2d
from qif_deploy.neuron.constants import CODE_FIELDS
from qif_deploy.shapes import Shape, channelwise
from qif_export.export_report import Carried, ExportReport, FieldOutcome, sha256_of
from qif_export.nir import nodes as own
from qif_export.nir._nir import nir
from qif_export.nir.boundary import bounded_edges, bounded_nodes
from qif_export.nir.network_facts import KEY, NetworkFacts, SynapseFacts, codes_sha256
from qif_export.nir.read import read_nir
from qif_export.nir.stream import StreamedGraph


def write_nir(graph: QuantizedGraph, path: Path) -> ExportReport:
    """Write ``graph`` to ``path``, read it back and compare; the file appears only when both are equal.

    Raises:
        InputError: the file cannot be written there.
        BackendError: the file does not read back as the same network.
    """
    with atomic_path(path) as temporary:
        _streamed(graph).write(temporary)
        try:
            found = read_nir(temporary)
        except InputError as error:
            raise BackendError(f"NIR file {str(path)!r} cannot be read back ({error}); nothing was written, please report this") from error
        if found != graph:
            raise BackendError(f"NIR file {str(path)!r} reads back as another network; nothing was written, please report this")
        digest = sha256_of(temporary)
    return ExportReport(path=Path(path), sha256=digest, outcomes=_OUTCOMES)


def to_nir(graph: QuantizedGraph) -> Any:
    """Return the ``nir.NIRGraph`` of ``graph``, sorted; ``Any`` since nir ships no types."""
    # The stock type check computes both output sizes of a convolution from the kernel's height and knows no groups.
    streamed = _streamed(graph)
    return nir.NIRGraph(nodes=dict(_nodes(graph)), edges=streamed.edges, metadata=streamed.metadata, type_check=False)


def _nodes(graph: QuantizedGraph) -> Iterator[tuple[str, Any]]:
    return bounded_nodes(graph, lambda name: _node(graph, name))


def _streamed(graph: QuantizedGraph) -> StreamedGraph:
    return StreamedGraph(lambda: _nodes(graph), bounded_edges(graph), {KEY: NetworkFacts.of(graph).to_json()})


def _node(graph: QuantizedGraph, name: str) -> Any:
    node, shape = graph.nodes[name], np.array(graph.shapes[name], np.int64)
    bits = graph.number_format.weight_bits
    match node:
        case CodeInput():
            return own.QIFInput(input_shape=shape, low=node.low, high=node.high, scale=float(node.scale))
        case DenseCodes():
            return nir.Linear(weight=_weight(node), metadata=_synapse_metadata(node, bits))
        case Conv2dCodes():
            g = node.geometry
            return nir.Conv2d(
                input_shape=np.array(_fed(graph, name)[1:], np.int64),
                weight=_weight(node),
                stride=np.array(g.stride, np.int64),
                padding=np.array(g.padding, np.int64),
                dilation=np.array(g.dilation, np.int64),
                groups=g.groups,
                bias=np.zeros(node.weight.shape[0], np.float32),
                metadata=_synapse_metadata(node, bits),
            )
        case SumPool2d():
            pairs = (np.array(pair, np.int64) for pair in (node.kernel, node.stride, (0, 0)))
            return nir.SumPool2d(*pairs)
        case Flatten():
            return nir.Flatten(input_type={"input": np.array(_fed(graph, name), np.int64)}, start_dim=0, end_dim=-1)
        case Population():
            return _population(node, shape)
        case ReadoutCodes():
            return own.QIFReadout(input_shape=shape, bias=node.bias, reduce=node.reduce.value, delta=float(node.delta))


def _population(node: Population, shape: Any) -> own.QIF:
    k = node.constants
    f = k.number_format
    channelled = own.quadratic_view(k) | {name: getattr(k, name) for name in CODE_FIELDS} | {"delta": node.delta}
    # Any: an array each, None for the two that may be absent
    laid_out: dict[str, Any] = {"v_threshold": None}
    laid_out |= {name: None if value is None else channelwise(value, len(shape)) for name, value in channelled.items()}
    return own.QIF(
        input_shape=shape,
        dt=own.DT,
        s1=k.s1,
        weight_bits=f.weight_bits,
        coef_bits=f.coef_bits,
        state_bits=f.state_bits,
        product_bits=f.product_bits,
        rounding=f.rounding.value,
        overflow=own.OVERFLOW,
        spike=own.SPIKE if k.spiking else own.NO_SPIKE,
        reset_mode=k.reset_mode.value,
        **laid_out,
    )


def _weight(node: DenseCodes | Conv2dCodes) -> Any:
    """Codes of at most 15 bits times a power of two up to 2^30: exact in float32."""
    return np.ldexp(node.weight.astype(np.float32), node.shift)


def _synapse_metadata(node: DenseCodes | Conv2dCodes, weight_bits: int) -> dict[str, str]:
    facts = SynapseFacts(weight_exponent=node.shift, weight_bits=weight_bits, weight_sha256=codes_sha256(node.weight))
    return {KEY: facts.to_json()}


def _fed(graph: QuantizedGraph, name: str) -> Shape:
    return graph.shapes[graph.sources(name)[0]]


_OUTCOMES = (
    FieldOutcome(field="weight", carried=Carried.EXACT, reason="float32 code * 2^shift, exponent and hash beside it"),
    FieldOutcome(field="shift", carried=Carried.EXACT),
    FieldOutcome(field="geometry", carried=Carried.EXACT, reason="groups and non-square kernels as they are"),
    FieldOutcome(field="population codes", carried=Carried.EXACT, reason="integers, with an exact float view"),
    FieldOutcome(field="delta", carried=Carried.EXACT),
    FieldOutcome(field="input codes and scale", carried=Carried.EXACT),
    FieldOutcome(field="readout", carried=Carried.EXACT),
    FieldOutcome(field="number format", carried=Carried.EXACT),
    FieldOutcome(field="steps", carried=Carried.EXACT),
    FieldOutcome(field="provenance", carried=Carried.EXACT),
    FieldOutcome(field="order of listing", carried=Carried.DROPPED, reason="nodes and edges are sorted; it decides no result"),
)

__all__ = ["to_nir", "write_nir"]
