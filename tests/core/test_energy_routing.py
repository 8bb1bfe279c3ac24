"""Messages and hops against a walk of every spike, and placement files as users may give them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qif_deploy.errors import InputError
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.pricing.deployment import Deployment
from qif_deploy.pricing.energy_report import CountedNetwork, energy_report
from qif_deploy.pricing.placement import read_placement
from qif_deploy.pricing.price_list import load_price_list
from qif_deploy.pricing.routing import routes_of
from qif_deploy.simulate.op_counts import count_operations, reaches_of
from qif_deploy.simulate.reference import run_reference
from tests.core import spike_walk
from tests.graph_strategies import inputs_for, networks, plain
from tests.networks import chain, random_inputs, residual


def placement_of(graph: QuantizedGraph, rng: np.random.Generator, *, tile: int = 2, cores: int = 5, chips: int = 1) -> dict[str, Any]:
    """Every population and readout cut into tiles, each on a drawn core; cores may hold tiles of several layers."""
    table: list[dict[str, Any]] = [
        {"core": n, "chip": n % chips, "router": [int(rng.integers(0, 8)), int(rng.integers(0, 4))], "pieces": []} for n in range(cores)
    ]
    for name in (*graph.populations, graph.readout):
        shape = graph.shapes[name]
        channels, height, width = shape if len(shape) == 3 else (shape[0], 1, 1)
        for c in range(0, channels, tile):
            for y in range(0, height, tile):
                for x in range(0, width, tile):
                    ranges = {axis: [at, min(at + tile, end)] for axis, at, end in (("c", c, channels), ("y", y, height), ("x", x, width))}
                    table[rng.integers(0, cores)]["pieces"].append({"layer": name, **ranges})
    return {"cores": cores, "chips": chips, "fits": True, "placement": table, "layers": []}


def written(folder: Path, table: Any) -> Path:
    path = folder / "placement.json"
    path.write_text(json.dumps(table))
    return path


def routes_by_walk(graph: QuantizedGraph, inputs: dict[str, np.ndarray], table: dict[str, Any]) -> dict[str, list[int]]:
    """Messages, hops along x and y, and messages between chips, per population: a set of cores per spike and target population."""
    core_of: dict[tuple[str, tuple[int, ...]], dict[str, Any]] = {}
    for core in table["placement"]:
        for piece in core["pieces"]:
            flat = len(graph.shapes[piece["layer"]]) == 1
            for c in range(*piece["c"]):
                for y in range(*piece["y"]):
                    for x in range(*piece["x"]):
                        core_of[piece["layer"], (c,) if flat else (c, y, x)] = core
    nodes = plain(graph)
    found = {name: [0, 0, 0, 0] for name in graph.populations}
    for sample in range(next(iter(inputs.values())).shape[1]):
        one = {name: codes[:, sample].tolist() for name, codes in inputs.items()}
        traces, _ = spike_walk.network_oracle.run(nodes, one)
        walk = spike_walk.Walk(nodes, one)
        for name, trace in traces.items():
            for flat in trace["s"]:
                for number in [n for n, spike in enumerate(flat) if spike]:
                    place = walk.place(name, number)
                    home = core_of[name, place]
                    for _, core in {(target, core_of[target, neuron]["core"]) for target, neuron in walk.reached(name, place)}:
                        there = table["placement"][core]
                        found[name][0] += 1
                        if there["chip"] != home["chip"]:
                            found[name][3] += 1
                        else:
                            found[name][1] += abs(there["router"][0] - home["router"][0])
                            found[name][2] += abs(there["router"][1] - home["router"][1])
    return found


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_messages_and_hops_equal_a_walk_of_every_spike(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    graph = data.draw(networks())
    inputs = data.draw(inputs_for(graph))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    assert_routes(tmp_path_factory.mktemp("routes"), graph, inputs, placement_of(graph, rng, chips=data.draw(st.integers(1, 2))))


def assert_routes(folder: Path, graph: QuantizedGraph, inputs: dict[str, np.ndarray], table: dict[str, Any]) -> dict[str, list[int]]:
    trace = run_reference(graph, inputs)
    activity = {name: p.s.sum(axis=(0, 1), dtype=np.int64) for name, p in trace.populations.items()}
    routes = routes_of(graph, reaches_of(graph), read_placement(written(folder, table), graph), activity)
    expected = routes_by_walk(graph, inputs, table)
    for name, (messages, x, y, away) in expected.items():
        assert (routes[name].messages, routes[name].hops, routes[name].between_chips) == (messages, (x, y), away), name
    return expected


@pytest.mark.parametrize("build", [chain, residual])
def test_routes_of_a_chain_with_pools_and_of_a_residual_join(build, tmp_path: Path) -> None:
    graph = build()
    found = assert_routes(tmp_path, graph, random_inputs(graph, samples=2), placement_of(graph, np.random.default_rng(1), chips=2))
    assert all(count > 0 for counts in found.values() for count in counts)


def test_a_placement_prices_cores_messages_and_hops(tmp_path: Path) -> None:
    graph = residual()
    inputs = random_inputs(graph, samples=3)
    trace = run_reference(graph, inputs)
    activity = {name: p.s.sum(axis=(0, 1), dtype=np.int64) for name, p in trace.populations.items()}
    network = CountedNetwork(graph=graph, layers=count_operations(graph, trace), steps=4, source="drawn", activity=activity)
    table = placement_of(graph, np.random.default_rng(2))
    placed = read_placement(written(tmp_path, table), graph)
    report = energy_report(network, load_price_list("loihi1-fitted"), Deployment(cores=placed.cores, chips=placed.chips), placement=placed)
    assert set(report.estimate.unpriced) == {"input_output"}
    walked = routes_by_walk(graph, inputs, table)
    by_term = report.estimate.by_term
    assert by_term["message"]["typical"] == pytest.approx(sum(counts[0] for counts in walked.values()) / 3 * 111e-12)
    assert by_term["hop_x"]["typical"] == pytest.approx(sum(counts[1] for counts in walked.values()) / 3 * 3.0e-12)
    assert by_term["hop_y"]["typical"] == pytest.approx(sum(counts[2] for counts in walked.values()) / 3 * 4.2e-12)
    assert report.as_json()["deployment"]["messages_between_chips"] == 0


def test_without_pieces_or_routers_only_what_is_known_is_counted(tmp_path: Path) -> None:
    graph = residual()
    trace = run_reference(graph, random_inputs(graph, samples=2))
    activity = {name: p.s.sum(axis=(0, 1), dtype=np.int64) for name, p in trace.populations.items()}
    network = CountedNetwork(graph=graph, layers=count_operations(graph, trace), steps=4, source="drawn", activity=activity)
    table = placement_of(graph, np.random.default_rng(2))
    for core in table["placement"]:
        del core["router"]
    placed = read_placement(written(tmp_path, table), graph)
    found = energy_report(network, load_price_list("loihi1-fitted"), Deployment(cores=5, chips=1), placement=placed).estimate
    assert "message" in found.by_term
    assert found.unpriced["hop_x"] == "the placement names no routers"
    bare = read_placement(written(tmp_path, {"cores": 7}), graph)
    assert (bare.cores, bare.chips, bare.where) == (7, None, None)
    found = energy_report(network, load_price_list("loihi1-fitted"), Deployment(cores=7), placement=bare).estimate
    assert {"message", "hop_x", "hop_y", "embedded_cpus"} <= set(found.unpriced)
    assert "static_power" in found.by_term


def changed(change) -> Any:
    table = placement_of(residual(), np.random.default_rng(2))
    found = change(table)
    return found if isinstance(found, list) else table


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: [1, 2], "holds no object"),
        (lambda t: t.update(fits=False), "does not fit its target"),
        (lambda t: t.update(cores=0), "cores 0 is not a number of at least 1"),
        (lambda t: t.update(cores=True), "cores True is not"),
        (lambda t: t.update(chips="two"), "chips 'two' is not"),
        (lambda t: t["placement"][0]["pieces"].pop(), "have no core; it is of another network"),
        (lambda t: t.update(content_hash="0" * 64), "it is of another network, '00000000000000000000'\\.\\.\\.; map this one"),
        (lambda t: t["placement"][0]["pieces"].append(t["placement"][1]["pieces"][0]), "sits on two cores"),
        (lambda t: t["placement"][0]["pieces"][0].update(x=[4, 9]), "reaches beyond its shape"),
        (lambda t: t["placement"][0]["pieces"][0].update(x=4), "not of the form"),
        (lambda t: t["placement"][0]["pieces"][0].pop("layer"), "not of the form"),
        (lambda t: t["placement"][0].update(router=["a", 0]), "not a pair of numbers"),
        (lambda t: t["placement"][0].update(router=[1]), "not a pair of numbers"),
    ],
)
def test_a_wrong_placement_gets_one_clear_line(tmp_path: Path, change, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_placement(written(tmp_path, changed(change)), residual())
    assert "\n" not in str(caught.value)


def test_a_placement_that_is_no_file_or_no_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist; write it with `qif-deploy map`"):
        read_placement(tmp_path / "none.json", residual())
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(InputError, match="is not readable JSON"):
        read_placement(tmp_path / "bad.json", residual())
