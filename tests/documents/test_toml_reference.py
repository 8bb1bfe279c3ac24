"""The page on TOML files against what the code accepts: a new key fails here until it is written down."""

from __future__ import annotations

import re
from dataclasses import MISSING, fields
from typing import Any

import pytest

from qif_deploy.fixedpoint import FORMAT_WIDTHS
from qif_deploy.pricing import price_list
from qif_deploy.sourced import Grade, SourcedNumber
from qif_deploy.training.models.registry import MODELS
from qif_deploy.training.neuron_form import FORMS
from qif_deploy.training.recipe import BUILTIN, DATASETS, Recipe
from qif_deploy.training.recipe_options import Loss, Optimiser, Precision, Schedule, WindowKind
from qif_hardware import chip
from tests import document_tables

PAGE = "reference/toml.md"
TEXT = (document_tables.DOCS / PAGE).read_text(encoding="utf-8")


def rows(first_column: str) -> dict[str, dict[str, str]]:
    return {row[first_column]: row for row in document_tables.table(PAGE, first_column)}


def words(cell: str) -> set[str]:
    return {word.strip().removesuffix("*") for word in cell.split(",")}


def shown(field: Any) -> str:
    """The default of a field as a TOML file would have it."""
    value = field.default
    if value is MISSING:
        return "required"
    value = getattr(value, "value", value)
    if isinstance(value, bool):
        return str(value).lower()
    return {None: "none", (): "[]"}[value] if value is None or value == () else str(value)


def test_the_keys_of_a_recipe_and_their_defaults() -> None:
    assert {name: row["default"] for name, row in rows("recipe key").items()} == {f.name: shown(f) for f in fields(Recipe)}


@pytest.mark.parametrize("kind", [Loss, Optimiser, Schedule, WindowKind, Precision])
def test_the_words_of_a_choice_stand_in_its_row(kind: Any) -> None:
    (name,) = [f.name for f in fields(Recipe) if str(f.type) == kind.__name__]
    assert [word.value for word in kind if word.value not in rows("recipe key")[name]["meaning"]] == []


def test_data_sets_models_and_packaged_recipes_are_named() -> None:
    named = rows("recipe key")
    assert set(re.findall(r"[\w-]+", named["dataset"]["meaning"])) - {"or"} == set(DATASETS)
    assert set(re.findall(r"[\w-]+", named["model"]["meaning"])) - {"or"} == set(MODELS)
    assert [name for name in BUILTIN if f"`{name}`" not in TEXT] == []


def test_the_constants_of_each_form_of_neuron() -> None:
    assert {form: words(row["constants"]) for form, row in rows("neuron form").items()} == {
        name: {f.name for f in fields(kind)} for name, kind in FORMS.items()
    }


def test_the_keys_of_augmentation() -> None:
    pytest.importorskip("torchvision", reason="torchvision is not installed (extra 'data')")
    from qif_deploy.training.data.augmentation import Augmentation

    assert {name: row["default"] for name, row in rows("augmentation key").items()} == {f.name: shown(f) for f in fields(Augmentation)}


def test_the_keys_of_a_number_with_a_source() -> None:
    found = rows("sourced key")
    assert set(found) == {f.name for f in fields(SourcedNumber)} - {"name"}
    assert [grade.value for grade in Grade if grade.value not in found["grade"]["meaning"]] == []


def test_the_widths_of_a_target() -> None:
    assert set(rows("width key")) == set(FORMAT_WIDTHS)


def test_the_tables_of_a_chip() -> None:
    known = {
        "systems": {*chip.SYSTEMS, "chips"},
        "mesh": {*chip.MESH},
        "limits": {*chip.LIMITS},
        "memory": {*chip.MEMORY},
        "axons": {"rule", "source"},
        "reach": {*chip.REACH},
        "operations": {*chip.OPERATIONS},
        "time": {*chip.TIMES, "quadratic_factor", "combine", "source"},
        "power": {"static", "per", "source"},
    }
    found = rows("chip table")
    assert {name: words(row["keys"]) for name, row in found.items()} == known
    starred = {word.strip().removesuffix("*") for row in found.values() for word in row["keys"].split(",") if word.strip().endswith("*")}
    assert starred == chip.OPTIONAL


def test_every_packaged_target_and_price_list_has_only_documented_keys() -> None:
    from qif_deploy.sourced import read_toml
    from qif_hardware.target import PROFILES

    for path in PROFILES.glob("*.toml"):
        assert set(read_toml(path)) <= set(rows("target key")), path.name
    for path in price_list.PRICES.glob("*.toml"):
        assert set(read_toml(path)) <= set(rows("price key")), path.name


def test_units_and_parts_of_a_price_list() -> None:
    section = TEXT[TEXT.index("## Price list") :]
    named = set(re.findall(r"`([^`]+)`", section))
    units = {*price_list.ENERGY_UNITS, *price_list.POWER_UNITS, *price_list.TIME_UNITS}
    parts = {part.value for part in price_list.StepPart} | {way.value for way in price_list.Counting}
    assert units | parts <= named
