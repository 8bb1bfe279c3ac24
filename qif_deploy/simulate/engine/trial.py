"""One synapse tried at start, at its own shape and with its own weights, against sums in float64, which are exact there.

Libraries choose their kernel by shape: what is right for one layer may be wrong for the next. Few places are compared, so that the
trial of a deep network takes a fraction of a second: all corners, where the padding is, and others.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

from qif_deploy.analysis.signal_range import Signal
from qif_deploy.ir.nodes import Conv2dCodes, ConvGeometry, DenseCodes, Pair
from qif_deploy.shapes import Shape

Tensor = torch.Tensor

PLACES = 24
"""Positions of the result, at most, that are compared besides the corners."""

REFUSALS = (RuntimeError, AttributeError, TypeError, NotImplementedError)
"""What a library without an operator, or with another signature of it, answers."""


class Trial:
    """Two signals (all codes at the larger end of the range, and random ones) with the sums that are right for them.

    Args:
        node: the synapse.
        weight: its codes, in the order of the signal.
        shape: of the signal, ``(channel, height, width)`` or ``(feature,)``.
        signal: range of its codes.
        device: where to try.
    """

    def __init__(self, node: DenseCodes | Conv2dCodes, weight: Tensor, shape: Shape, signal: Signal, device: torch.device) -> None:
        generator = torch.Generator().manual_seed(0)
        x = torch.randint(signal.low, signal.high + 1, (2, *shape), generator=generator).to(device)
        x[0] = signal.high if abs(signal.high) >= abs(signal.low) else signal.low
        # Flattened in between: with one channel a permuted view counts as contiguous and keeps strides that choose another kernel.
        last = x.permute(0, 2, 3, 1) if x.ndim == 4 else x
        self.x = last.flatten().reshape(last.shape)
        if isinstance(node, DenseCodes):
            self.places, self.expected = None, _product(weight[None], x[None].double().transpose(1, 2)).squeeze(0).T
            return
        g, kernel = node.geometry, (weight.shape[2], weight.shape[3])
        rows, columns = g.output_size((shape[1], shape[2]), kernel)
        corners = torch.tensor([0, columns - 1, (rows - 1) * columns, rows * columns - 1])
        self.places = torch.cat([corners, torch.randint(rows * columns, (PLACES,), generator=generator)])
        padded = F.pad(x, (g.padding[1], g.padding[1], g.padding[0], g.padding[0]))
        patches = [_window(padded, place // columns, place % columns, kernel, g) for place in self.places.tolist()]
        grouped = torch.stack(patches, dim=-1).double().reshape(2, g.groups, -1, len(patches))
        sums = _product(weight.reshape(g.groups, weight.shape[0] // g.groups, -1), grouped)
        self.expected = sums.reshape(2, weight.shape[0], -1).transpose(1, 2)

    def passes(self, sums: Callable[[Tensor], Tensor]) -> bool:
        """Whether ``sums``, on signals with channels last, runs here and is right."""
        try:
            found = sums(self.x)
        except REFUSALS:
            return False
        if self.places is not None:
            found = found.flatten(1, 2)[:, self.places.to(found.device)]
        return torch.equal(found.double(), self.expected)


def _window(padded: Tensor, row: int, column: int, kernel: Pair, g: ConvGeometry) -> Tensor:
    """What the kernel sees at one position, ``(n, channel, height, width)``."""
    top, left = row * g.stride[0], column * g.stride[1]
    (dy, dx), (height, width) = g.dilation, kernel
    return padded[:, :, top : top + dy * (height - 1) + 1 : dy, left : left + dx * (width - 1) + 1 : dx]


def _product(weight: Tensor, x: Tensor) -> Tensor:
    """``weight (group, out, in) @ x (..., group, in, n)`` in float64, a few rows of the weights at a time: they may be millions."""
    rows = [part.to(x.device, torch.float64) @ x for part in torch.split(weight, ROWS, dim=1)]
    return torch.cat(rows, dim=-2)


ROWS = 64
