"""Networks as people train them, drawn from a NumPy generator: blocks of convolutions, joins and pools, then dense layers.

Larger and deeper than those of the property tests, and without their leaning towards the small: Hypothesis looks for the simplest
failure, the soak for the rare one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from qif_deploy.fixedpoint import NumberFormat, RoundingMode
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import (
    CodeInput,
    CodeNode,
    Conv2dCodes,
    ConvGeometry,
    DenseCodes,
    Flatten,
    Population,
    ReadoutCodes,
    Reduce,
    SumPool2d,
)
from qif_deploy.neuron.params import ResetMode
from tests.networks import population, weights
from tests.soak.wild import wild_population

T = TypeVar("T")
RANGES = ((0, 1), (0, 16), (0, 255), (-16, 16), (-128, 127), (2, 5))
CURVATURES = (0.0, 0.25, 0.25, 0.002, -0.1)
"""Of ``u^2`` in units of theta: 0 is LIF. The form around two roots and that around fixed points differ in ``c1`` and ``c0`` alone."""


def draw_network(rng: np.random.Generator) -> QuantizedGraph:
    """One to three blocks of up to 16 channels on up to 12 x 12, or dense layers alone; its proof is said to cover any steps."""
    build = _Network(rng)
    if rng.random() < 0.15:
        at = build.input("x", (build.int(1, 40),))
    else:
        at = build.input("image", (build.int(1, 3), build.int(3, 12), build.int(3, 12)))
        for block in range(build.int(1, 3)):
            at = build.block(f"b{block}", at)
        at = build.add("flat", Flatten(), [at], (int(np.prod(build.shapes[at])),))
    for layer in range(build.int(0, 2)):
        at = build.neurons(f"q{layer}", [build.dense(f"fc{layer}", at, build.int(1, 24))])
    classes = build.int(1, 10)
    joined = [build.dense("head", at, classes)]
    if rng.random() < 0.2:
        joined.append(build.dense("side", build.input("side_input", (build.int(1, 16),)), classes))
    return build.finish(joined, classes)


class _Network:
    """What is drawn so far; every method returns the name of what it added."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.nodes: dict[str, CodeNode] = {}
        self.edges: list[tuple[str, str]] = []
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.reset, self.curvature = self.of(list(ResetMode)), self.of(CURVATURES)
        self.format = NumberFormat(
            name="soak",
            weight_bits=self.of((2, 3, 4, 6, 8, 8, 8)),
            coef_bits=12,
            state_bits=self.of((12, 16, 20, 24, 24)),
            product_bits=self.of((32, 32, 62)),
            rounding=self.of(list(RoundingMode)),
        )

    def int(self, low: int, high: int) -> int:
        """Draw from ``low..high``."""
        return int(self.rng.integers(low, high + 1))

    def of(self, choices: Sequence[T]) -> T:
        """Draw one of ``choices``."""
        return choices[self.int(0, len(choices) - 1)]

    def add(self, name: str, node: CodeNode, sources: list[str], shape: tuple[int, ...]) -> str:
        self.nodes[name], self.shapes[name] = node, shape
        self.edges += [(source, name) for source in sources]
        return name

    def input(self, name: str, shape: tuple[int, ...]) -> str:
        low, high = self.of(RANGES)
        return self.add(name, CodeInput(shape=shape, low=low, high=high, scale=1.0), [], shape)

    def block(self, name: str, source: str) -> str:
        """A convolution into a population, then perhaps a join of two or three branches, then perhaps a pool."""
        channels = self.of((1, 2, 4, 8, 16))
        at = self.neurons(f"{name}.q", [self.any_conv(f"{name}.conv", source, channels)])
        kind = self.int(0, 3)
        if kind == 0:
            near = ConvGeometry(padding=(1, 1))
            alone = ConvGeometry(groups=self.of((1, channels)))
            joined = [self.conv(f"{name}.main", at, channels, (3, 3), near), self.conv(f"{name}.skip", at, channels, (1, 1), alone)]
            if self.rng.random() < 0.4:
                more = self.input(f"{name}.in", (2, *self.shapes[at][1:]))
                joined.append(self.conv(f"{name}.more", more, channels, (3, 3), near))
            return self.neurons(f"{name}.join", joined)
        return self.pool(f"{name}.pool", at) if kind == 1 else at

    def any_conv(self, name: str, source: str, outputs: int) -> str:
        """A convolution with stride, padding, dilation and groups that leaves something of the picture."""
        inputs, height, width = self.shapes[source]
        groups = self.of([n for n in (1, 1, 2, 4) if inputs % n == 0 and outputs % n == 0])
        padding, dilation = (self.int(0, 2), self.int(0, 2)), (self.int(1, 2), self.int(1, 2))
        reach = [max(1, min(5, (n + 2 * p - 1) // d + 1)) for n, p, d in zip((height, width), padding, dilation, strict=True)]
        size = (self.int(1, reach[0]), self.int(1, reach[1]))
        stride = (self.int(1, 2), self.int(1, 2))
        return self.conv(name, source, outputs, size, ConvGeometry(stride=stride, padding=padding, dilation=dilation, groups=groups))

    def conv(self, name: str, source: str, outputs: int, size: tuple[int, int], geometry: ConvGeometry) -> str:
        inputs, height, width = self.shapes[source]
        node = Conv2dCodes(weight=self.weights(outputs, inputs // geometry.groups, *size), shift=self.int(0, 4), geometry=geometry)
        return self.add(name, node, [source], (outputs, *geometry.output_size((height, width), size)))

    def dense(self, name: str, source: str, outputs: int) -> str:
        node = DenseCodes(weight=self.weights(outputs, self.shapes[source][0]), shift=self.int(0, 4))
        return self.add(name, node, [source], (outputs,))

    def pool(self, name: str, source: str) -> str:
        channels, height, width = self.shapes[source]
        kernel, stride = (self.int(1, min(3, height)), self.int(1, min(3, width))), (self.int(1, 3), self.int(1, 3))
        size = [(n - k) // s + 1 for n, k, s in zip((height, width), kernel, stride, strict=True)]
        return self.add(name, SumPool2d(kernel=kernel, stride=stride), [source], (channels, *size))

    def weights(self, *shape: int) -> np.ndarray:
        """Codes of both signs, smaller for a larger fan-in as trained ones are, or any that the width allows."""
        limit = self.format.weight_limit
        if self.rng.random() < 0.2:
            return self.rng.integers(-limit, limit + 1, shape)
        fan_in = int(np.prod(shape[1:]))
        return np.clip(np.trunc(weights(self.rng, *shape) / max(1, int(fan_in**0.5) // 2)).astype(np.int64), -limit, limit)

    def neurons(self, name: str, branches: list[str]) -> str:
        channels = self.shapes[branches[0]][0]
        node: Population
        if self.rng.random() < 0.15:
            node = wild_population(self.rng, channels, self.format)
        else:
            theta = min(self.of((150, 600, 2500)), self.format.state_limit // 4)
            u_min = self.of((None, None, -theta))
            node = population(
                self.rng, channels, fmt=self.format, reset_mode=self.reset, curvature=self.curvature, theta=theta, u_min=u_min
            )
        return self.add(name, node, branches, self.shapes[branches[0]])

    def finish(self, branches: list[str], classes: int) -> QuantizedGraph:
        node = ReadoutCodes(bias=self.rng.integers(-99, 99, classes), delta=1.0, reduce=self.of(list(Reduce)))
        self.add("out", node, branches, (classes,))
        return QuantizedGraph(nodes=self.nodes, edges=tuple(self.edges), number_format=self.format, steps=None)
