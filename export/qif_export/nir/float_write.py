"""Write a float network as NIR.

How it is carried, field by field:

| in the network | in the file |
| --- | --- |
| Input NAME | standard `Input` named `NAME:input`, then our `QIFInput` named NAME: shape, low, high, scale |
| Dense | `Affine`, or `Linear` where there is no bias; float32 and float64 as they are |
| Conv2d | `Conv2d`; the format knows none without bias, so zeros stand for no bias |
| AvgPool2d, SumPool2d, Flatten | the standard nodes, padding zero; `Flatten` over all axes, which in NIR do not count the batch |
| QIF | our `QIF` (nodes.py): the equation with dt = 1, the coefficients of its forward Euler step, threshold, reset, start |
| Readout NAME | our `QIFReadout` named NAME: reduce, then standard `Output` named `NAME:output` |
| steps, data set, encoder, provenance, hash | metadata `qif` of the graph, one JSON text with the schema version |

The graph computes the same without its metadata. BatchNorm has no node in NIR: fold it first. Nodes and edges are sorted.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from qif_deploy.atomic import atomic_path
from qif_deploy.errors import BackendError, InputError, UnsupportedError
from qif_deploy.ir.graph import Graph
from qif_deploy.ir.nodes import QIF, AvgPool2d, BatchNorm, Conv2d, Dense, Flatten, Input, Readout, SumPool2d
from qif_deploy.neuron.params import QIFParams
from qif_deploy.shapes import Shape, channelwise
from qif_export.export_report import Carried, ExportReport, FieldOutcome, sha256_of
from qif_export.nir import nodes as own
from qif_export.nir._nir import nir
from qif_export.nir.boundary import bounded_edges, bounded_nodes
from qif_export.nir.float_facts import FloatFacts, float_sha256
from qif_export.nir.importing.importer import read_float_nir
from qif_export.nir.network_facts import KEY
from qif_export.nir.stream import StreamedGraph


def write_float_nir(graph: Graph, path: Path, facts: FloatFacts | None = None) -> ExportReport:
    """Write ``graph`` to ``path``, read it back and compare; the file appears only when both are equal.

    Raises:
        UnsupportedError: the graph holds BatchNorm.
        InputError: the file cannot be written there.
        BackendError: the file does not read back as the same network.
    """
    facts = FloatFacts() if facts is None else facts
    norms = [name for name, node in graph.nodes.items() if isinstance(node, BatchNorm)]
    if norms:
        raise UnsupportedError(f"nodes {norms[:6]} are BatchNorm, which NIR does not have; fold them into their synapses first")
    with atomic_path(path) as temporary:
        streamed_float(graph, facts).write(temporary)
        try:
            found = read_float_nir(temporary).graph
        except InputError as error:
            raise BackendError(f"NIR file {str(path)!r} cannot be read back ({error}); nothing was written, please report this") from error
        if float_sha256(found) != float_sha256(graph):
            raise BackendError(f"NIR file {str(path)!r} reads back as another network; nothing was written, please report this")
        digest = sha256_of(temporary)
    return ExportReport(path=Path(path), sha256=digest, outcomes=_OUTCOMES)


def streamed_float(graph: Graph, facts: FloatFacts) -> StreamedGraph:
    """Return the file of ``graph``, made as it is written."""
    return StreamedGraph(lambda: _nodes(graph), bounded_edges(graph), {KEY: facts.to_json(graph)})


def float_to_nir(graph: Graph, facts: FloatFacts | None = None) -> Any:
    """Return the ``nir.NIRGraph`` of ``graph``, sorted; ``Any`` since nir ships no types."""
    streamed = streamed_float(graph, FloatFacts() if facts is None else facts)
    return nir.NIRGraph(nodes=dict(_nodes(graph)), edges=streamed.edges, metadata=streamed.metadata, type_check=False)


def _nodes(graph: Graph) -> Iterator[tuple[str, Any]]:
    return bounded_nodes(graph, lambda name: _node(graph, name))


def _node(graph: Graph, name: str) -> Any:
    node, shape = graph.nodes[name], np.array(graph.shapes[name], np.int64)
    match node:
        case Input():
            return own.QIFInput(input_shape=shape, low=node.low, high=node.high, scale=float(node.scale))
        case Dense():
            return nir.Linear(weight=node.weight) if node.bias is None else nir.Affine(weight=node.weight, bias=node.bias)
        case Conv2d():
            return _convolution(node, graph.shapes[graph.sources(name)[0]])
        case AvgPool2d() | SumPool2d():
            pairs = (np.array(pair, np.int64) for pair in (node.kernel, node.stride, (0, 0)))
            return (nir.AvgPool2d if isinstance(node, AvgPool2d) else nir.SumPool2d)(*pairs)
        case Flatten():
            fed = np.array(graph.shapes[graph.sources(name)[0]], np.int64)
            return nir.Flatten(input_type={"input": fed}, start_dim=0, end_dim=-1)
        case QIF():
            return quadratic_node(node.params, graph.shapes[name])
        case Readout():
            return own.QIFReadout(input_shape=shape, reduce=node.reduce.value)
        case BatchNorm():
            raise AssertionError("refused before")


def _convolution(node: Conv2d, fed: Shape) -> Any:
    g = node.geometry
    return nir.Conv2d(
        input_shape=np.array(fed[1:], np.int64),
        weight=node.weight,
        stride=np.array(g.stride, np.int64),
        padding=np.array(g.padding, np.int64),
        dilation=np.array(g.dilation, np.int64),
        groups=g.groups,
        bias=np.zeros(node.weight.shape[0]) if node.bias is None else node.bias,
    )


def quadratic_node(params: QIFParams, shape: Shape) -> own.QIF:
    """Return the QIF node of a population of ``shape``."""
    values: dict[str, Any] = {  # Any: an array each, None for the clamp that may be absent
        "a2": params.c2,
        "a1": params.c1 - 1,
        "a0": params.c0,
        "r": np.ones(params.channels),
        "v_threshold": params.theta,
        "v_reset": params.u_reset,
        "c2": params.c2,
        "c1": params.c1,
        "c0": params.c0,
        "r0": params.r0,
        "reset_by": params.reset_by,
        "u_min": params.u_min,
    }
    # One value that serves the whole population stays one, also where there is one channel only: (1,) either way reads the same.
    axes = len(shape) if params.channels > 1 else 1
    laid_out: dict[str, Any] = {name: None if value is None else channelwise(value, axes) for name, value in values.items()}
    return own.QIF(
        input_shape=np.array(shape, np.int64),
        dt=own.DT,
        spike=own.SPIKE if params.spike_on_equal else own.STRICT,
        reset_mode=params.reset.value,
        **laid_out,
    )


_OUTCOMES = (
    FieldOutcome(field="weights and biases", carried=Carried.EXACT, reason="float32 and float64 as they are"),
    FieldOutcome(field="geometry", carried=Carried.EXACT, reason="groups, dilation and non-square kernels as they are"),
    FieldOutcome(field="populations", carried=Carried.EXACT, reason="float64 coefficients beside the equation"),
    FieldOutcome(field="inputs and readout", carried=Carried.EXACT),
    FieldOutcome(field="steps, data set, encoder, provenance", carried=Carried.EXACT),
    FieldOutcome(field="order of listing", carried=Carried.DROPPED, reason="nodes and edges are sorted; it decides no result"),
    FieldOutcome(field="bias of zeros", carried=Carried.DROPPED, reason="a convolution without bias and one of zeros are written alike"),
)

__all__ = ["float_to_nir", "quadratic_node", "streamed_float", "write_float_nir"]
