"""Design rules of a target's cores, as named functions; each returns findings, and all are collected."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from qif_deploy.analysis.check_network import Finding, Severity
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.neuron.params import ResetMode
from qif_hardware.chip import RESOURCES, Chip
from qif_hardware.mapping.layer import LayerKind, Storage
from qif_hardware.mapping.lowering import Lowered, is_graded

if TYPE_CHECKING:
    from qif_hardware.mapping.choose import Choice

Rule = Callable[[QuantizedGraph, Lowered, Chip], list[Finding]]


def neuron_operations(graph: QuantizedGraph, lowered: Lowered, chip: Chip) -> list[Finding]:
    """Every operation of every neuron exists on the target."""
    found = []
    for name in graph.populations:
        k = graph.population(name).constants
        decays = (k.c1m >= 0) & (k.c1m <= 2**k.s1)
        needs = {
            "quadratic": (bool(k.c2m.any()), "train the leaky twin (a recipe with form lif), or take a target with programmable neurons"),
            "lower_clamp": (k.u_min is not None, "train without u_min"),
            "subtract_reset": (k.reset_mode is ResetMode.SUBTRACT, "train with a hard reset"),
            "nonzero_reset": (k.reset_mode is ResetMode.HARD and bool(k.reset.any()), "train with u_reset = 0"),
        }
        for operation, (needed, remedy) in needs.items():
            ability = chip.operations[operation]
            if needed and not ability.allowed:
                found.append(
                    _finding(
                        "neuron_operations",
                        Severity.ERROR,
                        name,
                        f"needs {operation}",
                        f"not on {chip.name}",
                        f"{ability.source}; {remedy}",
                    )
                )
        if not chip.operations["quadratic"].allowed and not k.c2m.any() and not bool(decays.all()):
            channel = int(np.flatnonzero(~decays)[0])
            found.append(
                _finding(
                    "neuron_operations",
                    Severity.ERROR,
                    name,
                    f"channel {channel}: factor {k.c1m[channel] / 2**k.s1:.3g} per step",
                    "a leak between 0 and 1",
                    "train with a decay between 0 and 1",
                )
            )
    return found


def graded_inputs(graph: QuantizedGraph, lowered: Lowered, chip: Chip) -> list[Finding]:
    """An input that carries values needs graded spikes, or someone outside who turns it into currents."""
    if chip.operations["graded_spikes"].allowed:
        return []
    return [
        _finding(
            "graded_inputs",
            Severity.WARN,
            name,
            f"codes {node.low}..{node.high}",
            "spikes only",
            "a held frame can be given as bias of the first population, computed outside; or train by a recipe with encoder = 'rate'",
        )
        for name in graph.inputs
        if is_graded(node := graph.code_input(name))
    ]


def weight_widths(graph: QuantizedGraph, lowered: Lowered, chip: Chip) -> list[Finding]:
    """Every weight, folded pools included, fits the synapse; a width without encoding is stored wider."""
    found = []
    for layer in lowered.layers:
        for p in layer.projections:
            if p.bits > chip.reach["weight_bits"]:
                found.append(
                    _finding(
                        "weight_widths",
                        Severity.ERROR,
                        p.name,
                        p.bits,
                        chip.reach["weight_bits"],
                        "quantise with fewer --weight-bits; a folded pool with overlapping windows needs more",
                    )
                )
            row = chip.conv_row if p.storage is Storage.SHARED else chip.dense_row
            if row.stored_bits(p.bits) != p.bits:
                found.append(
                    _finding(
                        "weight_widths",
                        Severity.INFO,
                        p.name,
                        p.bits,
                        f"stored as {row.stored_bits(p.bits)}",
                        f"{p.bits} bits have no encoding; {p.bits - 1} bits would save memory",
                    )
                )
    return found


def neuron_widths(graph: QuantizedGraph, lowered: Lowered, chip: Chip) -> list[Finding]:
    """Thresholds and biases fit the registers of a fixed neuron, where the profile gives their widths."""
    found = []
    for name in graph.populations:
        k = graph.population(name).constants
        for what, values, key in (("theta", k.theta, "threshold_bits"), ("bias", k.bias, "bias_bits")):
            if values is None or key not in chip.reach:
                continue
            largest = int(np.abs(values).max())
            if largest.bit_length() > chip.reach[key]:
                found.append(
                    _finding(
                        "neuron_widths",
                        Severity.ERROR,
                        f"{name}.{what}",
                        largest,
                        2 ** chip.reach[key] - 1,
                        f"quantise with a coarser grid (fewer state bits than {graph.number_format.state_bits})",
                    )
                )
    return found


def bias_mantissas(graph: QuantizedGraph, lowered: Lowered, chip: Chip) -> list[Finding]:
    """A bias is a short mantissa and an exponent on some chips; one with more significant bits loses its lowest."""
    bits = chip.reach.get("bias_mantissa_bits")
    if bits is None:
        return []
    found = []
    for name in graph.populations:
        lost = sum(_significant_bits(int(b)) > bits for b in graph.population(name).constants.bias)
        if lost:
            found.append(
                _finding(
                    "bias_mantissas",
                    Severity.WARN,
                    f"{name}.bias",
                    f"{lost} channels",
                    f"{bits} significant bits",
                    "the chip would round these biases; the reference does not, so the two would differ",
                )
            )
    return found


def _significant_bits(value: int) -> int:
    magnitude = abs(value)
    return 0 if magnitude == 0 else magnitude.bit_length() - ((magnitude & -magnitude).bit_length() - 1)


def convolution_width(graph: QuantizedGraph, lowered: Lowered, chip: Chip) -> list[Finding]:
    """The published compiler drops spikes around x = 256 n - 1 of convolution inputs wider than 256."""
    limit = chip.reach["conv_size"]
    return [
        _finding(
            "convolution_width",
            Severity.WARN,
            p.name,
            max(p.source_shape[1:]),
            limit,
            "the published compiler announces dropped spikes for such inputs; crop or pool the image first",
        )
        for layer in lowered.layers
        for p in layer.projections
        if p.storage is Storage.SHARED and max(p.source_shape[1:]) > limit
    ]


def delays(graph: QuantizedGraph, lowered: Lowered, chip: Chip) -> list[Finding]:
    """Paths of unequal length that meet are levelled by delays; beyond the longest delay relays take cores."""
    limit = chip.reach["delay_steps"]
    found = [
        _finding("delays", Severity.INFO, p.name, p.delay, limit, "the short path of a join waits in its synapses")
        for layer in lowered.layers
        for p in layer.projections
        if p.delay
    ]
    return found + [
        _finding("delays", Severity.WARN, layer.name, "relay neurons", f"delays of {limit} steps", "paths of nearer lengths need no relays")
        for layer in lowered.layers
        if layer.kind is LayerKind.RELAY
    ]


def fan_in(graph: QuantizedGraph, lowered: Lowered, chip: Chip) -> list[Finding]:
    """Synapses of one neuron, where the profile limits them."""
    limit = chip.reach.get("fan_in")
    if limit is None:
        return []
    return [
        _finding("fan_in", Severity.WARN, p.name, p.fan_in, limit, "fewer input channels, a smaller kernel, or a pool that is not folded")
        for layer in lowered.layers
        for p in layer.projections
        if p.fan_in > limit
    ]


def fan_out(graph: QuantizedGraph, lowered: Lowered, chip: Chip) -> list[Finding]:
    """Synapses that one spike reaches, where the profile limits them."""
    limit = chip.reach.get("fan_out")
    if limit is None:
        return []
    found = []
    for layer in lowered.layers:
        for p in layer.projections:
            outputs = layer.shape[0] // p.groups
            reached = layer.neurons if p.storage is not Storage.SHARED else len(p.y.taps) * len(p.x.taps) * outputs
            if reached > limit:
                found.append(_finding("fan_out", Severity.ERROR, p.name, reached, limit, "fewer output channels, or a smaller kernel"))
    return found


RULES: tuple[Rule, ...] = (
    neuron_operations,
    graded_inputs,
    weight_widths,
    neuron_widths,
    bias_mantissas,
    convolution_width,
    delays,
    fan_in,
    fan_out,
)


def network_findings(graph: QuantizedGraph, lowered: Lowered, chip: Chip) -> list[Finding]:
    """Apply all rules of RULES."""
    return [finding for rule in RULES for finding in rule(graph, lowered, chip)]


def layer_findings(choice: Choice, chip: Chip) -> list[Finding]:
    """Every layer fits a core in some tile, and all layers together fit the cores there are."""
    found = []
    for name, words in choice.impossible.items():
        over = {n: (int(v), chip.limits[n]) for n, v in zip(RESOURCES, words, strict=True) if n in chip.limits and v > chip.limits[n]}
        if "total" in chip.limits and words.total > chip.limits["total"]:
            over["total"] = (int(words.total), chip.limits["total"])
        found += [
            _finding(
                "core_limits",
                Severity.ERROR,
                f"{name}.{resource}",
                value,
                limit,
                "one neuron alone is too large for a core: reduce its inputs (pool first, fewer channels, a smaller kernel)",
            )
            for resource, (value, limit) in over.items()
        ]
    if choice.cores > chip.cores:
        chips = -(-choice.cores // chip.cores_per_chip)
        found.append(
            _finding(
                "chip_limits",
                Severity.ERROR,
                "network",
                choice.cores,
                chip.cores,
                f"it needs at least {chips} chips of {chip.cores_per_chip} cores: --chips {chips}, or fewer neurons or channels",
            )
        )
    return found


def _finding(rule: str, severity: Severity, subject: str, value: float | str, limit: float | str, remedy: str) -> Finding:
    return Finding(rule=rule, severity=severity, object=subject, value=value, limit=limit, remedy=remedy)
