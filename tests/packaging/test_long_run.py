"""The stages of the long run: listed with what they do, and each with its last result in the document."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests import document_tables
from tests.packaging.conftest import ROOT

STAGES = sorted(path.name for path in (ROOT / ".ci/stages").iterdir())


def full(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", str(ROOT / ".ci/full"), *arguments], capture_output=True, text=True)


def test_every_stage_says_what_it_does() -> None:
    listed = full("--list")
    assert listed.returncode == 0
    words = [line.split(maxsplit=1) for line in listed.stdout.splitlines()]
    assert [name for name, *_ in words] == STAGES
    assert all(len(said) > 20 for _, said in words)


def test_an_unknown_stage_is_refused_before_anything_runs() -> None:
    refused = full("wheel", "nothing")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == "error: there is no stage 'nothing'; .ci/full --list names them\n"


def test_the_document_has_the_last_result_of_every_stage() -> None:
    rows = document_tables.table("reliability.md", "stage")
    assert [row["stage"] for row in rows] == STAGES
    assert all(row["result"] in ("passed", "failed", "not yet run as a stage") for row in rows)


def test_every_stage_parses(tmp_path: Path) -> None:
    for name in STAGES:
        assert subprocess.run(["bash", "-n", str(ROOT / ".ci/stages" / name)]).returncode == 0, name
