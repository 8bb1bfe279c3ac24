"""The list of decisions, made of the titles of their pages, and their places in the navigation (``decisions/*``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

DECISIONS = Path(__file__).resolve().parents[1] / "decisions"
PATTERN = "decisions/*"

INTRODUCTION = """# Decisions

What would cost more than a day to reverse has a page: context, choice, rejected alternatives, consequences.

"""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages where the navigation says ``decisions/*``."""
    for entry in config.nav or []:
        for section, children in entry.items():
            if isinstance(children, list) and PATTERN in children:
                entry[section] = [page for child in children for page in (_pages() if child == PATTERN else [child])]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page that lists them."""
    listed = "".join(f"- [{_title(path)}]({path.name})\n" for path in sorted(DECISIONS.glob("*.md")))
    files.append(File.generated(config, "decisions/index.md", content=INTRODUCTION + listed))
    return files


def _pages() -> list[Any]:
    return [f"decisions/{path.name}" for path in sorted(DECISIONS.glob("*.md"))]


def _title(path: Path) -> str:
    return path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
