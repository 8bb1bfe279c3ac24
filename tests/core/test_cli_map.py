"""The verb map, and check with a target that has cores: keys of the contract, exit codes, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import qif_deploy
from qif_hardware.target import PROFILES, load_target
from qif_hardware.verify_placement import verify_placement
from tests.core.cli_runner import assert_one_line, cli
from tests.core.conftest import Artefacts

LAYER_KEYS = {"name", "tile", "cores", "words", "binding"}
WORDS = {"synmem", "axon_in", "axon_map", "axon_mem", "neurons", "groups"}


def test_map_writes_a_placement_that_holds(tiny: Artefacts, tmp_path: Path) -> None:
    out = tmp_path / "placement.json"
    result = cli("map", tiny.network, "--target", "loihi2-lava", "--out", out, "--plots", tmp_path / "plots", "--json")
    assert result.code == 0
    said = result.json
    assert said == json.loads(out.read_text())
    assert (said["fits"], said["cores"], said["chips"]) == (True, len(said["placement"]), 1)
    for layer in said["layers"]:
        assert set(layer) >= LAYER_KEYS
        assert set(layer["words"]) == WORDS
        assert len(layer["tile"]) == 3
    assert said["activity"]["source"] == "counted on 64 samples of digits, test part"
    assert said["time"]["step_s"]["low"] <= said["time"]["step_s"]["typical"] <= said["time"]["step_s"]["high"]
    graph = qif_deploy.api.loading.load_network(tiny.network)
    assert verify_placement(graph, said, load_target("loihi2-lava").cores()).findings == []
    assert sorted(path.name for path in (tmp_path / "plots").iterdir()) == [f"placement_{n}.svg" for n in ("cores", "layers", "traffic")]
    assert "loihi2-lava: fits" in result.err
    assert cli("map", tiny.network, "--out", out, "-v").out.count("why this cut") == 1


def test_map_is_a_public_function(tiny: Artefacts, tmp_path: Path) -> None:
    found = qif_deploy.map(tiny.network, target="loihi2-brief", objective="cores", input=tiny.codes, out=tmp_path / "p.json")
    assert isinstance(found, qif_deploy.NetworkMapping)
    assert found.cores == 1
    assert "34 samples of" in found.activity.source


def test_map_exits_1_where_the_network_does_not_fit(tiny: Artefacts, tmp_path: Path) -> None:
    out = tmp_path / "placement.json"
    result = cli("map", tiny.network, "--target", "loihi1", "--out", out, "--json", "-q")
    assert (result.code, result.json["fits"]) == (1, False)
    assert {f["object"] for f in result.json["findings"] if f["value"] == "needs quadratic"} == {"qif1", "qif2", "qif3"}
    small = tmp_path / "small.toml"
    text = (PROFILES / "loihi2-lava.toml").read_text()
    small.write_text(text.replace("neuron_words = { value = 4095", "neuron_words = { value = 8"))
    result = cli("map", tiny.network, "--target", small, "--chips", 1, "--cores-per-chip", 4, "--out", out, "--json")
    assert (result.code, result.json["fits"], result.json["placement"], result.json["time"]) == (1, False, None, None)
    (found,) = [f for f in result.json["findings"] if f["rule"] == "chip_limits"]
    assert (found["value"], found["limit"]) == (result.json["cores"], 4)
    assert "does not fit" in result.err


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("--target loihi9", "target 'loihi9' is unknown"),
        ("--target wide", "is a number format and says nothing of cores"),
        ("--objective speed", "objective 'speed' is unknown; use one of time, cores"),
        ("--cores-per-chip 500", "cores_per_chip 500 is outside 1..128"),
        ("--chips 0", "--chips"),
        ("--data letters", "data set 'letters' is unknown"),
        ("--out placement.txt", "does not end in .json"),
    ],
)
def test_map_refuses_in_one_line(tiny: Artefacts, place: Path, line: str, word: str) -> None:
    assert_one_line(cli("map", tiny.network, *line.split()), word)


def test_map_refuses_what_is_no_network(tiny: Artefacts, place: Path) -> None:
    assert_one_line(cli("map", tiny.model), "is not a .nir file")
    assert_one_line(cli("map", "missing.nir"), "does not exist")


def test_check_applies_the_rules_of_the_cores(tiny: Artefacts) -> None:
    good = cli("check", tiny.network, "--target", "loihi2-lava", "--json", "-q")
    assert good.code == 0
    assert [f["value"] for f in good.json["findings"] if f["rule"] == "cores"] == [1]
    bad = cli("check", tiny.network, "--target", "loihi1", "--json", "-q")
    assert (bad.code, bad.json["verdict"]) == (1, "fail")
    rules = {f["rule"] for f in bad.json["findings"]}
    assert {"neuron_operations", "graded_inputs", "cores"} <= rules
    assert not {f["rule"] for f in cli("check", tiny.network, "--target", "loihi2", "--json", "-q").json["findings"]} & {"cores"}


def test_targets_lists_cores_with_their_sources() -> None:
    said = {target["name"]: target for target in cli("targets", "--json", "-q").json["targets"]}
    assert said["loihi2"]["chip"] is None
    lava = said["loihi2-lava"]["chip"]
    assert (lava["cores_per_chip"], lava["systems"], lava["limits"]["total"]) == (120, [1, 8, 1152], 20000)
    assert all(number["source"] and number["grade"] for number in lava["numbers"])
    assert "cores" in cli("targets", "-v").out
