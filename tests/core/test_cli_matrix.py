"""Every verb and every option with good and with bad input. What Typer's application holds is what has to be covered.

A new verb or option without a good case and without a bad one fails here. Good lines are those below and the examples of the help texts,
bad ones those below and the tables of ``test_cli_refusals``; a number is tried outside its limits and with a word by itself.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import typer.main

from qif_deploy.cli.app import app
from qif_deploy.cli.examples import EXAMPLES
from tests.core.cli_runner import assert_one_line, cli
from tests.core.conftest import Artefacts, words_of
from tests.core.test_cli_refusals import FILES, UNKNOWN, USAGE
from tests.core.test_cli_writing import WRITING

GROUP: Any = typer.main.get_command(app)

GOOD = (
    "train --recipe RECIPE --epochs 1 --accelerator cpu --devices 1 --nodes 1 --threads 1 --workers 0 --out run -v --json",
    "convert THEIRS --convention snntorch --dt 0.0001 --reset subtract --spike-at > --input-range 0:1 --input-scale 1.0 --out a.nir --json",
    "convert THEIRS --unit-gain --drop-leak --readout sum --seed 1 -q --out b.nir",
    "quantize MODEL --steps 3 --weight-bits 6 --scales percentile --percentile 99 --bias-correction --calibrate CODES --json --out c.nir",
    "quantize MODEL --memory-budget 200 --calibration-samples 40 --seed 1 -q --out d.nir",
    "quantize MODEL --qat --qat-epochs 1 --qat-learning-rate 0.01 --data digits -q --out e.nir",
    "check NET --target loihi2 --data CODES --samples 8 --seed 1 --json --out check.json",
    "check MODEL -q",
    "run NET --input wrong/floats.npy --encode --steps 3 --backend batched --device cpu --seed 1 -v --out a.npz",
    "run ONNX --input CODES --backend onnx -q --out b.npz",
    "diff MODEL NET --data CODES --samples 8 --device cpu --noise --no-layer-accuracy --seed 1 --json -v --out f.json",
    "diff MODEL NET --samples 8 --layer-accuracy -q --out g.json",
    "verify NET --data CODES --samples 34 --backend nir --file ONNX --json --out v.json",
    "verify NET --input CODES --backend batched --device cpu --seed 1 -q -v --out w.json",
    "export NET --to onnx --profile exact --form step --states none --inline --data CODES --seed 1 --json -v --out a.onnx",
    "export NET --to netx -q --out a.net",
    "map NET --target loihi2-lava --chips 1 --cores-per-chip 4 --data CODES --samples 8 --json -v --out p.json",
    "map NET --input CODES --objective time --seed 1 -q --out q.json",
    "energy NET --input CODES --cores 4 --chips 1 --step-us 50 --prices loihi1-published --seed 1 --json -v --out e.json",
    "energy NET --data digits --samples 8 -q --out h.json",
    "report RUN --seed 1 --json -v --out r.html",
    "targets --seed 1 --json -v --out t.json",
    "targets -q",
)
"""Exit code 0. Results go into the folder they run in."""

BAD = {
    "demo --recipe digits --out CODES": "cannot make folder",
    "demo --recipe cifar10-resnet19": "use `qif-deploy train --data-root`",
    "check NET --data wrong/floats.npy": "rint(x / 0.0625) of floats x, which `qif-deploy run --encode` takes as they are",
    "check NET --data wrong/complex.npy": "give codes 0..16",
    "check NET --data wrong/long.npy": "`qif-deploy quantize --steps 6`",
    "verify NET --data wrong/floats.npy": "rint(x / 0.0625)",
    "diff MODEL NET --data wrong/floats.npy": "rint(x / 0.0625)",
    "diff NAMELESS_MODEL NAMELESS": "names no data set; give real input with --data, by name or as .npy of codes",
    "verify NAMELESS": "names no data set; give real input with --data",
    "export NET --to loihi2-bundle --input wrong/floats.npy": "rint(x / 0.0625)",
    "map NET --data wrong/floats.npy": "rint(x / 0.0625)",
    "energy NET --data wrong/floats.npy": "rint(x / 0.0625)",
    "quantize MODEL --bias-correction --calibrate wrong/floats.npy": "rint(x / 0.0625)",
    "convert MODEL --steps 99999999999999999999": "give an integer of 1..2147483647",
    "quantize MODEL --steps 99999999999999999999": "give an integer of 1..2147483647",
    "convert THEIRS --dt inf": "dt inf is not positive and finite",
    "convert THEIRS --input-scale inf": "input scale inf is not positive and finite",
    "energy NET --samples 8 --step-us inf": "a step of inf s is not positive and finite",
    "check NET --data zero.nir": "data set 'zero.nir' is unknown; use one of cifar10, ",
    "diff MODEL NET --data zero.nir": ", or the path of a .npy or .npz of codes",
    "quantize MODEL --bias-correction --calibrate zero.nir": ", or the path of a .npy or .npz of codes",
    "check NET --out c.txt": "does not end in .json, and a .json file is what is written; name it so",
    "train --recipe digits --nodes 2": "no launcher has said which of them this is; start the command on every node by `torchrun",
    "convert THEIRS --convention snntorchh": "did you mean 'snntorch'?",
    "convert THEIRS --reset soft": "reset 'soft' is unknown",
    "convert THEIRS --spike-at ==": "spike_at '==' is unknown",
    "convert THEIRS --readout mean": "readout 'mean' is unknown",
    "convert THEIRS --input-range 0-1": "LOW:HIGH",
    "convert MODEL --unit-gain": "says all of itself",
    "convert THEIRS --out x.onnx": "does not end in .nir",
    "convert MODEL extra": "unexpected extra argument",
    "train --recipe digits --data-root CODES --accelerator cpux": "did you mean 'cpu'?",
    "train --recipe digit": "did you mean 'digits'?",
    "train --recipe wrong/tex.toml": "text.toml'?",
    "quantize MODEL --target lohi2": "did you mean 'loihi2'?",
    "quantize MODEL --scales mxa": "did you mean 'max'?",
    "quantize MODEL --qat --data letters": "letters",
    "quantize MODEL --qat --bias-correction": "leave out one of the two",
    "quantize MODEL --qat-epochs 3": "nothing is trained without --qat",
    "quantize MODEL --qat --data cifar10 --data-root nowhere": "",
    "quantize MODEL --bias-correction --calibrate cifar10 --data-root nowhere": "nowhere",
    "check NET --target Loihi2": "did you mean 'loihi2'?",
    "check NET --data digitss": "did you mean 'digits'?",
    "check NET --data cifar10 --data-root nowhere": "nowhere",
    "check wrong/hlaf.nir": "half.nir'?",
    "check NET --jsn": "did you mean '--json'?",
    "run NET --input CODES --backend bacthed": "did you mean 'batched'?",
    "run NET --input wrong/flaots.npy": "floats.npy'?",
    "run NET --input CODES --backend batched --device cuda:99": "device 'cuda:99' is not usable here",
    "diff MODEL NET --samples 8 --device cuda:99": "device 'cuda:99' is not usable here",
    "diff MODEL NET --data cifar10 --data-root nowhere --samples 8": "nowhere",
    "diff MODEL NET --data-root": "requires an argument",
    "verify NET --device cuda:99 --backend batched --samples 40": "device 'cuda:99' is not usable here",
    "verify NET --data cifar10 --data-root nowhere": "nowhere",
    "verify NET --file wrong/missing.npz": "does not exist",
    "verify NET --input CODES --data digits": "give one of them",
    "export NET --to onx": "did you mean 'onnx'?",
    "export NET --to onnx --profile exatc": "did you mean 'exact'?",
    "export NET --to onnx --data cifar10 --data-root nowhere": "nowhere",
    "export NET --to onnx --input CODES": "--to loihi2-bundle",
    "map NET --target lohi2-lava": "did you mean 'loihi2-lava'?",
    "map NET --objective tme": "did you mean 'time'?",
    "map NET --data cifar10 --data-root nowhere": "nowhere",
    "map NET --input wrong/missing.npy": "does not exist",
    "map NET --plots CODES": "choose another --plots",
    "map NET --out p.txt": "does not end in .json",
    "map MODEL": "is not a .nir file",
    "energy NET --prices loihi1_fitted": "did you mean 'loihi1-fitted'?",
    "energy NET --input wrong/missing.npy": "does not exist",
    "energy NET --data cifar10 --data-root nowhere": "nowhere",
    "report wrong/missing": "",
    "report NET": "",
    "report RUN --out r.txt": "does not end in .html",
    "report RUN --figures pngg": "did you mean 'png'?",
    "report": "Missing argument",
    "targets extra": "unexpected extra argument",
    "targets --out t.txt": "does not end in .json",
    "chekc NET": "did you mean 'check'?",
    "-v check NET": "-v belongs behind the verb",
    "--versoin": "did you mean '--version'?",
}
"""Exit code 2 and one line that says these words."""

ELSEWHERE = {
    ("demo", "--recipe"): "test_cli_verdicts.py",
    ("demo", "--target"): "test_cli_verdicts.py",
    ("train", "--resume"): "test_cli_matrix.py",
    **{
        (verb, "--data-root"): "test_cli_data_root.py"
        for verb in ("train", "quantize", "check", "diff", "verify", "export", "map", "energy")
    },
    **{(verb, "--time-limit"): "test_cli_lava.py" for verb in ("run", "verify")},
}
"""Good cases that cost too much to run twice, by the file that runs them."""

FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
COMMON = ("--json", "--quiet", "--verbose")
NUMBERS = {"integer", "float"}


def options(verb: str) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """Every option of a verb with all its spellings."""
    for parameter in GROUP.commands[verb].params:
        if parameter.param_type_name == "option":
            yield parameter, (*parameter.opts, *parameter.secondary_opts)


def flags_in(lines: Iterable[str]) -> set[tuple[str, str]]:
    """The pairs of verb and spelling that occur in command lines."""
    words = [shlex.split(line.replace("\\\n", " "), comments=True) for line in lines]
    return {(verb, flag) for verb, *rest in (w[1:] if w[0] == "qif-deploy" else w for w in words) for flag in rest if flag.startswith("-")}


def is_number(parameter: Any) -> bool:
    return parameter.type_descriptor.annotation in (int, float)


EVERY_OPTION = [(verb, parameter, spellings) for verb in GROUP.commands for parameter, spellings in options(verb)]
VALUES = [(verb, p, spellings) for verb, p, spellings in EVERY_OPTION if not p.is_flag]


def test_every_option_of_every_verb_has_a_good_case() -> None:
    good = flags_in([*GOOD, *(example for examples in EXAMPLES.values() for example in examples)]) | ELSEWHERE.keys()
    assert [
        (verb, names) for verb, _, names in EVERY_OPTION if not {(verb, name) for name in names} & good and names[0] not in COMMON
    ] == []
    assert {verb for verb, _ in good} == set(GROUP.commands)
    for (_, flag), file in ELSEWHERE.items():
        assert f'"{flag}"' in (Path(__file__).parent / file).read_text(), (flag, file)


def test_every_option_that_takes_a_value_has_a_bad_case() -> None:
    bad = flags_in([*USAGE, *UNKNOWN, *FILES, *BAD]) | {(line.split()[0], "--out") for line in (*WRITING, "train", "demo")}
    missing = [(verb, names) for verb, p, names in VALUES if not is_number(p) and not {(verb, name) for name in names} & bad]
    assert missing == []
    assert {verb for line in (*USAGE, *UNKNOWN, *FILES, *BAD) for verb in line.split()[:1]} >= set(GROUP.commands)


@pytest.mark.parametrize("line", BAD)
def test_bad_input_is_one_line(tiny: Artefacts, wrong: Path, nameless: dict[str, Path], place: Path, theirs: Path, line: str) -> None:
    names = {"THEIRS": theirs, "RUN": tiny.folder} | nameless
    words = [str(names.get(word, word)) for word in words_of(tiny, wrong, line)]
    result = cli(*words)
    assert_one_line(result, BAD[line])
    named = set(FLAG.findall(re.sub("`.*?`", "", result.err))) - set(words)  # in backticks: a whole command, perhaps of another verb
    has = {name for verb, _, names in EVERY_OPTION if verb == words[0] for name in names} | {"--help"}
    assert named <= has or words[0] not in GROUP.commands, "the message names an option that the verb has not"


NEEDED = {
    "demo": "", "train": "--recipe digits", "quantize": "x", "convert": "x", "check": "x", "run": "x --input x", "diff": "x x",
    "verify": "x", "export": "x --to nir", "map": "x", "energy": "x", "report": "x", "targets": "",
}  # fmt: skip


@pytest.mark.parametrize("verb", GROUP.commands)
def test_numbers_outside_their_limits_and_words_for_numbers(verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for parameter, (flag, *_) in ((p, names) for v, p, names in VALUES if v == verb and is_number(p)):
        tried = ["many"]
        tried += [str(parameter.min - 1)] if parameter.min is not None else []
        tried += [str(parameter.max + 1)] if parameter.max is not None else []
        for value in tried:
            assert_one_line(cli(verb, *NEEDED[verb].split(), flag, value), "Invalid value", flag, f"`qif-deploy {verb} --help`")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="session")
def nameless(theirs: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A float network that names no data set, and the integer network made of it."""
    folder = tmp_path_factory.mktemp("nameless")
    model, network = folder / "graph.nir", folder / "net.nir"
    assert cli("convert", theirs, "--drop-leak", "--steps", 3, "--out", model, "-q").code == 0
    assert cli("quantize", model, "--out", network, "-q").code == 0
    return {"NAMELESS_MODEL": model, "NAMELESS": network}


