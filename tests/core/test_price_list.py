"""Price lists: what is packaged holds together, and a user's wrong one gets one clear line."""

from __future__ import annotations

from pathlib import Path

import pytest

from qif_deploy.errors import InputError
from qif_deploy.pricing.price_list import PRICES, Counting, StepPart, load_price_list, price_list_names
from qif_deploy.pricing.terms import ALWAYS_THERE, LEVELS, Term
from qif_deploy.sourced import Grade

MINE = """
name = "mine"
description = "an invented chip, cores only"
counting = "events"
[terms.synop_dense]
meaning = "one dense synapse"
low = {{ value = 1.0, unit = "pJ", source = "data sheet", date = "2026-11", grade = "metered" }}
typical = {{ value = 2.0, unit = "pJ", source = "data sheet", date = "2026-11", grade = "metered" }}
high = {{ value = 0.003, unit = "nJ", source = "data sheet", date = "2026-11", grade = "assumed" }}
{more}
[unpriced]
static_power = "not in the data sheet"
"""


def written(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text)
    return str(path)


def test_every_packaged_list_says_of_what_every_system_pays_whether_it_prices_it() -> None:
    assert price_list_names() == ("cmos45-fp32", "cmos45-int", "lemaire", "loihi1-fitted", "loihi1-published", "loihi2")
    for name in price_list_names():
        prices = load_price_list(name)
        assert prices.name == name
        said = set(prices.prices) | set(prices.included) | {term for term in Term if term.value in prices.unpriced}
        assert all(said & set(group) for group in ALWAYS_THERE), name
        assert all(number.source and number.date and isinstance(number.grade, Grade) for number in prices.constants())


def test_published_figures_are_those_of_their_sources() -> None:
    published, fitted = load_price_list("loihi1-published"), load_price_list("loihi1-fitted")
    assert published.prices[Term.SYNOP_DENSE].typical.value == 23.6
    assert (published.prices[Term.UPDATE_DRIVEN].typical.value, published.prices[Term.UPDATE_IDLE].typical.value) == (81, 52)
    assert [published.prices[term].typical.value for term in (Term.SPIKE, Term.HOP_X, Term.HOP_Y)] == [1.7, 3.0, 4.0]
    assert [fitted.prices[term].typical.value for term in (Term.SYNOP_DENSE, Term.SYNOP_CONV, Term.SPIKE, Term.MESSAGE)] == [
        35.5, 24.0, 69.3, 111.0,
    ]  # fmt: skip
    assert fitted.prices[Term.UPDATE_DRIVEN].typical.value == pytest.approx(51.2 + 21.6)
    integers = load_price_list("cmos45-int")
    assert integers.prices[Term.WEIGHT_BITS].at("low") == pytest.approx(10e-12 / 64)
    assert integers.prices[Term.QUADRATIC].at("typical") == pytest.approx(3.2e-12)


def test_loihi_2_has_no_energy_per_operation_and_ratios_of_time_only() -> None:
    prices = load_price_list("loihi2")
    assert set(prices.prices) == {Term.STATIC_CHIP}
    assert {term.value for term in (Term.SYNOP_DENSE, Term.SYNOP_CONV, Term.UPDATE_DRIVEN, Term.SPIKE, Term.QUADRATIC)} <= set(
        prices.unpriced
    )
    assert {ratio.name: ratio.value for ratio in prices.ratios} == {
        "neuron_update_speed": 2, "synop_speed": 5, "spike_generation_speed": 10,
    }  # fmt: skip
    assert {ratio.grade for ratio in prices.ratios} == {Grade.ASSUMED}


def test_a_users_list_keeps_value_and_unit_of_its_source(tmp_path: Path) -> None:
    more = '[step.barrier]\nmeaning = "x"\n' + "".join(
        f'{level} = {{ value = 1, unit = "us", source = "s", date = "d", grade = "assumed" }}\n' for level in LEVELS
    )
    prices = load_price_list(written(tmp_path, MINE.format(more=more)))
    assert prices.counting is Counting.EVENTS
    assert [prices.prices[Term.SYNOP_DENSE].at(level) for level in LEVELS] == pytest.approx([1e-12, 2e-12, 3e-12])
    assert prices.step[StepPart.BARRIER].at("high") == 1e-6
    assert [number.as_json()["unit"] for number in prices.constants()][:3] == ["pJ", "pJ", "nJ"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[terms.synop_dense]", "[terms.synops]", r"terms \['synops'\] are unknown; use synop_dense"),
        ('unit = "pJ"', 'unit = "eV"', "unit 'eV' of 'synop_dense' is not one of"),
        ("value = 1.0", "value = 99.0", "is not ordered"),
        ("value = 1.0", "value = -1.0", "is not ordered"),
        ("value = 0.003", "value = inf", "is not a number"),
        ("value = 0.003", "value = nan", "is not a number"),
        ("value = 1.0", 'value = "1"', "is not a number"),
        ('grade = "metered"', 'grade = "guessed"', "grade 'guessed'"),
        ("[unpriced]", "[unpriced", "is not TOML"),
        ('meaning = "one dense synapse"', "", "needs exactly meaning"),
        ('source = "data sheet"', 'source = " "', "source of 'synop_dense.low' is not a text"),
        ('counting = "events"', 'counting = "guesses"', "counting 'guesses' is unknown; use one of events, lemaire"),
        ('counting = "events"', "", "keys .*'counting'.* are missing or unknown"),
        ("[unpriced]", "[extra]\n[unpriced]", "keys .*'extra'.* are missing or unknown"),
        ("[unpriced]", "[unpriced]\nsynop_dense = 'twice'", "stand in two sections"),
        ('[unpriced]\nstatic_power = "not in the data sheet"', "", "keys .*'unpriced'"),
    ],
)
def test_a_wrong_list_gets_one_clear_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = MINE.format(more="")
    assert old in text
    with pytest.raises(InputError, match=message) as caught:
        load_price_list(written(tmp_path, text.replace(old, new, 1)))
    assert "\n" not in str(caught.value)


def test_a_power_is_not_an_energy(tmp_path: Path) -> None:
    text = (PRICES / "loihi1-fitted.toml").read_text().replace('unit = "mW"', 'unit = "pJ"', 1)
    with pytest.raises(InputError, match="unit 'pJ' of 'static_power' is not one of uW, mW, W"):
        load_price_list(written(tmp_path, text))


def test_an_unknown_list_names_the_known_ones() -> None:
    with pytest.raises(InputError, match="price list 'loihi9' is unknown; use one of cmos45-fp32, cmos45-int, lemaire, loihi1-fitted"):
        load_price_list("loihi9")
