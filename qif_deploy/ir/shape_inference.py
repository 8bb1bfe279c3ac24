"""Output shape of every node, without time and batch axes."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from typing_extensions import assert_never

from qif_deploy.errors import GraphError
from qif_deploy.ir.nodes import (
    QIF,
    AvgPool2d,
    BatchNorm,
    CodeInput,
    Conv2d,
    Conv2dCodes,
    Dense,
    DenseCodes,
    Flatten,
    Input,
    Node,
    Population,
    Readout,
    ReadoutCodes,
    SumPool2d,
)
from qif_deploy.shapes import Shape


def infer_shapes(nodes: Mapping[str, Node], edges: tuple[tuple[str, str], ...], order: tuple[str, ...]) -> dict[str, Shape]:
    """Return name -> output shape.

    Raises:
        GraphError: a node that cannot take what feeds it; names node, shape and expectation.
    """
    shapes: dict[str, Shape] = {}
    for name in order:
        feeding = [(a, shapes[a]) for a, b in edges if b == name]
        if len({shape for _, shape in feeding}) > 1:
            listed = ", ".join(f"{a!r} {shape}" for a, shape in feeding)
            raise GraphError(f"node {name!r}: its branches have different shapes ({listed}); a join needs equal ones")
        shapes[name] = _output_shape(name, nodes[name], feeding[0][1] if feeding else ())
    return shapes


def _output_shape(name: str, node: Node, shape: Shape) -> Shape:
    match node:
        case Input() | CodeInput():
            return node.shape
        case Flatten():
            return (prod(shape),)
        case Dense() | DenseCodes():
            if shape != (node.weight.shape[1],):
                raise GraphError(
                    f"node {name!r}: weight {node.weight.shape} takes ({node.weight.shape[1]},), not {shape}; a Flatten may be missing"
                )
            return (node.weight.shape[0],)
        case Conv2d() | Conv2dCodes():
            return _conv_shape(name, node, shape)
        case AvgPool2d() | SumPool2d():
            if len(shape) != 3 or any(n < k for n, k in zip(shape[1:], node.kernel, strict=True)):
                raise GraphError(f"node {name!r}: pool window {node.kernel} does not fit input {shape}; it needs (channel, height, width)")
            out = tuple((n - k) // s + 1 for n, k, s in zip(shape[1:], node.kernel, node.stride, strict=True))
            return (shape[0], *out)
        case BatchNorm() | QIF() | Population() | Readout() | ReadoutCodes():
            channels = _channels(node)
            if channels not in (None, 1 if isinstance(node, QIF) else None, shape[0]):
                raise GraphError(f"node {name!r}: {channels} channels, its input {shape} has {shape[0]}; give one value per channel")
            if isinstance(node, Readout | ReadoutCodes) and len(shape) != 1:
                raise GraphError(f"node {name!r}: a readout takes (class,), not {shape}; a Flatten and Dense may be missing")
            return shape
        case _:
            assert_never(node)


def _conv_shape(name: str, node: Conv2d | Conv2dCodes, shape: Shape) -> Shape:
    out_channels, per_group, *kernel = node.weight.shape
    g = node.geometry
    if len(shape) != 3 or shape[0] != per_group * g.groups or out_channels % g.groups:
        raise GraphError(
            f"node {name!r}: weight {node.weight.shape} with {g.groups} groups takes {per_group * g.groups} channels, not {shape}"
        )
    height, width = g.output_size((shape[1], shape[2]), (kernel[0], kernel[1]))
    if height < 1 or width < 1:
        raise GraphError(f"node {name!r}: kernel {tuple(kernel)} with {g.padding} padding leaves nothing of {shape}; use a smaller kernel")
    return (out_channels, height, width)


def _channels(node: Node) -> int | None:
    match node:
        case BatchNorm():
            return int(node.gain.size)
        case QIF():
            return node.params.channels
        case Population():
            return node.constants.channels
        case ReadoutCodes():
            return int(node.bias.size)
        case _:
            return None
