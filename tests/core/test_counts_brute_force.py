"""Counts of drawn networks against a walk of every spike that imports nothing of the counter."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from qif_deploy.simulate.op_counts import count_operations, reaches_of
from qif_deploy.simulate.reference import run_reference
from tests.core import spike_walk
from tests.graph_strategies import inputs_for, networks, plain
from tests.networks import chain, random_inputs, residual


def assert_counts_are_those_of_the_walk(graph, inputs) -> dict[str, dict[str, int]]:
    layers = count_operations(graph, run_reference(graph, inputs))
    graded = {name for name in graph.inputs if (graph.code_input(name).low, graph.code_input(name).high) != (0, 1)}
    total: dict[str, dict[str, int]] = {}
    for sample in range(next(iter(inputs.values())).shape[1]):
        expected = spike_walk.count(plain(graph), {name: codes[:, sample].tolist() for name, codes in inputs.items()}, graded)
        assert [layer.name for layer in layers] == list(expected)
        for layer in layers:
            for field, value in expected[layer.name].items():
                if layer.name == graph.readout and field in ("updates", "driven"):
                    continue  # the walk knows no neurons there
                assert getattr(layer, field)[sample] == value, (layer.name, field, sample)
        total = expected
    return total


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_counts_equal_a_walk_of_every_spike(data: st.DataObject) -> None:
    graph = data.draw(networks())
    assert_counts_are_those_of_the_walk(graph, data.draw(inputs_for(graph)))


def test_the_walk_meets_spikes_in_a_chain_with_pools_and_in_a_residual_join() -> None:
    """What the property rests on: in these, every layer counts something."""
    for graph in (chain(), residual()):
        found = assert_counts_are_those_of_the_walk(graph, random_inputs(graph, samples=2))
        assert all(counts["synops"] + counts["macs"] > 0 for counts in found.values())
        assert all(found[name]["spikes"] > 0 for name in graph.populations)


@settings(max_examples=25, deadline=None)
@given(networks())
def test_a_dense_pass_multiplies_what_each_synapse_reads(graph) -> None:
    """``direct`` by the walk from the synapse's own source, pools before it not followed."""
    walk = spike_walk.Walk(plain(graph), {name: [np.zeros(graph.code_input(name).shape, int).tolist()] for name in graph.inputs})
    for target, branches in reaches_of(graph).items():
        for branch in branches:
            source = graph.sources(branch.name)[0]
            node = next(n for n in walk.children[source] if n["name"] == branch.name)
            places = (walk.place(source, n) for n in range(int(np.prod(graph.shapes[source]))))
            assert branch.direct == sum(met == target for place in places for met, _ in walk.through(node, source, place))
