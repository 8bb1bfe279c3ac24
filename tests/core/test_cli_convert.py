"""The verb convert, and quantize, check and diff on float NIR files, through the command line."""

from __future__ import annotations

import numpy as np
import pytest

from tests.core.cli_runner import assert_one_line, cli, contents
from tests.export.peers.stored import codes, unpacked

pytest.importorskip("h5py", reason="h5py is not installed (extra 'nir')")


def test_a_foreign_file_goes_the_whole_way(tmp_path):
    model = unpacked("snntorch-subtract", tmp_path)
    result = cli("convert", model, "--steps", 16, "--json")
    found = result.json
    assert result.code == 0
    assert found["artefacts"]["graph"] == str(tmp_path / "graph.nir")
    assert found["convention"].startswith("snntorch: dt 0.0001, spike at >, subtract reset")
    assert found["steps"] == 16
    assert found["inputs"] == {"input": {"shape": [12], "low": 0, "high": 1, "scale": 1.0}}
    assert found["populations"] == {"1": [16], "3": [5]}
    assert any("theta / decay" in note for note in found["notes"])
    assert "snntorch" in result.err
    assert cli("quantize", tmp_path / "graph.nir", "-q").code == 0
    np.save(tmp_path / "x.npy", codes("snntorch-subtract"))
    diff = cli("diff", tmp_path / "graph.nir", tmp_path / "net.nir", "--data", tmp_path / "x.npy", "--json", "-q").json
    assert [layer["spike_agreement"] for layer in diff["layers"]] == [1.0, 1.0]
    assert cli("check", tmp_path / "graph.nir", "--json", "-q").json["verdict"] in ("ok", "warn")
    assert cli("check", tmp_path / "net.nir", "--json", "-q").json["verdict"] in ("ok", "warn")


def test_quantize_and_check_take_a_foreign_file_as_it_is(tmp_path):
    model = unpacked("spikingjelly-if", tmp_path)
    assert cli("quantize", model, "--steps", 16, "--out", tmp_path / "a.nir", "-q").code == 0
    assert cli("check", model, "--json", "-q").json["verdict"] in ("ok", "warn", "fail")


def test_check_lists_everything_that_has_no_place(tmp_path):
    result = cli("check", unpacked("rockpool-synaptic", tmp_path), "--json", "-q")
    assert result.code == 1
    assert result.json["verdict"] == "fail"
    assert [finding["rule"] for finding in result.json["findings"]] == ["convert", "convert"]
    assert "CubaLIF" in result.json["findings"][0]["value"]


def test_convert_of_our_own_graph_changes_nothing_but_what_is_asked(tmp_path):
    cli("convert", unpacked("norse-lif", tmp_path), "-q")
    again = cli("convert", tmp_path / "graph.nir", "--out", tmp_path / "b.nir", "--steps", 9, "--json", "-q").json
    assert again["convention"] is None
    assert (again["source"], again["steps"]) == ("NIR, float network of this project", 9)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--convention", "nest"], ["convention 'nest'", "snntorch"]),
        (["--reset", "soft"], ["reset 'soft'", "hard"]),
        (["--spike-at", "=="], ["spike_at '=='"]),
        (["--readout", "mean"], ["readout 'mean'"]),
        (["--input-range", "0-1"], ["LOW:HIGH"]),
        (["--input-range", "5:1"], ["range 5..1"]),
        (["--input-scale", "0"], ["scale 0"]),
        (["--dt", "-1"], ["dt -1"]),
        (["--out", "graph.onnx"], [".nir"]),
    ],
)
def test_wrong_choices_are_one_line_and_leave_no_file(tmp_path, options, words):
    model = unpacked("norse-lif", tmp_path)
    before = contents(tmp_path)
    assert_one_line(cli("convert", model, *options), *words)
    assert contents(tmp_path) == before


def test_refusals(tmp_path):
    model = unpacked("norse-lif", tmp_path)
    assert_one_line(cli("convert", unpacked("norse-synaptic", tmp_path)), "CubaLIF", "second state")
    assert_one_line(cli("convert", tmp_path / "none.nir"), "does not exist")
    assert_one_line(cli("convert", __file__), "is no checkpoint", ".nir")
    assert_one_line(cli("quantize", model, "--qat"), "which --qat trains on")
    assert_one_line(cli("quantize", model, "--bias-correction"), "--steps N")
    cli("quantize", model, "--steps", 16, "-q")
    assert_one_line(cli("convert", tmp_path / "net.nir"), "integer network already")
    assert_one_line(cli("run", model, "--backend", "reference", "--input", "x.npy"), "float network of another tool", "quantize")


def test_a_checkpoint_and_its_graph_are_one_model(tiny, tmp_path):
    """Steps, data set and encoder travel, and both quantise to the same codes."""
    found = cli("convert", tiny.model, "--out", tmp_path / "graph.nir", "--json", "-q").json
    assert found["source"] == "checkpoint"
    assert (found["steps"], found["convention"]) == (3, None)
    assert found["fold_residual"] < 1e-12
    hashes = [
        cli("quantize", model, "--out", tmp_path / "net.nir", "--json", "-q").json["content_hash"]
        for model in (tiny.model, tmp_path / "graph.nir")
    ]
    assert hashes[0] == hashes[1]
    diff = cli("diff", tmp_path / "graph.nir", tmp_path / "net.nir", "--samples", 34, "--out", tmp_path / "d.json", "--json", "-q")
    assert diff.code == 0
    assert diff.json["accuracy"]["float"] is not None
    assert_one_line(cli("convert", tiny.model, "--reset", "hard", "--out", tmp_path / "g.nir"), "checkpoint", "leave the choices")
