"""The site builds without a warning, opens from disk without a network, and reads well on a desk and on a phone, light and dark."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOOKED_AT = (
    "index",
    "overview",
    "tutorials/first-network",
    "concepts/range-proof",
    "reference/cli/run",
    "reference/python",
    "energy",
    "faq",
)
SCREENS = {"desktop": (1360, 900), "phone": (390, 844)}


@pytest.fixture(scope="session")
def site(shared_folder: Path) -> Path:
    """The site, built once per test run; ``QIF_DEPLOY_SITE`` names the folder to leave it in."""
    if find_spec("mkdocs") is None or find_spec("mkdocstrings") is None:
        pytest.skip("mkdocs is not installed (group 'docs')")
    folder = Path(os.environ.get("QIF_DEPLOY_SITE", shared_folder / "site")).resolve()
    said = shared_folder / "site.log"
    with (shared_folder / "site.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not said.exists():
            command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
            done = subprocess.run(command, cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True)
            said.write_text("" if done.returncode == 0 and not done.stderr else f"exit code {done.returncode}\n{done.stdout}{done.stderr}")
    assert said.read_text() == ""
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (group 'dev')")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("chromium is not installed")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.mark.timeout(300)
def test_the_site_builds_without_a_warning_and_lists_what_it_links_to_outside(site: Path) -> None:
    assert (site / "index.html").is_file()
    assert "https://github.com/neuromorphs/NIR" in (site / "external-links.txt").read_text()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS)
def test_pages_open_from_disk_without_error_network_or_sideways_scrolling(
    site: Path, browser: Any, screen: str, scheme: str, tmp_path: Path
) -> None:
    width, height = SCREENS[screen]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith(("file:", "data:", "blob:")) else wrong.append(request.url))
    pictures = Path(os.environ.get("QIF_DEPLOY_PICTURES", tmp_path))
    for name in LOOKED_AT:
        page.goto((site / f"{name}.html").as_uri())
        assert page.evaluate("document.body.dataset.mdColorScheme") == ("slate" if scheme == "dark" else "default")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} is wider than the screen"
        page.screenshot(path=pictures / f"{name.replace('/', '-')}-{screen}-{scheme}.png")
    context.close()
    assert wrong == []


@pytest.mark.timeout(300)
def test_the_search_finds_a_page_from_disk(site: Path, browser: Any) -> None:
    page = browser.new_page()
    page.goto((site / "index.html").as_uri())
    page.locator("input.md-search__input").click()
    page.keyboard.type("rebound")
    page.locator(".md-search-result__item a").first.wait_for(timeout=20_000)
    assert page.locator(".md-search-result__item").count() >= 2
    page.close()
