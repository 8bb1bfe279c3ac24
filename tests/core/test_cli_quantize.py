"""The flags of ``quantize``: what they say in JSON, what travels in the artefact, and the same from Python."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import qif_deploy
from qif_deploy.api.quantization import training_samples
from qif_deploy.datasets.catalogue import load_dataset
from qif_deploy.datasets.encoders import Encoder
from qif_deploy.simulate.reference import run_reference
from qif_export.nir.read import read_nir
from tests.core.cli_runner import cli
from tests.core.conftest import Artefacts
from tests.core.data_files import write_cifar
from tests.core.test_cli_refusals import profile

WEIGHTS = 2 * 9 + 3 * 2 * 9 + 8 * 3 * 4 + 10 * 8


def quantized(tiny: Artefacts, out: Path, *flags: object) -> dict[str, Any]:
    result = cli("quantize", tiny.model, "--out", out, "--json", "-q", *flags)
    assert result.code == 0, result.err
    found: dict[str, Any] = result.json
    return found


def test_the_report_tells_options_and_every_synapse(tiny: Artefacts, tmp_path: Path) -> None:
    plain = quantized(tiny, tmp_path / "a.nir")
    assert plain["options"] == {"scales": "max", "bias_correction": False}
    assert set(plain["synapses"]) == {"conv1", "conv2", "fc1", "fc2"}
    assert all(row["clipped_weights"] == 0 and row["weight_bits"] == 8 for row in plain["synapses"].values())
    clipped = quantized(tiny, tmp_path / "b.nir", "--scales", "percentile", "--percentile", 80, "--weight-bits", 4)
    for row in clipped["synapses"].values():
        assert row["clipped_weights"] == sum(row["clipped_weights_per_channel"]) > 0
        assert row["clip_error_max"] == max(row["clip_error_per_channel"]) > 0
    network = read_nir(tmp_path / "b.nir")
    assert (network.number_format.name, network.number_format.weight_bits) == ("loihi2-w4", 4)
    assert network.provenance["scales"] == "percentile 80.0"
    assert max(int(np.abs(network.nodes[name].weight).max()) for name in ("conv1", "conv2", "fc1", "fc2")) == 7


def test_bias_correction_is_told_per_channel_and_changes_biases_only_where_it_must(tiny: Artefacts, tmp_path: Path) -> None:
    flags = ("--weight-bits", 4, "--scales", "mse")
    quantized(tiny, tmp_path / "a.nir", *flags)
    told = quantized(tiny, tmp_path / "b.nir", *flags, "--bias-correction", "--calibration-samples", 50)
    assert told["options"] == {"scales": "mse", "bias_correction": True, "calibrated_on": "50 samples of digits, training part"}
    before, after = (read_nir(tmp_path / f"{name}.nir") for name in "ab")
    for name in before.populations:
        corrections = np.array(told["populations"][name]["bias_correction_per_channel"])
        assert corrections.any()
        a, b = before.population(name), after.population(name)
        np.testing.assert_array_equal(a.delta, b.delta)
        np.testing.assert_allclose((a.constants.bias - b.constants.bias) * a.delta, corrections, atol=float(a.delta.max()))  # theta is 1
    assert after.provenance["bias_correction"] == "50 samples of digits, training part"


def test_a_memory_budget_travels_with_the_artefact(tiny: Artefacts, tmp_path: Path) -> None:
    budget = WEIGHTS // 2
    flags = ("--memory-budget", budget, "--calibration-samples", 40)
    result = cli("quantize", tiny.model, "--out", tmp_path / "net.nir", "--json", *flags)
    told = result.json["mixed_width"]
    assert f"{told['weight_bytes']:,} bytes of at most {budget:,}" in " ".join(result.err.split())
    assert told["weight_bytes"] <= told["budget_bytes"] == budget
    network = read_nir(tmp_path / "net.nir")
    widths = json.loads(network.provenance["weight_bits"])
    assert widths == told["weight_bits"]
    assert {step["synapse"] for step in told["steps"]} == {name for name, bits in widths.items() if bits < 8}
    for name, bits in widths.items():
        assert np.abs(network.nodes[name].weight).max() <= 2 ** (bits - 1) - 1
    assert cli("check", tmp_path / "net.nir", "--target", "loihi2", "-q").code == 0


def test_codes_from_a_file_calibrate_too(tiny: Artefacts, tmp_path: Path) -> None:
    told = quantized(tiny, tmp_path / "net.nir", "--bias-correction", "--calibrate", tiny.codes)
    assert told["options"]["calibrated_on"] == f"34 samples of {tiny.codes}"


def test_python_and_the_command_line_make_the_same_network(tiny: Artefacts, tmp_path: Path) -> None:
    quantized(tiny, tmp_path / "a.nir", "--scales", "mse", "--weight-bits", 3, "--bias-correction")
    how = qif_deploy.PostTraining(scales=qif_deploy.ScaleMethod.MSE, weight_bits=3, bias_correction=True)
    outcome = qif_deploy.quantize(tiny.model, target="loihi2", out=tmp_path / "b.nir", how=how)
    assert outcome.network == read_nir(tmp_path / "a.nir")


def test_calibration_sees_all_classes_of_the_training_part_and_nothing_of_the_test_part() -> None:
    pytest.importorskip("sklearn")
    dataset = load_dataset("digits")
    chosen = {frame.tobytes() for frame in training_samples("digits", 100, encoder=Encoder.DIRECT, steps=4)}
    train, test = ({frame.tobytes() for frame in part} for part in (dataset.x_train, dataset.x_test))
    assert len(chosen) == 100
    assert chosen <= train
    assert not chosen & (test - train)
    labels = {frame.tobytes(): int(label) for frame, label in zip(dataset.x_train, dataset.y_train, strict=True)}
    assert {labels[frame] for frame in chosen} == set(range(10))


def test_a_users_number_format_goes_the_whole_way(tiny: Artefacts, tmp_path: Path) -> None:
    target = tmp_path / "mine.toml"
    target.write_text(profile(weight_bits=6, coef_bits=10, state_bits=20, product_bits=30))
    told = quantized(tiny, tmp_path / "net.nir", "--target", target)
    network = read_nir(tmp_path / "net.nir")
    f = network.number_format
    assert (told["number_format"], f.weight_bits, f.coef_bits, f.state_bits, f.product_bits, f.rounding.value) == (
        "narrow",
        6,
        10,
        20,
        30,
        "floor",
    )
    assert cli("check", tmp_path / "net.nir", "--target", target, "-q").code == 0
    assert cli("check", tmp_path / "net.nir", "--target", "loihi2", "--json", "-q").json["verdict"] == "fail"  # another rounding
    vectors = cli("run", tmp_path / "net.nir", "--input", tiny.codes, "--out", tmp_path / "v.npz", "--json", "-q")
    codes = {"image": np.load(tiny.codes)}
    assert vectors.json["spikes"] == run_reference(network, codes).spikes()
    assert sum(vectors.json["spikes"].values()) > 0


def test_calibration_reads_data_sets_that_no_package_carries(tiny: Artefacts, tmp_path: Path) -> None:
    write_cifar(tmp_path, "cifar10")
    drawn = training_samples("cifar10", 4, encoder=Encoder.DIRECT, steps=4, root=tmp_path)
    assert drawn.shape == (4, 3, 32, 32)
    flags = ("--bias-correction", "--calibrate", "cifar10", "--data-root", tmp_path / "nowhere")
    refused = cli("quantize", tiny.model, *flags, "--out", tmp_path / "net.nir")
    assert refused.code == 2
    assert "nowhere" in refused.err
    unused = cli("quantize", tiny.model, "--data-root", tmp_path, "--out", tmp_path / "net.nir")
    assert unused.code == 2
    assert "has no use here" in unused.err
