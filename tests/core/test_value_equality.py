"""Graphs and nodes compare by value, and are simply unequal to anything else."""

from __future__ import annotations

import numpy as np
import pytest

from qif_deploy.ir.graph import Graph
from qif_deploy.ir.nodes import Dense, Flatten, Input, Readout, SumPool2d
from tests.networks import chain


@pytest.mark.parametrize("other", [None, "chain", 1, Flatten()])
def test_a_graph_is_unequal_to_what_is_no_graph(other: object) -> None:
    graph = chain()
    assert graph == chain()
    assert graph != other
    assert other != graph


def test_a_float_graph_is_unequal_to_an_integer_one() -> None:
    nodes = {"x": Input(shape=(2,), low=0, high=1, scale=1.0), "fc": Dense(weight=np.ones((2, 2))), "out": Readout()}
    edges = (("x", "fc"), ("fc", "out"))
    graph = Graph(nodes=nodes, edges=edges)
    assert graph == Graph(nodes=nodes, edges=edges[::-1])
    assert graph != Graph(nodes=nodes | {"fc": Dense(weight=np.zeros((2, 2)))}, edges=edges)
    assert graph != chain()
    assert graph != "graph"


def test_a_node_is_unequal_to_another_kind_of_node_and_to_what_is_no_node() -> None:
    pool = SumPool2d(kernel=(2, 2), stride=(2, 2))
    assert pool == SumPool2d(kernel=(2, 2), stride=(2, 2))
    assert pool != SumPool2d(kernel=(2, 2), stride=(1, 2))
    assert pool != Flatten()
    assert pool != (2, 2)
