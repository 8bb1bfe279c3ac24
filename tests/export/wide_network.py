"""A network whose products pass 32 bits."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np

from qif_deploy.fixedpoint import RoundingMode
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, DenseCodes, Population, ReadoutCodes
from qif_deploy.neuron.params import ResetMode
from tests.networks import number_format, population, weights

WIDE = {"coef_bits": 16, "product_bits": 48}


def with_constants(population: Population, **changes) -> Population:
    return dataclasses.replace(population, constants=dataclasses.replace(population.constants, **changes))


def wide(rounding: RoundingMode, reset_mode: ResetMode) -> QuantizedGraph:
    """Thresholds and mantissas so large that products pass 32 bits in ordinary running."""
    rng = np.random.default_rng(5)
    fmt = number_format(rounding, **WIDE)
    nodes = {
        "x": CodeInput(shape=(8,), low=-128, high=127, scale=1.0),
        "fc1": DenseCodes(weight=weights(rng, 6, 8), shift=6),
        "q1": population(rng, 6, fmt=fmt, theta=1_000_000, reset_mode=reset_mode),
        "fc2": DenseCodes(weight=weights(rng, 3, 6), shift=0),
        "out": ReadoutCodes(bias=np.zeros(3, np.int64), delta=1.0),
    }
    k = nodes["q1"].constants  # the same neuron with finer mantissas: c1 = c1m / 2^15, c2 = 0.25 / theta = c2m / 2^37
    nodes["q1"] = with_constants(nodes["q1"], s1=15, c1m=k.c1m << 7, s2=k.s2 + 10, c2m=np.rint(0.25 / k.theta * 2.0**37).astype(int))
    names = list(nodes)
    return QuantizedGraph(nodes=nodes, edges=tuple(itertools.pairwise(names)), number_format=fmt, steps=12)
