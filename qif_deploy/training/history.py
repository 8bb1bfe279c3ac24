"""What a training has seen so far; it is part of the state that a resumed run starts from."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from qif_deploy._torch import torch

Tensor = torch.Tensor


class History:
    """Loss and validation accuracy per epoch, the best weights by validation, and the time spent in this and earlier processes.

    Args:
        keep_best: hold a copy of the weights of the best epoch; of equal ones the first.
    """

    def __init__(self, *, keep_best: bool) -> None:
        self.keep_best = keep_best
        self.losses: list[float] = []
        self.validation: list[float] = []
        self.best_weights: dict[str, Tensor] | None = None
        self._earlier, self._earlier_cpu = 0.0, 0.0
        self._started, self._cpu_started = time.perf_counter(), time.process_time()

    @property
    def seconds(self) -> float:
        """Wall time."""
        return self._earlier + time.perf_counter() - self._started

    @property
    def cpu_seconds(self) -> float:
        """Time of this process on all its cores."""
        return self._earlier_cpu + time.process_time() - self._cpu_started

    def add_validation(self, accuracy: float, network: torch.nn.Module) -> None:
        """Note an epoch's accuracy."""
        if self.keep_best and accuracy > max(self.validation, default=-1.0):
            self.best_weights = {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}
        self.validation.append(accuracy)

    def state(self) -> dict[str, Any]:
        """Return plain values and tensors."""
        return {
            "losses": list(self.losses),
            "validation": list(self.validation),
            "best_weights": self.best_weights,
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from an earlier process's state."""
        self.losses, self.validation = [float(v) for v in state["losses"]], [float(v) for v in state["validation"]]
        best = state["best_weights"]
        self.best_weights = None if best is None else dict(best)
        self._earlier, self._earlier_cpu = float(state["seconds"]), float(state["cpu_seconds"])
