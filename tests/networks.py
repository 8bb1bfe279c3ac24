"""Small integer networks with real dynamics: spikes in every population, negative potentials, resets. Seeded."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from qif_deploy.analysis.range_proof import prove_ranges
from qif_deploy.fixedpoint import NumberFormat, RoundingMode
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, Conv2dCodes, ConvGeometry, DenseCodes, Flatten, Population, ReadoutCodes, SumPool2d
from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.neuron.params import ResetMode

LOIHI2 = NumberFormat(name="loihi2", weight_bits=8, coef_bits=12, state_bits=24, product_bits=32, rounding=RoundingMode.TOWARD_ZERO)


def number_format(rounding: RoundingMode = RoundingMode.TOWARD_ZERO, **widths: int) -> NumberFormat:
    """The loihi2 widths with another rounding mode or other widths."""
    return NumberFormat(
        name="test", rounding=rounding, **({"weight_bits": 8, "coef_bits": 12, "state_bits": 24, "product_bits": 32} | widths)
    )


def population(
    rng: np.random.Generator,
    channels: int,
    *,
    fmt: NumberFormat = LOIHI2,
    reset_mode: ResetMode = ResetMode.HARD,
    curvature: float = 0.25,
    theta: int = 600,
    u_min: int | None = None,
) -> Population:
    """A population near ``0.25 r^2 + 0.875 r + x`` in units of ``theta``, constants jittered per channel."""
    s1 = 8
    unit = rng.uniform(0.8, 1.2, channels)
    thetas = np.maximum(1, (theta * unit).astype(np.int64))
    c1m = np.rint(rng.uniform(0.8, 0.95, channels) * 2**s1).astype(np.int64)
    s2 = np.full(channels, 12, np.int64)
    c2m = np.rint(curvature / thetas * 2.0 ** (s1 + 12)).astype(np.int64)
    if not curvature:
        s2[:] = 0
    reset = rng.integers(-20, 20, channels)
    constants = FixedConstants(
        c2m=c2m,
        c1m=c1m,
        s2=s2,
        s1=s1,
        bias=rng.integers(-60, 300, channels),
        theta=thetas,
        reset=reset,
        r0=reset + rng.integers(-5, 5, channels),
        reset_by=thetas.copy(),
        u_min=None if u_min is None else np.full(channels, u_min),
        reset_mode=reset_mode,
        number_format=fmt,
    )
    return Population(constants=constants, delta=np.full(channels, 1.0 / theta))


def weights(rng: np.random.Generator, *shape: int, limit: int = 127) -> np.ndarray:
    """Weight codes of both signs and parities; the mean is a little above zero so that neurons fire."""
    return np.clip(np.rint(rng.normal(8, 45, shape)), -limit, limit).astype(np.int32)


def chain(
    seed: int = 0,
    *,
    steps: int = 4,
    rounding: RoundingMode = RoundingMode.TOWARD_ZERO,
    reset_mode: ResetMode = ResetMode.HARD,
    signed_input: bool = False,
    u_min: int | None = None,
    **widths: int,
) -> QuantizedGraph:
    """conv - pool - conv - pool - dense - readout on 8x8, as the demo has it: graded input, non-square first kernel."""
    rng = np.random.default_rng(seed)
    fmt = number_format(rounding, **widths)
    more = {"fmt": fmt, "reset_mode": reset_mode, "u_min": u_min}
    nodes = {
        "image": CodeInput(shape=(1, 8, 8), low=-16 if signed_input else 0, high=16, scale=1 / 16),
        "conv1": Conv2dCodes(weight=weights(rng, 4, 1, 3, 5) // 8, shift=1, geometry=ConvGeometry(padding=(1, 2))),
        "q1": population(rng, 4, **more),
        "pool1": SumPool2d(kernel=(2, 2), stride=(2, 2)),
        "conv2": Conv2dCodes(weight=weights(rng, 6, 4, 3, 3) // 4, shift=1, geometry=ConvGeometry(padding=(1, 1))),
        "q2": population(rng, 6, **more),
        "pool2": SumPool2d(kernel=(2, 2), stride=(2, 2)),
        "flat": Flatten(),
        "fc1": DenseCodes(weight=weights(rng, 16, 24) // 4, shift=1),
        "q3": population(rng, 16, **more),
        "fc2": DenseCodes(weight=weights(rng, 10, 16), shift=0),
        "out": ReadoutCodes(bias=rng.integers(-50, 50, 10), delta=1 / 600),
    }
    names = list(nodes)
    return proven(nodes, tuple(pairwise(names)), fmt, steps)


def residual(seed: int = 0, *, steps: int = 4, rounding: RoundingMode = RoundingMode.TOWARD_ZERO) -> QuantizedGraph:
    """Two branches with different shifts into one population: a 3x3 conv and a depthwise 1x1 identity shortcut."""
    rng = np.random.default_rng(seed)
    fmt = number_format(rounding)
    nodes = {
        "events": CodeInput(shape=(2, 6, 6), low=0, high=1, scale=1.0),
        "conv1": Conv2dCodes(weight=weights(rng, 4, 2, 3, 3) // 2, shift=2, geometry=ConvGeometry(padding=(1, 1))),
        "q1": population(rng, 4, fmt=fmt),
        "conv2": Conv2dCodes(weight=weights(rng, 4, 4, 3, 3) // 2, shift=1, geometry=ConvGeometry(padding=(1, 1))),
        "skip": Conv2dCodes(weight=np.abs(weights(rng, 4, 1, 1, 1)), shift=3, geometry=ConvGeometry(groups=4)),
        "q2": population(rng, 4, fmt=fmt),
        "flat": Flatten(),
        "fc": DenseCodes(weight=weights(rng, 5, 144), shift=0),
        "out": ReadoutCodes(bias=np.zeros(5, np.int64), delta=1 / 600),
    }
    edges = (
        ("events", "conv1"), ("conv1", "q1"), ("q1", "conv2"), ("conv2", "q2"), ("q1", "skip"), ("skip", "q2"),
        ("q2", "flat"), ("flat", "fc"), ("fc", "out"),
    )  # fmt: skip
    return proven(nodes, edges, fmt, steps)


def proven(nodes: dict, edges: tuple, fmt: NumberFormat, steps: int | None) -> QuantizedGraph:
    """Build the graph and insist on its range proof."""
    graph = QuantizedGraph(nodes=nodes, edges=edges, number_format=fmt, steps=steps)
    proof = prove_ranges(graph, steps=steps)
    assert proof.holds, proof.failures()
    return graph


def random_inputs(graph: QuantizedGraph, *, samples: int = 32, steps: int = 4, seed: int = 1) -> dict[str, np.ndarray]:
    """Uniform codes ``(time, batch, ...)`` over the declared range of every input."""
    rng = np.random.default_rng(seed)
    out = {}
    for name in graph.inputs:
        node = graph.code_input(name)
        out[name] = rng.integers(node.low, node.high + 1, (steps, samples, *node.shape))
    return out


__all__ = ["LOIHI2", "chain", "number_format", "population", "proven", "random_inputs", "residual", "weights"]
