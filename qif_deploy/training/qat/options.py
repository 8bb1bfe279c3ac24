"""What can be chosen about a quantisation-aware training. Imports no torch, so that the verbs can name it."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from qif_deploy.errors import InputError, raise_findings
from qif_deploy.suggestion import require_member


class ScaleChoice(enum.Enum):
    """How the value of the largest weight code of a channel is chosen at the start.

    MAX takes the largest weight. SQUARED_ERROR takes the limit at which clipping and rounding together cost the least squared error.
    """

    MAX = "max"
    SQUARED_ERROR = "squared_error"


@dataclass(frozen=True, slots=True, kw_only=True)
class QatOptions:
    """A quantisation-aware training; what is not here is as in the recipe of the checkpoint.

    Args:
        epochs: passes over the training part.
        learning_rate: peak; it falls as half a cosine to 0. A weight of 1 stands for the largest code.
        weight_decay: on the weights.
        scales: how units are chosen at the start.
        validation_fraction: share of every class of the training part that is held out, where the recipe held none out itself.
        seed: of the order and the shifts of the samples; None takes the recipe's.

    Raises:
        InputError: values outside their limits, all at once.
    """

    epochs: int = 4
    learning_rate: float = 0.003
    weight_decay: float = 0.0
    scales: ScaleChoice = ScaleChoice.SQUARED_ERROR
    validation_fraction: float = 0.1
    seed: int | None = None

    def __post_init__(self) -> None:
        require_member("scales", self.scales, ScaleChoice)
        limits = (
            ("epochs", 1 <= self.epochs <= 10_000, "1..10000"),
            ("learning_rate", 0 < self.learning_rate <= 10, "above 0, at most 10"),
            ("weight_decay", 0 <= self.weight_decay <= 10, "0..10"),
            ("validation_fraction", 0 < self.validation_fraction < 1, "above 0, below 1"),
            ("seed", self.seed is None or 0 <= self.seed < 2**63, "0..2**63 - 1"),
        )
        raise_findings(
            InputError,
            [f"quantisation-aware training: {key} = {getattr(self, key)!r}, allowed is {what}" for key, holds, what in limits if not holds],
        )
