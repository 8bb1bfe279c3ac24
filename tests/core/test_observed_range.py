"""What runs reached of the proof: the observed extents are those of the oracle, inside the proof, and ``check --data`` tells the gap."""

from __future__ import annotations

from math import log2
from pathlib import Path

import numpy as np
import pytest

from qif_deploy.analysis.observed_range import ObservedRange, gap_bits, observe
from qif_deploy.analysis.range_proof import prove_ranges
from qif_deploy.fixedpoint import RoundingMode
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.neuron.params import ResetMode
from qif_deploy.simulate.reference import run_reference
from qif_deploy.simulate.trace import Trace
from tests.core.cli_runner import assert_one_line, cli
from tests.core.conftest import Artefacts
from tests.networks import chain, random_inputs, residual
from tests.numerics import oracle
from tests.strategies import oracle_constants

NETWORKS = {
    "hard": lambda: chain(3, signed_input=True),
    "subtract, nearest": lambda: chain(4, reset_mode=ResetMode.SUBTRACT, rounding=RoundingMode.NEAREST),
    "clamped, floor": lambda: chain(5, signed_input=True, u_min=-500, rounding=RoundingMode.FLOOR),
    "residual": lambda: residual(3),
}


def by_oracle(graph: QuantizedGraph, trace: Trace, name: str) -> dict[str, tuple[int, int]]:
    """Extents of one population, from its input alone, neuron by neuron."""
    values: dict[str, list[int]] = {q: [] for q in ("i", "u", "r", "c2m_r", "h", "h_r")}
    i = trace.populations[name].i.reshape(trace.steps, -1).T
    per_channel = int(np.prod(trace.populations[name].i.shape[3:]))
    for n, currents in enumerate(i.tolist()):
        k = oracle_constants(graph.population(name).constants, n // per_channel % graph.population(name).constants.channels)
        r = k["r0"]
        values["r"].append(r)
        for current in currents:
            h = oracle.rshift(k["c2m"] * r, k["s2"], k["rounding"]) + k["c1m"]
            values["c2m_r"].append(k["c2m"] * r)
            values["h"].append(h)
            values["h_r"].append(oracle.sat(h, k["state_bits"]) * r)
            u, _, r = oracle.step(r, current, k)
            values["i"].append(current)
            values["u"].append(u)
            values["r"].append(r)
    return {q: (min(v), max(v)) for q, v in values.items()}


@pytest.mark.parametrize("name", NETWORKS)
def test_observed_extents_are_those_of_the_oracle_and_inside_the_proof(name: str) -> None:
    graph = NETWORKS[name]()
    trace = run_reference(graph, random_inputs(graph, samples=3))
    proof = prove_ranges(graph, steps=graph.steps)
    observed = observe(graph, trace)
    for population in graph.populations:
        assert observed.nodes[population] == by_oracle(graph, trace, population)
        for quantity, (low, high) in observed.nodes[population].items():
            q = proof.nodes[population].ranges[quantity]
            assert q.lo <= low <= high <= q.hi, (population, quantity)
    assert observed.nodes["out"] == {"sum": (trace.readout.min(), trace.readout.max())}
    gaps = gap_bits(proof, observed)
    assert set(gaps) == {*graph.populations, "out"}
    assert all(bits >= 0 for row in gaps.values() for bits in row.values())


def test_the_gap_is_the_logarithm_of_the_ratio() -> None:
    graph = chain()
    proof = prove_ranges(graph, steps=4)
    u = proof.nodes["q1"].ranges["u"]
    quarter = max(-u.lo, u.hi) / 4
    observed = ObservedRange(nodes={"q1": {"u": (-3, round(quarter)), "i": (0, 0)}}, samples=1)
    assert gap_bits(proof, observed) == {"q1": {"u": round(log2(max(-u.lo, u.hi) / round(quarter)), 2)}}


def test_parts_of_a_run_merge_to_the_whole() -> None:
    graph = chain(7)
    inputs = random_inputs(graph, samples=9)
    whole = observe(graph, run_reference(graph, inputs))
    parts = [observe(graph, run_reference(graph, {n: x[:, part] for n, x in inputs.items()})) for part in (slice(0, 4), slice(4, 9))]
    assert parts[0].merged(parts[1]) == whole


def test_check_reports_the_gap_to_a_data_set_and_to_a_file(tiny: Artefacts) -> None:
    said = cli("check", tiny.network, "--data", "digits", "--samples", 20, "--json", "-q").json
    assert said["observed_on"] == "20 samples of digits, test part"
    assert {"i", "u", "r", "h", "h_r", "c2m_r"} == set(said["gap_bits"]["qif1"])
    low, high = said["observed"]["qif2"]["u"]
    proven = said["ranges"]["qif2"]["u"]
    assert proven[0] <= low < high <= proven[1]
    assert said["gap_bits"]["qif2"]["u"] == round(log2(max(-proven[0], proven[1]) / max(abs(low), abs(high))), 2)
    told = cli("check", tiny.network, "--data", tiny.codes)
    assert told.code == 0
    assert "bits between proof and data" in told.out
    assert "proven for up to 3 steps" in told.out
    silent = cli("check", tiny.network, "--json", "-q").json
    assert (silent["gap_bits"], silent["observed"], silent["observed_on"]) == ({}, {}, None)


def test_check_of_a_checkpoint_takes_data_too(tiny: Artefacts) -> None:
    said = cli("check", tiny.model, "--data", tiny.codes, "--samples", 5, "--json", "-q").json
    assert said["observed_on"] == f"5 samples of {tiny.codes}"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--samples", 3), "no --data is given"),
        (("--data", "letters"), "data set 'letters' is unknown"),
        (("--data", "missing.npy"), "does not exist"),
        (("--data", "wrong/wide.npy"), "does not fit"),
        (("--data", "wrong/large.npy"), "code 17 is outside 0..16"),
    ],
)
def test_wrong_data_is_one_line(tiny: Artefacts, wrong: Path, place: Path, arguments: tuple[object, ...], reason: str) -> None:
    given = [str(a).replace("wrong/", f"{wrong}/") for a in arguments]
    assert_one_line(cli("check", tiny.network, *given), reason)


def test_an_exported_file_is_observed_as_its_network(tiny: Artefacts, place: Path) -> None:
    of_file, of_network = (cli("check", file, "--data", "digits", "--json", "-q").json for file in (tiny.onnx, tiny.network))
    assert of_file["observed"] == of_network["observed"]
    assert of_file["ranges"] == of_network["ranges"]
    assert [f["value"] for f in of_file["findings"] if f["rule"] == "onnx_profile"] == ["exact, sequence"]
