"""Target profiles: sourced, strict, and refused with one clear line."""

from __future__ import annotations

from pathlib import Path

import pytest

from qif_deploy.errors import InputError
from qif_hardware.target import PROFILES, list_targets, load_target


def test_every_number_of_every_profile_has_a_source() -> None:
    for target in list_targets():
        assert {number.name for number in target.numbers} == {"weight_bits", "coef_bits", "state_bits", "product_bits"}
        assert all(number.source and number.date and number.unit == "bit" for number in target.numbers)
        assert target.number_format.name == ("loihi2" if target.name.startswith("loihi2-") else target.name)
        assert target.as_json()["rounding_source"]


def test_a_users_profile_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text((PROFILES / "loihi2.toml").read_text().replace('name = "loihi2"', 'name = "mine"').replace("value = 24", "value = 20"))
    target = load_target(str(path))
    assert (target.name, target.number_format.state_bits) == ("mine", 20)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('mode = "toward_zero"', 'mode = "stochastic"', r"\[rounding\] needs a source and a mode out of toward_zero, floor, nearest"),
        ("[number_format.state_bits]", "[number_format.states]", r"\[number_format\] needs exactly"),
        ("value = 24", "value = 64", "state_bits 64 is outside 3..32"),
        ("value = 24", 'value = "24"', "value '24' of 'state_bits' is not a number"),
        ("value = 24", "value = 24.5", "state_bits 24.5 is not a whole number"),
        ('grade = "assumed"', 'grade = "sure"', "grade 'sure'"),
        ('name = "loihi2"', 'nome = "loihi2"', "keys .*'nome'"),
        ("[rounding]", "[rounding", "is not TOML"),
    ],
)
def test_a_bad_profile_gets_one_clear_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (PROFILES / "loihi2.toml").read_text()
    assert old in text
    path = tmp_path / "bad.toml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=message):
        load_target(str(path))


def test_an_unknown_or_missing_profile_is_told() -> None:
    with pytest.raises(
        InputError,
        match="target 'loihi3' is unknown; use one of "
        "compact16, loihi1, loihi2, loihi2-brief, loihi2-lava, spinnaker2, w4, wide, or the path",
    ):
        load_target("loihi3")
    with pytest.raises(InputError, match=r"'nowhere\.toml' does not exist"):
        load_target("nowhere.toml")
