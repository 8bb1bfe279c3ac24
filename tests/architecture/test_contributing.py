"""The contributor's pages tell the truth: what they name exists, and what exists is named."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

from tests.document_tables import table

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
DECISIONS = ROOT / "docs" / "decisions"
PAGES = [ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs" / "contributing").glob("*.md")), *sorted(DECISIONS.glob("*.md"))]
SOURCES = {
    "qif_deploy": ROOT / "qif_deploy",
    "qif_hardware": ROOT / "hardware" / "qif_hardware",
    "qif_export": ROOT / "export" / "qif_export",
}
TOP = {path.name for path in ROOT.iterdir() if path.is_dir()}
ARCHITECTURE = "contributing/architecture.md"


def code_of(page: Path) -> set[str]:
    """What stands in backquotes or in code blocks."""
    text = page.read_text()
    fenced = re.findall(r"```.*?```", text, re.DOTALL) + re.findall(r"^ {4}\S.*$", text, re.MULTILINE)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return set(spans) | {word for block in fenced for word in block.split()}


def paths_in(page: Path) -> list[str]:
    """Words that are paths of the repository; what is installed beside it is none of it."""
    words = {word.rstrip(",;:.") for word in code_of(page) if not word.startswith(".venv/")}
    return sorted(w for w in words if re.fullmatch(r"[\w./-]+", w) and (w.split("/")[0] in TOP or w in ("pyproject.toml", "CHANGELOG.md")))


def found(path: str) -> bool:
    """Whether ``path`` is a file or folder; packages may leave out the folder that they lie in."""
    first, _, rest = path.partition("/")
    return (ROOT / path).exists() or (first in SOURCES and (SOURCES[first] / rest).exists())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_path_on_a_page_exists(page: Path) -> None:
    assert [path for path in paths_in(page) if not found(path)] == []


def test_the_pages_name_files_at_all() -> None:
    assert sum(len(paths_in(page)) for page in PAGES) > 80


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_link_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


def packages() -> set[str]:
    return {
        "/".join((name, *file.parent.relative_to(folder).parts)) for name, folder in SOURCES.items() for file in folder.rglob("__init__.py")
    }


def test_every_package_is_named_and_every_name_is_a_package() -> None:
    assert {row["package"] for row in table(ARCHITECTURE, "package")} == packages()


def test_every_single_file_of_the_core_is_named() -> None:
    text = (ROOT / "docs" / ARCHITECTURE).read_text()
    files = [path.name for path in (ROOT / "qif_deploy").glob("*.py") if not path.name.startswith("_")]
    assert [name for name in files if f"`qif_deploy/{name}`" not in text] == []


def test_the_layers_are_those_of_the_import_rules() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    expected = [sorted(name.removeprefix("qif_deploy.") for name in layer.split(" | ")) for layer in layers]
    assert [sorted(name.strip() for name in row["layer"].split(",")) for row in table(ARCHITECTURE, "layer")] == expected


def test_the_picture_shows_packages_and_types_that_exist() -> None:
    picture = (ROOT / "docs" / "contributing" / "architecture.svg").read_text()
    names = re.findall(r'<text class="name"[^>]*>([^<]+)</text>', picture)
    known = {name.replace("/", ".").removeprefix("qif_deploy.") for name in packages()}
    known |= {path.stem for path in (ROOT / "qif_deploy").glob("*.py")}
    classes = {
        node.name
        for file in (ROOT / "qif_deploy").rglob("*.py")
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.ClassDef)
    }
    shown = {part for name in names for part in re.split(r",\s*", name) if part}
    assert shown - known - classes == {"NIR", "ONNX"}


def test_every_decision_has_its_number_and_its_four_parts() -> None:
    for number, page in enumerate(sorted(DECISIONS.glob("*.md")), start=1):
        text = page.read_text()
        assert page.name.startswith(f"{number:04}-")
        assert text.startswith(f"# {number}. ")
        parts = re.findall(r"^\*\*(Context|Choice|Rejected|Consequences)\b", text, re.MULTILINE)
        assert parts == ["Context", "Choice", "Rejected", "Consequences"], page.name
