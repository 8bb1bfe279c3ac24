"""Estimates against published measurements, and the tables of docs/energy.md against the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from qif_deploy.errors import InputError
from qif_deploy.pricing import anchors as anchors_module
from qif_deploy.pricing.anchors import Boundary, compare_anchor, load_anchors
from qif_deploy.pricing.price_list import load_price_list, price_list_names
from qif_deploy.pricing.terms import LEVELS, Term

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "energy.md").read_text()
LISTS = ("loihi1-fitted", "loihi1-published")


def rows(first_column: str) -> list[list[str]]:
    lines = DOCUMENT.splitlines()
    (start,) = [n for n, line in enumerate(lines) if line.startswith(f"| {first_column} |")]
    found = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        found.append([cell.strip().strip("`") for cell in line.strip("|").split("|")])
    return found


@pytest.mark.parametrize("prices", LISTS)
def test_with_all_four_terms_an_estimate_is_within_three_of_the_measurement(prices: str) -> None:
    for anchor in load_anchors():
        ratio = compare_anchor(anchor, load_price_list(prices)).ratio
        assert 1 / 3 < ratio["typical"] < 3, (anchor.name, ratio)
        assert ratio["low"] <= ratio["typical"] <= ratio["high"]


@pytest.mark.parametrize("prices", LISTS)
def test_operations_alone_are_below_what_a_system_takes(prices: str) -> None:
    """So a dynamic figure must never be shown as the energy of a system."""
    systems = [anchor for anchor in load_anchors() if anchor.boundary is Boundary.SYSTEM]
    assert len(systems) >= 5
    for anchor in systems:
        found = compare_anchor(anchor, load_price_list(prices))
        assert found.dynamic_ratio["high"] < 0.6, anchor.name
        assert found.time_ratio is None or found.time_ratio["high"] < 1


def test_an_estimate_of_an_anchor_is_the_arithmetic_of_its_numbers() -> None:
    anchor = next(y for y in load_anchors() if y.name.startswith("NxTF"))
    updates, synops, spikes = 4000 * 100, 341000 * 0.1 * 100, 4000 * 0.1 * 100
    seconds = 100 * 66.5e-6
    dynamic = updates * 72.8e-12 + synops * 24.0e-12 + spikes * (69.3e-12 + 111e-12)
    assert compare_anchor(anchor).dynamic_j["typical"] == pytest.approx(dynamic)
    assert compare_anchor(anchor).estimate_j["typical"] == pytest.approx(dynamic + (14 * 0.6e-3 + 22.8e-3) * seconds)
    assert anchor.measured_j == pytest.approx(0.66e-3)
    assert compare_anchor(anchor).as_json()["ratio"]["typical"] == pytest.approx((dynamic + 31.2e-3 * seconds) / 0.66e-3)


def test_the_document_states_the_ratio_of_every_case() -> None:
    stated = {(row[0], row[3]): row[4:] for row in rows("case")}
    assert set(stated) == {(anchor.name, prices) for anchor in load_anchors() for prices in LISTS}
    for anchor in load_anchors():
        for prices in LISTS:
            found = compare_anchor(anchor, load_price_list(prices))
            time = "" if found.time_ratio is None else f"{found.time_ratio['typical']:.2f}"
            cells = [", ".join(f"{found.ratio[level]:.2f}" for level in LEVELS), f"{found.dynamic_ratio['typical']:.2f}", time]
            assert stated[anchor.name, prices] == cells, (anchor.name, prices)


def test_the_document_lists_every_term_and_every_estimator() -> None:
    assert {row[0]: row[1] for row in rows("term")} == {term.value: term.meaning for term in Term}
    assert {row[0].split("`")[0] for row in rows("list")} == set(price_list_names())


def test_an_anchor_without_its_words_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "anchors.toml"
    path.write_text('[one]\nname = "x"\n')
    monkeypatch.setattr(anchors_module, "ANCHORS", path)
    with pytest.raises(InputError, match="anchor 'one': needs name, meaning, prices, boundary"):
        load_anchors()
