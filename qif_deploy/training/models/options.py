"""What a model takes besides the input: frozen, checked, the same for all models."""

from __future__ import annotations

import math
from dataclasses import dataclass

from qif_deploy.errors import InputError, raise_findings


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """Options of a model; the neuron is none of them, it is chosen when the spec becomes a SpikingNetwork.

    Args:
        steps: T.
        width: multiplier of all channel numbers, 1 for the published network; the result is rounded, at least 1.
        dropout: share of the values in front of a linear layer that training leaves out; 0 for no such layer.
        channels: of the populations of ``conv`` and ``mlp``; empty for the published networks, which have their own.
        hidden: neurons of the last population of ``conv``; 0 for none, and for all others.

    Raises:
        InputError: values outside their limits, all at once.
    """

    steps: int
    width: float = 1.0
    dropout: float = 0.0
    channels: tuple[int, ...] = ()
    hidden: int = 0

    def __post_init__(self) -> None:
        limits = [
            ("steps", self.steps >= 1, "1 or more"),
            ("width", math.isfinite(self.width) and self.width > 0, "above 0"),
            ("dropout", 0 <= self.dropout < 1, "0 or more, below 1"),
            ("channels", all(c >= 1 for c in self.channels), "numbers of 1 or more"),
            ("hidden", self.hidden >= 0, "0 (none) or more"),
        ]
        raise_findings(
            InputError,
            [f"model: {key} = {getattr(self, key)!r}, allowed is {allowed}" for key, holds, allowed in limits if not holds],
        )

    def wide(self, channels: int) -> int:
        """Return ``channels`` times ``width``, rounded, at least 1."""
        return max(1, round(channels * self.width))

    def refuse_channels(self, model: str) -> None:
        """Speak up where a published network is given channels.

        Raises:
            InputError: ``channels`` or ``hidden`` is set.
        """
        if self.channels or self.hidden:
            raise InputError(
                f"model {model!r}: channels = {self.channels}, hidden = {self.hidden}, but its channels are published; "
                "leave both out and use width"
            )
