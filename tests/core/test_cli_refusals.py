"""Bad input to every verb: exit code 2, one line that names what is wrong, and no file touched or left behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.core.cli_runner import Result, assert_one_line, cli
from tests.core.conftest import Artefacts, words_of

USAGE = {
    "nonsense": "No such command",
    "run NET": "Missing option '--input'",
    "train": "Missing option '--recipe'",
    "quantize MODEL --memory-budget much": "--memory-budget",
    "check": "Missing argument",
    "check NET --loud": "No such option",
    "check NET extra": "unexpected extra argument",
    "run NET --input CODES --steps two": "--steps",
    "run NET --input CODES --steps 0": "--steps",
    "run NET --input CODES --time-limit 0.5": "--time-limit",
    "verify NET --samples 0": "--samples",
    "energy NET --samples -3": "--samples",
    "train --recipe digits --seed -1": "--seed",
    "train --recipe digits --devices 0": "--devices",
    "train --recipe digits --epochs 0": "--epochs",
}

UNKNOWN = {
    "quantize MODEL --target loihi9": "target 'loihi9' is unknown; use one of compact16, loihi1",
    "quantize MODEL --scales median": "scales 'median' is unknown; use one of max, percentile, mse",
    "quantize MODEL --scales percentile --percentile 0": "percentile 0.0 is outside",
    "quantize MODEL --weight-bits 9": "weight_bits 9 exceeds the 8 of target 'loihi2'",
    "quantize MODEL --weight-bits 1": "weight_bits 1 is outside 2..16",
    "quantize MODEL --memory-budget 3": "memory budget 3 bytes is below",
    "quantize MODEL --memory-budget 0": "memory_budget 0 bytes is below 1",
    "quantize MODEL --bias-correction --calibration-samples 0": "calibration_samples 0 is below 1",
    "quantize MODEL --bias-correction --calibrate letters": "data set 'letters' is unknown",
    "quantize MODEL --bias-correction --calibrate wrong/missing.npy": "does not exist",
    "quantize MODEL --bias-correction --calibrate wrong/large.npy": "code 17 is outside 0..16",
    "quantize MODEL --bias-correction --calibrate mnist5k": "does not fit",
    "quantize MODEL --calibrate digits": "has no use here",
    "check NET --target loihi9": "target 'loihi9' is unknown",
    "demo --target loihi9": "target 'loihi9' is unknown",
    "run NET --input CODES --backend gpu": "backend 'gpu' is unknown; use one of reference, batched, onnx",
    "verify NET --backend gpu": "backend 'gpu' is unknown",
    "run NET --input CODES --backend batched --device warp": "device 'warp' is not usable here",
    "train --recipe letters": "recipe 'letters' is unknown; use one of",
    "train --recipe digits --accelerator tpu": "accelerator 'tpu' is unknown; use one of auto, cpu, gpu",
    "train --recipe digits --devices 3": "batch_size = 64 is no multiple of 3 processes",
    "train --recipe digits --resume --out empty": "no training state 'empty/training_state.safetensors' to resume from",
    "train --recipe cifar10-resnet19": "give --data-root (root), which holds 'cifar-10-batches-bin'",
    "train --recipe cifar10-resnet19 --data-root wrong": "folder 'wrong/cifar-10-batches-bin' is missing",
    "demo --recipe letters": "recipe 'letters' is unknown",
    "diff MODEL NET --data letters": "data set 'letters' is unknown; use one of",
    "verify NET --data letters": "data set 'letters' is unknown",
    "energy NET --data letters": "data set 'letters' is unknown",
    "energy NET --prices gold": "'gold' is unknown; use one of",
    "export NET --to netz": "format 'netz' is unknown; use one of nir, onnx, netx, loihi2-bundle",
    "export NET --to onnx --profile best": "profile 'best' is unknown; use one of exact, float, qdq",
    "export NET --to onnx --form loop": "form 'loop' is unknown; use one of sequence, step",
    "export NET --to onnx --states q9": "states of ['q9'] were asked for",
    "export NET --to onnx --data nowhere": "nowhere",
    "export NET --to nir --inline --out x.nir": "are choices of ONNX files, not of 'nir'",
    "energy NET --samples 4 --step-us 0": "a step of 0.0 s is not positive",
    "energy NET --samples 4 --cores 1 --chips 2": "1 cores are fewer than 2 chips",
    "energy NET --samples 4 --lif NET": "has quadratic populations; give a network trained with neuron 'lif'",
    "export NET --to ../../x": "format '../../x' is unknown",
    "export NET --to nir": "name the new file with --out",
    "verify NET --input CODES --data digits": "give one of them",
}

FILES = {
    **{f"check wrong/{kind}.nir": "NIR file" for kind in ("text", "empty", "half", "cut")},
    **{f"check wrong/{kind}.safetensors": "checkpoint" for kind in ("text", "empty", "half", "cut")},
    **{f"check wrong/{kind}.onnx": "ONNX file" for kind in ("text", "empty", "half", "cut")},
    **{f"check wrong/{kind}.{s}": "" for kind in ("folder", "missing") for s in ("nir", "safetensors", "onnx")},
    "check CODES": "is none of .nir, .safetensors, .onnx",
    "check missing": "does not exist",
    "quantize wrong/half.safetensors": "its header is cut off",
    "quantize NET": "integer network already",
    "diff NET MODEL": "integer network already",
    "diff MODEL wrong/cut.nir": "truncated or damaged",
    "verify MODEL": "is not a .nir file",
    "verify wrong/text.nir": "not an HDF5 file",
    "energy wrong/missing.nir": "does not exist",
    "export wrong/folder.nir --to onnx": "is a folder",
    "run wrong/text.onnx --backend onnx --input CODES": "it is not ONNX",
    "run wrong/half.onnx --input CODES": "it is not ONNX",
    "run ONNX --backend onnx --input CODES --encode": "is not real floats",
    "verify NET --input wrong/missing.npy": "does not exist",
    "diff MODEL NET --data wrong/missing.npy": "does not exist",
    "train --recipe wrong/text.toml": "is no TOML",
    "train --recipe wrong/folder.toml": "cannot be read",
    "train --recipe wrong/missing.toml": "does not exist; check the path, or use one of",
    "train --recipe wrong/empty.toml": "",
    "quantize MODEL --target wrong/text.toml": "is not TOML",
    "quantize MODEL --target wrong/empty.toml": "",
    "check NET --target wrong/folder.toml": "",
    "energy NET --prices wrong/missing.toml": "does not exist",
    "energy NET --prices wrong/text.toml": "is not TOML",
    "energy NET --placement wrong/missing.json": "does not exist; write it with `qif-deploy map`",
    "energy NET --placement wrong/text.toml": "is not readable JSON",
    "energy NET --placement MODEL": "is not readable JSON",
    "energy NET --lif MODEL": "is not a .nir file",
}

CODES = {
    "missing.npy": "does not exist",
    "folder.npy": "is a folder",
    "text.npy": "not a readable .npy",
    "empty.npy": "not a readable .npy",
    "half.npy": "not a readable .npy",
    "pickle.npy": "Object arrays cannot be loaded",
    "pickle.npz": "Object arrays cannot be loaded",
    "text.nir": "not a readable .npy",
    "floats.npy": "dtype float64 is not integer; give codes 0..16, rint(x / 0.0625) of floats x, which `qif-deploy run --encode` takes",
    "complex.npy": "dtype complex128 is not integer",
    "text_array.npy": "is not integer",
    "record.npy": "is not integer",
    "scalar.npy": "shape () does not fit; give (time, batch, 1, 8, 8)",
    "wide.npy": "shape (3, 2, 1, 8, 9) does not fit",
    "transposed.npy": "does not fit",
    "negative.npy": "code -1 is outside 0..16",
    "large.npy": "code 17 is outside 0..16",
    "unsigned.npy": "code 18446744073709551615 is outside 0..16",
    "long.npy": "6 time steps exceeds the 3 that the range proof covers",
    "no_step.npy": "0 time steps is empty",
    "no_sample.npy": "holds no sample",
    "misnamed.npz": "inputs ['picture'] given, the network has ['image']",
    "extra.npz": "inputs ['image', 'other'] given",
    "nothing.npz": "inputs [] given",
}

ENCODED = {
    "codes.npy": "dtype int64 is not real floats",
    "complex.npy": "dtype complex128 is not real floats",
    "text_array.npy": "is not real floats",
    "nan.npy": "not finite",
    "inf.npy": "not finite",
    "beyond.npy": "is outside 0..16",
    "misnamed.npz": "inputs ['picture'] are not of the network",
}


@pytest.mark.parametrize("line", USAGE | UNKNOWN | FILES)
def test_wrong_arguments_and_files(tiny: Artefacts, wrong: Path, place: Path, line: str) -> None:
    assert_one_line(cli(*words_of(tiny, wrong, line)), (USAGE | UNKNOWN | FILES)[line])


@pytest.mark.parametrize("name", CODES)
@pytest.mark.parametrize("how", ["run NET", "run ONNX --backend onnx", "verify NET", "energy NET"])
def test_wrong_codes(tiny: Artefacts, wrong: Path, place: Path, how: str, name: str) -> None:
    assert_one_line(cli(*words_of(tiny, wrong, f"{how} --input wrong/{name}")), CODES[name])


@pytest.mark.parametrize("name", ENCODED)
def test_wrong_floats(tiny: Artefacts, wrong: Path, place: Path, name: str) -> None:
    assert_one_line(cli(*words_of(tiny, wrong, f"run NET --encode --input wrong/{name}")), ENCODED[name])


def test_steps_beyond_the_proof_or_against_the_input(tiny: Artefacts, place: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    frames = tmp_path_factory.mktemp("frames") / "frames.npy"
    np.save(frames, np.load(tiny.codes)[0])
    assert_one_line(cli("run", tiny.network, "--input", frames, "--steps", 4), "4 time steps exceeds the 3", "--steps 4")
    assert_one_line(cli("run", tiny.network, "--input", tiny.codes, "--steps", 2), "3 time steps, 2 were asked for")


def test_json_leaves_stdout_empty_on_bad_input(tiny: Artefacts, place: Path) -> None:
    assert_one_line(cli("run", tiny.network, "--input", "missing.npy", "--json"), "does not exist")
    assert_one_line(cli("check", "missing.nir", "--json", "-q"), "does not exist")


PROFILE = """
name = "narrow"
description = "for a test"
rounding = { mode = "floor", source = "a test" }
"""


def profile(**widths: Any) -> str:
    fields = "".join(
        f'[number_format.{name}]\nvalue = {value}\nunit = "bit"\nsource = "a test"\ndate = "2026-01"\ngrade = "assumed"\n'
        for name, value in ({"weight_bits": 8, "coef_bits": 12, "state_bits": 24, "product_bits": 32} | widths).items()
    )
    return PROFILE + fields


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (profile(state_bits=2), "state_bits 2 is outside 3..32"),
        (profile(product_bits=20), "product_bits 20 is below state_bits 24"),
        (profile(state_bits=4.5), "state_bits 4.5 is not a whole number"),
        (profile(state_bits='"4"'), "'4' of 'state_bits' is not a number"),
        (profile(weight_bits="true"), "is not a number"),
        (profile().replace('"floor"', '"up"'), "a mode out of toward_zero, floor, nearest"),
        (profile().replace('grade = "assumed"', 'grade = "guessed"'), "grade 'guessed'"),
        (profile().replace('source = "a test"\ndate', 'source = " "\ndate'), "source of 'weight_bits' is not a text"),
        (PROFILE, "keys"),
    ],
)
def test_target_profiles_that_are_wrong(tiny: Artefacts, place: Path, tmp_path_factory: Any, text: str, reason: str) -> None:
    target = tmp_path_factory.mktemp("target") / "narrow.toml"
    target.write_text(text)
    assert_one_line(cli("quantize", tiny.model, "--target", target, "--out", "net.nir"), reason)


def test_a_format_that_is_too_narrow_is_an_error_and_a_finding(tiny: Artefacts, place: Path, tmp_path_factory: Any) -> None:
    target = tmp_path_factory.mktemp("target") / "narrow.toml"
    target.write_text(profile(coef_bits=2, state_bits=3, product_bits=4))
    refused = cli("quantize", tiny.model, "--target", target, "--out", "net.nir")
    assert_one_line(refused, "qif1")
    found: Result = cli("check", tiny.model, "--target", target, "--json", "-q")
    assert (found.code, found.json["verdict"], found.json["findings"][0]["rule"]) == (1, "fail", "quantize")
