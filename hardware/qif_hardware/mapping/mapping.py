"""Mapping: an integer network on a chip's cores, or everything that speaks against it, with numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qif_deploy.analysis.check_network import Finding, Severity
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.simulate.op_counts import Tallies
from qif_hardware.chip import LEVELS, Chip
from qif_hardware.mapping.activity import Activity, activity_of
from qif_hardware.mapping.chips import assign_chips
from qif_hardware.mapping.choose import Choice, Chooser, Objective
from qif_hardware.mapping.cores import LogicalCores, cut_layers
from qif_hardware.mapping.explain import LayerReport, explain
from qif_hardware.mapping.layer import consumers_of
from qif_hardware.mapping.lowering import Lowered, lower
from qif_hardware.mapping.memory import Words, shares, tile_words
from qif_hardware.mapping.mesh import SWAPS, Mesh, link_loads, place_on_mesh
from qif_hardware.mapping.timing import TimeEstimate, core_time_ns, static_power_w, step_time
from qif_hardware.mapping.traffic import Traffic, injected_messages, traffic_of
from qif_hardware.rules import layer_findings, network_findings


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Placed:
    """Cores with their places, the messages between them, and the time that follows."""

    logical: LogicalCores
    traffic: Traffic
    mesh: Mesh
    time: TimeEstimate


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NetworkMapping:
    """Layers, cores, places and time of one network on one target.

    ``content_hash`` is that of the network. ``cores`` is the number used, or needed where it does not fit. ``placed`` is None where a
    layer fits no core or the cores are too few; ``findings`` then says why.
    """

    content_hash: str
    target: str
    chip: Chip
    lowered: Lowered
    activity: Activity
    choice: Choice
    layers: tuple[LayerReport, ...]
    findings: tuple[Finding, ...]
    placed: Placed | None
    injected_messages: float

    @property
    def fits(self) -> bool:
        """Whether the network has a place and no rule forbids it."""
        return self.placed is not None and not any(f.severity is Severity.ERROR for f in self.findings)

    @property
    def cores(self) -> int:
        """Cores used, or needed at least; layers that fit no core are not counted."""
        return self.choice.cores

    def as_json(self) -> dict[str, Any]:
        """Return the keys of the ``map`` contract; what was not placed is null."""
        found: dict[str, Any] = {
            "content_hash": self.content_hash,
            "target": self.target,
            "fits": self.fits,
            "cores": self.cores,
            "chips": None if self.placed is None else self.placed.mesh.chips_used,
            "system": {"chips": self.chip.chips, "cores_per_chip": self.chip.cores_per_chip},
            "mesh": {"columns": self.chip.columns, "rows": self.chip.rows, "cores_per_router": self.chip.cores_per_router},
            "layers": [layer.as_json() for layer in self.layers],
            "unplaceable_layers": list(self.choice.impossible),
            "shared_cores": [list(group) for group in self.choice.shared],
            "folded_pools": list(self.lowered.folded),
            "injected_inputs": {name: list(shape) for name, shape in self.lowered.injected.items()},
            "limits": dict(self.chip.limits),
            "activity": {"source": self.activity.source, "spikes_per_step": {n: float(s.sum()) for n, s in self.activity.spikes.items()}},
            "findings": [finding.as_json() for finding in self.findings],
            "utilisation": self.utilisation(),
            "time": None if self.placed is None else self.placed.time.as_json(),
            "traffic": self._traffic_json(),
            "placement": self.placement(),
        }
        return found

    def utilisation(self) -> dict[str, float] | None:
        """Mean share of each ceiling over the cores used, and of the fullest resource of each core."""
        if self.placed is None:
            return None
        rows = [shares(words, self.chip.limits) for words in self.placed.logical.words]
        found = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
        return found | {"fullest_resource": float(np.mean([max(row.values()) for row in rows]))}

    def placement(self) -> list[dict[str, Any]] | None:
        """Every core with its place, its pieces and its words."""
        if self.placed is None:
            return None
        logical, mesh = self.placed.logical, self.placed.mesh
        projections = {layer.name: layer.projections for layer in self.lowered.layers}
        return [
            {
                "core": number,
                "chip": int(mesh.chip[number]),
                "router": [int(mesh.x[number]), int(mesh.y[number])],
                "slot": int(mesh.slot[number]),
                "pieces": [piece.as_json(projections[piece.layer]) for piece in logical.pieces[number]],
                "words": logical.words[number].as_json(),
            }
            for number in range(logical.count)
        ]

    def _traffic_json(self) -> dict[str, Any] | None:
        if self.placed is None:
            return None
        mesh, traffic = self.placed.mesh, self.placed.traffic
        between = mesh.chip[traffic.source] != mesh.chip[traffic.target]
        return {
            "messages_per_step": traffic.total,
            "injected_per_step": self.injected_messages,
            "between_chips_per_step": float(traffic.messages[between].sum()),
            "hops_per_step": mesh.hops,
            "hops_per_step_before_swaps": mesh.hops_before,
            "chip_hops_per_step": mesh.chip_hops,
        }


def map_network(
    graph: QuantizedGraph,
    chip: Chip,
    *,
    tallies: Tallies | None = None,
    source: str = "assumed rate of 0.16 spikes per neuron and step",
    objective: Objective = Objective.TIME,
    grow: bool = False,
) -> NetworkMapping:
    """Map ``graph`` onto ``chip``; pure and deterministic.

    Args:
        graph: the network.
        chip: its cores; ``chip.chips`` is how many chips may be used.
        tallies: spikes of a run, by which work is spread; None assumes a rate.
        source: what the tallies come from, in words.
        objective: what to spend the cores for.
        grow: take the smallest of the profile's systems that has enough cores.
    """
    lowered = lower(graph, chip)
    activity = activity_of(graph, lowered, tallies, source=source)
    chooser = Chooser(lowered, activity, chip)
    choice = chooser.choose(budget=chip.cores, objective=Objective.CORES)
    if grow:
        chip = _grown(chip, choice.cores)
    choices = chooser.on(chip).candidates(budget=chip.cores, objective=objective)
    findings = network_findings(graph, lowered, chip)
    choice = choices[0]
    if choice.impossible or choice.cores > chip.cores:
        return NetworkMapping(
            content_hash=graph.content_hash, target=chip.name, chip=chip, lowered=lowered, activity=activity, choice=choice,
            findings=(*findings, *layer_findings(choice, chip)), layers=_reports(lowered, choice, chip, None), placed=None,
            injected_messages=0.0,
        )  # fmt: skip
    choice, placed = _best_placed(graph, lowered, activity, chip, choices)
    return NetworkMapping(
        content_hash=graph.content_hash, target=chip.name, chip=chip, lowered=lowered, activity=activity, choice=choice,
        findings=tuple(findings), layers=_reports(lowered, choice, chip, placed.logical), placed=placed,
        injected_messages=injected_messages(placed.logical, activity, lowered.injected),
    )  # fmt: skip


def _best_placed(
    graph: QuantizedGraph, lowered: Lowered, activity: Activity, chip: Chip, choices: Sequence[Choice]
) -> tuple[Choice, Placed]:
    """Keep the choice with the shortest typical step, the fewest cores among equal ones. Swaps, which hardly move it, come last."""

    def place(choice: Choice, levels: tuple[str, ...], *, swaps: int) -> Placed:
        logical = cut_layers(lowered, choice, chip, activity, levels)
        traffic = traffic_of(logical, activity)
        chip_of = assign_chips(logical.count, traffic, chips=chip.chips, cores_per_chip=chip.cores_per_chip)
        mesh = place_on_mesh(chip_of, traffic, chip, swaps=swaps)
        return Placed(logical=logical, traffic=traffic, mesh=mesh, time=_time(graph, lowered, logical, mesh, traffic, chip))

    def step(choice: Choice) -> tuple[float, int]:
        return place(choice, ("typical",), swaps=0).time.levels["typical"].step_ns, choice.cores

    best = choices[0] if len(choices) == 1 else min(choices, key=step)
    return best, place(best, LEVELS, swaps=SWAPS)


def _grown(chip: Chip, cores: int) -> Chip:
    for chips in sorted({chip.chips, *(n for n in chip.systems if n > chip.chips)}):
        if chips * chip.cores_per_chip >= cores:
            return chip.sized(chips=chips)
    return chip.sized(chips=max(chip.chips, *chip.systems))


def _reports(lowered: Lowered, choice: Choice, chip: Chip, logical: LogicalCores | None) -> tuple[LayerReport, ...]:
    splits = {name: -(-lowered.layer(name).shape[0] // tile.c) for name, tile in choice.tiles.items()}
    found = []
    for layer in lowered.layers:
        if layer.name not in choice.tiles:
            continue
        listening = consumers_of(layer.name, lowered.layers, splits)
        words = _fullest(layer.name, lowered, choice, chip, splits)
        times = {} if logical is None else _layer_times(layer.name, logical, chip)
        found.append(explain(layer, choice.tiles[layer.name], words, times, chip, listening, bound_ns=choice.bound_ns))
    return tuple(found)


def _fullest(name: str, lowered: Lowered, choice: Choice, chip: Chip, splits: dict[str, int]) -> Words:
    layer = lowered.layer(name)
    return Words(*map(int, tile_words(layer, choice.tiles[name], chip, consumers_of(name, lowered.layers, splits))))


def _layer_times(name: str, logical: LogicalCores, chip: Chip) -> dict[str, float]:
    """Time of the slowest core that holds a piece of the layer, with everything else on it."""
    numbers = logical.cuts[name].core.ravel()
    return {level: float(np.max(core_time_ns(tuple(terms[numbers].T), chip))) for level, terms in logical.terms_ns.items()}


def _time(graph: QuantizedGraph, lowered: Lowered, logical: LogicalCores, mesh: Mesh, traffic: Traffic, chip: Chip) -> TimeEstimate:
    inner, outer = link_loads(mesh, traffic)
    levels = {}
    for level, terms in logical.terms_ns.items():
        slowest = float(np.max(core_time_ns(tuple(terms.T), chip)))
        on_chip = max(inner.values(), default=0.0) * chip.times_ns["link_message"].at(level)
        off_chip = max(outer.values(), default=0.0) * chip.times_ns["chip_link_message"].at(level)
        levels[level] = step_time(slowest, max(on_chip, off_chip), chip, level, mesh.chips_used)
    return TimeEstimate(
        levels=levels,
        steps=1 if graph.steps is None else graph.steps,
        depth=lowered.depth,
        static_w=static_power_w(chip, cores=logical.count, chips=mesh.chips_used),
    )
