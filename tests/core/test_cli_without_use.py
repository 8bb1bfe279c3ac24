"""An option that does nothing where it is given is refused in one line; nobody is left to believe that it did something."""

from __future__ import annotations

from pathlib import Path

import pytest

from qif_deploy.errors import InputError
from qif_deploy.training.run_options import RunOptions
from tests.core.cli_runner import assert_one_line, cli
from tests.core.conftest import Artefacts, words_of

LEAVE = "leave the choices for foreign files out"

CONVERT = {
    "--convention norse": "convention: the file has no neuron whose discrete time it leaves open",
    "--dt 0.1": "dt: ",
    "--reset hard": "reset: ",
    "--spike-at >": "spike_at: ",
    "--unit-gain": "unit_gain: ",
    "--input-range 0:1": "the file has no input whose codes it leaves open",
    "--input-scale 1": "the file has no input whose codes it leaves open",
    "--readout sum": "the file has no output whose reading it leaves open",
    "--drop-leak": "the file has no output whose reading it leaves open",
}


@pytest.fixture(scope="module")
def graph(tiny: Artefacts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "graph.nir"
    assert cli("convert", tiny.model, "--out", path, "-q").code == 0
    return path


@pytest.mark.parametrize("flags", CONVERT)
def test_our_own_files_leave_nothing_open(tiny: Artefacts, graph: Path, tmp_path: Path, flags: str) -> None:
    words = (*flags.split(), "--out", tmp_path / "g.nir")
    assert_one_line(cli("convert", graph, *words), CONVERT[flags], LEAVE)
    assert_one_line(cli("convert", tiny.model, *words), "is a checkpoint, which says all of itself", LEAVE)
    assert list(tmp_path.iterdir()) == []


def test_all_that_has_no_use_is_said_at_once(graph: Path, tmp_path: Path) -> None:
    words = ["--convention", "norse", "--reset", "hard", "--input-range", "0:255"]
    assert_one_line(cli("convert", graph, *words, "--out", tmp_path / "g.nir"), "convention, reset: ", "input_range and input_scale: ")


LINES = {
    "run NET --input CODES --device foo": "device 'foo' has no use here: it serves the backend batched, and what runs is reference",
    "run NET --input CODES --device cuda": "device 'cuda' has no use here",
    "run NET --input CODES --device cpu --backend nir": "what runs is nir",
    "run NET --input CODES --time-limit 60": "time limit 60 s has no use here: it serves the backend lava, and what runs is reference",
    "verify NET --backend nir --device foo": "device 'foo' has no use here",
    "verify NET --backend nir --backend batched --time-limit 60": "what runs is nir, batched",
    "verify NET --file ONNX --device cpu": "what runs is no backend",
    "quantize MODEL --percentile 50": "percentile 50 has no use here; it serves scales percentile, not max",
    "quantize MODEL --scales mse --percentile 99": "percentile 99 has no use here; it serves scales percentile, not mse",
    "quantize MODEL --calibration-samples 3": "calibration_samples 3 has no use here; it serves bias correction and a memory budget",
    "quantize MODEL --calibration-samples 256 --percentile 99.9": "percentile 99.9 has no use here",
    "quantize MODEL --qat --scales percentile --percentile 99": "leave out one of the two",
}


@pytest.mark.parametrize("line", LINES)
def test_an_option_without_use_is_refused(tiny: Artefacts, wrong: Path, place: Path, line: str) -> None:
    assert_one_line(cli(*words_of(tiny, wrong, line)), LINES[line])


def test_an_accelerator_is_no_word() -> None:
    with pytest.raises(InputError, match=r"accelerator 'gpuu' is no Accelerator"):
        RunOptions(accelerator="gpuu")  # type: ignore[arg-type]  # what a caller without types may do
