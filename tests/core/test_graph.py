"""What a graph refuses, and that it is a value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from itertools import pairwise

import numpy as np
import pytest

from qif_deploy.errors import GraphError
from qif_deploy.ir.graph import Graph, QuantizedGraph
from qif_deploy.ir.nodes import (
    QIF,
    AvgPool2d,
    BatchNorm,
    CodeInput,
    Conv2d,
    Conv2dCodes,
    ConvGeometry,
    Dense,
    DenseCodes,
    Flatten,
    Input,
    Population,
    Readout,
    ReadoutCodes,
    SumPool2d,
)
from qif_deploy.neuron.params import QIFParams
from tests.networks import LOIHI2, chain, number_format, residual

P = QIFParams.from_fixed_points(a=0.25, u_rest=0.0, u_crit=0.5)
ONES = np.ones(3)


def small() -> dict:
    return {
        "x": Input(shape=(2, 4, 4)),
        "conv": Conv2d(weight=np.ones((3, 2, 3, 3))),
        "q": QIF(params=P),
        "flat": Flatten(),
        "fc": Dense(weight=np.ones((5, 12))),
        "out": Readout(),
    }


def build(changes: Callable[[dict, list], None] = lambda nodes, edges: None) -> Graph:
    nodes = small()
    edges = list(pairwise(nodes))
    changes(nodes, edges)
    return Graph(nodes=nodes, edges=tuple(edges))


def test_shapes_are_inferred() -> None:
    assert dict(build().shapes) == {"x": (2, 4, 4), "conv": (3, 2, 2), "q": (3, 2, 2), "flat": (12,), "fc": (5,), "out": (5,)}


def test_order_follows_edges_then_names_given() -> None:
    graph = residual()
    assert all(graph.order.index(a) < graph.order.index(b) for a, b in graph.edges)
    assert graph.order == residual().order


def test_graphs_are_values() -> None:
    assert build() == build()
    assert build() != build(lambda nodes, _: nodes.update(fc=Dense(weight=np.zeros((5, 12)))))
    assert chain(1) == chain(1)
    assert chain(1) != chain(2)
    assert chain(1) != residual(1)
    assert chain(1).__eq__(3) is NotImplemented
    assert chain(1).content_hash == chain(1).content_hash != chain(2).content_hash
    with pytest.raises(TypeError):
        hash(build())


def test_the_content_hash_sees_every_code_and_no_reporting_float() -> None:
    base = chain()

    def changed(name: str, node: object) -> str:
        return QuantizedGraph(
            nodes=dict(base.nodes) | {name: node}, edges=base.edges, number_format=base.number_format, steps=4
        ).content_hash

    q1, conv1, pool, out = base.population("q1"), base.nodes["conv1"], base.nodes["pool1"], base.readout_node()
    variants = [
        changed("conv1", replace(conv1, weight=conv1.weight + (np.arange(conv1.weight.size).reshape(conv1.weight.shape) == 7))),
        changed("conv1", replace(conv1, shift=2)),
        changed("out", replace(out, bias=out.bias + 1)),
        changed("image", replace(base.nodes["image"], high=17)),
        *(
            changed("q1", replace(q1, constants=replace(q1.constants, **{f: getattr(q1.constants, f) + 1})))
            for f in ("c2m", "c1m", "s2", "bias", "theta", "reset_by")
        ),
    ]
    assert len({base.content_hash, *variants}) == len(variants) + 1
    assert changed("q1", replace(q1, delta=q1.delta * 2)) == base.content_hash
    assert changed("pool1", pool) == base.content_hash


def test_nothing_can_be_changed_in_place() -> None:
    graph = chain()
    with pytest.raises(FrozenInstanceError):
        graph.steps = 9
    with pytest.raises(TypeError):
        graph.nodes["q1"] = None
    with pytest.raises(ValueError, match="read-only"):
        graph.nodes["conv1"].weight[0] = 0
    given = np.ones((3, 2, 3, 3))
    node = Conv2d(weight=given)
    given[:] = 5
    assert (node.weight == 1).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda n, e: e.append(("q", "nowhere")), "edge 'q' -> 'nowhere': no node 'nowhere'"),
        (lambda n, e: e.append(("x", "conv")), "edge 'x' -> 'conv' is given 2 times"),
        (lambda n, e: e.append(("fc", "q")), "edges form a cycle .*recurrent connections are not supported"),
        (lambda n, e: n.update({"a/b": Flatten()}), "node name 'a/b' is not usable"),
        (lambda n, e: n.pop("out") and e.pop(), "the graph has 0 readouts"),
        (lambda n, e: (n.update(out2=Readout()), e.append(("fc", "out2"))), "has 2 readouts"),
        (lambda n, e: (n.pop("x"), e.remove(("x", "conv"))), "the graph has no input"),
        (lambda n, e: n.update(input=QIF(params=P)), "population name 'input' is taken"),
        (lambda n, e: n.update(lost=QIF(params=P)), "QIF 'lost' is fed by nothing"),
        (lambda n, e: n.update(lost=Input(shape=(3,))), "Input 'lost' feeds nothing"),
        (lambda n, e: e.append(("q", "x")), "form a cycle|has no sources"),
        (lambda n, e: (n.update(y=Input(shape=(2, 4, 4))), e.append(("y", "conv"))), "only a population or readout joins branches"),
        (lambda n, e: (n.update(q2=QIF(params=P)), e.append(("q", "q2"))), "QIF 'q' cannot feed QIF 'q2'; .*depthwise 1x1"),
        (lambda n, e: (n.update(q2=QIF(params=P)), e.append(("conv", "q2"))), "it belongs to exactly one population"),
        (
            lambda n, e: (n.update(p=AvgPool2d(kernel=(2, 2), stride=(2, 2))), e.append(("conv", "p"))),
            "Conv2d 'conv' cannot feed AvgPool2d 'p'",
        ),
        (lambda n, e: e.append(("out", "flat")), "a readout is the end|form a cycle"),
        (lambda n, e: n.update(fc=Dense(weight=np.ones((5, 13)))), r"node 'fc': weight \(5, 13\) takes \(13,\), not \(12,\); a Flatten"),
        (lambda n, e: n.update(conv=Conv2d(weight=np.ones((3, 3, 3, 3)))), "takes 3 channels, not"),
        (lambda n, e: n.update(conv=Conv2d(weight=np.ones((3, 2, 5, 5)))), "leaves nothing of"),
        (lambda n, e: n.update(q=QIF(params=QIFParams.of(c2=np.zeros(4), c1=1.0))), "node 'q': 4 channels, its input"),
        (lambda n, e: n.update(flat=SumPool2d(kernel=(3, 3), stride=(1, 1))), r"pool window \(3, 3\) does not fit"),
        (lambda n, e: n.update(q=CodeInput(shape=(3,), low=0, high=1, scale=1.0)), "CodeInput does not belong in a Graph"),
    ],
)
def test_an_illegal_graph_is_refused(change: Callable[[dict, list], None], message: str) -> None:
    with pytest.raises(GraphError, match=message):
        build(change)


def test_branches_of_different_shapes_are_refused() -> None:
    def change(nodes: dict, edges: list) -> None:
        nodes["skip"] = Conv2d(weight=np.ones((3, 2, 2, 2)))
        edges += [("x", "skip"), ("skip", "q")]

    with pytest.raises(GraphError, match=r"branches have different shapes \('conv' \(3, 2, 2\), 'skip' \(3, 3, 3\)\)"):
        build(change)


def test_a_readout_takes_classes_only() -> None:
    nodes = {"x": Input(shape=(2, 4, 4)), "conv": Conv2d(weight=np.ones((3, 2, 3, 3))), "out": Readout()}
    with pytest.raises(GraphError, match="a readout takes"):
        Graph(nodes=nodes, edges=tuple(pairwise(nodes)))


def test_all_findings_come_at_once() -> None:
    with pytest.raises(GraphError, match=r"'lost'.*'other'"):
        build(lambda nodes, _: nodes.update(lost=QIF(params=P), other=QIF(params=P)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Input(shape=(2, 3)), "neither .feature,. nor .channel, height, width."),
        (lambda: Input(shape=(2,), low=3, high=3), "code range 3..3 is empty"),
        (lambda: Input(shape=(2,), scale=0.0), "input scale 0.0 is not positive"),
        (lambda: CodeInput(shape=(2,), low=0, high=1, scale=float("nan")), "input scale nan is not positive"),
        (lambda: Dense(weight=np.ones(3)), "has not 2 non-empty axes"),
        (lambda: Dense(weight=np.array([[np.nan]])), "value nan is not finite"),
        (lambda: Dense(weight=np.ones((2, 3)), bias=np.ones(3)), "3 values for 2 outputs"),
        (lambda: ConvGeometry(stride=(0, 1)), "convolution stride"),
        (lambda: ConvGeometry(padding=1), "convolution padding"),
        (lambda: ConvGeometry(groups=0), "groups 0 is below 1"),
        (lambda: SumPool2d(kernel=(2, 2), stride=(0, 2)), "pool stride"),
        (lambda: AvgPool2d(kernel=(2,), stride=(2, 2)), "pool kernel"),
        (lambda: BatchNorm(gain=ONES, shift=ONES, mean=ONES, var=-ONES, eps=0.0), "var \\+ eps is not positive"),
        (lambda: DenseCodes(weight=np.ones((2, 2)), shift=0), "give integers"),
        (lambda: DenseCodes(weight=np.ones((2, 2), int), shift=31), "branch shift 31 is outside"),
        (lambda: ReadoutCodes(bias=np.ones(3), delta=1.0), "give integers of shape"),
        (lambda: Population(constants=chain().population("q1").constants, delta=ONES), "delta has 3 values"),
    ],
)
def test_an_illegal_node_cannot_be_built(make: Callable[[], object], message: str) -> None:
    with pytest.raises(GraphError, match=message):
        make()


def test_codes_beyond_the_format_are_refused_by_name() -> None:
    base = chain()
    wild = replace(base.nodes["conv1"], weight=np.full((4, 1, 3, 5), 200, np.int32))
    with pytest.raises(GraphError, match=r"synapse 'conv1': weight code 200 exceeds 127 \(weight_bits = 8\)"):
        QuantizedGraph(nodes=dict(base.nodes) | {"conv1": wild}, edges=base.edges, number_format=LOIHI2, steps=4)
    with pytest.raises(GraphError, match=r"its number format 'test' is not the graph's 'test'|number format"):
        QuantizedGraph(nodes=base.nodes, edges=base.edges, number_format=number_format(state_bits=20), steps=4)
    with pytest.raises(GraphError, match="steps 0 is below 1"):
        QuantizedGraph(nodes=base.nodes, edges=base.edges, number_format=base.number_format, steps=0)


def test_depthwise_weights_of_a_wrong_group_count_are_refused() -> None:
    nodes = small() | {"conv": Conv2d(weight=np.ones((3, 1, 3, 3)), geometry=ConvGeometry(groups=2))}
    with pytest.raises(GraphError, match="with 2 groups"):
        Graph(nodes=nodes, edges=tuple(pairwise(nodes)))
    assert Conv2dCodes(weight=np.ones((2, 1, 3, 3), int), shift=0, geometry=ConvGeometry(groups=2)).shift == 0
