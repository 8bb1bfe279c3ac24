"""Stateless torch layers over time-first tensors."""

from __future__ import annotations

from qif_deploy.training._torch import torch

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
