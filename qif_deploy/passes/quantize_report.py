"""What quantising a network decided, per population and per synapse, as data and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from qif_deploy.analysis.range_proof import RangeProof
from qif_deploy.passes.branches import Branch
from qif_deploy.passes.choose_scales import Scales
from qif_deploy.passes.population_codes import SynapseCoding
from qif_deploy.passes.scale_method import QuantizeOptions
from qif_deploy.shapes import ChannelCodes, ChannelFloats


@dataclass(frozen=True, slots=True, kw_only=True)
class SynapseReport:
    """How one synapse was coded; arrays have one value per output channel.

    ``largest_code`` shows how much of the width is used, ``clipped`` counts weights beyond the largest code, and ``clip_error`` is how
    much the worst of them lost, in the unit of the float weights.
    """

    weight_bits: int
    shift: int
    largest_code: ChannelCodes
    clipped: ChannelCodes
    clip_error: ChannelFloats

    @classmethod
    def of(cls, branch: Branch, coding: SynapseCoding) -> SynapseReport:
        """Collect the facts of one branch."""
        weight = coding.codes.weight.reshape(len(branch.rows), -1)
        return cls(
            weight_bits=branch.limit.bit_length() + 1,
            shift=coding.codes.shift,
            largest_code=np.maximum(weight.max(axis=1), -weight.min(axis=1)).astype(np.int64),
            clipped=coding.clipped,
            clip_error=coding.clip_error,
        )

    def as_json(self) -> dict[str, Any]:
        """Return plain values; counts and errors per channel where anything was clipped."""
        found: dict[str, Any] = {
            "weight_bits": self.weight_bits,
            "shift": self.shift,
            "largest_code_median": float(np.median(self.largest_code)),
            "clipped_weights": int(self.clipped.sum()),
            "clip_error_max": float(self.clip_error.max()),
        }
        if self.clipped.any():
            found["clipped_weights_per_channel"] = self.clipped.tolist()
            found["clip_error_per_channel"] = self.clip_error.tolist()
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class PopulationReport:
    """What quantising one population decided; arrays have one value per channel.

    ``bias_correction`` is what the bias was lowered by, in units of ``theta - u_reset``; None where none was asked for.
    """

    scales: Scales
    shifts: Mapping[str, int]
    curvature_lost: tuple[int, ...]
    bias_correction: ChannelFloats | None = None

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        bounds = [b.value for b in self.scales.bound_by]
        found: dict[str, Any] = {
            "s1": self.scales.s1,
            "level": self.scales.level,
            "noise": self.scales.noise,
            "delta_median": float(np.median(self.scales.delta)),
            "branch_shifts": dict(self.shifts),
            "bound_by": {name: bounds.count(name) for name in sorted(set(bounds))},
            "curvature_lost_channels": list(self.curvature_lost),
        }
        if self.bias_correction is not None:
            found["bias_correction_per_channel"] = self.bias_correction.tolist()
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeReport:
    """What quantising a network decided, with its range proof. ``calibrated_on`` says samples and source, None without data."""

    populations: Mapping[str, PopulationReport]
    synapses: Mapping[str, SynapseReport]
    proof: RangeProof
    options: QuantizeOptions
    calibrated_on: str | None

    def as_json(self) -> dict[str, Any]:
        """Return plain values: options, populations and synapses."""
        chosen: dict[str, Any] = {"scales": self.options.scales.value, "bias_correction": self.options.bias_correction}
        if self.calibrated_on is not None:
            chosen["calibrated_on"] = self.calibrated_on
        return {
            "options": chosen,
            "populations": {name: report.as_json() for name, report in self.populations.items()},
            "synapses": {name: report.as_json() for name, report in self.synapses.items()},
        }
