"""Pages that list what the code has: every public name, every verb's exit code, every key of the navigation's pages."""

from __future__ import annotations

import re

import qif_deploy
from qif_deploy.cli.app import VERBS
from tests.document_tables import DOCS, table

PYTHON = (DOCS / "reference" / "python.md").read_text(encoding="utf-8")


def test_the_python_page_has_every_public_name_once() -> None:
    named = re.findall(r"^::: qif_deploy\.(\w+)$", PYTHON, re.MULTILINE)
    assert len(named) == len(set(named))
    assert set(named) == set(qif_deploy.__all__) - {"__version__"}


def test_the_page_on_exit_codes_has_every_verb() -> None:
    assert [row["verb"] for row in table("reference/exit-codes.md", "verb")] == [verb.__name__ for verb in VERBS]


def test_every_file_that_verbs_exchange_is_named() -> None:
    named = " ".join(row["file"] for row in table("reference/files.md", "file"))
    for name in (
        "model.safetensors",
        "metrics.json",
        "net.nir",
        "vectors.npz",
        "verify.json",
        "fidelity.json",
        "energy.json",
        "report.html",
    ):
        assert name in named, name
