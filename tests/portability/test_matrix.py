"""The matrix on a few networks, with the runtimes of this environment; and the page shows what the command says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import tests.portability.__main__ as matrix
from tests.portability import cases
from tests.portability.cases import COLUMNS

PAGE = Path(__file__).parents[2] / "docs" / "onnx.md"
FEW = {
    "exact_int32": "residual_nearest",
    "exact_int64": "wide_floor_subtract",
    "float_float64": "wide_nearest_hard",
    "qdq": "chain_subtract",
}


@pytest.fixture
def few(monkeypatch):
    chosen = {column: (*COLUMNS[column][:2], {case: COLUMNS[column][2][case]}) for column, case in FEW.items()}
    monkeypatch.setattr(cases, "COLUMNS", chosen)
    monkeypatch.setattr(matrix, "COLUMNS", chosen)


def test_runtimes_of_this_environment_are_as_listed(few, tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- matrix: begin -->\nold\n<!-- matrix: end -->\nafter\n")
    assert matrix.main(["--write", str(page)]) == 0
    text = page.read_text()
    assert "| onnx.reference " in text
    assert text.count("exact, 1 of 1") == 6
    assert "old" not in text
    assert text == f"before\n<!-- matrix: begin -->\n{capsys.readouterr().out.rstrip()}\n<!-- matrix: end -->\nafter\n"


def test_a_runtime_that_is_not_as_listed_is_named(few, monkeypatch, capsys):
    def probed(kind, python, folder):
        wrong = {
            f"{column}.{case}": {"arrays": 7, "wrong": int(column == "exact_int64"), "spikes_equal": 1.0} for column, case in FEW.items()
        }
        return {"runtime": kind, "version": "0", "python": "3", "cases": wrong}

    monkeypatch.setattr(matrix, "write_cases", lambda folder: None)
    monkeypatch.setattr(matrix, "probed", probed)
    assert matrix.main([]) == 1
    assert "onnxruntime 0, exact_int64: differs, 1 of 1, which is not what is expected" in capsys.readouterr().err


def test_the_page_lists_every_reason_and_every_column():
    shown = re.search(r"<!-- matrix: begin -->\n(.*?)<!-- matrix: end -->", PAGE.read_text(), re.DOTALL)[1]
    assert all(f"{profile.value}, {dtype}" in shown for profile, dtype, _ in COLUMNS.values())
    assert all(reason in shown for reason in matrix.REASONS.values())
    rows = [line for line in shown.splitlines() if re.match(r"\| (onnx|Open)", line)]
    assert len(rows) == 5
    assert all(line.split("|")[3].strip().startswith("exact, ") for line in rows)  # int32 is exact everywhere
