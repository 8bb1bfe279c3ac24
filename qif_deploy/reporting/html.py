"""One self-contained HTML page: styles, script, plotting library and data inside, nothing fetched.

What comes from files can only be text: the template escapes it, chart data cannot close their element, and the page's content security
policy runs the two scripts of this module by their hashes, loads nothing, and forbids every other script.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from functools import cache
from importlib.resources import files

from typing_extensions import assert_never

from qif_deploy.plots._plotly import plotly_script
from qif_deploy.plots.interactive.figure import plotly_figure
from qif_deploy.reporting._jinja import Markup, page_template
from qif_deploy.reporting.blocks import Block, Command, Facts, Gallery, Page, Paragraph, Table
from qif_deploy.version import __version__

LINE_ENDS = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
"""Characters that mean something to HTML or to old JavaScript, as JSON writes them."""


def render(page: Page) -> str:
    """Return the page as HTML text."""
    script, library = _resource("report.js"), plotly_script()
    style = _resource("report.css").replace("/* dark.css */", _resource("dark.css"))  # the palette stands in two rules of CSS
    views = [view for section in page.sections for gallery in section.galleries for view in gallery.views]
    charts = {f"chart-{number}": plotly_figure(view.chart) for number, view in enumerate(views)}
    numbers = {id(view): f"chart-{number}" for number, view in enumerate(views)}
    return page_template("report.html.jinja").render(
        page=page,
        chart_id=lambda view: numbers[id(view)],
        kind=_kind,
        policy=_policy(script, library),
        style=Markup(style),  # ours
        script=Markup(script),  # ours
        data=Markup(json_in_html(charts)),  # escaped for its element
        library=_packed(library),
        version=__version__,
    )


def json_in_html(value: object) -> str:
    """Return JSON that is safe inside a script element, whatever texts it holds."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    for sign, written in LINE_ENDS.items():
        text = text.replace(sign, written)
    return text


@cache
def _packed(library: str) -> str:
    """Return the library compressed, in letters; the same for every page, and slow to make."""
    return base64.b64encode(gzip.compress(library.encode(), compresslevel=9, mtime=0)).decode()


def _policy(*scripts: str) -> str:
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in scripts)
    return f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'"


def _kind(block: Block) -> str:
    """Return what the template calls a block."""
    match block:
        case Paragraph():
            return "paragraph"
        case Command():
            return "command"
        case Facts():
            return "facts"
        case Table():
            return "table"
        case Gallery():
            return "gallery"
        case _:
            assert_never(block)


def _resource(name: str) -> str:
    return (files("qif_deploy.reporting") / "page" / name).read_text(encoding="utf-8").strip()
