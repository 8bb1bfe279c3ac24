"""Everything that the verb ``energy`` says of a network: the chosen estimator, the other ones, twins, time and counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.pricing.deployment import NO_ROUTES, Deployment, StepTime, system_counts
from qif_deploy.pricing.estimate import EnergyEstimate, estimate_energy
from qif_deploy.pricing.interval import CONFIDENCE
from qif_deploy.pricing.neurobench_metrics import NeuroBenchMetrics
from qif_deploy.pricing.operations import LayerOperations, operations_by
from qif_deploy.pricing.placement import Placement
from qif_deploy.pricing.price_list import Counting, PriceList, load_price_list, price_list_names
from qif_deploy.pricing.routing import Routes, routes_of, routing_operations
from qif_deploy.pricing.terms import Term
from qif_deploy.pricing.twins import Twins, price_twins, range_ratio
from qif_deploy.simulate.op_counts import LayerCounts, Reaches, reaches_of


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedNetwork:
    """A network and the operations of its run of ``steps`` steps on the inputs ``source``.

    ``accuracy`` where labels were known. ``activity``: population -> spikes per neuron over the run, where it was asked for.
    """

    graph: QuantizedGraph
    layers: tuple[LayerCounts, ...]
    steps: int
    source: str
    accuracy: float | None = None
    activity: Mapping[str, NDArray[np.int64]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyReport:
    """Energy of a network by the chosen estimator, and what it is to be read beside.

    Args:
        network: the network and its counted operations.
        estimate: by the chosen price list.
        others: by the other packaged lists on the same counts: how far they differ is part of the answer.
        twins: the same topology as LIF, ANN and QNN.
        time: of a step and of an inference; None where nothing tells.
        deployment: cores and chips in use.
        routes: messages and hops per layer; None without a placement.
        neurobench: metrics by NeuroBench's rules.
    """

    network: CountedNetwork
    estimate: EnergyEstimate
    others: Mapping[str, EnergyEstimate]
    twins: Twins
    time: StepTime | None
    deployment: Deployment
    routes: Mapping[str, Routes] | None = None
    neurobench: NeuroBenchMetrics | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the keys of the ``energy`` contract and more; energies in joules, times in seconds, per inference."""
        graph = self.network.graph
        found = self.estimate.as_json() | {
            "input": self.network.source,
            "content_hash": graph.content_hash,
            "accuracy": self.network.accuracy,
            "confidence": CONFIDENCE,
            "quadratic": self.quadratic_share(),
            "rates": self.rates(),
            "twins": self.twins.as_json(),
            "others": {name: estimate.summary() for name, estimate in self.others.items()},
            "deployment": {
                "cores": self.deployment.cores,
                "chips": self.deployment.chips,
                "source": self.deployment.source,
                "time": None if self.time is None else self.time.as_json(),
                "messages_between_chips": None if self.routes is None else self.between_chips(),
            },
        }
        if self.estimate.price_list.ratios:
            found["ratios"] = [ratio.as_json() for ratio in self.estimate.price_list.ratios]
        if self.neurobench is not None:
            found["neurobench"] = self.neurobench.as_json()
        return found

    def between_chips(self) -> float:
        """Messages per inference that leave their chip; what the way between chips costs is not public."""
        routes = {} if self.routes is None else self.routes
        return sum(route.between_chips for route in routes.values()) / self.estimate.samples

    def quadratic_share(self) -> dict[str, Any]:
        """Energy of the quadratic term, and its share of everything priced; None where the list prices nothing of it."""
        energy = self.estimate.by_term.get(Term.QUADRATIC.value)
        if energy is None:
            return {"energy_j": None, "share": None}
        return {"energy_j": dict(energy), "share": range_ratio(energy, self.estimate.at_least)}

    def rates(self) -> dict[str, float]:
        """Spikes per neuron and step of every population."""
        populations = set(self.network.graph.populations)
        return {y.name: float(y.spikes.mean()) / (y.neurons * self.network.steps) for y in self.network.layers if y.name in populations}


def energy_report(
    network: CountedNetwork,
    price_list: PriceList,
    deployment: Deployment,
    *,
    placement: Placement | None = None,
    lif: CountedNetwork | None = None,
    neurobench: NeuroBenchMetrics | None = None,
) -> EnergyReport:
    """Price ``network`` by ``price_list``, by all other packaged lists, and beside its twins.

    Args:
        network: what ran.
        price_list: the estimator.
        deployment: cores, chips, measured step.
        placement: cores of every neuron, for messages and hops; the network then needs its activity.
        lif: a trained LIF network on the same inputs, for its twin.
        neurobench: metrics by NeuroBench's rules.
    """
    graph, layers, steps = network.graph, network.layers, network.steps
    reaches = reaches_of(graph)
    routes = _routes(network, reaches, placement)
    routing = () if routes is None else routing_operations(layers, routes)
    unrouted = _unrouted(placement, routes)
    by_event = _with(operations_by(Counting.EVENTS, graph, layers, reaches), routing)
    operations = {Counting.EVENTS: by_event, Counting.LEMAIRE: operations_by(Counting.LEMAIRE, graph, layers, reaches)}
    lists = {price_list.name: price_list} | {n: load_price_list(n) for n in price_list_names() if n != price_list.name}
    systems = {name: system_counts(layers, prices, deployment, steps=steps, unrouted=unrouted) for name, prices in lists.items()}
    estimates = {name: estimate_energy(operations[prices.counting], prices, systems[name]) for name, prices in lists.items()}
    linear = None if lif is None else operations_by(Counting.EVENTS, lif.graph, lif.layers, reaches_of(lif.graph))
    return EnergyReport(
        network=network,
        estimate=estimates.pop(price_list.name),
        others=estimates,
        twins=price_twins(graph, layers, reaches, price_list, steps=steps, lif=linear),
        time=systems[price_list.name].time,
        deployment=deployment,
        routes=routes,
        neurobench=neurobench,
    )


def _routes(network: CountedNetwork, reaches: Reaches, placement: Placement | None) -> dict[str, Routes] | None:
    if placement is None or placement.where is None or not network.activity:
        return None
    return routes_of(network.graph, reaches, placement, network.activity)


def _unrouted(placement: Placement | None, routes: Mapping[str, Routes] | None) -> dict[Term, str]:
    """Why messages and hops could not be counted; empty where they were."""
    if routes is None:
        reason = NO_ROUTES if placement is None else f"placement {placement.source!r} names no pieces of layers"
        return dict.fromkeys((Term.MESSAGE, Term.HOP_X, Term.HOP_Y), reason)
    if any(route.hops is None for route in routes.values()):
        return dict.fromkeys((Term.HOP_X, Term.HOP_Y), "the placement names no routers")
    return {}


def _with(layers: Sequence[LayerOperations], routing: Sequence[LayerOperations]) -> tuple[LayerOperations, ...]:
    more = {layer.name: layer.counts for layer in routing}
    return tuple(LayerOperations(name=y.name, counts={**y.counts, **more.get(y.name, {})}) for y in layers)
