"""What the site makes by itself: pages of the command line, links out of the folder, and checks that can fail."""

from __future__ import annotations

import importlib.util
import logging
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from tests.document_tables import DOCS


def hook(name: str) -> ModuleType:
    pytest.importorskip("mkdocs", reason="mkdocs is not installed (group 'docs')")
    spec = importlib.util.spec_from_file_location(f"docs_hooks_{name}", DOCS / "hooks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('<a href="other.html#there">x</a>', None),
        ('<a href="https://example.org/">x</a>', None),
        ('<a href="other.html#gone">x</a>', "links to other.html#gone, which is not there"),
        ('<a href="missing.html">x</a>', "links to missing.html, which is not there"),
        ('<script src="https://cdn.example.org/a.js"></script>', "has to work without a network"),
        ('<img src="picture.svg" alt="a picture">', "loads picture.svg, which is not there"),
        ('<img src="other.html">', "without a text for those who do not see it"),
    ],
)
def test_the_checks_of_the_site_notice(tmp_path: Path, caplog: pytest.LogCaptureFixture, body: str, said: str | None) -> None:
    (tmp_path / "index.html").write_text(f"<html><body>{body}</body></html>")
    (tmp_path / "other.html").write_text('<html><body><h1 id="there">x</h1></body></html>')
    with caplog.at_level(logging.WARNING):
        hook("site_checks").on_post_build(SimpleNamespace(site_dir=str(tmp_path)))
    assert [said in message for message in caplog.messages] == ([] if said is None else [True])
    assert (tmp_path / "external-links.txt").read_text() == ("https://example.org/\n" if "example.org/" in body and "<a" in body else "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Where to write.", ("Where to write.", "", "")),
        ("A file.  [required]", ("A file.", "required", "")),
        ("A time.  [default: 300.0; x>=1.0]", ("A time.", "`300.0`", "`x>=1.0`")),
        ("A seed.  [0<=x<=5]", ("A seed.", "", "`0<=x<=5`")),
    ],
)
def test_a_help_text_falls_into_meaning_default_and_limits(text: str, expected: tuple[str, str, str]) -> None:
    assert hook("cli_pages").described(text) == expected


def test_a_bar_ends_no_cell_and_shows_as_a_bar_in_code() -> None:
    assert hook("cli_pages")._cell("`NAME|FILE` a|b") == "`NAME|FILE` a\\|b"


def test_every_verb_has_a_page_with_its_options_examples_and_exit_codes() -> None:
    pages = hook("cli_pages")
    for verb in pages.verbs():
        page = "\n".join(pages.page_of(verb, "a check does not hold"))
        for param in verb.command.params:
            if param.param_type_name == "option" and not param.hidden:
                assert f"`{param.opts[0]}" in page or f"{param.opts[0]}" in page, (verb.name, param.opts)
        for part in ("## Example", "qif-deploy " + verb.name, "| 1 | a check does not hold |"):
            assert part in page, (verb.name, part)


def test_links_of_the_readme_and_out_of_the_folder_become_links_of_the_site() -> None:
    files = hook("repository_files")

    def turned(page: str, markdown: str) -> str:
        return str(files.on_page_markdown(markdown, page=SimpleNamespace(file=SimpleNamespace(src_uri=page)), config=None, files=None))

    assert turned("overview.md", "[a](docs/energy.md#twins)") == "[a](energy.md#twins)"
    assert turned("overview.md", "[a](docs/decisions)") == "[a](decisions/index.md)"
    assert turned("concepts/time.md", "[a](../../CONTRIBUTING.md)") == "[a](../contributing/index.md)"
    assert turned("lava.md", "[a](../tests/conftest.py)") == "[a](source/tests/conftest.py.md)"
    assert turned("lava.md", "[a](https://example.org/x.md) [b](#here)") == "[a](https://example.org/x.md) [b](#here)"
