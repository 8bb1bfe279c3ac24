"""What a quantisation-aware training returns besides the network. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qif_deploy.training.qat.options import QatOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Widening:
    """A range proof that moved weights broke after ``epoch`` (1 for the first), and that new units mended."""

    epoch: int
    node: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QatReport:
    """What came out. Accuracies are 0..1 on ``validation_samples`` images that were held out of the training part here.

    ``accuracy_before`` is the network quantised after training at the same widths. ``validation_seen`` says whether the float training
    had learned from the validation images: then both accuracies are too good, and only their difference says something.
    ``losses`` and ``validation`` have one entry per epoch.
    """

    options: QatOptions
    weight_bits: int
    seed: int
    accuracy_before: float
    accuracy_after: float
    validation_samples: int
    validation_seen: bool
    losses: tuple[float, ...]
    validation: tuple[float, ...]
    widened: tuple[Widening, ...]
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "epochs": self.options.epochs,
            "learning_rate": self.options.learning_rate,
            "weight_decay": self.options.weight_decay,
            "scales": self.options.scales.value,
            "weight_bits": self.weight_bits,
            "seed": self.seed,
            "accuracy": {"before": self.accuracy_before, "after": self.accuracy_after},
            "validation_samples": self.validation_samples,
            "validation_seen": self.validation_seen,
            "losses": list(self.losses),
            "validation": list(self.validation),
            "widened": [{"epoch": w.epoch, "node": w.node, "reason": w.reason} for w in self.widened],
            "seconds": self.seconds,
        }
