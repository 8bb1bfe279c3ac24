"""The verb diff: streams, options, exit codes, and what it writes for a report."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from qif_deploy.api.diff import Comparison, diff
from qif_deploy.api.loading import load_network
from qif_deploy.api.real_stream import batch_for, real_stream
from qif_deploy.errors import InputError
from tests.core.cli_runner import assert_one_line, cli
from tests.core.conftest import Artefacts


def test_a_stream_gives_the_samples_in_batches(tiny: Artefacts) -> None:
    graph = load_network(tiny.network)
    whole = list(real_stream(graph, data=None, samples=30))
    parts = list(real_stream(graph, data=None, samples=30, batch=7))
    assert [next(iter(codes.values())).shape[1] for codes, _ in parts] == [7, 7, 7, 7, 2]
    (name,) = graph.inputs
    assert np.array_equal(np.concatenate([codes[name] for codes, _ in parts], axis=1), whole[0][0][name])
    assert np.array_equal(np.concatenate([labels for _, labels in parts]), whole[0][1])
    codes, labels = next(iter(real_stream(graph, data=str(tiny.codes), samples=None)))
    assert (codes[name].shape[1], labels) == (34, None)
    assert 1 <= batch_for(graph, 10**6) < batch_for(graph, 4)
    with pytest.raises(InputError, match="samples 0 is below 1"):
        real_stream(graph, data=None, samples=0)
    with pytest.raises(InputError, match="names no data set"):
        real_stream(dataclasses.replace(graph, provenance={}), data=None, samples=1)


def test_diff_writes_what_a_report_draws(tiny: Artefacts, tmp_path: Path) -> None:
    shares: list[float] = []
    found = diff(tiny.model, tiny.network, samples=40, out=tmp_path / "f.json", how=Comparison(noise=True), progress=shares.append)
    said = json.loads((tmp_path / "f.json").read_text())
    assert said == json.loads(json.dumps(found.as_json()))
    assert shares[0] == 0.0
    assert said["diagnosis"]["verdict"] == "rounding"
    assert (said["diagnosis"]["suspect"], said["diagnosis"]["findings"]) == (None, [])
    assert said["accuracy_evidence"]["samples"] == said["samples"] == 40
    matrix = said["matrix"]
    assert (matrix["layers"], matrix["steps"]) == (["qif1", "qif2", "qif3"], 3)
    for quantity in ("spike_agreement", "flips_per_spike", "membrane_rmse", "forced_unexplained"):
        assert [len(row) for row in matrix[quantity]] == [3, 3, 3]
    for layer, row in zip(said["layers"], matrix["spike_agreement"], strict=True):
        assert layer["spike_agreement"] == pytest.approx(np.mean(row))
    assert {trace["population"] for trace in said["membranes"]} == {"qif1", "qif2", "qif3"}
    for trace in said["membranes"]:
        assert len(trace["u_float"]) == len(trace["u_integer"]) == len(trace["bound"]) == len(trace["spikes_integer"]) == 3
        for a, b, reach in zip(trace["u_float"], trace["u_integer"], trace["bound"], strict=True):
            assert abs(a - b) <= reach * (1 + 1e-9)
    runs = {row["name"] for row in said["noise_floor"]["runs"]}
    assert {"float32", "float32, one sample at a time", "float32, torch, cpu", "bf16, torch, cpu"} <= runs
    assert [row["name"] for row in said["diagnosis"]["accuracy_by_layer"]] == ["qif1", "qif2", "qif3", "readout"]


def test_diff_exits_1_on_a_damaged_network_and_says_where(tiny: Artefacts, tmp_path: Path) -> None:
    from qif_export.nir.write import write_nir

    graph = load_network(tiny.network)
    node = graph.population("qif2")
    assert node.constants.theta is not None
    theta = node.constants.theta.copy()
    theta[1] = round(theta[1] * 1.05)
    broken = dataclasses.replace(node, constants=dataclasses.replace(node.constants, theta=theta))
    write_nir(dataclasses.replace(graph, nodes=dict(graph.nodes) | {"qif2": broken}), tmp_path / "broken.nir")
    result = cli("diff", tiny.model, tmp_path / "broken.nir", "--no-layer-accuracy", "--json")
    assert result.code == 1
    diagnosis = result.json["diagnosis"]
    assert (diagnosis["verdict"], diagnosis["suspect"], diagnosis["accuracy_by_layer"]) == ("damage", "qif2", [])
    (finding,) = diagnosis["findings"]
    assert (finding["place"], finding["kind"], finding["channels"]) == ("qif2", "threshold", [1])
    assert finding["found"] / finding["expected"] == pytest.approx(1.05, abs=0.001)
    assert "damage in qif2: threshold" in " ".join(result.err.split())


def test_networks_of_two_origins_are_refused_in_one_line(tiny: Artefacts, tmp_path: Path) -> None:
    recipe = tmp_path / "other.toml"
    recipe.write_text(tiny.recipe.read_text().replace("channels = [2, 3]", "channels = [2, 4]"))
    assert cli("train", "--recipe", recipe, "--out", tmp_path, "-q").code == 0
    result = cli("diff", tmp_path / "model.safetensors", tiny.network, "--out", tmp_path / "f.json")
    assert result.code == 2
    assert_one_line(result)
    assert "not of one origin" in result.err
