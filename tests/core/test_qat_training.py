"""Quantisation-aware training from end to end: it learns, it repeats, it looks at no test sample, and every refusal is one line."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

import qif_deploy
from qif_deploy.datasets.catalogue import load_dataset
from qif_deploy.datasets.dataset import Dataset
from qif_deploy.errors import InputError
from qif_deploy.passes.fold_batchnorm import fold_batchnorm
from qif_deploy.passes.quantize import quantize_graph
from qif_deploy.simulate.inputs import prepare_inputs
from qif_deploy.simulate.reference import run_reference
from qif_deploy.training.checkpoint import Checkpoint
from qif_deploy.training.qat.fit_codes import fit_codes
from qif_deploy.training.qat.options import QatOptions, ScaleChoice
from qif_deploy.training.to_graph import to_graph
from qif_deploy.training.trainer import VALIDATION_SEED, fit
from qif_export.nir.read import read_nir
from tests.core.cli_runner import assert_one_line, cli
from tests.core.conftest import Artefacts, words_of
from tests.core.test_qat import number_format
from tests.core.trained import small_recipe

BRIEF = QatOptions(epochs=2, learning_rate=0.02, validation_fraction=0.25)


@pytest.fixture(scope="module")
def data() -> Dataset:
    full = load_dataset("digits")
    return dataclasses.replace(full, x_train=full.x_train[:400], y_train=full.y_train[:400])


@pytest.fixture(scope="module")
def checkpoint(data: Dataset) -> Checkpoint:
    recipe = dataclasses.replace(small_recipe(), epochs=6)
    network, _ = fit(recipe, data)
    return Checkpoint(network=network, recipe=recipe, metrics={})


def integer_accuracy(graph: qif_deploy.QuantizedGraph, x: np.ndarray, y: np.ndarray) -> float:
    trace = run_reference(graph, prepare_inputs(graph, {graph.inputs[0]: x}, steps=graph.steps))
    return float((trace.readout.argmax(axis=1) == y).mean())


def test_two_bits_learn_repeat_and_are_reported_as_the_reference_finds_them(checkpoint: Checkpoint, data: Dataset) -> None:
    shares: list[float] = []
    before = {name: tensor.clone() for name, tensor in checkpoint.network.state_dict().items()}
    network, report = fit_codes(checkpoint, data, number_format(2), options=BRIEF, progress=shares.append)
    poisoned = dataclasses.replace(data, x_test=np.full_like(data.x_test, 16), y_test=np.zeros_like(data.y_test))
    again, _ = fit_codes(checkpoint, poisoned, number_format(2), options=BRIEF)
    other, _ = fit_codes(checkpoint, data, number_format(2), options=dataclasses.replace(BRIEF, seed=1))
    integer, decided = network.codes.export()
    assert again.codes.export()[0].content_hash == integer.content_hash  # repeats, and the test part decides nothing
    assert other.codes.export()[0].content_hash != integer.content_hash
    assert all((tensor == before[name]).all() for name, tensor in checkpoint.network.state_dict().items())
    assert decided.proof.holds
    assert not network.training
    assert shares[-1] == 1.0
    assert shares == sorted(shares)
    assert len(report.losses) == len(report.validation) == 2

    held = data.validation(0.25, seed=VALIDATION_SEED)
    assert report.validation_samples == len(held.y_test)
    assert report.validation_seen
    assert report.accuracy_after == integer_accuracy(integer, held.x_test, held.y_test) == report.validation[-1]
    start, _ = quantize_graph(fold_batchnorm(to_graph(checkpoint.network))[0], number_format(2), steps=4)
    assert report.accuracy_before == integer_accuracy(start, held.x_test, held.y_test)
    assert report.accuracy_after > report.accuracy_before + 0.1
    assert json.loads(json.dumps(report.as_json()))["accuracy"] == {"before": report.accuracy_before, "after": report.accuracy_after}


def test_what_the_recipe_held_out_stays_held_out(checkpoint: Checkpoint, data: Dataset) -> None:
    held = dataclasses.replace(checkpoint, recipe=dataclasses.replace(checkpoint.recipe, validation_fraction=0.5))
    _, report = fit_codes(held, data, number_format(4), options=dataclasses.replace(BRIEF, epochs=1, scales=ScaleChoice.MAX))
    assert not report.validation_seen
    assert report.validation_samples == pytest.approx(200, abs=5)


def test_a_proof_that_breaks_in_training_is_mended_and_told(checkpoint: Checkpoint, data: Dataset) -> None:
    wild = dataclasses.replace(BRIEF, learning_rate=1.0)
    network, report = fit_codes(checkpoint, data, number_format(8, narrow=True), options=wild)
    assert report.widened
    assert {w.epoch for w in report.widened} <= {1, 2}
    assert all(repr(w.node) in w.reason for w in report.widened)
    assert network.codes.export()[1].proof.holds


def test_another_data_set_is_refused(checkpoint: Checkpoint, data: Dataset) -> None:
    other = dataclasses.replace(data, scale=1 / 17)
    with pytest.raises(InputError, match=r"data set 'digits' has .*0\.0588.* the checkpoint was trained on .*0\.0625"):
        fit_codes(checkpoint, other, number_format(4), options=BRIEF)


def test_options_name_all_that_is_wrong() -> None:
    with pytest.raises(InputError, match=r"epochs = 0, allowed is 1\.\.10000.*learning_rate = -1"):
        QatOptions(epochs=0, learning_rate=-1)


def test_the_command_trains_writes_and_says_so(tiny: Artefacts, tmp_path: Path) -> None:
    out = tmp_path / "net.nir"
    arguments = ("quantize", tiny.model, "--weight-bits", "3", "--qat", "--qat-epochs", "1", "--seed", "4", "--out", out)
    said = cli(*arguments, "--json")
    assert said.code == 0, said
    found = said.json["qat"]
    assert (found["epochs"], found["weight_bits"], found["seed"]) == (1, 3, 4)
    assert 0 <= found["accuracy"]["before"] <= 1
    assert "quantised after training" in " ".join(said.err.split())
    network = read_nir(out)
    assert network.content_hash == said.json["content_hash"]
    assert network.number_format.weight_bits == 3
    facts = network.provenance
    assert (facts["quantisation"], facts["qat_epochs"], facts["qat_seed"], facts["dataset"]) == ("qat", "1", "4", "digits")
    assert len(facts["source_sha256"]) == 64
    checked = cli("check", out)
    assert checked.code == 0, checked
    function = qif_deploy.quantize(
        tiny.model,
        target="loihi2",
        how=qif_deploy.PostTraining(weight_bits=3),
        qat=qif_deploy.QatOptions(epochs=1, seed=4),
        out=tmp_path / "same.nir",
    )
    assert function.network.content_hash == network.content_hash


REFUSED = {
    "quantize MODEL --qat --qat-epochs 0": "epochs = 0, allowed is 1..10000",
    "quantize MODEL --qat --qat-learning-rate 0": "learning_rate = 0.0, allowed is above 0",
    "quantize MODEL --qat-epochs 3": "--qat-epochs 3: nothing is trained without --qat; add --qat",
    "quantize MODEL --qat --weight-bits 1": "weight_bits 1 is outside 2..16",
    "quantize MODEL --qat --weight-bits 17": "weight_bits 17 exceeds the 8 of target 'loihi2'",
    "quantize MODEL --qat --bias-correction": "bias_correction: choices of quantisation after training, but --qat trains the codes",
    "quantize MODEL --data digits": "add --qat",
    "quantize MODEL --qat --data letters": "letters",
    "quantize MODEL --qat --data codes.npy": "codes.npy",
    "quantize NET --qat --out other.nir": "is not a checkpoint (.safetensors), which --qat trains on",
    "quantize missing.safetensors --qat": "does not exist",
    "quantize wrong/half.safetensors --qat --out net.nir": "its header is cut off",
    "quantize MODEL --qat --steps 0": "--steps",
}


@pytest.mark.parametrize("line", REFUSED)
def test_bad_input_is_one_line(line: str, tiny: Artefacts, wrong: Path, place: Path) -> None:
    assert_one_line(cli(*words_of(tiny, wrong, line)), REFUSED[line])
    assert list(place.iterdir()) == []
