"""The time model against published measurements of whole steps: the ratio per case, stated and not fitted away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qif_deploy.sourced import SourcedNumber, read_toml, sourced_number
from qif_hardware.chip import LEVELS
from qif_hardware.mapping.activity import Load
from qif_hardware.mapping.timing import barrier_ns, core_time_ns, step_ns, term_times_ns
from qif_hardware.target import load_target

ANCHORS = Path(__file__).parent / "anchors.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorRow:
    """One published case. ``derives_bound``: the model's upper level was taken from it, so that agreeing with it proves nothing."""

    name: str
    target: str
    derives_bound: bool
    numbers: tuple[SourcedNumber, ...]
    measured_us: float
    predicted_us: Mapping[str, float]

    @property
    def ratio(self) -> float:
        """Measured over typical: how far the typical figure is below the measurement."""
        return self.measured_us / self.predicted_us["typical"]

    @property
    def within(self) -> bool:
        """Whether the measurement lies between low and high."""
        return self.predicted_us["low"] <= self.measured_us <= self.predicted_us["high"] * (1 + 1e-3)


def compare_anchors() -> tuple[AnchorRow, ...]:
    """Return every published case with what the model says of its fullest core on one chip."""
    rows = []
    for case in read_toml(ANCHORS)["case"]:
        name = case["name"]
        neurons, synops, measured = (sourced_number(key, case[key], where=name) for key in ("neurons", "synops", "measured"))
        chip = load_target(case["target"]).cores()
        zero = np.zeros(1)
        load = Load(synops=np.array([synops.value]), updates=np.array([neurons.value]), messages_in=zero, spikes_out=zero)
        predicted = {}
        for level in LEVELS:
            core = float(np.max(core_time_ns(term_times_ns(load, chip, level, quadratic=False), chip)))
            predicted[level] = step_ns(core, 0.0, barrier_ns(chip, level, 1), chip) / 1000
        rows.append(
            AnchorRow(
                name=name,
                target=case["target"],
                derives_bound=case["derives_bound"],
                numbers=(neurons, synops, measured),
                measured_us=measured.value,
                predicted_us=predicted,
            )
        )
    return tuple(rows)
