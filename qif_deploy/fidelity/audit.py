"""Every constant of an integer network against the float network at the network's own units: what rounding does not account for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from qif_deploy.fidelity.audit_weights import weight_findings
from qif_deploy.fidelity.finding import Finding, Kind, Severity
from qif_deploy.fidelity.ideal_codes import IdealNode
from qif_deploy.fixedpoint import NumberFormat
from qif_deploy.ir.graph import Graph, QuantizedGraph
from qif_deploy.ir.nodes import AvgPool2d, CodeInput, Conv2d, Conv2dCodes, Input, Readout, SumPool2d
from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.neuron.params import QIFParams, ResetMode
from qif_deploy.shapes import ChannelCodes, ChannelFlags, ChannelFloats

TOLERANCE = 2.0**-30
"""Relative allowance for the float64 quotient that a code is compared with."""

SHIFTS = tuple(n for size in range(1, 9) for n in (size, -size))
"""Errors of a shift that are looked for, nearest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What quantisation did on purpose, as the network's provenance tells it: then such deviations are no damage."""

    trained: bool = False
    bias_corrected: bool = False

    @classmethod
    def of(cls, provenance: Mapping[str, str]) -> Choices:
        """Read the provenance of an artefact."""
        return cls(trained=provenance.get("quantisation") == "qat", bias_corrected="bias_correction" in provenance)


def audit(
    graph: Graph, quantized: QuantizedGraph, ideal: Mapping[str, IdealNode], *, expected_format: NumberFormat | None = None
) -> tuple[Finding, ...]:
    """Return all deviations, populations in topological order.

    Args:
        graph: the float network.
        quantized: the integer network.
        ideal: of both, from ``ideal_nodes``.
        expected_format: format of the target that the network is for; its rounding mode is compared.
    """
    choices = Choices.of(quantized.provenance)
    found = [*_format_findings(quantized, expected_format), *_input_findings(graph, quantized), *_geometry_findings(graph, quantized)]
    for name, node in ideal.items():
        if node.params is None:
            single = list(_readout_findings(graph, quantized, node))
        else:
            single = list(population_findings(node, quantized.population(name).constants))
        found += [_judged(finding, choices) for finding in single]
    return tuple(found)


def _judged(finding: Finding, choices: Choices) -> Finding:
    chosen = finding.kind is Kind.WEIGHTS_CLIPPED or (choices.bias_corrected and finding.kind is Kind.BIAS) or choices.trained
    return replace(finding, severity=Severity.CHOICE) if chosen else finding


def population_findings(node: IdealNode, k: FixedConstants) -> Iterator[Finding]:
    """Yield the deviations of one population; a wrong unit stands for all that it makes wrong."""
    p = node.params
    assert p is not None
    weights, threshold = list(weight_findings(node)), list(_threshold(node.name, p, k, node.delta))
    unit = _unit_finding(node, k, weights, threshold)
    if unit is not None:
        yield unit
        return
    yield from weights
    yield from threshold
    corrected = _off_by_more(k.bias, node.bias)
    yield from _finding(node.name, Kind.BIAS, k.bias, node.bias, corrected)
    yield from _coefficients(node.name, p, k, node.delta)
    if p.reset is not k.reset_mode:
        yield Finding(
            place=node.name, kind=Kind.RESET_MODE, severity=Severity.DAMAGE, expected=p.reset.value, found=k.reset_mode.value,
            text=f"the model resets {p.reset.value}, the network {k.reset_mode.value}",
        )  # fmt: skip
    values = [(Kind.START, k.r0, p.r0)]
    values.append((Kind.RESET, k.reset, p.u_reset) if p.reset is ResetMode.HARD else (Kind.RESET_BY, k.reset_by, p.reset_by))
    for kind, codes, value in values:
        exact = value / node.delta
        yield from _finding(node.name, kind, codes, exact, _off_by_more(codes, exact))
    yield from _clamp(node.name, p, k, node.delta)


