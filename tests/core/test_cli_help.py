"""Help texts: every verb explains itself, quickly, with examples, on any terminal; and the words they list are those of the code."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer.main

from qif_deploy.cli import values
from qif_deploy.cli.app import app
from qif_deploy.cli.examples import EXAMPLES
from tests.core.cli_runner import cli

GROUP = typer.main.get_command(app)
VERBS = tuple(GROUP.commands)  # type: ignore[attr-defined]  # a group, whose class typer does not export
HEAVY = (
    "torch", "numpy", "onnx", "onnxruntime", "nir", "h5py", "lava", "matplotlib", "plotly", "scipy", "sklearn", "numba", "lightning",
    "pydantic", "rich",
)  # fmt: skip


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself_and_takes_the_common_options(verb: str) -> None:
    result = cli(verb, "--help")
    assert (result.code, result.err) == (0, "")
    for option in ("--json", "--out", "--seed", "--quiet", "--verbose"):
        assert option in result.out
    assert result.out == cli(verb, "-h").out


@pytest.mark.parametrize("verb", VERBS)
def test_every_argument_and_option_has_a_text(verb: str) -> None:
    assert [p.name for p in GROUP.commands[verb].params if not getattr(p, "help", None)] == []  # type: ignore[attr-defined]


@pytest.mark.parametrize("verb", VERBS)
def test_examples_stand_in_the_help_as_they_are_typed(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")  # the text is wrapped, the examples are not
    shown = cli(verb, "--help").out
    assert EXAMPLES[verb]
    for example in EXAMPLES[verb]:
        assert f"\n  {example}\n" in shown
        assert all(len(line) <= 78 for line in f"  {example}".splitlines())
        assert example.startswith(f"qif-deploy {verb}")
    assert "Exit codes: 0 " in shown


def test_without_a_verb_the_help_is_shown() -> None:
    for arguments in ((), ("--help",), ("-h",)):
        result = cli(*arguments)
        assert result.code == 0
        assert all(f"\n  {verb} " in result.out for verb in VERBS)
        assert "..." not in result.out.split("Commands:")[1], "a summary is cut off; make it shorter"


def test_no_help_text_loads_anything_heavy() -> None:
    script = (
        "import sys; from qif_deploy.cli.entry import guarded\n"
        f"for words in ([], *([verb, '--help'] for verb in {VERBS}), ['--version'], ['--version', '-v']):\n"
        "    assert guarded(words) == 0\n"
        f"    print(words, [m for m in {HEAVY} if m in sys.modules and (m, words[:1]) != ('pydantic', ['--version'])], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert [line for line in done.stderr.splitlines() if not line.endswith(" []")] == []


def test_versions_of_what_computes() -> None:
    assert cli("--version").out.count("\n") == 1
    shown = cli("--version", "-v").out.splitlines()
    assert shown[0] == cli("--version").out.strip()
    assert shown[0].startswith("qif-deploy ")
    assert shown[1].startswith("Python 3.")
    assert [line.split()[0] for line in shown[2:6]] == ["numpy", "torch", "lightning", "numba"]


def test_the_package_runs_as_a_module() -> None:
    for module in ("qif_deploy", "qif_deploy.cli"):
        done = subprocess.run([sys.executable, "-m", module, "--version"], capture_output=True, text=True, check=True)
        assert done.stdout == cli("--version").out


def test_listed_words_are_those_that_are_taken() -> None:
    from qif_deploy.api.backends import Backend
    from qif_deploy.api.export import FORMATS
    from qif_deploy.api.report import FigureFormat
    from qif_deploy.datasets.catalogue import LOADERS, STREAMS
    from qif_deploy.ir.nodes import Reduce
    from qif_deploy.neuron.params import ResetMode
    from qif_deploy.passes.scale_method import ScaleMethod
    from qif_deploy.pricing.price_list import PRICES
    from qif_deploy.training.recipe import BUILTIN
    from qif_deploy.training.run_options import Accelerator
    from qif_export.nir.importing.conventions import Convention
    from qif_export.onnx.options import ALL_POPULATIONS, NO_POPULATION, Form, Profile
    from qif_hardware.mapping.choose import Objective
    from qif_hardware.target import list_targets

    def words(kind: type) -> set[str]:
        return {one.value for one in kind}  # type: ignore[attr-defined]  # every kind here is an enum

    assert set(values.BACKENDS) == words(Backend)
    assert set(values.COMPARED) == words(Backend) - {"reference"}
    assert set(values.FIGURES) == words(FigureFormat)
    assert set(values.FORMATS) == set(FORMATS)
    assert set(values.PROFILES) == words(Profile)
    assert set(values.FORMS) == words(Form)
    assert set(values.ALL_OR_NONE) == {ALL_POPULATIONS, NO_POPULATION}
    assert set(values.SCALES) == words(ScaleMethod)
    assert set(values.CONVENTIONS) == words(Convention)
    assert set(values.RESETS) == words(ResetMode)
    assert set(values.READOUTS) == words(Reduce)
    assert set(values.OBJECTIVES) == words(Objective)
    assert set(values.ACCELERATORS) == words(Accelerator)
    assert set(values.DATA_SETS) == {*LOADERS, *STREAMS}
    assert set(values.recipes()) == set(BUILTIN)
    assert set(values.targets()) == {target.name for target in list_targets()}
    assert set(values.price_lists()) == {path.stem for path in PRICES.glob("*.toml")}
