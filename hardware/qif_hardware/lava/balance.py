"""What it costs that all paths into a population are equally long: steps of latency, relays, and the neurons that they hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from qif_hardware.lava.plan import LavaPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayCost:
    """One relay: it delays what ``synapse`` hears of ``source`` by ``steps``; a chip needs ``neurons = steps * size`` for it.

    A relay of no steps blanks rows and columns that a pool leaves over.
    """

    synapse: str
    source: str
    steps: int
    neurons: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """``depth`` of every node in synapses from the inputs; ``latency`` steps are added to a run, once."""

    depth: Mapping[str, int]
    latency: int
    relays: tuple[RelayCost, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "depth", MappingProxyType(dict(self.depth)))

    @property
    def relay_neurons(self) -> int:
        """Neurons of all relays."""
        return sum(relay.neurons for relay in self.relays)


def balance_of(plan: LavaPlan) -> Balance:
    """Return what balancing the paths of ``plan`` adds."""
    shapes = {node.name: node.shape for node in plan.inputs} | {node.name: node.shape for node in plan.populations}
    sizes = {name: int(np.prod(shape)) for name, shape in shapes.items()}
    relays = tuple(
        RelayCost(
            synapse=synapse.name,
            source=synapse.wire.source,
            steps=synapse.wire.delay,
            neurons=synapse.wire.delay * sizes[synapse.wire.source],
        )
        for synapse in plan.synapses
        if not synapse.wire.direct
    )
    depth = dict.fromkeys((node.name for node in plan.inputs), 0)
    depth |= {node.name: node.depth for node in plan.populations} | {plan.readout.name: plan.readout.depth}
    return Balance(depth=depth, latency=plan.latency, relays=relays)
