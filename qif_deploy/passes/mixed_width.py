"""Widths per synapse under a memory budget: bits are taken first where they cost the least noise per byte."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from qif_deploy.errors import InputError
from qif_deploy.fixedpoint import NumberFormat
from qif_deploy.ir.graph import Graph
from qif_deploy.ir.nodes import QIF, Conv2d, Dense
from qif_deploy.passes.branches import Branch, branches_of
from qif_deploy.passes.calibration import Calibration
from qif_deploy.passes.population_codes import code_synapse
from qif_deploy.passes.scale_method import QuantizeOptions

LADDER = (8, 6, 4, 3, 2)
"""Widths that are tried, from the format's downwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of the search: ``synapse`` went down to ``bits`` for ``noise_added`` and saved ``bytes_saved``."""

    synapse: str
    bits: int
    noise_added: float
    bytes_saved: float

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {"synapse": self.synapse, "bits": self.bits, "noise_added": self.noise_added, "bytes_saved": self.bytes_saved}


@dataclass(frozen=True, slots=True, kw_only=True)
class MixedWidths:
    """Result of the search: synapse -> bits, what the weights take then, and the steps in order."""

    weight_bits: Mapping[str, int]
    weight_bytes: int
    budget_bytes: int
    steps: tuple[Step, ...]

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "weight_bits": dict(self.weight_bits),
            "weight_bytes": self.weight_bytes,
            "budget_bytes": self.budget_bytes,
            "steps": [step.as_json() for step in self.steps],
        }


def weight_bytes(graph: Graph, widths: Mapping[str, int]) -> int:
    """Return the bytes of all weights at those widths, each synapse packed and rounded up to whole bytes."""
    return sum(-(-_synapse(graph, name).weight.size * bits // 8) for name, bits in widths.items())


def choose_widths(
    graph: Graph, number_format: NumberFormat, *, budget_bytes: int, calibration: Calibration, options: QuantizeOptions
) -> MixedWidths:
    """Lower widths along ``LADDER``, greedily, until the weights fit ``budget_bytes``.

    A step costs the noise that it adds to the population's current on the calibration data: mean square over channels in units of
    ``theta - u_reset``, for the readout in units of its spread. Each step takes the synapse whose cost per saved byte is least.

    Args:
        graph: the float network.
        number_format: the widest that a synapse may be.
        budget_bytes: what the weights may take together.
        calibration: inputs of the synapses on data.
        options: scale method; widths that it fixes already stay as they are.

    Raises:
        InputError: not even the narrowest widths fit the budget.
    """
    free = [width for width in LADDER if width < number_format.weight_bits]
    ladder = (number_format.weight_bits, *free)
    names = [name for name, node in graph.nodes.items() if isinstance(node, Dense | Conv2d)]
    widths = {name: options.weight_bits.get(name, ladder[0]) for name in names}
    movable = [name for name in names if name not in options.weight_bits]
    least = weight_bytes(graph, widths | dict.fromkeys(movable, ladder[-1]))
    if budget_bytes < least:
        raise InputError(
            f"memory budget {budget_bytes} bytes is below {least}, what the weights take at {ladder[-1]} bits; give at least that"
        )
    noise = _noise_table(graph, number_format, movable, ladder, calibration, options)
    steps: list[Step] = []
    while weight_bytes(graph, widths) > budget_bytes:
        candidates = []
        for name in movable:
            place = ladder.index(widths[name])
            if place + 1 < len(ladder):
                lower = ladder[place + 1]
                saved = _synapse(graph, name).weight.size * (widths[name] - lower) / 8
                added = noise[name, lower] - noise[name, widths[name]]
                candidates.append((added / saved, name, lower, added, saved))
        _, name, lower, added, saved = min(candidates)
        widths[name] = lower
        steps.append(Step(synapse=name, bits=lower, noise_added=added, bytes_saved=saved))
    return MixedWidths(weight_bits=widths, weight_bytes=weight_bytes(graph, widths), budget_bytes=budget_bytes, steps=tuple(steps))


def _synapse(graph: Graph, name: str) -> Dense | Conv2d:
    node = graph.nodes[name]
    assert isinstance(node, Dense | Conv2d)
    return node


def _noise_table(
    graph: Graph,
    number_format: NumberFormat,
    movable: list[str],
    ladder: tuple[int, ...],
    calibration: Calibration,
    options: QuantizeOptions,
) -> dict[tuple[str, int], float]:
    """Noise of every movable synapse at every width of the ladder, with the step that its own weights ask for."""
    found = {}
    for target in (*graph.populations, graph.readout):
        node = graph.nodes[target]
        for bits in ladder:
            chosen = replace(options, weight_bits=dict(options.weight_bits) | dict.fromkeys(movable, bits))
            for branch in branches_of(graph, target, number_format, chosen):
                if branch.name in movable:
                    spans = node.params.theta - node.params.u_reset if isinstance(node, QIF) else calibration.readout_spread
                    found[branch.name, bits] = float(np.mean(_noise(branch, calibration) / np.square(spans)))
    return found


def _noise(branch: Branch, calibration: Calibration) -> Any:
    step = branch.largest / branch.limit
    delta = np.where(step > 0, step, 1.0)  # a channel without weights has no noise at any step
    power = code_synapse(branch, delta, 0, calibration.inputs[branch.name]).noise_power
    assert power is not None
    return power
