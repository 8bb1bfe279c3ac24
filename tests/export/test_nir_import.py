"""Float graphs of standard NIR nodes in any order: read here they compute what the nodes say, or are refused with all reasons."""

from __future__ import annotations

from itertools import pairwise

import nir
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qif_deploy.ir.nodes import Dense, Flatten
from qif_deploy.simulate.float_sim import run_float
from qif_export.nir.importing.importer import read_float_nir
from tests.export.foreign_nir import OPTIONS, chained, conv, same, spiking, wide, written
from tests.export.nir_oracle import DT, run_nir


@pytest.mark.parametrize("kind", ["IF", "LIF", "Threshold"])
def test_neurons(tmp_path, kind):
    path = tmp_path / "x.nir"
    same(path, chained(path, nir.Affine(wide(8, 5), wide(8)), spiking(kind, 8), nir.Linear(wide(3, 8)), size=(5,)), (5,))


@pytest.mark.parametrize(
    "geometry",
    [
        {"kernel": (3, 5), "padding": (1, 2)},
        {"kernel": (2, 3), "stride": (2, 1), "padding": 0},
        {"dilation": (2, 1), "padding": "valid"},
        {"padding": "same"},
        {"kernel": (1, 3), "padding": "same", "dilation": (1, 2)},
        {"groups": 2, "padding": (0, 1)},
    ],
)
def test_convolutions(tmp_path, geometry):
    path, node = tmp_path / "x.nir", conv(2, 4, **geometry)
    probe = run_nir(_bare(node), np.zeros((1, 1, 2, 6, 6)))[1]
    features = int(np.prod(probe.shape[2:]))
    shape = probe.shape[2:]
    same(path, chained(path, node, spiking("LIF", *shape), nir.Flatten({"input": np.array(shape)}, 0, -1), nir.Linear(wide(3, features))))


def _bare(*nodes: nir.NIRNode) -> nir.NIRGraph:
    named = {"in": nir.Input(np.array([2, 6, 6])), **{f"n{i}": n for i, n in enumerate(nodes)}, "out": nir.Output(np.array([1]))}
    return nir.NIRGraph(nodes=named, edges=list(pairwise(named)), type_check=False)


@pytest.mark.parametrize("padding", [0, 2, "same", "valid"])
def test_conv1d_is_a_convolution_of_height_one(tmp_path, padding):
    path = tmp_path / "x.nir"
    node = nir.Conv1d(input_shape=9, weight=wide(4, 2, 3), stride=1, padding=padding, dilation=2, groups=1, bias=wide(4))
    length = {0: 5, 2: 9, "same": 9, "valid": 5}[padding]
    flat = nir.Flatten({"input": np.array([4, length])}, 0, -1)
    graph = chained(path, node, spiking("IF", 4, length), flat, nir.Linear(wide(3, 4 * length)), size=(2, 9))
    found = same(path, graph, (2, 9), ours=(2, 1, 9))
    assert found.graph.shapes["n1"] == (4, 1, length)


