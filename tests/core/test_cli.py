"""Every verb on good input: exit code, files, and the JSON keys of the contract."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from qif_deploy.simulate.trace import Trace
from tests.core.cli_runner import cli, contents
from tests.core.conftest import SAMPLES, STEPS, Artefacts
from tests.hardware.lava_marks import NEEDS_LAVA


def test_train_writes_model_and_metrics(tiny: Artefacts) -> None:
    assert set(tiny.said["train"]) == {"artefacts", "metrics"}
    assert {"accuracy_train", "accuracy_test", "rates", "losses", "seed"} <= set(tiny.said["train"]["metrics"])
    assert all(Path(path).is_file() for path in tiny.said["train"]["artefacts"].values())


def test_quantize_writes_the_artefact_beside_the_model(tiny: Artefacts) -> None:
    said = tiny.said["quantize"]
    assert {"artefacts", "content_hash", "number_format", "steps", "fold_residual", "populations"} <= set(said)
    assert (said["number_format"], said["steps"], said["artefacts"]) == ("loihi2", STEPS, {"network": str(tiny.network)})


def test_quantizing_again_gives_the_same_bytes(tiny: Artefacts, tmp_path: Path) -> None:
    result = cli("quantize", tiny.model, "--out", tmp_path / "again.nir", "-q")
    assert (result.code, result.out, result.err) == (0, "", "")
    assert (tmp_path / "again.nir").read_bytes() == tiny.network.read_bytes()


@pytest.mark.parametrize("arguments", [("check",), ("targets",), ("targets", "--verbose")])
def test_text_for_people_is_on_stdout_and_moves_to_stderr_for_json(arguments: tuple[str, ...], tiny: Artefacts) -> None:
    arguments = (*arguments, str(tiny.network)) if arguments[0] == "check" else arguments
    plain, with_json, quiet = cli(*arguments), cli(*arguments, "--json"), cli(*arguments, "--json", "--quiet")
    assert plain.err == ""
    assert with_json.err == plain.out != ""
    assert (quiet.out, quiet.err) == (with_json.out, "")
    assert isinstance(quiet.json, dict)


def test_check_says_ranges_and_resolution(tiny: Artefacts, tmp_path: Path) -> None:
    result = cli("check", tiny.network, "--verbose", "--json", "--out", tmp_path / "check.json")
    assert (result.code, result.json["verdict"]) == (0, "ok")
    assert set(contents(tmp_path)) == {"check.json"}
    assert {"rule", "severity", "object", "value", "limit", "remedy"} == set(result.json["findings"][0])
    for name in ("qif1", "qif2", "qif3"):
        assert {"acc", "i", "c2m_r", "h", "h_r", "u", "r"} == set(result.json["ranges"][name])
        assert {"theta_code_median", "weight_code_max_median", "bound_by"} == set(result.json["resolution"][name])
        for low, high, bits, verdict in result.json["ranges"][name].values():
            assert low <= high < 2**bits
            assert verdict in ("fits", "harmless")


def test_check_reads_a_checkpoint_and_an_exported_file(tiny: Artefacts) -> None:
    assert cli("check", tiny.model, "--json", "-q").json["ranges"] == cli("check", tiny.network, "--json", "-q").json["ranges"]
    assert cli("check", tiny.onnx, "--json", "-q").json["verdict"] == "ok"


def test_check_exits_1_where_a_limit_is_exceeded(tiny: Artefacts) -> None:
    result = cli("check", tiny.network, "--target", "compact16", "--json", "-q")
    assert (result.code, result.json["verdict"]) == (1, "fail")
    assert [(f["object"], f["value"], f["limit"]) for f in result.json["findings"] if f["severity"] == "error"] == [("state_bits", 24, 16)]


@pytest.mark.parametrize(
    "backend", ["reference", "batched", "onnx", "nir", pytest.param("lava", marks=NEEDS_LAVA)]
)  # fmt: skip
def test_run_writes_the_same_vectors_on_every_backend(tiny: Artefacts, tmp_path: Path, backend: str) -> None:
    vectors, reference = tmp_path / "vectors.npz", tmp_path / "reference.npz"
    result = cli("run", tiny.network, "--backend", backend, "--input", tiny.codes, "--out", vectors, "--json", "-q")
    assert result.code == 0
    assert (result.json["backend"], result.json["samples"], result.json["steps"]) == (backend, SAMPLES, STEPS)
    cli("run", tiny.network, "--input", tiny.codes, "--out", reference)
    with np.load(vectors) as found, np.load(reference) as expected:
        names = [f"{name}/{what}" for name in ("qif1", "qif2", "qif3") for what in "ius"]
        assert found.files == expected.files == ["input/image", *names, "readout"]
        assert {found[n].dtype.name for n in names} == {"int32", "uint8"}
        assert (found["readout"].dtype, found["readout"].shape) == (np.int64, (SAMPLES, 10))
        assert all(np.array_equal(found[name], expected[name]) for name in found.files)
        assert result.json["classes"] == found["readout"].argmax(axis=1).tolist()


def test_run_holds_frames_encodes_floats_and_takes_exported_files(tiny: Artefacts, tmp_path: Path) -> None:
    frames = np.load(tiny.codes)[0]
    np.save(tmp_path / "frames.npy", frames)
    np.save(tmp_path / "floats.npy", frames / 16)
    np.savez(tmp_path / "named.npz", image=np.stack([frames] * 2))
    runs = {
        "held": (tiny.network, "--input", tmp_path / "frames.npy", "--steps", 2),
        "encoded": (tiny.network, "--input", tmp_path / "floats.npy", "--encode", "--steps", 2),
        "named": (tiny.network, "--input", tmp_path / "named.npz", "--backend", "batched"),
        "exported": (tiny.onnx, "--input", tmp_path / "frames.npy", "--backend", "onnx", "--steps", 2),
    }
    for name, arguments in runs.items():
        assert cli("run", *arguments, "--out", tmp_path / f"of-{name}.npz", "-q").code == 0
    held = dict(Trace.load(tmp_path / "of-held.npz").computed())
    for name in runs:
        assert all(np.array_equal(codes, held[array]) for array, codes in Trace.load(tmp_path / f"of-{name}.npz").computed()), name


def test_results_lie_beside_the_network_without_out(tiny: Artefacts, tmp_path: Path) -> None:
    network = Path(shutil.copy(tiny.network, tmp_path / "net.nir"))
    for arguments in (
        ("run", network, "--input", tiny.codes),
        ("diff", tiny.model, network, "--samples", 8),
        ("verify", network, "--backend", "batched", "--samples", 32),
        ("energy", network, "--samples", 8),
        ("export", network, "--to", "onnx"),
    ):
        assert cli(*arguments, "-q").code == 0, arguments
    assert set(contents(tmp_path)) == {"net.nir", "vectors.npz", "fidelity.json", "verify.json", "energy.json", "net.onnx"}


def test_diff_says_agreement_per_layer(tiny: Artefacts, tmp_path: Path) -> None:
    said = cli("diff", tiny.model, tiny.network, "--samples", 40, "--out", tmp_path / "f.json", "--json").json
    assert set(said["accuracy"]) == {"float", "integer"}
    assert {"first_divergence", "noise_floor"} <= set(said)
    assert [layer["name"] for layer in said["layers"]] == ["qif1", "qif2", "qif3"]
    keys = {"name", "spike_agreement", "flips_per_spike", "rate_float", "rate_integer", "membrane_rmse"}
    assert all(keys <= set(layer) and 0 < layer["spike_agreement"] <= 1 for layer in said["layers"])


@pytest.mark.parametrize("to", ["nir", "onnx"])
def test_export_reports_every_field(tiny: Artefacts, tmp_path: Path, to: str) -> None:
    path = tmp_path / f"copy.{to}"
    said = cli("export", tiny.network, "--to", to, "--out", path, "--json").json
    assert (said["path"], len(said["sha256"])) == (str(path), 64)
    assert {row["carried"] for row in said["fields"]} <= {"exact", "dropped"}
    assert path.read_bytes() == {"nir": tiny.network, "onnx": tiny.onnx}[to].read_bytes()


def test_energy_prices_what_it_can_and_lists_the_rest(tiny: Artefacts, tmp_path: Path) -> None:
    said = cli("energy", tiny.network, "--input", tiny.codes, "--out", tmp_path / "e.json", "--json").json
    assert json.loads((tmp_path / "e.json").read_text()) == said
    assert [layer["name"] for layer in said["per_layer"]] == ["qif1", "qif2", "qif3", "readout"]
    assert (said["total"] is None) == bool(said["unpriced"])
    bounds = said["at_least"] if said["total"] is None else said["total"]
    assert 0 < bounds["low"] <= bounds["typical"] <= bounds["high"]
    assert {"lif", "ann_fp32", "ann_int8", "qnn"} <= set(said["twins"])
    assert all({"name", "value", "unit", "source", "grade"} <= set(constant) for constant in said["constants"])
    assert set(said["others"]) == {"cmos45-fp32", "cmos45-int", "lemaire", "loihi1-published", "loihi2"}
    assert said["neurobench"]["synaptic_operations"]["Dense"] > 0
    assert said["accuracy"] is None  # codes carry no labels


def test_energy_counts_a_data_set_and_takes_a_deployment(tiny: Artefacts, tmp_path: Path) -> None:
    run = ("energy", tiny.network, "--samples", 40, "--out", tmp_path / "e.json", "--json")
    bare, placed = cli(*run).json, cli(*run, "--cores", 4, "--step-us", 50, "--prices", "loihi1-published").json
    assert 0 < bare["accuracy"] < 1
    assert "static_power" in {missing["term"] for missing in bare["unpriced"]}
    assert {missing["term"] for missing in placed["unpriced"]} == {"hop_x", "hop_y", "input_output"}
    assert placed["by_term"]["static_power"]["low"] == pytest.approx(4 * 0.23e-3 * STEPS * 50e-6)
    (tmp_path / "p.json").write_text(json.dumps({"cores": 4, "chips": 1}))
    by_file = cli(*run, "--placement", tmp_path / "p.json", "--step-us", 50, "--prices", "loihi1-published").json
    assert by_file["by_term"] == placed["by_term"]


def test_energy_prints_layers_estimators_and_twins(tiny: Artefacts, tmp_path: Path) -> None:
    result = cli("energy", tiny.network, "--samples", 8, "--cores", 4, "--out", tmp_path / "e.json")
    assert result.code == 0
    for word in ("qif1", "at least", "95 % over inputs", "static_power", "not priced: input_output", "loihi2", "ann_int8", "a lower bound"):
        assert word in " ".join(result.out.split()), word


def test_targets_lists_profiles_with_sources(tmp_path: Path) -> None:
    result = cli("targets", "--json", "-q", "--out", tmp_path / "targets.json")
    assert {"loihi2", "wide", "compact16", "w4"} <= {target["name"] for target in result.json["targets"]}
    numbers = [n for profile in result.json["targets"] for n in profile["numbers"]]
    numbers += [n for profile in result.json["energy"] for n in profile["constants"]]
    assert all(n["source"] and n["grade"] and n["unit"] for n in numbers)
