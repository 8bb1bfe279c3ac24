"""The reference: NumPy int64, layered without delay. Every other backend is compared with it by ``array_equal``."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_never

from qif_deploy.errors import BackendError
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, Conv2dCodes, DenseCodes, Flatten, Population, ReadoutCodes, Reduce, SumPool2d
from qif_deploy.neuron.fixed_step import fixed_step
from qif_deploy.shapes import InputCodes, channelwise
from qif_deploy.simulate.inputs import require_codes
from qif_deploy.simulate.synapses import conv2d, dense, sum_pool2d
from qif_deploy.simulate.trace import PopulationTrace, Trace

Codes = NDArray[np.int64]


def run_reference(graph: QuantizedGraph, inputs: Mapping[str, InputCodes]) -> Trace:
    """Execute ``graph`` on codes ``(time, batch, ...)`` from ``prepare_inputs``; every array exact in int64.

    Raises:
        InputError: codes, shapes or steps that the network does not declare or its proof does not cover.
        BackendError: an input beyond the int32 of the vectors.
    """
    require_codes(graph, inputs)
    signals: dict[str, Codes] = {}
    populations: dict[str, PopulationTrace] = {}
    readout: Codes | None = None
    for name in graph.order:
        node = graph.nodes[name]
        feeding = [signals[source] for source in graph.sources(name)]
        match node:
            case CodeInput():
                signals[name] = np.asarray(inputs[name], np.int64)
            case DenseCodes() | Conv2dCodes() | SumPool2d() | Flatten():
                signals[name] = _per_step(node, feeding[0])
            case Population():
                populations[name] = _run_population(name, node, sum(feeding[1:], feeding[0]))
                signals[name] = populations[name].s.astype(np.int64)
            case ReadoutCodes():
                i = sum(feeding[1:], feeding[0]) + node.bias
                readout = i.sum(axis=0) if node.reduce is Reduce.SUM else i[-1]
            case _:
                assert_never(node)
    assert readout is not None
    return Trace(inputs=inputs, populations=populations, readout=readout)


def _per_step(node: DenseCodes | Conv2dCodes | SumPool2d | Flatten, x: Codes) -> Codes:
    """Apply a stateless node to ``(time, batch, ...)``, both leading axes merged."""
    merged = x.reshape(-1, *x.shape[2:])
    match node:
        case DenseCodes():
            out = dense(merged, node.weight.astype(np.int64)) << node.shift
        case Conv2dCodes():
            out = conv2d(merged, node.weight.astype(np.int64), node.geometry) << node.shift
        case SumPool2d():
            out = sum_pool2d(merged, node.kernel, node.stride)
        case Flatten():
            out = merged.reshape(merged.shape[0], -1)
        case _:
            assert_never(node)
    return out.reshape(*x.shape[:2], *out.shape[1:])


def _run_population(name: str, node: Population, current: Codes) -> PopulationTrace:
    ndim = current.ndim - 2
    k = node.constants.laid_out(ndim)
    i = current + channelwise(node.constants.bias, ndim)
    r = np.broadcast_to(channelwise(node.constants.r0, ndim), current.shape[1:])
    u, s = np.empty(i.shape, np.int32), np.empty(i.shape, np.uint8)
    for t in range(i.shape[0]):
        step = fixed_step(r, i[t], k)
        u[t], s[t], r = step.u, step.s, step.r
    return PopulationTrace(i=_int32(name, i), u=u, s=s)


def _int32(name: str, i: Codes) -> NDArray[np.int32]:
    """Vectors hold ``i`` in int32; what does not fit is an error, never a wrap."""
    largest = int(np.abs(i).max(initial=0))
    if largest >= 2**31:
        raise BackendError(f"population {name!r}: i reaches {largest}, beyond the int32 of the vectors; requantise with fewer product_bits")
    return i.astype(np.int32)