def _threshold(name: str, p: QIFParams, k: FixedConstants, delta: ChannelFloats) -> Iterator[Finding]:
    exact = p.theta / delta
    if k.theta is None:
        yield Finding(place=name, kind=Kind.THRESHOLD, severity=Severity.DAMAGE, text="the network's population has no threshold")
        return
    above = k.theta - exact
    slack = TOLERANCE * np.abs(exact)
    yield from _finding(name, Kind.THRESHOLD, k.theta, exact, (above < -slack) | (above > 1 + slack))


def _clamp(name: str, p: QIFParams, k: FixedConstants, delta: ChannelFloats) -> Iterator[Finding]:
    if p.u_min is not None and k.u_min is not None:
        yield from _finding(name, Kind.LOWER_CLAMP, k.u_min, p.u_min / delta, _off_by_more(k.u_min, p.u_min / delta))
    elif (p.u_min is None) is not (k.u_min is None):
        side = "the network" if p.u_min is None else "the model"
        yield Finding(place=name, kind=Kind.LOWER_CLAMP, severity=Severity.DAMAGE, text=f"only {side} has a lower clamp")


def _coefficients(name: str, p: QIFParams, k: FixedConstants, delta: ChannelFloats) -> Iterator[Finding]:
    """A wrong ``s1`` scales both coefficients, a wrong ``s2`` the curvature; what no shift explains is the mantissa."""
    linear, curvature = p.c1 * 2.0**k.s1, p.c2 * delta * 2.0 ** (k.s1 + k.s2)
    wrong1, wrong2 = _off_by_more(k.c1m, linear), _off_by_more(k.c2m, curvature)
    if not (wrong1.any() or wrong2.any()):
        return
    for n in SHIFTS:
        if not (_off_by_more(k.c1m, linear / 2.0**n).any() or _off_by_more(k.c2m, curvature / 2.0**n).any()):
            yield Finding(
                place=name, kind=Kind.STATE_SHIFT, severity=Severity.DAMAGE, expected=float(k.s1 - n), found=float(k.s1),
                text=f"s1 is {k.s1} where both coefficients say {k.s1 - n}",
            )  # fmt: skip
            return
    yield from _finding(name, Kind.LINEAR, k.c1m, linear, wrong1)
    for n in SHIFTS:
        moved = wrong2 & ~_off_by_more(k.c2m, curvature / 2.0**n) & (k.c2m != 0)
        if moved.any():
            first = int(np.flatnonzero(moved)[0])
            yield Finding(
                place=name, kind=Kind.CURVATURE_SHIFT, severity=Severity.DAMAGE, channels=_channels(moved),
                expected=float(k.s2[first] - n), found=float(k.s2[first]),
                text=f"s2 is {k.s2[first]} where the curvature says {k.s2[first] - n}",
            )  # fmt: skip
            wrong2 = wrong2 & ~moved
    yield from _finding(name, Kind.CURVATURE, k.c2m, curvature, wrong2)


def _unit_finding(node: IdealNode, k: FixedConstants, weights: list[Finding], threshold: list[Finding]) -> Finding | None:
    """Return a wrong ``Delta``: by the factor that threshold codes are off, all weights of those channels come right."""
    if not (weights and threshold and threshold[0].channels) or k.theta is None:
        return None
    assert node.params is not None
    wrong = list(threshold[0].channels)
    factor = (k.theta * node.delta / node.params.theta)[wrong][:, None]
    for branch in node.branches:
        exact = branch.exact[wrong] * factor
        # The threshold's code is up to one too high, so the factor is known to one part in it.
        if (np.abs(branch.codes[wrong] - exact) > 0.5 + np.abs(exact) / np.abs(k.theta[wrong][:, None])).any():
            return None
    first, unit = wrong[0], float(node.delta[wrong[0]] / factor[0, 0])
    return Finding(
        place=node.name, kind=Kind.UNIT, severity=Severity.DAMAGE, channels=tuple(wrong), expected=unit, found=float(node.delta[first]),
        text=f"Delta of channel {first} is {node.delta[first]:.6g} where threshold and weights say {unit:.6g}",
    )  # fmt: skip


