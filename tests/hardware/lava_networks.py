"""The networks of the Lava product: five topologies in every rounding, reset and length; each fires in every population."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any

import numpy as np

from qif_deploy.fixedpoint import RoundingMode
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, Conv2dCodes, ConvGeometry, DenseCodes, Flatten, ReadoutCodes, SumPool2d
from qif_deploy.neuron.params import ResetMode
from tests.networks import chain, number_format, population, proven, weights

Nodes = dict[str, Any]
SAME = ConvGeometry(padding=(1, 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination:
    """One cell of the product."""

    network: str
    steps: int
    reset_mode: ResetMode
    rounding: RoundingMode

    def __str__(self) -> str:
        return f"{self.network}-T{self.steps}-{self.reset_mode.value}-{self.rounding.value}"

    def build(self) -> QuantizedGraph:
        """Return the network, proven over its steps."""
        return NETWORKS[self.network](self)

    def neurons(self, rng: np.random.Generator, channels: int, **more: Any) -> Any:
        """A population of this reset and rounding, with biases that let some channel fire in its first step.

        Under subtract the parabola is flat enough for the proof to hold over 16 steps.
        """
        given = {"curvature": 0.25 if self.reset_mode is ResetMode.HARD else 0.002, "theta": 250}
        given |= {"fmt": number_format(self.rounding), "reset_mode": self.reset_mode} | more
        return population(rng, channels, **given)

    def proven(self, nodes: Nodes, edges: list[tuple[str, str]] | None = None) -> QuantizedGraph:
        """The graph of ``nodes``, in a row unless ``edges`` says otherwise."""
        return proven(nodes, tuple(pairwise(nodes) if edges is None else edges), number_format(self.rounding), self.steps)


def mlp(c: Combination, *, curvature: dict[str, float] | None = None) -> QuantizedGraph:
    rng = np.random.default_rng(21)
    more = curvature or {}
    nodes: Nodes = {"codes": CodeInput(shape=(12,), low=-3, high=3, scale=1.0)}
    nodes |= {"fc1": DenseCodes(weight=weights(rng, 16, 12), shift=0), "q1": c.neurons(rng, 16, **more)}
    nodes |= {"fc2": DenseCodes(weight=weights(rng, 12, 16), shift=1), "q2": c.neurons(rng, 12, **more)}
    nodes |= {"fc3": DenseCodes(weight=weights(rng, 5, 12), shift=0), "out": ReadoutCodes(bias=rng.integers(-50, 50, 5), delta=1.0)}
    return c.proven(nodes)


def lif_twin(c: Combination) -> QuantizedGraph:
    return mlp(c, curvature={"curvature": 0.0})


def conv_with_pooling(c: Combination) -> QuantizedGraph:
    base = chain()
    rng = np.random.default_rng(22)
    nodes = {
        name: c.neurons(rng, base.population(name).constants.channels) if name in base.populations else base.nodes[name]
        for name in base.nodes
    }
    return c.proven(nodes)


def grouped_and_strided(c: Combination) -> QuantizedGraph:
    """Height and width differ in size, kernel, stride, padding and dilation; both convolutions have groups."""
    rng = np.random.default_rng(23)
    first = ConvGeometry(stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2)
    second = ConvGeometry(stride=(1, 2), padding=(0, 1), groups=3)
    nodes: Nodes = {"events": CodeInput(shape=(2, 7, 8), low=0, high=1, scale=1.0)}
    nodes |= {"conv1": Conv2dCodes(weight=weights(rng, 6, 1, 3, 2), shift=2, geometry=first), "q1": c.neurons(rng, 6)}
    nodes |= {"conv2": Conv2dCodes(weight=weights(rng, 6, 2, 2, 3), shift=1, geometry=second), "q2": c.neurons(rng, 6)}
    nodes |= {"flat": Flatten(), "fc": DenseCodes(weight=weights(rng, 4, 54), shift=0)}
    return c.proven(nodes | {"out": ReadoutCodes(bias=np.zeros(4, np.int64), delta=1.0)})


def residual_network(c: Combination) -> QuantizedGraph:
    """A block with an identity shortcut, one with a strided projection, and a pool before the readout."""
    rng = np.random.default_rng(24)

    def conv(outputs: int, inputs: int, shift: int, stride: int = 1) -> Conv2dCodes:
        return Conv2dCodes(
            weight=weights(rng, outputs, inputs, 3, 3) // 2, shift=shift, geometry=ConvGeometry(stride=(stride,) * 2, padding=(1, 1))
        )

    def pointwise(outputs: int, inputs: int, shift: int, **geometry: Any) -> Conv2dCodes:
        return Conv2dCodes(weight=np.abs(weights(rng, outputs, inputs, 1, 1)), shift=shift, geometry=ConvGeometry(**geometry))

    nodes: Nodes = {"image": CodeInput(shape=(2, 6, 6), low=-3, high=5, scale=1.0)}
    nodes |= {"stem": conv(4, 2, 0), "q0": c.neurons(rng, 4), "a1": conv(4, 4, 1), "qa1": c.neurons(rng, 4), "a2": conv(4, 4, 1)}
    nodes |= {"identity": pointwise(4, 1, 2, groups=4), "qa2": c.neurons(rng, 4)}
    nodes |= {"b1": conv(6, 4, 1, stride=2), "qb1": c.neurons(rng, 6), "b2": conv(6, 6, 1)}
    nodes |= {"projection": pointwise(6, 4, 1, stride=(2, 2)), "qb2": c.neurons(rng, 6), "pool": SumPool2d(kernel=(3, 3), stride=(3, 3))}
    nodes |= {
        "flat": Flatten(),
        "fc": DenseCodes(weight=weights(rng, 5, 6), shift=0),
        "out": ReadoutCodes(bias=np.zeros(5, np.int64), delta=1.0),
    }
    main = pairwise(["image", "stem", "q0", "a1", "qa1", "a2", "qa2", "b1", "qb1", "b2", "qb2", "pool", "flat", "fc", "out"])
    return c.proven(nodes, [*main, ("q0", "identity"), ("identity", "qa2"), ("qa2", "projection"), ("projection", "qb2")])


NETWORKS: dict[str, Callable[[Combination], QuantizedGraph]] = {
    "mlp": mlp,
    "conv_with_pooling": conv_with_pooling,
    "grouped_and_strided": grouped_and_strided,
    "residual": residual_network,
    "lif_twin": lif_twin,
}
STEPS = (1, 4, 16)


def combinations() -> Iterator[Combination]:
    """The full product."""
    for network, steps, reset_mode, rounding in product(NETWORKS, STEPS, ResetMode, RoundingMode):
        yield Combination(network=network, steps=steps, reset_mode=reset_mode, rounding=rounding)


def pairwise_subset() -> list[Combination]:
    """A subset in which every pair of values of two factors occurs: greedy, the cell with most new pairs first."""

    def pairs(c: Combination) -> set[tuple[Any, ...]]:
        values = list(enumerate((c.network, c.steps, c.reset_mode, c.rounding)))
        return {(a, b) for a in values for b in values if a[0] < b[0]}

    cells, chosen = list(combinations()), []
    missing = set().union(*(pairs(c) for c in cells))
    while missing:
        best = max(cells, key=lambda c: len(pairs(c) & missing))
        chosen.append(best)
        missing -= pairs(best)
    return chosen
