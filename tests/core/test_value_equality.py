"""Graphs and nodes compare by value, and are simply unequal to anything else."""

from __future__ import annotations

import pytest

from qif_deploy.ir.nodes import Flatten, SumPool2d
from tests.networks import chain


@pytest.mark.parametrize("other", [None, "chain", 1, Flatten()])
def test_a_graph_is_unequal_to_what_is_no_graph(other: object) -> None:
    graph = chain()
    assert graph == chain()
    assert graph != other
    assert other != graph


def test_a_node_is_unequal_to_another_kind_of_node_and_to_what_is_no_node() -> None:
    pool = SumPool2d(kernel=(2, 2), stride=(2, 2))
    assert pool == SumPool2d(kernel=(2, 2), stride=(2, 2))
    assert pool != SumPool2d(kernel=(2, 2), stride=(1, 2))
    assert pool != Flatten()
    assert pool != (2, 2)
