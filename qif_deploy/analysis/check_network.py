"""Everything that can be said of an integer network without running it, as findings; it lists all and never throws."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from qif_deploy.analysis.census import take_census
from qif_deploy.analysis.observed_range import Extent, ObservedRange, gap_bits
from qif_deploy.analysis.range_proof import ITERATION_LIMIT, RangeProof, Verdict, prove_ranges
from qif_deploy.errors import FormatError
from qif_deploy.fixedpoint import FORMAT_WIDTHS, NumberFormat
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import Conv2dCodes, DenseCodes

FINE_THETA = 256
"""Codes of the median threshold below which rounding shows: a step of the membrane is then above 0.4 % of theta."""


class Severity(enum.Enum):
    """How much a finding matters: ERROR fails the check, WARN is worth a look, INFO is a fact."""

    ERROR = "error"
    WARN = "warn"
    INFO = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One finding: which rule, on which object, what value against what limit, and what to do."""

    rule: str
    severity: Severity
    object: str
    value: float | str | None
    limit: float | str | None
    remedy: str

    def as_json(self) -> dict[str, Any]:
        """Return the keys of the ``check`` contract."""
        return asdict(self) | {"severity": self.severity.value}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """All findings, ranges and resolutions of a network.

    ``gap_bits`` and ``observed`` are filled where real samples were run, ``observed_on`` says which; ``number_format`` and ``steps``
    (None: any number) are what the ranges were proven for.
    """

    findings: tuple[Finding, ...]
    ranges: Mapping[str, Mapping[str, tuple[int, int, int, str]]]
    resolution: Mapping[str, Mapping[str, Any]]
    gap_bits: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    observed: Mapping[str, Mapping[str, Extent]] = field(default_factory=dict)
    observed_on: str | None = None
    number_format: NumberFormat | None = None
    steps: int | None = None

    @property
    def verdict(self) -> str:
        """``fail`` with any error, ``warn`` with any warning, else ``ok``."""
        severities = {finding.severity for finding in self.findings}
        return "fail" if Severity.ERROR in severities else "warn" if Severity.WARN in severities else "ok"

    def as_json(self) -> dict[str, Any]:
        """Return the keys of the ``check`` contract."""
        return {
            "verdict": self.verdict,
            "findings": [finding.as_json() for finding in self.findings],
            "ranges": {name: {q: list(row) for q, row in rows.items()} for name, rows in self.ranges.items()},
            "resolution": {name: dict(row) for name, row in self.resolution.items()},
            "gap_bits": {name: dict(row) for name, row in self.gap_bits.items()},
            "observed": {name: {q: list(extent) for q, extent in row.items()} for name, row in self.observed.items()},
            "observed_on": self.observed_on,
        }


def check_network(
    graph: QuantizedGraph,
    *,
    target_format: NumberFormat | None = None,
    observed: ObservedRange | None = None,
    observed_on: str | None = None,
) -> CheckReport:
    """Prove the ranges, compare widths with a target's format, and take the census of rebound and self-firing.

    Args:
        graph: the network.
        target_format: widths to compare with.
        observed: what runs on real samples reached, for the gap between proof and data.
        observed_on: what those samples are, in words.
    """
    findings: list[Finding] = []
    ranges: dict[str, dict[str, tuple[int, int, int, str]]] = {}
    try:
        proof = prove_ranges(graph, steps=graph.steps)
    except FormatError as error:
        proof = None
        findings.append(
            Finding(rule="range_proof", severity=Severity.ERROR, object="network", value=str(error), limit=None, remedy="requantise")
        )
    if proof is not None:
        findings += _range_findings(graph, proof)
        ranges = {n: {q: (v.lo, v.hi, v.bits, v.verdict.value) for q, v in p.ranges.items()} for n, p in proof.nodes.items()}
        findings += _census_findings(graph, proof)
    if target_format is not None:
        findings += _width_findings(graph, target_format)
    resolution = _resolution(graph)
    findings += _resolution_findings(graph, resolution)
    return CheckReport(
        findings=tuple(findings),
        ranges=ranges,
        resolution=resolution,
        gap_bits={} if observed is None or proof is None else gap_bits(proof, observed),
        observed={} if observed is None else observed.nodes,
        observed_on=observed_on,
        number_format=graph.number_format,
        steps=graph.steps,
    )


