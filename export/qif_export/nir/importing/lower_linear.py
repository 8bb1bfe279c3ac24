"""Linear parts of a foreign graph, and the shapes that they leave: synapses, pools, flattens."""

from __future__ import annotations

from math import prod

from qif_deploy.errors import InputError, UnsupportedError
from qif_deploy.ir.nodes import AvgPool2d, Conv2d, Dense, SumPool2d
from qif_deploy.shapes import Shape
from qif_export.nir.importing.parts import FlattenAxes
from qif_export.nir.importing.signals import Signal, through_flatten, through_synapse
from qif_export.nir.importing.walk import Walk


def through_linear(walk: Walk, name: str, part: Dense | Conv2d, signal: Signal) -> Signal:
    """Return the signal behind a dense layer or a convolution.

    Raises:
        InputError: the weights take another shape.
    """
    used = walk.names[name]
    if isinstance(part, Dense):
        flat = signal
        if signal.shape != (part.weight.shape[1],):
            # Some tools apply a linear layer to the one axis that an image of one pixel has left.
            if prod(signal.shape) != part.weight.shape[1] or len(signal.shape) == 1:
                raise InputError(
                    f"its weight {part.weight.shape} takes ({part.weight.shape[1]},), not {signal.shape}; a Flatten may be missing"
                )
            if prod(signal.shape[1:]) != 1:
                raise InputError(
                    f"its weight {part.weight.shape} takes ({part.weight.shape[1]},), not {signal.shape}; put a Flatten before it"
                )
            flat = through_flatten(walk.unused(f"{used}.flat"), signal)
        return through_synapse(used, part, flat, (part.weight.shape[0],))
    return through_synapse(used, part, signal, _conv_shape(part, signal.shape))


def _conv_shape(conv: Conv2d, shape: Shape) -> Shape:
    g, (out, inside, *kernel) = conv.geometry, conv.weight.shape
    if len(shape) != 3 or shape[0] != inside * g.groups or out % g.groups:
        raise InputError(f"its weight {conv.weight.shape} with {g.groups} groups takes {inside * g.groups} channels, not {shape}")
    height, width = g.output_size((shape[1], shape[2]), (kernel[0], kernel[1]))
    if height < 1 or width < 1:
        raise InputError(f"its kernel {tuple(kernel)} with padding {g.padding} leaves nothing of {shape}")
    return out, height, width


def pooled_shape(pool: SumPool2d | AvgPool2d, shape: Shape) -> Shape:
    """Return the shape behind a pool; InputError where its window does not fit."""
    if len(shape) != 3 or any(n < k for n, k in zip(shape[1:], pool.kernel, strict=True)):
        raise InputError(f"its window {pool.kernel} does not fit a signal of shape {shape}")
    size = [(n - k) // s + 1 for n, k, s in zip(shape[1:], pool.kernel, pool.stride, strict=True)]
    return shape[0], size[0], size[1]


def flattened(walk: Walk, name: str, part: FlattenAxes, signal: Signal) -> Signal:
    """By the format axes count without the batch; a start of 1 that would leave the channels apart is a writer that counted it."""
    rank = len(signal.shape)
    end = part.end + rank if part.end < 0 else part.end
    one_dimensional = rank == 3 and signal.shape[1] == 1  # (channel, length) in the file
    if (part.start, end) == (0, rank - 1) or rank == 1 or (one_dimensional and (part.start, part.end) == (0, 1)):
        return through_flatten(walk.names[name], signal)
    if part.start == 1 and part.end in (-1, rank):
        walk.notes.append(f"node {name!r}: flatten from axis 1 read as counted with the batch, so over all axes")
        return through_flatten(walk.names[name], signal)
    raise UnsupportedError(
        f"axes {part.start}..{part.end} of {signal.shape} are flattened; only all axes together make a vector, flatten from 0 to -1"
    )


__all__ = ["flattened", "pooled_shape", "through_linear"]
