"""What the trainer trains: a module that answers for every sample."""

from __future__ import annotations

from qif_deploy._torch import torch

Tensor = torch.Tensor


class Answering(torch.nn.Module):
    """Maps codes to the readout's values per step, ``(time, batch, class)``, in whatever unit; ``reduce`` makes them one answer."""

    def reduce(self, currents: Tensor) -> Tensor:
        """Return the readout's value per class, ``(batch, class)``, of what ``forward`` returned; its argmax is the answer."""
        raise NotImplementedError

    def currents(self, codes: Tensor) -> Tensor:
        """Return what a loss sees, ``(time, batch, class)`` in float units; without another definition, what ``forward`` returns."""
        found: Tensor = self(codes)
        return found
