"""A NIR graph run as its nodes say, one node and one step at a time: a second definition, with torch for the convolutions."""

from __future__ import annotations

import graphlib

import nir
import numpy as np
import torch
from torch.nn import functional

DT = 1e-4


def run_nir(graph: nir.NIRGraph, codes: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Spikes of every neuron node and the values at the output, ``(time, batch, ...)``; one input, one output, Euler with DT."""
    order = graphlib.TopologicalSorter({name: [a for a, b in graph.edges if b == name] for name in graph.nodes})
    names = list(order.static_order())
    states: dict[str, torch.Tensor] = {}
    spikes: dict[str, list[np.ndarray]] = {}
    out = []
    for frame in codes:
        values: dict[str, torch.Tensor] = {}
        for name in names:
            node = graph.nodes[name]
            feeding = [values[a] for a, b in graph.edges if b == name]
            x = torch.tensor(frame, dtype=torch.float64) if isinstance(node, nir.Input) else sum(feeding[1:], feeding[0])
            values[name] = _step(name, node, x, states)
            if isinstance(node, nir.IF | nir.LIF | nir.Threshold):
                spikes.setdefault(name, []).append(values[name].numpy())
            if isinstance(node, nir.Output):
                out.append(values[name].numpy())
    return {name: np.stack(rows) for name, rows in spikes.items()}, np.stack(out)


def _step(name: str, node: nir.NIRNode, x: torch.Tensor, states: dict[str, torch.Tensor]) -> torch.Tensor:
    def real(value: object) -> torch.Tensor:
        return torch.tensor(np.asarray(value, np.float64))

    match node:
        case nir.Input() | nir.Output():
            return x
        case nir.NIRGraph():
            raise AssertionError("dissolve subgraphs by hand for the oracle")
        case nir.Affine():
            return x @ real(node.weight).T + real(node.bias)
        case nir.Linear():
            return x @ real(node.weight).T
        case nir.Conv1d():
            return functional.conv1d(
                x, real(node.weight), real(node.bias), int(node.stride), _pad(node.padding), int(node.dilation), int(node.groups)
            )
        case nir.Conv2d():
            two = (tuple(np.broadcast_to(value, 2).tolist()) for value in (node.stride, node.dilation))
            stride, dilation = two
            padding = node.padding if isinstance(node.padding, str) else tuple(np.broadcast_to(node.padding, 2).tolist())
            return functional.conv2d(x, real(node.weight), real(node.bias), stride, padding, dilation, int(node.groups))
        case nir.SumPool2d() | nir.AvgPool2d():
            kernel, stride = (tuple(np.broadcast_to(value, 2).tolist()) for value in (node.kernel_size, node.stride))
            mean = functional.avg_pool2d(x, kernel, stride)
            return mean * (kernel[0] * kernel[1]) if isinstance(node, nir.SumPool2d) else mean
        case nir.Flatten():
            return x.flatten(1)
        case nir.Scale():
            return x * real(node.scale)
        case nir.Threshold():
            return (x > real(node.threshold)).double()
        case nir.IF() | nir.LIF():
            v = states.get(name, torch.zeros_like(x) + real(node.v_reset))
            v = (
                v + DT * real(node.r) * x
                if isinstance(node, nir.IF)
                else v + DT / real(node.tau) * (real(node.v_leak) - v + real(node.r) * x)
            )
            z = v > real(node.v_threshold)
            states[name] = torch.where(z, real(node.v_reset), v)
            return z.double()
        case nir.I():
            states[name] = states.get(name, torch.zeros_like(x)) + DT * real(node.r) * x
            return states[name]
        case _:
            raise AssertionError(f"the oracle does not know {type(node).__name__}")


def _pad(padding: object) -> object:
    return padding if isinstance(padding, str) else int(np.asarray(padding).reshape(()))


__all__ = ["DT", "run_nir"]
