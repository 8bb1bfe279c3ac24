"""Whether a network fits a target's cores, as findings; for ``check``, which places nothing."""

from __future__ import annotations

from qif_deploy.analysis.check_network import Finding, Severity
from qif_deploy.ir.graph import QuantizedGraph
from qif_hardware.chip import Chip
from qif_hardware.mapping.activity import activity_of
from qif_hardware.mapping.choose import Chooser, Objective
from qif_hardware.mapping.lowering import lower
from qif_hardware.rules import layer_findings, network_findings


def placement_findings(graph: QuantizedGraph, chip: Chip) -> tuple[Finding, ...]:
    """Return what every design rule finds, and how many cores are needed of how many.

    The fewest cores are held against the largest of the profile's systems; that more than one chip is needed is a fact, not a fault.
    """
    lowered = lower(graph, chip)
    activity = activity_of(graph, lowered, None, source="")
    choice = Chooser(lowered, activity, chip).choose(budget=chip.cores, objective=Objective.CORES)
    largest = chip.sized(chips=max(chip.chips, *chip.systems))
    found = [*network_findings(graph, lowered, chip), *layer_findings(choice, largest)]
    if not choice.impossible:
        chips = -(-choice.cores // chip.cores_per_chip)
        found.append(
            Finding(
                rule="cores",
                severity=Severity.INFO,
                object="network",
                value=choice.cores,
                limit=f"{chip.cores_per_chip} per chip, {largest.chips} chips at most",
                remedy=f"{chips} chip{'s' if chips > 1 else ''} at least; `qif-deploy map` says where everything sits",
            )
        )
    return tuple(found)
