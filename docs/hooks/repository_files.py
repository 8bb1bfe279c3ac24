"""Makes files of the repository outside ``docs/`` reachable in the site.

Readme files become pages. Any other file that a page links to becomes a page that shows it, so that every link works offline. Links are
written as they work in the repository itself and are turned into links of the site here.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]

PAGES = {
    "README.md": "overview.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing/index.md",
    "benchmarks/README.md": "benchmarks.md",
    "examples/README.md": "examples.md",
}
"""Files outside ``docs/`` that are pages of the navigation, and where."""

FOLDERS = {"docs/decisions": "decisions/index.md", "docs": "index.md"}

_HOMES = {page: source for source, page in PAGES.items()}
_LINK = re.compile(r"\[(?P<text>[^\]]*)\]\((?P<target>[^)\s#]+)(?P<anchor>#[^)\s]*)?\)")
_LANGUAGES = {".py": "python", ".toml": "toml", ".md": "markdown", ".json": "json", ".ipynb": "json"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages made of files outside ``docs/``."""
    for source, page in PAGES.items():
        if (ROOT / source).is_file() and files.get_file_from_path(page) is None:
            files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    for page in list(files.documentation_pages()):
        for match in _LINK.finditer(page.content_string):
            target = _repository_path(page.src_uri, match["target"])
            if target is not None and _is_shown(target) and files.get_file_from_path(_shown_at(target)) is None:
                files.append(File.generated(config, _shown_at(target), content=_listing(target), inclusion=InclusionLevel.NOT_IN_NAV))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001  # mkdocs calls by keyword
    """Turn links between files of the repository into links between pages."""
    here = page.file.src_uri

    def rewritten(match: re.Match[str]) -> str:
        target = _repository_path(here, match["target"])
        place = None if target is None else _place(target)
        if place is None:
            return match[0]
        relative = posixpath.relpath(place, posixpath.dirname(here) or ".")
        return f"[{match['text']}]({relative}{match['anchor'] or ''})"

    return _LINK.sub(rewritten, markdown)


def _repository_path(page: str, target: str) -> str | None:
    """Return the path in the repository that a link of a page means; None for web addresses and what leaves the repository."""
    if "://" in target or target.startswith(("/", "mailto:")):
        return None
    home = _HOMES.get(page, f"docs/{page}")
    path = posixpath.normpath(posixpath.join(posixpath.dirname(home), target))
    return None if path.startswith("..") else path


def _place(path: str) -> str | None:
    """Return the page of a file or folder of the repository."""
    if path in PAGES:
        return PAGES[path]
    if path in FOLDERS:
        return FOLDERS[path]
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return _shown_at(path) if _is_shown(path) else None


def _is_shown(path: str) -> bool:
    return path not in PAGES and not path.startswith("docs/") and (ROOT / path).is_file()


def _shown_at(path: str) -> str:
    return f"source/{path}.md"


def _listing(path: str) -> str:
    language = _LANGUAGES.get(Path(path).suffix, "text")
    text = (ROOT / path).read_text(encoding="utf-8").rstrip()
    return f"---\nsearch:\n  exclude: true\n---\n# `{path}`\n\n``````{language}\n{text}\n``````\n"