@pytest.mark.parametrize("pool", [nir.AvgPool2d, nir.SumPool2d])
@pytest.mark.parametrize(("kernel", "stride"), [((2, 2), (2, 2)), ((3, 2), (1, 2))])
def test_pools_before_and_behind_a_convolution(tmp_path, pool, kernel, stride):
    path = tmp_path / "x.nir"
    node = pool(np.array(kernel), np.array(stride), np.array([0, 0]))
    size = tuple((6 - k) // s + 1 for k, s in zip(kernel, stride, strict=True))
    before = (node, conv(2, 4, size=size), spiking("IF", 4, *size))
    behind = (conv(2, 4, dilation=(1, 1)), node, spiking("IF", 4, *size))
    for parts in (before, behind):
        flat = nir.Flatten({"input": np.array([4, *size])}, 0, -1)
        same(path, chained(path, *parts, flat, nir.Linear(wide(3, 4 * size[0] * size[1]))))


@pytest.mark.parametrize("pool", [nir.AvgPool2d, nir.SumPool2d])
def test_a_pool_behind_a_dilated_strided_grouped_convolution(tmp_path, pool):
    path = tmp_path / "x.nir"
    node = conv(2, 4, (2, 3), stride=(1, 2), padding=(1, 2), dilation=(2, 1), groups=2)
    pooled = pool(np.array([2, 2]), np.array([2, 1]), np.array([0, 0]))
    shape = run_nir(_bare(node, pooled), np.zeros((1, 1, 2, 6, 6)))[1].shape[2:]
    flat = nir.Flatten({"input": np.array(shape)}, 0, -1)
    same(path, chained(path, node, pooled, spiking("LIF", *shape), flat, nir.Linear(wide(3, int(np.prod(shape))))))


@pytest.mark.parametrize("factor", [np.array([0.5]), wide(2, 1, 1, scale=1), np.broadcast_to(wide(2, 1, 1, scale=1), (2, 6, 6))])
def test_factors_before_a_convolution(tmp_path, factor):
    path = tmp_path / "x.nir"
    flat = nir.Flatten({"input": np.array([4, 6, 6])}, 0, -1)
    same(path, chained(path, nir.Scale(np.array(factor)), conv(2, 4, groups=2), spiking("IF", 4, 6, 6), flat, nir.Linear(wide(3, 144))))


def test_factors_before_a_pool_through_a_flatten_and_on_currents(tmp_path):
    path = tmp_path / "x.nir"
    pool = nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0]))
    flat = nir.Flatten({"input": np.array([2, 3, 3])}, 0, -1)
    parts = (nir.Scale(wide(2, 1, 1, scale=1)), pool, nir.Scale(wide(2, 3, 3, scale=1)), flat, nir.Affine(wide(6, 18), wide(6)))
    same(path, chained(path, *parts, nir.Scale(wide(6, scale=1)), spiking("LIF", 6), nir.Affine(wide(3, 6), wide(3)), nir.Scale(wide(3))))


def test_neurons_without_weights_between(tmp_path):
    path = tmp_path / "x.nir"
    flat = nir.Flatten({"input": np.array([2, 6, 6])}, 0, -1)
    graph = chained(path, spiking("LIF", 2, 6, 6), spiking("IF", 2, 6, 6), flat, spiking("LIF", 72), nir.Linear(wide(3, 72)))
    found = same(path, graph)
    assert isinstance(found.graph.nodes["n2.to.n3"], Dense)


def test_a_flatten_between_a_convolution_and_its_neurons(tmp_path):
    path = tmp_path / "x.nir"
    flat = nir.Flatten({"input": np.array([4, 6, 6])}, 0, -1)
    graph = chained(path, conv(2, 4), flat, nir.Scale(np.full(144, 0.5)), spiking("LIF", 144), nir.Linear(wide(3, 144)))
    found = same(path, graph)
    assert found.graph.shapes["n3"] == (4, 6, 6)
    assert isinstance(found.graph.nodes["n3.flat"], Flatten)


def test_two_linear_layers_become_their_product(tmp_path):
    path = tmp_path / "x.nir"
    parts = (nir.Affine(wide(7, 5), wide(7)), nir.Affine(wide(6, 7), wide(6)), spiking("IF", 6), nir.Linear(wide(4, 6)))
    same(path, chained(path, *parts, nir.Affine(wide(3, 4), wide(3)), size=(5,)), (5,))


def test_a_flatten_that_counts_the_batch_is_read_so_and_noted(tmp_path):
    path = tmp_path / "x.nir"
    graph = chained(
        path, nir.Flatten({"input": np.array([2, 6, 6])}, 1, -1), nir.Linear(wide(8, 72)), spiking("IF", 8), nir.Linear(wide(3, 8))
    )
    assert any("counted with the batch" in note for note in same(path, graph).notes)


