"""Small float networks with real dynamics and their integer twins, and strategies that draw them."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
from hypothesis import strategies as st

from qif_deploy.fixedpoint import RoundingMode
from qif_deploy.ir.graph import Graph, QuantizedGraph
from qif_deploy.ir.nodes import QIF, Conv2d, ConvGeometry, Dense, Flatten, Input, Readout, Reduce
from qif_deploy.neuron.params import QIFParams, ResetMode
from qif_deploy.passes.quantize import quantize_graph
from tests.core.test_quantize import FORMS, float_chain, images
from tests.networks import number_format

STEPS = 4
MORE_FORMS = FORMS | {
    "constant term": QIFParams.of(c2=0.25, c1=0.8, c0=0.1, theta=0.9, u_reset=-0.1, r0=0.1),
    "subtract, quadratic": QIFParams.of(c2=0.05, c1=0.7, reset=ResetMode.SUBTRACT),
}


def float_residual(params: QIFParams, seed: int = 0, reduce: Reduce = Reduce.SUM) -> Graph:
    """A conv and an identity shortcut of another size into one population; the weights' sizes give the branches different shifts."""
    rng = np.random.default_rng(seed)
    nodes = {
        "image": Input(shape=(1, 6, 6), low=0, high=16, scale=1 / 16),
        "conv1": Conv2d(weight=rng.normal(0.1, 0.5, (6, 1, 3, 3)), bias=rng.normal(0.2, 0.1, 6), geometry=ConvGeometry(padding=(1, 1))),
        "q1": QIF(params=params),
        "conv2": Conv2d(weight=rng.normal(0.02, 0.1, (6, 6, 3, 3)), bias=rng.normal(0.2, 0.1, 6), geometry=ConvGeometry(padding=(1, 1))),
        "skip": Conv2d(weight=rng.uniform(0.9, 1.4, (6, 1, 1, 1)), geometry=ConvGeometry(groups=6)),
        "q2": QIF(params=params),
        "flat": Flatten(),
        "fc": Dense(weight=rng.normal(0, 0.5, (4, 216)), bias=rng.normal(0, 0.1, 4)),
        "out": Readout(reduce=reduce),
    }
    edges = (
        ("image", "conv1"), ("conv1", "q1"), ("q1", "conv2"), ("conv2", "q2"), ("q1", "skip"), ("skip", "q2"),
        ("q2", "flat"), ("flat", "fc"), ("fc", "out"),
    )  # fmt: skip
    return Graph(nodes=nodes, edges=edges)


@dataclasses.dataclass(frozen=True)
class Drawn:
    """What a pair of networks is made from; short to print, and made once."""

    shape: str
    form: str
    seed: int
    weight_bits: int
    rounding: RoundingMode

    def pair(self) -> tuple[Graph, QuantizedGraph]:
        """The float network and what quantisation makes of it."""
        return _made(self)


@functools.lru_cache(maxsize=256)
def _made(drawn: Drawn) -> tuple[Graph, QuantizedGraph]:
    graph = (float_chain if drawn.shape == "chain" else float_residual)(MORE_FORMS[drawn.form], drawn.seed)
    return graph, quantize_graph(graph, number_format(drawn.rounding, weight_bits=drawn.weight_bits), steps=STEPS)[0]


def pairs(*, shape: str | None = None, weight_bits: int | None = None) -> st.SearchStrategy[Drawn]:
    """Every form, rounding mode and width of the weights; a chain or a residual network."""
    return st.builds(
        Drawn,
        shape=st.sampled_from(("chain", "residual")) if shape is None else st.just(shape),
        form=st.sampled_from(tuple(MORE_FORMS)),
        seed=st.integers(0, 9),
        weight_bits=st.integers(3, 8) if weight_bits is None else st.just(weight_bits),
        rounding=st.sampled_from(RoundingMode),
    )


def changed(quantized: QuantizedGraph, name: str, **fields: object) -> QuantizedGraph:
    """The network with fields of node ``name`` (of its constants, for a population) replaced."""
    node = quantized.nodes[name]
    if hasattr(node, "constants") and "delta" not in fields:
        node = dataclasses.replace(node, constants=dataclasses.replace(node.constants, **fields))  # type: ignore[type-var]
    else:
        node = dataclasses.replace(node, **fields)  # type: ignore[type-var]
    return dataclasses.replace(quantized, nodes=dict(quantized.nodes) | {name: node})


__all__ = ["MORE_FORMS", "STEPS", "changed", "float_chain", "float_residual", "images", "pairs"]
