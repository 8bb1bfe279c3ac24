"""Torch layers over time-first tensors that carry no state from step to step."""

from __future__ import annotations

from qif_deploy._torch import torch

Tensor = torch.Tensor


class TimeFirst(torch.nn.Module):
    """Apply a layer of ``(sample, ...)`` to ``(time, batch, ...)`` with both leading axes merged: one call for all steps.

    It serves convolution, linear, average pool and flatten; none of them has a state, so no step sees another.
    """

    def __init__(self, layer: torch.nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(time, batch, ...)``."""
        merged: Tensor = self.layer(x.flatten(0, 1))
        return merged.reshape(*x.shape[:2], *merged.shape[1:])


class IdentityShortcut(torch.nn.Module):
    """``weight[channel] * x``: an identity shortcut, equal to a depthwise 1x1 convolution with that weight.

    The weight is a buffer: it is stored and exported, but not learned. So autograd keeps nothing of the size of ``x``.

    Args:
        channels: of the input.
        weight: what one spike adds.
    """

    weight: Tensor

    def __init__(self, channels: int, *, weight: float) -> None:
        super().__init__()
        self.register_buffer("weight", torch.full((channels,), weight))

    def forward(self, x: Tensor) -> Tensor:
        """Weigh ``(time, batch, channel, ...)``, same axes out."""
        return x * self.weight.reshape(-1, *([1] * (x.ndim - 3)))


class SampleDropout(torch.nn.Module):
    """Dropout with one mask per sample for all its time steps; the kept values are divided by ``1 - rate``.

    A mask drawn anew at each step would average out over the steps, since the membrane sums them.

    Args:
        rate: share left out, 0..1.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(time, batch, ...)``; the input itself outside training."""
        if not self.training or self.rate == 0:
            return x
        return x * torch.nn.functional.dropout(torch.ones_like(x[0]), self.rate)
