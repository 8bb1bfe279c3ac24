"""Recipes: the builtin ones load, and every door names key, value and what is allowed, in one line."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from qif_deploy.errors import InputError
from qif_deploy.neuron.params import QIFParams
from qif_deploy.training.neuron_form import FixedPointsForm, LIFForm, NormalForm, RootsForm
from qif_deploy.training.recipe import BUILTIN, Loss, load_recipe, parse_recipe


@pytest.mark.parametrize("name", BUILTIN)
def test_builtin_recipes_load_and_round_trip_through_json(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert parse_recipe(json.loads(json.dumps(recipe.as_json())), where="json") == recipe


def test_the_builtin_twins_differ_from_the_default_in_the_neuron_only() -> None:
    default = load_recipe("digits")
    for name in ("digits_roots", "digits_lif"):
        twin = load_recipe(name)
        assert dataclasses.replace(twin, name=default.name, neuron=default.neuron) == default
        assert type(twin.neuron) is not type(default.neuron)


def test_forms_lead_to_the_canonical_parameters() -> None:
    assert FixedPointsForm(a=0.25, u_rest=0.0, u_crit=0.5, theta=1.0).params() == QIFParams.of(c2=0.25, c1=0.875)
    assert RootsForm(a=0.25, u1=0.0, u2=0.5, theta=2.0).params() == QIFParams.of(c2=0.25, c1=-0.125, theta=2.0)
    normal = NormalForm(a=0.25, eta=0.5, theta=1.0, u_reset=-1.0)
    assert normal.params() == QIFParams.of(c2=0.25, c1=1.0, c0=0.125, u_reset=-1.0)
    assert LIFForm(decay=0.5, theta=1.0).params() == QIFParams.of(c2=0.0, c1=0.5)


def test_a_file_is_a_recipe_too(tmp_path: Path) -> None:
    text = toml(load_recipe("digits").as_json() | {"name": "mine", "epochs": 2, "loss": "each_step"})
    (tmp_path / "mine.toml").write_text(text)
    recipe = load_recipe(tmp_path / "mine.toml")
    assert (recipe.name, recipe.epochs, recipe.loss) == ("mine", 2, Loss.EACH_STEP)


BAD: list[tuple[dict[str, Any], str]] = [
    ({"epochs": 0}, "epochs = 0, allowed is 1..10000"),
    ({"epochs": "3"}, "epochs = '3', allowed is a whole number"),
    ({"epochs": True}, "epochs = True, allowed is a whole number"),
    ({"epochs": 2.5}, r"epochs = 2\.5, allowed is a whole number"),
    ({"lr": 0.1}, "key 'lr' is unknown, allowed is"),
    ({"alpha": None}, "key 'alpha' is missing; give a finite number"),
    ({"alpha": float("nan")}, "alpha = nan, allowed is a finite number"),
    ({"window": float("inf")}, "window = inf, allowed is a finite number"),
    ({"channels": []}, r"channels = \(\), allowed is 1 to 8 numbers"),
    ({"channels": [4, "x"]}, r"channels = \[4, 'x'\], allowed is a list of whole numbers"),
    ({"channels": 16}, "channels = 16, allowed is a list of whole numbers"),
    ({"loss": "mse"}, r"loss = 'mse', allowed is one of \['each_step', 'mean'\]"),
    ({"dataset": "mnist"}, r"dataset = 'mnist', allowed is one of \['cifar10', "),
    ({"detach_reset": 1}, "detach_reset = 1, allowed is true or false"),
    ({"name": "two\nlines"}, "name = .*, allowed is printable text"),
    ({"seed": -1}, "seed = -1, allowed is 0"),
    ({"batch_size": 1}, "batch_size = 1, allowed is 2"),
    ({"neuron": None}, r"neuron = None, allowed is a table \[neuron\] with form, one of \['fixed_points', 'lif', 'normal', 'roots'\]"),
    ({"neuron": {}}, r"\[neuron\] form = None, allowed is one of \['fixed_points', 'lif', 'normal', 'roots'\]"),
    ({"neuron": {"form": "izhikevich"}}, r"form = 'izhikevich', allowed is one of"),
    ({"neuron": {"form": ["lif"]}}, r"form = \['lif'\], allowed is one of"),
    ({"neuron": {"form": "lif", "decay": 0.5}}, "of form 'lif': key 'theta' is missing"),
    ({"neuron": {"form": "lif", "decay": 0.5, "theta": 1.0, "tau": 2.0}}, "key 'tau' is unknown"),
    ({"neuron": {"form": "lif", "decay": 0.5, "theta": -1.0}}, "0.0 is not below theta -1.0"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_wrong_recipes_are_refused_in_one_line(change: dict[str, Any], message: str) -> None:
    table = load_recipe("digits").as_json() | change
    with pytest.raises(InputError, match=message) as caught:
        parse_recipe({key: value for key, value in table.items() if value is not None}, where="mine.toml")
    assert "\n" not in str(caught.value)


def test_all_findings_come_at_once() -> None:
    with pytest.raises(InputError, match=r"epochs = 0.*; .*batch_size = 0"):
        dataclasses.replace(load_recipe("digits"), epochs=0, batch_size=0)


def test_wrong_files_are_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_text("epochs = = 3")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    (tmp_path / "folder.toml").mkdir()
    for name, message in [
        ("digit", "recipe 'digit' is unknown; use one of"),
        (tmp_path / "none.toml", "none.toml' does not exist"),
        (tmp_path / "folder.toml", "cannot be read: it is a folder, not a plain file"),
        (tmp_path / "broken.toml", "is no TOML: "),
        (tmp_path / "binary.toml", "is no TOML: "),
    ]:
        with pytest.raises(InputError, match=message) as caught:
            load_recipe(name)
        assert "\n" not in str(caught.value)


def toml(table: dict[str, Any]) -> str:
    """Enough of TOML for a recipe: JSON's scalars and lists are TOML's."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in table.items() if not isinstance(value, dict)]
    lines += ["[neuron]"] + [f"{key} = {json.dumps(value)}" for key, value in table["neuron"].items()]
    return "\n".join(lines)
