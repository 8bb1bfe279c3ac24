"""The changelog has the form that the release steps rely on, and knows the version of pyproject.toml."""

from __future__ import annotations

import re
from datetime import date

from tests.packaging.conftest import ROOT
from tests.packaging.test_distribution import VERSION

KINDS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
LINES = (ROOT / "CHANGELOG.md").read_text().splitlines()
RELEASES = [line.removeprefix("## ") for line in LINES if line.startswith("## ")]


def test_unreleased_changes_come_first_then_dated_releases_from_new_to_old() -> None:
    assert RELEASES[0] == "Unreleased"
    found = [re.fullmatch(r"(\d+)\.(\d+)\.(\d+) - (\d{4}-\d\d-\d\d)", line) for line in RELEASES[1:]]
    assert all(found), RELEASES
    dated = [(tuple(map(int, one.group(1, 2, 3))), date.fromisoformat(one[4])) for one in found if one]
    assert dated == sorted(dated, reverse=True)
    if dated:
        assert ".".join(map(str, dated[0][0])) == VERSION, "pyproject.toml and the newest release of the changelog"


def test_every_change_stands_below_a_kind() -> None:
    kind = ""
    for number, line in enumerate(LINES, start=1):
        if line.startswith("## "):
            kind = ""
        elif line.startswith("### "):
            kind = line.removeprefix("### ")
            assert kind in KINDS, f"line {number}: {line}"
        elif line.startswith("- "):
            assert kind, f"line {number}: a change without a kind"
