"""Every placement against the independent verifier: random networks, small cores, all targets; and a verifier that can say no."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.simulate.op_counts import tally
from qif_deploy.simulate.reference import run_reference
from qif_hardware.chip import Chip
from qif_hardware.mapping.choose import Objective
from qif_hardware.mapping.mapping import NetworkMapping, map_network
from qif_hardware.target import load_target
from qif_hardware.verify_placement import verify_placement
from tests.graph_strategies import networks
from tests.networks import chain, random_inputs, residual

CHIPS = {name: load_target(name).cores() for name in ("loihi2-lava", "loihi2-brief", "loihi1")}


@st.composite
def chips(draw: st.DrawFn) -> Chip:
    """A packaged profile, mostly with cores so small that layers have to be cut, and with short delays."""
    chip = CHIPS[draw(st.sampled_from(sorted(CHIPS)))].sized(chips=8, cores_per_chip=draw(st.sampled_from((3, 6, 100))))
    if draw(st.integers(0, 5)):
        chip = chip.limited(
            synmem=draw(st.integers(12, 150)),
            neurons=draw(st.integers(1, 12)),
            axon_map=draw(st.integers(6, 60)),
            total=draw(st.integers(60, 300)),
        )
    return replace(chip, reach={**chip.reach, "delay_steps": draw(st.sampled_from((0, 1, 62)))})


def drawn() -> st.SearchStrategy[QuantizedGraph]:
    """Networks of every kind of node, and two with what those rarely have: joins of unequal paths, pools in front of many taps."""
    seeds = st.integers(0, 3)
    return st.one_of(networks(), seeds.map(lambda seed: longer_path(residual(seed))), seeds.map(chain))


@settings(max_examples=100)
@given(drawn(), chips(), st.sampled_from(Objective))
def test_every_placement_holds(graph: QuantizedGraph, chip: Chip, objective: Objective) -> None:
    mapping = map_network(graph, chip, objective=objective)
    if mapping.placed is None:  # then it says why, in numbers
        errors = [f for f in mapping.findings if f.rule in ("core_limits", "chip_limits")]
        assert errors
        assert all(float(f.value) > float(f.limit) for f in errors)
        return
    found = verify_placement(graph, mapping.as_json(), chip)
    assert found.findings == []
    assert found.neurons >= sum(int(np.prod(graph.shapes[name])) for name in (*graph.populations, graph.readout))


def small() -> tuple[QuantizedGraph, Chip, dict[str, Any]]:
    graph, chip = chain(), CHIPS["loihi2-lava"].limited(neurons=40, synmem=700)
    return graph, chip, map_network(graph, chip).as_json()


def _drop(placement: dict[str, Any]) -> None:
    placement["placement"][2]["pieces"].pop()


def _twice(placement: dict[str, Any]) -> None:
    placement["placement"][2]["pieces"].append(placement["placement"][3]["pieces"][0])


def _forget_synapses(placement: dict[str, Any]) -> None:
    placement["placement"][-1]["pieces"][0]["synapses"].clear()


def _wrong_words(placement: dict[str, Any]) -> None:
    placement["placement"][1]["words"]["synmem"] -= 1


def _same_place(placement: dict[str, Any]) -> None:
    placement["placement"][1].update({key: placement["placement"][0][key] for key in ("chip", "router", "slot")})


def _far_place(placement: dict[str, Any]) -> None:
    placement["placement"][1]["router"] = [99, 0]


def _outside(placement: dict[str, Any]) -> None:
    placement["placement"][1]["pieces"][0]["x"][1] += 50


def _fewer_cores(placement: dict[str, Any]) -> None:
    placement["cores"] -= 1


def _layer_cores(placement: dict[str, Any]) -> None:
    placement["layers"][1]["cores"] += 1


def _no_layer(placement: dict[str, Any]) -> None:
    placement["layers"].pop()


def _wrong_source(placement: dict[str, Any]) -> None:
    placement["layers"][-1]["synapses"][0]["source"] = "q1"


@pytest.mark.parametrize(
    "spoil",
    [
        _drop,
        _twice,
        _forget_synapses,
        _wrong_words,
        _same_place,
        _far_place,
        _outside,
        _fewer_cores,
        _layer_cores,
        _no_layer,
        _wrong_source,
    ],
)
def test_the_verifier_says_no(spoil: Callable[[dict[str, Any]], None]) -> None:
    graph, chip, placement = small()
    assert verify_placement(graph, placement, chip).holds
    spoiled = copy.deepcopy(placement)
    spoil(spoiled)
    assert not verify_placement(graph, spoiled, chip).holds


def test_the_verifier_holds_ceilings() -> None:
    graph, chip, placement = small()
    most = max(core["words"]["neurons"] for core in placement["placement"])
    tight = chip.limited(neurons=most - 1)
    assert any(f"neurons {most} exceeds {most - 1}" in finding for finding in verify_placement(graph, placement, tight).findings)
    assert any("words in all exceed" in finding for finding in verify_placement(graph, placement, chip.limited(total=50)).findings)


def test_the_verifier_sees_spikes_that_arrive_at_different_times() -> None:
    graph, chip = residual(), CHIPS["loihi2-lava"]
    events = longer_path(graph)
    placement = map_network(events, chip).as_json()
    (late,) = [s for layer in placement["layers"] for s in layer["synapses"] if s["delay"]]
    assert late["name"] == "skip"
    assert verify_placement(events, placement, chip).holds
    late["delay"] = 0
    assert any("spikes arrive after" in finding for finding in verify_placement(events, placement, chip).findings)


def longer_path(graph: QuantizedGraph) -> QuantizedGraph:
    """The residual network with one more population on its long path, so that its shortcut has to wait."""
    nodes = dict(graph.nodes)
    nodes |= {"conv3": graph.nodes["conv2"], "q3": graph.nodes["q1"]}
    edges = (*(e for e in graph.edges if e != ("conv2", "q2")), ("conv2", "q3"), ("q3", "conv3"), ("conv3", "q2"))
    return QuantizedGraph(nodes=nodes, edges=edges, number_format=graph.number_format, steps=graph.steps)


def test_relays_stand_in_for_delays_that_the_chip_lacks() -> None:
    graph = longer_path(residual())
    chip = CHIPS["loihi2-lava"]
    short = replace(chip, reach={**chip.reach, "delay_steps": 0})
    mapping = map_network(graph, short)
    assert [layer.layer.name for layer in mapping.layers if layer.layer.kind.value == "relay"] == ["skip.relay0"]
    assert verify_placement(graph, mapping.as_json(), short).findings == []
    assert [f.object for f in mapping.findings if f.rule == "delays"] == ["skip.relay0"]


def test_the_verifier_imports_nothing_of_the_mapper() -> None:
    code = "import sys, qif_hardware.verify_placement; print([m for m in sys.modules if m.startswith('qif_hardware.mapping')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_a_mapping_is_the_same_every_time() -> None:
    graph = chain()
    chip = CHIPS["loihi2-lava"].limited(neurons=20).sized(chips=8, cores_per_chip=6)
    tallies = tally(graph, run_reference(graph, random_inputs(graph)))

    def once() -> NetworkMapping:
        return map_network(graph, chip, tallies=tallies, source="counted")

    first = once()
    assert first.placed is not None
    assert first.placed.mesh.chips_used > 1
    assert verify_placement(graph, first.as_json(), chip).findings == []
    assert first.as_json() == once().as_json()
