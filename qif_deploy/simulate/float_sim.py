"""The float network in NumPy, layered without delay: what was trained, in float64 or float32."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_never

from qif_deploy.errors import InputError
from qif_deploy.ir.graph import Graph
from qif_deploy.ir.nodes import QIF, AvgPool2d, BatchNorm, Conv2d, Dense, Flatten, Input, Readout, Reduce, SumPool2d
from qif_deploy.neuron.float_step import float_step
from qif_deploy.shapes import InputCodes, SpikeTrain, channelwise
from qif_deploy.simulate.synapses import conv2d, dense, sum_pool2d

Signal = Annotated[NDArray[Any], "(time, batch, channel, ...), float32 or float64"]
FloatType = type[np.float32] | type[np.float64]
Stateless = Dense | Conv2d | AvgPool2d | SumPool2d | Flatten | BatchNorm


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatPopulationTrace:
    """Input current ``x`` (without c0), ``u`` before reset, spikes ``s``; all ``(time, batch, channel, ...)``."""

    x: Signal
    u: Signal
    s: SpikeTrain


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatTrace:
    """One run: every population in topological order, and the readout ``(batch, class)``."""

    populations: Mapping[str, FloatPopulationTrace]
    readout: Annotated[NDArray[Any], "(batch, class)"]

    def __post_init__(self) -> None:
        object.__setattr__(self, "populations", MappingProxyType(dict(self.populations)))

    def spikes(self) -> dict[str, int]:
        """Number of spikes per population."""
        return {name: int(p.s.sum(dtype=np.int64)) for name, p in self.populations.items()}


def run_float(
    graph: Graph, inputs: Mapping[str, InputCodes], *, dtype: FloatType = np.float64, given: Mapping[str, SpikeTrain] | None = None
) -> FloatTrace:
    """Execute a float graph; the neuron is ``float_step``, the lines that the trainer runs.

    Args:
        graph: with or without BatchNorm nodes.
        inputs: integer codes ``(time, batch, ...)`` per input; the network sees ``code * scale``.
        dtype: of every constant, state and sum.
        given: spikes ``(time, batch, ...)`` that stand for those of a population. Then only what the readout needs beyond them is
            computed and returned.

    Raises:
        InputError: inputs other than the graph's, or of the wrong shape or dtype.
    """
    given = {} if given is None else given
    needed = _needed(graph, given)
    signals: dict[str, Signal] = {}
    populations: dict[str, FloatPopulationTrace] = {}
    readout: Signal | None = None
    for name in graph.order:
        if name in given:
            signals[name] = given[name].astype(dtype)
        if name in given or name not in needed:
            continue
        node = graph.nodes[name]
        feeding = [signals[source] for source in graph.sources(name)]
        match node:
            case Input():
                frame: Signal = _checked(graph, name, node, inputs).astype(dtype)
                signals[name] = frame * dtype(node.scale)
            case Dense() | Conv2d() | AvgPool2d() | SumPool2d() | Flatten() | BatchNorm():
                signals[name] = _per_step(node, feeding[0], dtype)
            case QIF():
                populations[name] = _run_population(node, sum(feeding[1:], feeding[0]), dtype)
                signals[name] = populations[name].s.astype(dtype)
            case Readout():
                current = sum(feeding[1:], feeding[0])
                readout = current.sum(axis=0) if node.reduce is Reduce.SUM else current[-1]
            case _:
                assert_never(node)
    assert readout is not None
    return FloatTrace(populations=populations, readout=readout)


def _needed(graph: Graph, given: Mapping[str, SpikeTrain]) -> set[str]:
    """Return the nodes that have to be computed: all of them, or those between what is given and the readout."""
    if not given:
        return set(graph.order)
    needed, waiting = set[str](), [graph.readout]
    while waiting:
        name = waiting.pop()
        if name not in needed and name not in given:
            needed.add(name)
            waiting += graph.sources(name)
    return needed


def _checked(graph: Graph, name: str, node: Input, inputs: Mapping[str, InputCodes]) -> InputCodes:
    if set(inputs) != set(graph.inputs):
        raise InputError(f"inputs {sorted(inputs)} given, the network has {sorted(graph.inputs)}; give one array for each")
    codes: InputCodes = np.asarray(inputs[name])
    if codes.shape[2:] != node.shape or codes.ndim != len(node.shape) + 2 or 0 in codes.shape:
        wanted = ", ".join(map(str, node.shape))
        raise InputError(f"input {name!r}: shape {codes.shape} does not fit; give (time, batch, {wanted})")
    if not np.issubdtype(codes.dtype, np.integer):
        raise InputError(f"input {name!r}: dtype {codes.dtype} is not integer; give codes {node.low}..{node.high}")
    return codes


def _per_step(node: Stateless, x: Signal, dtype: FloatType) -> Signal:
    """Apply a stateless node to ``(time, batch, ...)``, both leading axes merged."""
    merged = x.reshape(-1, *x.shape[2:])
    match node:
        case Dense():
            out = _biased(dense(merged, node.weight.astype(dtype)), node.bias, dtype)
        case Conv2d():
            out = _biased(conv2d(merged, node.weight.astype(dtype), node.geometry), node.bias, dtype)
        case AvgPool2d():
            out = sum_pool2d(merged, node.kernel, node.stride) / dtype(node.kernel[0] * node.kernel[1])
        case SumPool2d():
            out = sum_pool2d(merged, node.kernel, node.stride)
        case Flatten():
            out = merged.reshape(merged.shape[0], -1)
        case BatchNorm():
            out = _normalised(node, merged, dtype)
        case _:
            assert_never(node)
    return out.reshape(*x.shape[:2], *out.shape[1:])


def _biased(current: Signal, bias: NDArray[np.float64] | None, dtype: FloatType) -> Signal:
    return current if bias is None else current + channelwise(bias.astype(dtype), current.ndim - 1)


def _normalised(node: BatchNorm, x: Signal, dtype: FloatType) -> Signal:
    gain, shift, mean, var = (channelwise(v.astype(dtype), x.ndim - 1) for v in (node.gain, node.shift, node.mean, node.var))
    normalised: Signal = gain * (x - mean) / np.sqrt(var + dtype(node.eps)) + shift
    return normalised


def _run_population(node: QIF, x: Signal, dtype: FloatType) -> FloatPopulationTrace:
    p, ndim = node.params, x.ndim - 2
    names = ("c2", "c1", "c0", "theta", "u_reset", "reset_by")
    constants: dict[str, Any] = {name: channelwise(getattr(p, name).astype(dtype), ndim) for name in names}
    u_min = None if p.u_min is None else channelwise(p.u_min.astype(dtype), ndim)
    reached = np.greater_equal if p.spike_on_equal else np.greater
    r = np.broadcast_to(channelwise(p.r0.astype(dtype), ndim), x.shape[1:])
    u, s = np.empty_like(x), np.empty(x.shape, np.uint8)
    for t in range(x.shape[0]):
        step = float_step(r, x[t], u_min=u_min, reset=p.reset, spike=lambda u, theta: reached(u, theta).astype(dtype), **constants)
        u[t], s[t], r = step.u, step.s, step.r
    return FloatPopulationTrace(x=x, u=u, s=s)
