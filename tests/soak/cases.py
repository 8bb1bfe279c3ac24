"""What the soak runs: networks and inputs, drawn from a seed and a number. The same versions draw the same ones again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.shapes import InputCodes
from tests import graph_strategies
from tests.export import strategies as exported
from tests.soak.networks import draw_network

PROPERTY_SHARE = 4
"""One case in so many has a network of the property tests."""

BATCH = 100
"""Networks of the property tests that are drawn at once."""

SAMPLES = (1, 2, 3, 5, 32, 33, 70)
"""Batch sizes: one, few, a full vector register, and a rest behind it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One network and its input codes ``(time, sample, ...)``."""

    seed: int
    number: int
    graph: QuantizedGraph
    inputs: dict[str, InputCodes]

    @property
    def steps(self) -> int:
        """Time steps of the run."""
        return int(next(iter(self.inputs.values())).shape[0])

    @property
    def samples(self) -> int:
        """Samples of the run."""
        return int(next(iter(self.inputs.values())).shape[1])

    def first(self, samples: int) -> Case:
        """Return the case with at most ``samples`` samples."""
        return replace(self, inputs={name: codes[:, :samples] for name, codes in self.inputs.items()})


def case_of(seed: int, number: int) -> Case:
    """Return case ``number`` of ``seed``; 1 to 16 steps, held input or changing, a proof that covers these steps or any."""
    rng = np.random.default_rng([seed, number])
    if number % PROPERTY_SHARE:
        graph = draw_network(rng)
    else:
        graphs = _property_networks(seed, number // PROPERTY_SHARE // BATCH)
        graph = graphs[number // PROPERTY_SHARE % BATCH % len(graphs)]
    steps = int(rng.integers(1, 17 if rng.random() < 0.5 else 5))
    samples = SAMPLES[rng.integers(len(SAMPLES))]
    held = rng.random() < 0.3
    inputs = {}
    for name in graph.inputs:
        node = graph.code_input(name)
        codes = rng.integers(node.low, node.high + 1, (1 if held else steps, samples, *node.shape))
        codes[:, 0] = np.where(rng.random(codes[:, 0].shape) < 0.5, node.low, node.high)  # one sample lives at the ends of the range
        inputs[name] = np.broadcast_to(codes, (steps, *codes.shape[1:]))
    return Case(seed=seed, number=number, graph=replace(graph, steps=(steps, None)[rng.integers(2)]), inputs=inputs)


@lru_cache(maxsize=2)
def _property_networks(seed_number: int, batch: int) -> list[QuantizedGraph]:
    """Different networks of the property tests, in the order in which Hypothesis draws them."""
    found: dict[str, QuantizedGraph] = {}

    @seed(seed_number * 1_000_003 + batch)
    @settings(
        max_examples=BATCH,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        derandomize=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.one_of(graph_strategies.networks(), exported.networks()))
    def collect(graph: QuantizedGraph) -> None:
        found[graph.content_hash] = graph

    collect()
    return list(found.values())