def _range_findings(graph: QuantizedGraph, proof: RangeProof) -> list[Finding]:
    unsettled = [
        Finding(
            rule="range_proof",
            severity=Severity.ERROR,
            object=name,
            value=f"still growing in {int(p.unsettled.sum())} channels",
            limit=ITERATION_LIMIT,
            remedy=f"quantise for at most {ITERATION_LIMIT} steps",
        )
        for name, p in proof.nodes.items()
        if p.unsettled.any()
    ]
    return unsettled + [
        Finding(
            rule="range_proof",
            severity=Severity.ERROR,
            object=f"{name}.{quantity}",
            value=max(abs(q.lo), abs(q.hi)),
            limit=q.limit,
            remedy=f"requantise with a larger Delta, a wider format than {graph.number_format.name!r}, or fewer than {graph.steps} steps",
        )
        for name, p in proof.nodes.items()
        for quantity, q in p.ranges.items()
        if q.verdict is Verdict.FAILS
    ]


def _census_findings(graph: QuantizedGraph, proof: RangeProof) -> list[Finding]:
    found = []
    for name in graph.populations:
        census = take_census(graph.population(name).constants, proof.nodes[name].ranges["r"].interval)
        for rule, count, remedy in (
            (
                "self_firing",
                census.self_firing,
                "states just below theta fire next step on bias alone; part of the model, shared by all backends",
            ),
            (
                "rebound",
                census.rebound,
                "strong inhibition can fire through the parabola; declare a lower clamp (u_min) in training to exclude it",
            ),
        ):
            if count:
                found.append(
                    Finding(
                        rule=rule, severity=Severity.INFO, object=name, value=count, limit=f"of {census.channels} channels", remedy=remedy
                    )
                )
    return found


def _width_findings(graph: QuantizedGraph, f: NumberFormat) -> list[Finding]:
    found = []
    own = graph.number_format
    for width in FORMAT_WIDTHS:
        if getattr(own, width) > getattr(f, width):
            found.append((width, getattr(own, width), getattr(f, width)))
    findings = [
        Finding(rule="width", severity=Severity.ERROR, object=w, value=v, limit=limit, remedy=f"quantise again with --target {f.name}")
        for w, v, limit in found
    ]
    if own.rounding is not f.rounding:
        findings.append(
            Finding(
                rule="rounding",
                severity=Severity.ERROR,
                object="network",
                value=own.rounding.value,
                limit=f.rounding.value,
                remedy=f"quantise again with --target {f.name}",
            )
        )
    return findings


def _resolution_findings(graph: QuantizedGraph, resolution: Mapping[str, Mapping[str, Any]]) -> list[Finding]:
    """A grid that is coarse for its threshold or wastes its weight codes is legal, and rarely what was meant."""
    half_weights = (graph.number_format.weight_limit + 1) // 2
    limits = {"theta_code_median": FINE_THETA, "weight_code_max_median": half_weights}
    return [
        Finding(
            rule="resolution",
            severity=Severity.WARN,
            object=f"{name}.{quantity}",
            value=row[quantity],
            limit=f"at least {limit}",
            remedy=f"a wider format than {graph.number_format.name!r}, a lower clamp (u_min) in training, or fewer steps make room",
        )
        for name, row in resolution.items()
        for quantity, limit in limits.items()
        if row[quantity] is not None and row[quantity] < limit
    ]


def _resolution(graph: QuantizedGraph) -> dict[str, dict[str, Any]]:
    """How fine the grid is: median threshold code, median over channels of the largest weight code, binding limit."""
    bounds = json.loads(graph.provenance.get("bound_by", "{}"))
    rows: dict[str, dict[str, Any]] = {}
    for name in graph.populations:
        theta = graph.population(name).constants.theta
        largest = [
            np.abs(synapse.weight.astype(np.int64).reshape(synapse.weight.shape[0], -1)).max(axis=1)
            for synapse in (graph.nodes[source] for source in graph.sources(name))
            if isinstance(synapse, DenseCodes | Conv2dCodes)
        ]
        rows[name] = {
            "theta_code_median": None if theta is None else float(np.median(theta)),
            "weight_code_max_median": float(np.median(np.maximum.reduce(largest))),
            "bound_by": bounds.get(name),
        }
    return rows
