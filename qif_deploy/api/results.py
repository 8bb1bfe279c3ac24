"""What the verbs return; each can say itself as JSON in the keys of the interface."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qif_deploy.analysis.check_network import CheckReport
from qif_deploy.api.backends import BackendCheck
from qif_deploy.api.verify_files import FileCheck
from qif_deploy.fidelity.report import Fidelity
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.passes.mixed_width import MixedWidths
from qif_deploy.passes.quantize_report import QuantizeReport
from qif_deploy.pricing.estimate import EnergyEstimate

if TYPE_CHECKING:
    from qif_deploy.training.qat.report import QatReport


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOutcome:
    """Files and figures of a training run."""

    model: Path
    metrics_file: Path
    metrics: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {"artefacts": {"model": str(self.model), "metrics": str(self.metrics_file)}, "metrics": dict(self.metrics)}


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeOutcome:
    """The artefact and what quantising decided; ``qat`` after quantisation-aware training."""

    path: Path
    network: QuantizedGraph
    report: QuantizeReport
    fold_residual: float
    widths: MixedWidths | None = None
    qat: QatReport | None = None

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        found: dict[str, Any] = {
            "artefacts": {"network": str(self.path)},
            "content_hash": self.network.content_hash,
            "number_format": self.network.number_format.name,
            "steps": self.network.steps,
            "fold_residual": self.fold_residual,
        } | self.report.as_json()
        if self.widths is not None:
            found["mixed_width"] = self.widths.as_json()
        if self.qat is not None:
            found["qat"] = self.qat.as_json()
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcome:
    """One run of one backend."""

    backend: str
    vectors: Path
    samples: int
    steps: int
    spikes: Mapping[str, int]
    rates: Mapping[str, float]
    classes: tuple[int, ...]
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Return plain values; ``classes`` is the winning class per sample, ``rates`` spikes per neuron and step."""
        return {
            "backend": self.backend,
            "artefacts": {"vectors": str(self.vectors)},
            "samples": self.samples,
            "steps": self.steps,
            "spikes": dict(self.spikes),
            "rates": dict(self.rates),
            "classes": list(self.classes),
            "seconds": self.seconds,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyOutcome:
    """Every backend, and every file that was given, against the reference; ``content_hash`` is that of the network."""

    backends: Mapping[str, BackendCheck]
    source: str
    content_hash: str
    files: tuple[FileCheck, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether every backend and file that ran was exact, with full evidence, and at least one ran."""
        ran = [check.exact for check in self.backends.values() if check.skipped is None]
        ran += [check.exact for check in self.files if check.run.skipped is None]
        return bool(ran) and all(exact is True for exact in ran)

    def as_json(self) -> dict[str, Any]:
        """Return the keys of the ``verify`` contract."""
        found: dict[str, Any] = {
            "holds": self.holds,
            "input": self.source,
            "content_hash": self.content_hash,
            "backends": {name: check.as_json() for name, check in self.backends.items()},
        }
        if self.files:
            found["files"] = {str(check.path): check.as_json() for check in self.files}
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOutcome:
    """A written interchange file, verified."""

    report: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return dict(self.report)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetsOutcome:
    """Every packaged target and price list."""

    targets: tuple[Mapping[str, Any], ...]
    energy: tuple[Mapping[str, Any], ...]

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {"targets": [dict(t) for t in self.targets], "energy": [dict(e) for e in self.energy]}


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOutcome:
    """The whole way on real data."""

    fidelity: Fidelity
    backends: Mapping[str, BackendCheck]
    check: CheckReport
    energy: EnergyEstimate
    artefacts: Mapping[str, Path]
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether batched, ONNX and Lava were all exact and no range fails."""
        return not self.open_points

    @property
    def open_points(self) -> tuple[str, ...]:
        """What keeps it from holding, in words; empty where it holds."""
        found = ["the range proof and rules fail"] if self.check.verdict == "fail" else []
        for name, backend in self.backends.items():
            if backend.exact is not True:
                found.append(f"{name} did not run" if backend.comparison is None else f"{name} is not exact")
        return tuple(found)

    def as_json(self) -> dict[str, Any]:
        """Return the keys of the ``demo`` contract."""
        energy = self.energy.as_json()
        return {
            "holds": self.holds,
            "accuracy": {"float": self.fidelity.accuracy_float, "integer": self.fidelity.accuracy_integer},
            "spike_agreement": self.fidelity.spike_agreement,
            "flips_per_spike": self.fidelity.flips_per_spike,
            "samples": self.fidelity.samples,
            "backends": {name: check.as_json() for name, check in self.backends.items()},
            "check": self.check.verdict,
            "energy": {key: energy[key] for key in ("estimator", "unit", "total", "at_least", "unpriced") if key in energy},
            "artefacts": {name: str(path) for name, path in self.artefacts.items()},
            "seconds": self.seconds,
        }