@pytest.mark.parametrize("declared", [(3, 5), (1, 4, 5)])
def test_an_input_shape_with_batch_and_time(tmp_path, declared):
    path = tmp_path / "x.nir"
    graph = chained(path, nir.Affine(wide(8, 5), wide(8)), spiking("IF", 8), nir.Linear(wide(3, 8)), size=declared)
    assert same(path, graph, (5,)).graph.shapes["in"] == (5,)


def test_spikes_at_the_output_are_counted(tmp_path):
    path = tmp_path / "x.nir"
    found = same(path, chained(path, conv(2, 4), spiking("IF", 4, 6, 6), out=(4, 6, 6)))
    assert any("counts the spikes" in note for note in found.notes)


def test_an_integrator_at_the_end_is_the_sum(tmp_path):
    path = tmp_path / "x.nir"
    graph = chained(
        path, nir.Linear(wide(8, 5)), spiking("IF", 8), nir.Linear(wide(3, 8)), nir.I(r=np.array([1.0, 2.0, 3.0]) / DT), size=(5,)
    )
    codes = np.random.default_rng(3).integers(-3, 5, (6, 2, 5))
    found = read_float_nir(path, OPTIONS).graph
    np.testing.assert_allclose(run_float(found, {"in": codes}).readout, run_nir(graph, codes)[1][-1], rtol=1e-9)


def test_a_convolution_to_one_pixel_at_the_end_is_a_dense_layer(tmp_path):
    path = tmp_path / "x.nir"
    found = same(path, chained(path, conv(2, 4), spiking("IF", 4, 6, 6), conv(4, 3, (6, 6), padding=0), out=(3, 1, 1)))
    assert isinstance(found.graph.nodes["n2"], Dense)


def test_residual_edges_and_sums_of_spikes(tmp_path):
    """Two populations add up before a pool, a flatten and a layer: that is one branch each, and the bias once."""
    path = tmp_path / "x.nir"
    nodes = {
        "c1": conv(2, 4), "q1": spiking("IF", 4, 6, 6), "c2": conv(4, 4), "q2": spiking("LIF", 4, 6, 6),
        "pool": nir.AvgPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        "flat": nir.Flatten({"input": np.array([4, 3, 3])}, 0, -1), "fc": nir.Affine(wide(5, 36), wide(5)), "q3": spiking("IF", 5),
        "fc2": nir.Linear(wide(3, 5)),
    }  # fmt: skip
    edges = [("in", "c1"), ("c1", "q1"), ("q1", "c2"), ("c2", "q2"), ("q1", "q2"), ("q1", "pool"), ("q2", "pool"), ("pool", "flat")]
    graph = written(path, nodes, [*edges, ("flat", "fc"), ("fc", "q3"), ("q3", "fc2"), ("fc2", "out")])
    found = same(path, graph)
    assert [node.bias is not None for name, node in found.graph.nodes.items() if name.startswith("fc") and "2" not in name[:3]].count(
        True
    ) == 1


def test_one_layer_that_feeds_two_populations(tmp_path):
    path = tmp_path / "x.nir"
    nodes = {"fc": nir.Affine(wide(6, 5), wide(6)), "a": spiking("IF", 6), "b": spiking("LIF", 6), "end": nir.Linear(wide(3, 6))}
    edges = [("in", "fc"), ("fc", "a"), ("fc", "b"), ("a", "end"), ("b", "end"), ("end", "out")]
    same(path, written(path, nodes, edges, size=(5,)), (5,))


