"""The noise floor: float against float, in other precisions, batch sizes and on other devices. What integer costs is read against it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qif_deploy.shapes import InputCodes
from qif_deploy.simulate.float_sim import FloatPopulationTrace, FloatTrace

FloatRunner = Callable[[Mapping[str, InputCodes]], FloatTrace]

FLOAT64 = "float64"
"""Name of the run that everything is compared with unless it says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseRun:
    """A float run to compare with another: ``against`` names that one, an earlier run or FLOAT64."""

    name: str
    run: FloatRunner
    against: str = FLOAT64


def in_parts(run: FloatRunner, size: int) -> FloatRunner:
    """Return ``run`` on at most ``size`` samples at a time: libraries sum in another order then, and floats notice."""

    def parted(inputs: Mapping[str, InputCodes]) -> FloatTrace:
        samples = next(iter(inputs.values())).shape[1]
        starts = range(0, samples, size)
        parts = [run({name: codes[:, start : start + size] for name, codes in inputs.items()}) for start in starts]
        return FloatTrace(
            populations={
                name: FloatPopulationTrace(
                    x=np.concatenate([part.populations[name].x for part in parts], axis=1),
                    u=np.concatenate([part.populations[name].u for part in parts], axis=1),
                    s=np.concatenate([part.populations[name].s for part in parts], axis=1),
                )
                for name in parts[0].populations
            },
            readout=np.concatenate([part.readout for part in parts]),
        )

    return parted


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseRow:
    """How two float runs differ; ``answers_changed`` counts samples with another class."""

    name: str
    against: str
    samples: int
    spike_agreement: float | None
    flips_per_spike: float | None
    answers_changed: int
    accuracy: float | None

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "name": self.name,
            "against": self.against,
            "samples": self.samples,
            "spike_agreement": self.spike_agreement,
            "flips_per_spike": self.flips_per_spike,
            "answers_changed": self.answers_changed,
            "accuracy": self.accuracy,
        }


class NoiseTally:
    """Running counts of one noise run."""

    def __init__(self, noise: NoiseRun) -> None:
        self.noise = noise
        self.flips = self.spikes = self.decisions = self.changed = self.right = self.samples = 0
        self.labelled = True

    def add(self, found: FloatTrace, against: FloatTrace, labels: NDArray[np.int64] | None) -> None:
        """Count a batch."""
        for name, population in against.populations.items():
            self.flips += int((population.s != found.populations[name].s).sum())
            self.spikes += int(population.s.sum(dtype=np.int64))
            self.decisions += population.s.size
        answers = found.readout.argmax(axis=1)
        self.changed += int((answers != against.readout.argmax(axis=1)).sum())
        self.samples += len(answers)
        self.labelled = self.labelled and labels is not None
        if labels is not None:
            self.right += int((answers == labels).sum())

    def row(self) -> NoiseRow:
        """Return what was counted."""
        return NoiseRow(
            name=self.noise.name,
            against=self.noise.against,
            samples=self.samples,
            spike_agreement=1 - self.flips / self.decisions if self.decisions else None,
            flips_per_spike=self.flips / self.spikes if self.spikes else None,
            answers_changed=self.changed,
            accuracy=self.right / self.samples if self.labelled else None,
        )


__all__ = ["FLOAT64", "FloatRunner", "NoiseRow", "NoiseRun", "NoiseTally", "in_parts"]
