"""Chains of residual blocks of any length, with drawn codes: what the growth of the mapper is measured on."""

from __future__ import annotations

import numpy as np

from qif_deploy.fixedpoint import NumberFormat
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, CodeNode, Conv2dCodes, ConvGeometry, DenseCodes, Flatten, Population, ReadoutCodes, SumPool2d
from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.neuron.params import ResetMode
from qif_hardware.target import load_target

CHANNELS, SIDE = 64, 16


def chain_of_blocks(blocks: int) -> QuantizedGraph:
    """Stem, ``blocks`` residual blocks of two convolutions each on 16x16 with 64 channels, pool, readout; not proven, nothing runs it."""
    rng = np.random.default_rng(0)
    f = load_target("loihi2").number_format
    nodes: dict[str, CodeNode] = {"image": CodeInput(shape=(3, SIDE, SIDE), low=0, high=255, scale=1 / 255)}
    edges: list[tuple[str, str]] = []

    def conv(name: str, source: str, inputs: int, *, side: int = 3, groups: int = 1) -> str:
        weight = rng.integers(-127, 128, (CHANNELS, inputs // groups, side, side))
        nodes[name] = Conv2dCodes(weight=weight, shift=0, geometry=ConvGeometry(padding=(side // 2, side // 2), groups=groups))
        edges.append((source, name))
        return name

    def population(name: str, *branches: str) -> str:
        nodes[name] = neurons(f)
        edges.extend((branch, name) for branch in branches)
        return name

    at = population("q0", conv("conv0", "image", 3))
    for n in range(blocks):
        middle = population(f"q{n}a", conv(f"conv{n}a", at, CHANNELS))
        skip = conv(f"skip{n}", at, CHANNELS, side=1, groups=CHANNELS)
        at = population(f"q{n}b", conv(f"conv{n}b", middle, CHANNELS), skip)
    nodes |= {
        "pool": SumPool2d(kernel=(SIDE, SIDE), stride=(SIDE, SIDE)),
        "flat": Flatten(),
        "fc": DenseCodes(weight=rng.integers(-127, 128, (10, CHANNELS)), shift=0),
        "out": ReadoutCodes(bias=np.zeros(10, np.int64), delta=1.0),
    }
    edges += [(at, "pool"), ("pool", "flat"), ("flat", "fc"), ("fc", "out")]
    return QuantizedGraph(nodes=nodes, edges=tuple(edges), number_format=f, steps=4)


def neurons(f: NumberFormat) -> Population:
    """A quadratic population; which one does not matter to the mapper."""
    one = np.ones(CHANNELS, np.int64)
    constants = FixedConstants(
        c2m=one, c1m=200 * one, s2=8 * one, s1=8, bias=0 * one, theta=600 * one, reset=0 * one, r0=0 * one, reset_by=600 * one, u_min=None,
        reset_mode=ResetMode.HARD, number_format=f,
    )  # fmt: skip
    return Population(constants=constants, delta=np.ones(CHANNELS))
