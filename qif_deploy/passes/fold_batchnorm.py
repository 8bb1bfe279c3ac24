"""Fold every BatchNorm into the synapse before it, in float64."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qif_deploy.errors import GraphError
from qif_deploy.ir.graph import Graph
from qif_deploy.ir.nodes import BatchNorm, Conv2d, Dense, FloatNode


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldReport:
    """What folding changed: per synapse the largest relative rounding error of a folded weight or bias."""

    residual: Mapping[str, float]


def fold_batchnorm(graph: Graph) -> tuple[Graph, FoldReport]:
    """Return an equal graph without BatchNorm, and the residual of the float64 arithmetic.

    ``W' = W g``, ``b' = (b - mean) g + shift`` with ``g = gain / sqrt(var + eps)`` per output channel. The residual is
    measured against the same formula in the widest float of the machine.

    Raises:
        GraphError: a folded weight or bias beyond float64.
    """
    nodes: dict[str, FloatNode] = dict(graph.nodes)
    residual: dict[str, float] = {}
    for name, norm in graph.nodes.items():
        if not isinstance(norm, BatchNorm):
            continue
        (source,) = graph.sources(name)
        synapse = graph.nodes[source]
        assert isinstance(synapse, Dense | Conv2d)
        with np.errstate(over="ignore", invalid="ignore"):
            weight, bias = _folded(synapse, norm, np.float64)
        for c in np.flatnonzero(~(np.isfinite(bias) & np.isfinite(weight.reshape(bias.size, -1)).all(axis=1)))[:1]:
            raise GraphError(
                f"batch norm {name!r}, channel {c}: folding it into {source!r} leaves float64 "
                f"(gain {norm.gain[c]:.3g}, mean {norm.mean[c]:.3g}, var {norm.var[c]:.3g}); check the checkpoint"
            )
        nodes[source] = replace(synapse, weight=weight, bias=bias)
        residual[source] = max(_relative(a, b) for a, b in zip((weight, bias), _folded(synapse, norm, np.longdouble), strict=True))
        del nodes[name]
    return Graph(nodes=nodes, edges=folded_edges(graph)), FoldReport(residual=MappingProxyType(residual))


def folded_edges(graph: Graph) -> tuple[tuple[str, str], ...]:
    """Return the edges of ``graph`` without its norms: each synapse feeds what its norm fed, in the place of its own edge."""
    target_of = {name: graph.targets(name)[0] for name, node in graph.nodes.items() if isinstance(node, BatchNorm)}
    return tuple((a, target_of.get(b, b)) for a, b in graph.edges if a not in target_of)


def folded_synapse(synapse: Dense | Conv2d, norm: BatchNorm) -> Dense | Conv2d:
    """Return the synapse with the norm behind it folded in, in float64."""
    weight, bias = _folded(synapse, norm, np.float64)
    return replace(synapse, weight=weight, bias=bias)


def _folded(synapse: Dense | Conv2d, norm: BatchNorm, dtype: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    gain = norm.gain.astype(dtype) / np.sqrt(norm.var.astype(dtype) + dtype(norm.eps))
    bias = np.zeros(gain.shape, dtype) if synapse.bias is None else synapse.bias.astype(dtype)
    weight = synapse.weight.astype(dtype) * gain.reshape(-1, *[1] * (synapse.weight.ndim - 1))
    return weight, (bias - norm.mean.astype(dtype)) * gain + norm.shift.astype(dtype)


def _relative(value: NDArray[Any], exact: NDArray[Any]) -> float:
    scale = np.abs(exact).max()
    return float(np.abs(value - exact).max() / scale) if scale > 0 else 0.0