def _readout_findings(graph: Graph, quantized: QuantizedGraph, node: IdealNode) -> Iterator[Finding]:
    yield from weight_findings(node)
    codes = quantized.readout_node()
    yield from _finding(node.name, Kind.BIAS, codes.bias, node.bias, _off_by_more(codes.bias, node.bias))
    single = graph.nodes[node.name]
    assert isinstance(single, Readout)
    if single.reduce is not codes.reduce:
        yield Finding(
            place=node.name, kind=Kind.REDUCE, severity=Severity.DAMAGE, expected=single.reduce.value, found=codes.reduce.value,
            text=f"the model reduces by {single.reduce.value}, the network by {codes.reduce.value}",
        )  # fmt: skip


def _format_findings(quantized: QuantizedGraph, expected: NumberFormat | None) -> Iterator[Finding]:
    mode = quantized.number_format.rounding
    if expected is not None and expected.rounding is not mode:
        yield Finding(
            place="number format", kind=Kind.ROUNDING_MODE, severity=Severity.DAMAGE, expected=expected.rounding.value, found=mode.value,
            text=f"every right shift rounds {mode.value}, target format {expected.name!r} rounds {expected.rounding.value}",
        )  # fmt: skip


def _input_findings(graph: Graph, quantized: QuantizedGraph) -> Iterator[Finding]:
    for name in quantized.inputs:
        a, b = graph.nodes[name], quantized.nodes[name]
        assert isinstance(a, Input)
        assert isinstance(b, CodeInput)
        if (a.low, a.high, a.scale) != (b.low, b.high, b.scale):
            expected, found = f"{a.low}..{a.high} of {a.scale:.6g}", f"{b.low}..{b.high} of {b.scale:.6g}"
            yield Finding(
                place=name, kind=Kind.INPUT, severity=Severity.DAMAGE, expected=expected, found=found,
                text=f"the model reads codes {expected}, the network {found}",
            )  # fmt: skip


def _geometry_findings(graph: Graph, quantized: QuantizedGraph) -> Iterator[Finding]:
    for name, node in quantized.nodes.items():
        other = graph.nodes.get(name)
        pair: tuple[str, str] | None = None
        if isinstance(node, Conv2dCodes) and isinstance(other, Conv2d):
            pair = repr(other.geometry), repr(node.geometry)
        elif isinstance(node, SumPool2d) and isinstance(other, AvgPool2d | SumPool2d):
            pair = repr((other.kernel, other.stride)), repr((node.kernel, node.stride))
        if pair is not None and pair[0] != pair[1]:
            yield Finding(
                place=_reader(quantized, name), branch=name, kind=Kind.GEOMETRY, severity=Severity.DAMAGE, expected=pair[0], found=pair[1],
                text=f"node {name!r}: {pair[1]} where the model has {pair[0]}",
            )  # fmt: skip


def _reader(quantized: QuantizedGraph, name: str) -> str:
    """Return the population or readout that a node finally feeds."""
    while quantized.targets(name) and name not in (*quantized.populations, quantized.readout):
        name = quantized.targets(name)[0]
    return name


def _off_by_more(codes: ChannelCodes, exact: ChannelFloats) -> ChannelFlags:
    """Where a code is further than half from the value that it rounds."""
    found: ChannelFlags = np.abs(codes - exact) > 0.5 + TOLERANCE * np.abs(exact)
    return found


def _finding(name: str, kind: Kind, codes: ChannelCodes, exact: ChannelFloats, wrong: ChannelFlags) -> Iterator[Finding]:
    if not wrong.any():
        return
    off = np.where(wrong, np.abs(codes - exact), -1.0)
    worst = int(off.argmax())
    share = f", {100 * (codes[worst] / exact[worst] - 1):+.1f} %" if exact[worst] else ""
    yield Finding(
        place=name, kind=kind, severity=Severity.DAMAGE, channels=_channels(wrong), expected=float(exact[worst]), found=float(codes[worst]),
        text=f"{kind.value} of channel {worst} is {codes[worst]} where the model says {exact[worst]:.6g} codes{share}",
    )  # fmt: skip


def _channels(flags: ChannelFlags) -> tuple[int, ...]:
    return tuple(int(c) for c in np.flatnonzero(flags))


__all__ = ["SHIFTS", "TOLERANCE", "Choices", "audit", "population_findings"]
