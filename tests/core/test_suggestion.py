"""What a mistyped word was meant to be."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qif_deploy.suggestion import meant, missing_file, near, unknown_word

TARGETS = ("compact16", "loihi1", "loihi2", "loihi2-brief", "w4")


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("lohi2", "loihi2"), ("Loihi2", "loihi2"), ("LOIHI2_BRIEF", "loihi2-brief"), ("compact-16", "compact16"), ("tpu", None), ("", None),
        ("x" * 5000, None), ("\udcff", None),
    ],
)  # fmt: skip
def test_nearest_word_whatever_the_case_and_the_dashes(word: str, found: str | None) -> None:
    assert near(word, TARGETS) == found
    assert meant(word, TARGETS) == ("" if found is None else f"; did you mean {found!r}?")


@settings(max_examples=25)
@given(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=6, unique=True), st.data())
def test_a_known_word_is_nearest_to_itself_up_to_case(known: list[str], data: st.DataObject) -> None:
    word = data.draw(st.sampled_from(known))
    found = near(word, known)
    assert found is not None
    assert found.casefold().replace("_", "-") == word.casefold().replace("_", "-")


def test_an_error_lists_all_words_and_ends_with_the_one_that_was_meant() -> None:
    said = str(unknown_word("target", "lohi2", TARGETS, also=", or the path of a .toml file"))
    assert said == (
        "target 'lohi2' is unknown; use one of compact16, loihi1, loihi2, loihi2-brief, w4, or the path of a .toml file; "
        "did you mean 'loihi2'?"
    )


def test_a_missing_file_is_looked_for_in_its_folder_only(tmp_path: Path) -> None:
    (tmp_path / "net.nir").touch()
    assert str(missing_file(tmp_path / "nett.nir")).endswith(f"does not exist; did you mean '{tmp_path}/net.nir'?")
    assert str(missing_file(tmp_path / "codes.npy")).endswith("does not exist; check the path")
    assert str(missing_file(tmp_path / "none" / "net.nir", remedy="make it")).endswith("does not exist; make it")
