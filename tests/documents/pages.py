"""Pages whose blocks run, and the folder that each leaves behind.

The head of a page (between ``---`` lines) may hold two keys for this: ``needs``, the optional packages without which it is skipped, and
``starts_in``, the page in whose folder, as that page left it, this one begins. A page runs once per test run, whoever asks for it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.documents import blocks

DOCS = Path(__file__).resolve().parents[2] / "docs"


@dataclass(frozen=True)
class Page:
    """One page below ``docs/`` with the keys of its head."""

    name: str
    needs: tuple[str, ...]
    starts_in: str | None

    @property
    def path(self) -> Path:
        return DOCS / self.name


def page(name: str) -> Page:
    """Read the head of a page."""
    head = re.match(r"---\n(.*?)\n---\n", (DOCS / name).read_text(encoding="utf-8"), re.DOTALL)
    keys = dict(line.split(": ", 1) for line in head[1].splitlines() if ": " in line) if head else {}
    return Page(name, tuple(keys.get("needs", "").replace(",", " ").split()), keys.get("starts_in"))


def executed_pages() -> list[str]:
    """Names of all pages with a block that runs."""
    return sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md") if blocks.is_executed(path.read_text(encoding="utf-8")))


def missing_packages(wanted: Page) -> list[str]:
    """Optional packages that a page, or one that it starts from, needs and that are not installed."""
    here = [name for name in wanted.needs if find_spec(name) is None]
    return here if wanted.starts_in is None else [*here, *missing_packages(page(wanted.starts_in))]


def folder_after(name: str, shared: Path) -> Path:
    """Run a page in a folder of its own below ``shared``, unless that has happened, and return the folder."""
    wanted = page(name)
    if absent := missing_packages(wanted):
        pytest.skip(f"{', '.join(absent)} is not installed (extra 'all')")
    folder = shared / "pages" / re.sub(r"\W", "-", name)
    state = folder.with_suffix(".state")
    folder.parent.mkdir(exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another worker may be at it
        if not state.exists():
            state.write_text("failed")
            if wanted.starts_in is None:
                folder.mkdir()
            else:
                shutil.copytree(folder_after(wanted.starts_in, shared), folder)
            _run(wanted, folder)
            state.write_text("done")
    assert state.read_text() == "done", f"docs/{name} did not run to its end; see its own test"
    return folder


def _run(wanted: Page, folder: Path) -> None:
    document = blocks.parse(wanted.path)
    with _inside(folder):
        for example in document.examples():
            example.evaluate()


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
