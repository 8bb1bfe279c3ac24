"""What ``diff`` returns: agreement layer by layer and step by step, what explains the rest, and how sure the accuracies are."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from qif_deploy.fidelity.finding import Finding, Severity
from qif_deploy.fidelity.noise import NoiseRow
from qif_deploy.fidelity.statistics import PairedAccuracy


class Verdict(enum.Enum):
    """The worst that the comparison found."""

    ROUNDING = "rounding"
    CHOICE = "choice"
    UNEXPLAINED = "unexplained"
    DAMAGE = "damage"

    @property
    def meaning(self) -> str:
        """What it says, in words."""
        return MEANINGS[self]


MEANINGS = {
    Verdict.ROUNDING: "rounding explains every difference: the integer network is the rounded float network",
    Verdict.CHOICE: "rounding and choices of the quantisation explain every difference",
    Verdict.UNEXPLAINED: "something changes spikes that rounding does not explain, though every constant is the rounded one",
    Verdict.DAMAGE: "the integer network is not the rounded float network",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FlipCauses:
    """Flipped spikes by cause; see ``bound.Cause``."""

    rounding: int
    choice: int
    history: int
    unexplained: int

    @property
    def total(self) -> int:
        """All flips."""
        return self.rounding + self.choice + self.history + self.unexplained

    @property
    def explained_share(self) -> float | None:
        """Share that is not unexplained; None without flips."""
        return None if self.total == 0 else 1 - self.unexplained / self.total

    def as_json(self) -> dict[str, Any]:
        """Return counts and share."""
        return asdict(self) | {"total": self.total, "explained_share": self.explained_share}


@dataclass(frozen=True, slots=True, kw_only=True)
class ForcedLayer:
    """A layer fed with the float network's spikes: what it adds by itself.

    ``membrane_bound`` is the mean bound of the membrane error, in the unit of ``membrane_rmse``. ``beyond_bound`` counts membranes that
    are further off than everything known explains, ``suspect_channels`` where these or unexplained flips are.
    """

    spike_agreement: float
    flips_per_spike: float | None
    membrane_rmse: float
    membrane_bound: float
    causes: FlipCauses
    beyond_bound: int
    suspect_channels: tuple[int, ...]

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "spike_agreement": self.spike_agreement,
            "flips_per_spike": self.flips_per_spike,
            "membrane_rmse": self.membrane_rmse,
            "membrane_bound": self.membrane_bound,
            "flips": self.causes.as_json(),
            "beyond_bound": self.beyond_bound,
            "suspect_channels": list(self.suspect_channels),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerFidelity:
    """One population: share of equal spike decisions, differing ones per float spike, rates, membrane error.

    ``membrane_rmse`` is the root mean square difference of ``u`` in units of ``theta - u_reset``. ``steps`` holds the same figures
    per step.
    """

    name: str
    spike_agreement: float
    flips_per_spike: float | None
    rate_float: float
    rate_integer: float
    membrane_rmse: float
    causes: FlipCauses
    forced: ForcedLayer
    steps: Mapping[str, tuple[float | None, ...]]

    def as_json(self) -> dict[str, Any]:
        """Return plain values; figures per step are in the matrix."""
        return {
            "name": self.name,
            "spike_agreement": self.spike_agreement,
            "flips_per_spike": self.flips_per_spike,
            "rate_float": self.rate_float,
            "rate_integer": self.rate_integer,
            "membrane_rmse": self.membrane_rmse,
            "flips": self.causes.as_json(),
            "forced": self.forced.as_json(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Divergence:
    """First spike decision that differs: earliest step, then layer, then sample.

    ``margin`` is the float ``u - theta``, ``distance`` its magnitude in units of ``theta - u_reset``, ``bound`` what rounding allows in
    the same unit, ``cause`` what explains it.
    """

    population: str
    step: int
    sample: int
    neuron: tuple[int, ...]
    u_float: float
    u_integer: float
    theta: float
    margin: float
    distance: float
    bound: float
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MembraneTrace:
    """One neuron over time in both networks, in float units; ``why`` says what it was chosen for. ``bound`` explains ``|difference|``."""

    population: str
    sample: int
    neuron: tuple[int, ...]
    why: str
    theta: float
    u_float: tuple[float, ...]
    u_integer: tuple[float, ...]
    bound: tuple[float, ...]
    spikes_float: tuple[int, ...]
    spikes_integer: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SoloAccuracy:
    """Accuracy of the float network with this one node computed in integers, against the float network."""

    name: str
    paired: PairedAccuracy

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        lost = self.paired
        return {
            "name": self.name,
            "accuracy": lost.accuracy_integer,
            "lost": lost.only_float,
            "won": lost.only_integer,
            "difference": lost.difference,
            "interval": list(lost.difference_interval),
            "p_value": lost.p_value,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Fidelity:
    """Agreement of a whole network; accuracies are None without labels, ``content_hash`` is that of the integer network."""

    accuracy: PairedAccuracy | None
    samples: int
    spike_agreement: float | None
    flips_per_spike: float | None
    layers: tuple[LayerFidelity, ...]
    first_divergence: Divergence | None
    membranes: tuple[MembraneTrace, ...]
    noise: tuple[NoiseRow, ...]
    findings: tuple[Finding, ...]
    solo: tuple[SoloAccuracy, ...]
    source: str | None = None
    content_hash: str | None = None

    @property
    def accuracy_float(self) -> float | None:
        """Accuracy of the float network."""
        return None if self.accuracy is None else self.accuracy.accuracy_float

    @property
    def accuracy_integer(self) -> float | None:
        """Accuracy of the integer network."""
        return None if self.accuracy is None else self.accuracy.accuracy_integer

    @property
    def noise_floor(self) -> float | None:
        """Flips per spike of float32 against float64; None where that was not run."""
        return next((row.flips_per_spike for row in self.noise if row.name == "float32"), None)

    @property
    def damage(self) -> tuple[Finding, ...]:
        """Findings that nobody chose."""
        return tuple(f for f in self.findings if f.severity is Severity.DAMAGE)

    @property
    def suspect(self) -> str | None:
        """The place that adds what nothing explains, as the spikes show it; else that of the first damage; None if all is explained."""
        worst = max(self.layers, key=lambda y: y.forced.causes.unexplained + y.forced.beyond_bound, default=None)
        if worst is not None and worst.forced.causes.unexplained + worst.forced.beyond_bound:
            return worst.name
        return self.damage[0].place if self.damage else None

    @property
    def loses_most(self) -> SoloAccuracy | None:
        """The node whose integers alone cost the most answers; None without labels, or where none costs any."""
        worst = min(self.solo, key=lambda y: y.paired.difference, default=None)
        return None if worst is None or worst.paired.difference >= 0 else worst

    @property
    def verdict(self) -> Verdict:
        """DAMAGE, else UNEXPLAINED, else CHOICE where something was chosen, else ROUNDING."""
        if self.damage:
            return Verdict.DAMAGE
        if any(y.forced.causes.unexplained or y.forced.beyond_bound or y.causes.unexplained for y in self.layers):
            return Verdict.UNEXPLAINED
        return Verdict.CHOICE if self.findings else Verdict.ROUNDING

    @property
    def holds(self) -> bool:
        """Whether the integer network is the rounded float network, and nothing else."""
        return self.verdict in (Verdict.ROUNDING, Verdict.CHOICE)

    @property
    def causes(self) -> FlipCauses:
        """Flips of all layers by cause."""
        return FlipCauses(
            rounding=sum(y.causes.rounding for y in self.layers),
            choice=sum(y.causes.choice for y in self.layers),
            history=sum(y.causes.history for y in self.layers),
            unexplained=sum(y.causes.unexplained for y in self.layers),
        )

    def as_json(self) -> dict[str, Any]:
        """Return the keys of the ``diff`` contract, and the rest."""
        most = self.loses_most
        return {
            "accuracy": {"float": self.accuracy_float, "integer": self.accuracy_integer},
            "accuracy_evidence": None if self.accuracy is None else self.accuracy.as_json(),
            "samples": self.samples,
            "source": self.source,
            "content_hash": self.content_hash,
            "spike_agreement": self.spike_agreement,
            "flips_per_spike": self.flips_per_spike,
            "flips": self.causes.as_json(),
            "layers": [layer.as_json() for layer in self.layers],
            "matrix": self._matrix(),
            "first_divergence": None if self.first_divergence is None else asdict(self.first_divergence),
            "membranes": [asdict(trace) for trace in self.membranes],
            "noise_floor": {
                "float32_against_float64_flips_per_spike": self.noise_floor,
                "runs": [row.as_json() for row in self.noise],
            },
            "diagnosis": {
                "verdict": self.verdict.value,
                "suspect": self.suspect,
                "findings": [finding.as_json() for finding in self.findings],
                "accuracy_by_layer": [row.as_json() for row in self.solo],
                "loses_most": None if most is None else most.name,
            },
        }

    def _matrix(self) -> dict[str, Any]:
        """Layers by steps, one table per figure."""
        quantities = tuple(self.layers[0].steps) if self.layers else ()
        tables = {quantity: [list(layer.steps[quantity]) for layer in self.layers] for quantity in quantities}
        return {"layers": [layer.name for layer in self.layers], "steps": len(next(iter(tables.values()))[0]) if tables else 0} | tables


__all__ = [
    "Divergence",
    "Fidelity",
    "FlipCauses",
    "ForcedLayer",
    "LayerFidelity",
    "MembraneTrace",
    "SoloAccuracy",
    "Verdict",
]
