"""``--data-root`` on every verb that has it: the data set is read from there, and where nothing is read from there it is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.core.cli_runner import assert_one_line, cli
from tests.core.conftest import RECIPE, Artefacts
from tests.core.data_files import write_cifar

FLAG = "--data-root"


@pytest.fixture(scope="session")
def coloured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder of a network for CIFAR-10, and the data's root beside it."""
    folder = tmp_path_factory.mktemp("coloured")
    write_cifar(folder / "root", "cifar10")
    (folder / "c.toml").write_text(RECIPE.replace('"digits"', '"cifar10"').replace("batch_size = 64", "batch_size = 50"))
    assert cli("train", "--recipe", folder / "c.toml", FLAG, folder / "root", "--out", folder, "-q").code == 0
    flags = ("--bias-correction", "--calibration-samples", 8)
    assert cli("quantize", folder / "model.safetensors", *flags, FLAG, folder / "root", "-q").code == 0
    return folder


VERBS = {
    "check": "check NET --data cifar10 --samples 4",
    "diff": "diff MODEL NET --samples 4 --no-layer-accuracy",
    "verify": "verify NET --samples 34 --backend batched",
    "export": "export NET --to onnx",
    "map": "map NET --samples 4",
    "energy": "energy NET --samples 4",
}


@pytest.mark.parametrize("verb", VERBS)
def test_the_data_set_is_read_from_there(coloured: Path, tmp_path: Path, verb: str) -> None:
    names = {"NET": coloured / "net.nir", "MODEL": coloured / "model.safetensors"}
    words = [names.get(word, word) for word in VERBS[verb].split()]
    out = ("--out", tmp_path / ("net.onnx" if verb == "export" else "out.json"))
    assert "cifar10, test part" in cli(*words, FLAG, coloured / "root", *out, "--json", "-q").out
    assert_one_line(cli(*words, FLAG, tmp_path / "nowhere", *out), "nowhere")


UNUSED = {
    "check NET": "no --data is given",
    "check MODEL": "no --data is given",
    "quantize MODEL --bias-correction --calibrate CODES": "the codes are read from the file",
    "quantize MODEL --bias-correction": "data set 'digits': data_root (root) = '.', but a package carries it",
    "quantize MODEL --qat": "a package carries it",
    "train --recipe RECIPE": "a package carries it",
    **{f"{line} --data CODES": "the codes are read from the file"
       for line in ("check NET", "diff MODEL NET", "verify NET", "export NET --to onnx", "map NET", "energy NET")},
    **{f"{line} --input CODES": "the codes are read from the file" for line in ("verify NET", "map NET", "energy NET")},
    **dict.fromkeys(
        ("diff MODEL NET --samples 8", "verify NET", "export NET --to onnx", "map NET", "energy NET --samples 8"), "a package carries it"
    ),
}  # fmt: skip


@pytest.mark.parametrize("line", UNUSED)
def test_a_root_that_nothing_is_read_from_is_refused(tiny: Artefacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    monkeypatch.chdir(tmp_path)
    names = {"NET": tiny.network, "MODEL": tiny.model, "CODES": tiny.codes, "RECIPE": tiny.recipe}
    assert_one_line(cli(*(names.get(word, word) for word in line.split()), FLAG, "."), UNUSED[line])
    assert list(tmp_path.iterdir()) == []