def test_subgraphs_are_dissolved(tmp_path):
    path = tmp_path / "x.nir"
    inner_nodes = {"fc": nir.Affine(wide(6, 5), wide(6)), "q": spiking("LIF", 6)}
    tail = {"end": nir.Linear(wide(3, 6))}
    plain = written(
        path, {"sub.deep.fc": inner_nodes["fc"], "sub.deep.q": inner_nodes["q"], **tail},
        [("in", "sub.deep.fc"), ("sub.deep.fc", "sub.deep.q"), ("sub.deep.q", "end"), ("end", "out")], size=(5,),
    )  # fmt: skip

    def ports(size, out):
        return {"input": nir.Input(np.array([size])), "output": nir.Output(np.array([out]))}

    deep = nir.NIRGraph(nodes={**inner_nodes, **ports(5, 6)}, edges=[("input", "fc"), ("fc", "q"), ("q", "output")], type_check=False)
    sub = nir.NIRGraph(nodes={"deep": deep, **ports(5, 6)}, edges=[("input", "deep"), ("deep", "output")], type_check=False)
    expected, _ = run_nir(plain, np.random.default_rng(3).integers(-3, 5, (6, 2, 5)))
    written(path, {"sub": sub, **tail}, [("in", "sub"), ("sub", "end"), ("end", "out")], size=(5,))
    found = read_float_nir(path, OPTIONS)
    trace = run_float(found.graph, {"in": np.random.default_rng(3).integers(-3, 5, (6, 2, 5))})
    assert np.array_equal(trace.populations["sub.deep.q"].s, expected["sub.deep.q"])


def test_names_that_are_not_usable_here(tmp_path):
    path = tmp_path / "x.nir"
    nodes = {"fc 1": nir.Linear(wide(6, 5)), "input": spiking("IF", 6), "fc_1": nir.Linear(wide(3, 6)), ".a": nir.Scale(np.ones(3))}
    written(path, nodes, [("in", "fc 1"), ("fc 1", "input"), ("input", "fc_1"), ("fc_1", ".a"), (".a", "out")], size=(5,))
    found = read_float_nir(path, OPTIONS).graph
    assert {"fc_1", "fc_1_2", "input_"} <= set(found.nodes)


SHAPES = st.sampled_from(["scale", "pool", "conv", "spike", "identity"])


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kinds=st.lists(SHAPES, min_size=1, max_size=6), seed=st.integers(0, 2**16), skip=st.booleans())
def test_any_order_of_linear_nodes(kinds, seed, skip, tmp_path):
    """Random chains, a neuron put where two convolutions would meet, and a skip edge around the last neuron."""
    rng, path = np.random.default_rng(seed), tmp_path / "x.nir"
    nodes, size, current = {}, (2, 6, 6), False
    for n, kind in enumerate(kinds):
        if kind == "pool" and min(size[1:]) >= 3:
            nodes[f"p{n}"] = rng.choice([nir.AvgPool2d, nir.SumPool2d])(np.array([2, 1]), np.array([1, 2]), np.array([0, 0]))
            size = (size[0], size[1] - 1, (size[2] - 1) // 2 + 1)
        elif kind == "scale":
            nodes[f"s{n}"] = nir.Scale(rng.uniform(0.5, 1.5, (size[0], 1, 1)))
        elif kind == "conv" and not current:
            nodes[f"c{n}"] = conv(size[0], 3, (3, 3), size=size[1:])
            size, current = (3, *size[1:]), True
        elif kind == "spike":
            nodes[f"q{n}"] = spiking("LIF", *size)
            current = False
    nodes["last"] = spiking("IF", *size)
    flat = int(np.prod(size))
    nodes |= {"flat": nir.Flatten({"input": np.array(size)}, 0, -1), "fc": nir.Affine(wide(3, flat), wide(3))}
    names = ["in", *nodes, "out"]
    edges = list(pairwise(names))
    before = [name for name in nodes if name.startswith("q")]
    if skip and before and before[-1] == names[names.index("last") - 1]:
        edges.append((before[-1], "flat"))
    graph = written(path, nodes, edges)
    codes = np.random.default_rng(3).integers(-3, 5, (4, 2, 2, 6, 6))
    found = read_float_nir(path, OPTIONS).graph
    trace = run_float(found, {"in": codes})
    spikes, out = run_nir(graph, codes)
    for name, expected in spikes.items():
        assert np.array_equal(trace.populations[name].s, expected), name
    np.testing.assert_allclose(trace.readout, out.sum(axis=0), rtol=1e-9, atol=1e-9)