@pytest.fixture(scope="session")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of another tool, which ends in a leaky integrator."""
    from tests.export.peers.stored import unpacked

    return unpacked("snntorch-subtract", tmp_path_factory.mktemp("theirs"))


@pytest.mark.parametrize("line", GOOD, ids=lambda line: " ".join(line.split()[:1] + [w for w in line.split() if w.startswith("--")][:2]))
def test_good_input_is_done(tiny: Artefacts, wrong: Path, theirs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    monkeypatch.chdir(tmp_path)
    names = {"THEIRS": theirs, "RUN": tiny.folder}
    words = [str(names.get(word, word)) for word in words_of(tiny, wrong, line)]
    result = cli(*words)
    assert result.code == 0, result
    if "--json" in words:
        assert isinstance(result.json, dict)
        assert result.err.strip()
    else:
        assert result.err == ""
        assert bool(result.out) == ("-q" not in words)
    if "--out" in words:
        assert (tmp_path / words[words.index("--out") + 1]).exists()
    else:
        assert list(tmp_path.iterdir()) == []


def test_an_interrupted_training_goes_on(tiny: Artefacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def interrupting(_names: tuple[str, ...], *, shown: bool) -> Iterator[Callable[[str, float], None]]:
        def report(_stage: str, share: float) -> None:
            if share >= 0.75:  # in the second of two epochs
                raise KeyboardInterrupt

        yield report

    line = ("train", "--recipe", tiny.recipe, "--epochs", 2, "--out", tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr("qif_deploy.cli.train.stages", interrupting)
        assert_one_line(cli(*line), "interrupted; no half-written file is left", code=130)
    assert not (tmp_path / "model.safetensors").exists()
    assert cli(*line, "--resume", "-q").code == 0
    assert (tmp_path / "model.safetensors").is_file()
