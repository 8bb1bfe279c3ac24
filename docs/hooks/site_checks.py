"""Checks of the finished site: it loads nothing from the web, and every link in it leads somewhere.

MkDocs checks the links of Markdown; these checks see the HTML, so also what was generated. A finding is a warning, and ``--strict`` turns
that into a failure. Links to the web are listed in ``external-links.txt`` of the site, not followed: a build needs no network.
"""

from __future__ import annotations

import logging
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mkdocs.config.defaults import MkDocsConfig

log = logging.getLogger("mkdocs.plugins.site_checks")

LOADS = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "video": "src"}
"""Elements that make a browser fetch something, and the attribute that says what."""


class Html(HTMLParser):
    """What one page of the site loads, links to, and can be linked at."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: set[str] = set()
        self.links: set[str] = set()
        self.anchors: set[str] = {""}
        self.images_without_text: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what one element loads, links to and names."""
        values = {name: value or "" for name, value in attrs}
        self.anchors.update(values[key] for key in ("id", "name") if key in values)
        if tag == "a" and "href" in values:
            self.links.add(values["href"])
        if tag in LOADS and values.get(LOADS[tag]):
            self.loads.add(values[LOADS[tag]])
        if tag == "img" and not values.get("alt"):
            self.images_without_text.add(values.get("src", ""))


def on_post_build(config: MkDocsConfig) -> None:
    """Check the site that was written."""
    site = Path(config.site_dir).resolve()
    pages = {path: Html(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    external: set[str] = set()
    for path, page in pages.items():
        name = path.relative_to(site)
        for address in sorted(page.loads):
            if urlsplit(address).netloc:
                log.warning("%s loads %s; a site has to work without a network", name, address)
            elif not urlsplit(address).scheme and not _file(path, site, address).exists():
                log.warning("%s loads %s, which is not there", name, address)
        for address in sorted(page.images_without_text):
            log.warning("%s shows %s without a text for those who do not see it", name, address)
        for address in sorted(page.links):
            if urlsplit(address).netloc:
                external.add(address)
            elif not urlsplit(address).scheme and not _leads_somewhere(path, site, address, pages):
                log.warning("%s links to %s, which is not there", name, address)
    (site / "external-links.txt").write_text("".join(f"{address}\n" for address in sorted(external)), encoding="utf-8")


def _file(page: Path, site: Path, address: str) -> Path:
    path = unquote(urlsplit(address).path)
    target = site / path.lstrip("/") if path.startswith("/") else page.parent / path
    return (target / "index.html" if target.is_dir() else target).resolve() if path else page


def _leads_somewhere(page: Path, site: Path, address: str, pages: dict[Path, Html]) -> bool:
    target = _file(page, site, address)
    if target not in pages:
        return target.is_file()
    return unquote(urlsplit(address).fragment) in pages[target].anchors
