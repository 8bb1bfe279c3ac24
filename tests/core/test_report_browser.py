"""The report in a real browser: every chart is drawn, nothing is fetched, and everybody can read it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import qif_deploy
from qif_deploy.wording import joules, percent
from tests.core.report_run import damage

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (development group)")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path (apt-get install chromium)")

HOSTILE = """</script><script>window.owned=1</script><img src=x onerror="window.owned=2"><a href="javascript:window.owned=3">x</a>'\"&"""
FOCUSABLE = "a[href], select, summary, [tabindex='0']"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An opened page, what it said on the console, and what it asked the network for."""

    page: Any
    messages: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="session")
def report_file(made_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return qif_deploy.report(made_run, out=tmp_path_factory.mktemp("report") / "page.html").path


def opened(browser: Any, path: Path, **options: Any) -> Seen:
    context = browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | options))
    seen = Seen(page=context.new_page())
    seen.page.on("console", lambda message: seen.messages.append(f"{message.type}: {message.text}"))
    seen.page.on("pageerror", lambda error: seen.messages.append(f"error: {error}"))
    seen.page.on("dialog", lambda dialog: seen.messages.append(f"dialog: {dialog.message}"))
    seen.page.on("request", lambda request: seen.requests.append(request.url))
    seen.page.goto(path.as_uri())
    if options.get("java_script_enabled", True):
        seen.page.wait_for_selector("html[data-charts]", state="attached")
    return seen


@pytest.fixture(scope="module")
def desk(browser: Any, report_file: Path) -> Iterator[Seen]:
    """One page for all tests that leave it as it was."""
    seen = opened(browser, report_file)
    yield seen
    seen.page.context.close()


def choose_everything(page: Any) -> None:
    """Go to every gallery and choose every view of it, so that every chart is drawn."""
    for gallery in page.query_selector_all(".gallery"):
        gallery.scroll_into_view_if_needed()
    until(page, "[...document.querySelectorAll('.gallery')].every((g) => g.querySelector('svg.main-svg'))")
    for select in page.query_selector_all(".choice select"):
        for number in range(len(select.query_selector_all("option"))):
            select.select_option(str(number))


def until(page: Any, condition: str) -> None:
    """Wait for a condition; the page's policy forbids the browser's own way of doing so, which evaluates texts."""
    for _ in range(400):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(25)
    raise AssertionError(condition)


def stored_figures(page: Any) -> dict[str, Any]:
    return dict(json.loads(page.text_content("#chart-data")))


def test_every_chart_is_drawn_with_its_traces_and_nothing_is_fetched(desk: Seen, report_file: Path) -> None:
    page = desk.page
    assert page.get_attribute("html", "data-charts") == "ready"
    choose_everything(page)
    page.evaluate("document.querySelectorAll('.choice select').forEach((s) => { s.value = '0'; s.dispatchEvent(new Event('change')); })")
    figures = stored_figures(page)
    drawn = page.evaluate("Object.fromEntries([...document.querySelectorAll('.chart')].map((c) => [c.id, c.data && c.data.length]))")
    assert drawn == {key: len(figure["data"]) for key, figure in figures.items()}
    assert len(figures) > 20
    assert page.evaluate("[...document.querySelectorAll('.chart')].every((c) => c.querySelector('svg.main-svg'))")
    assert page.is_hidden("#no-charts")
    assert (desk.messages, desk.requests) == ([], [report_file.as_uri()])


def test_a_choice_shows_one_chart_and_its_numbers(desk: Seen) -> None:
    gallery = desk.page.query_selector("#gallery-fidelity")
    shown = [view for view in gallery.query_selector_all(".view") if view.is_visible()]
    assert len(shown) == 1
    gallery.query_selector("select").select_option("1")
    (after,) = [view for view in gallery.query_selector_all(".view") if view.is_visible()]
    assert after.get_attribute("data-label") == "spike decisions that agree, %"
    after.query_selector("summary").click()
    assert after.query_selector("table").is_visible()
    after.query_selector("summary").click()
    gallery.query_selector("select").select_option("0")


def test_the_page_says_the_numbers_of_the_files(desk: Seen, made_run: Path) -> None:
    fidelity, energy, placement = (json.loads((made_run / f"{name}.json").read_text()) for name in ("fidelity", "energy", "placement"))
    summary = desk.page.inner_text("#summary")
    for value in (percent(fidelity["accuracy"]["integer"]), percent(fidelity["flips_per_spike"]), joules(energy["at_least"]["typical"])):
        assert value in summary
    cells = desk.page.eval_on_selector_all("#gallery-fidelity .view:first-of-type tbody td", "cells => cells.map((c) => c.textContent)")
    flat = [value for row in fidelity["matrix"]["flips_per_spike"] for value in row]
    assert cells == ["-" if value is None else f"{100 * value:.3g}" for value in flat]
    desk.page.query_selector("#gallery-fidelity").scroll_into_view_if_needed()
    until(desk.page, "Boolean(document.querySelector('#gallery-fidelity .chart').data)")
    drawn = desk.page.evaluate("document.querySelector('#gallery-fidelity .chart').data[0].z.flat()")
    assert drawn == pytest.approx([None if value is None else 100 * value for value in flat])
    proof = qif_deploy.check(made_run / "net.nir")
    rows = desk.page.eval_on_selector_all(
        "#ranges .scroll:first-of-type tbody tr", "rows => rows.map((r) => [...r.children].map((c) => c.textContent))"
    )
    expected = [
        [f"{name} {q}", f"{low:,}", f"{high:,}", str(bits)] for name, row in proof.ranges.items() for q, (low, high, bits, _) in row.items()
    ]
    assert [row[:4] for row in rows] == expected
    assert f"{placement['cores']} cores" in desk.page.inner_text("#cores")
    assert desk.page.inner_text("#provenance").count("…") == 5


def test_colours_follow_the_system_can_be_switched_and_are_light_on_paper(browser: Any, report_file: Path) -> None:
    dark = opened(browser, report_file, color_scheme="dark")
    page = dark.page
    colours = "[getComputedStyle(document.body).backgroundColor, document.querySelector('.chart').layout.font.color]"
    until(page, "Boolean(document.querySelector('.chart').layout)")
    assert page.evaluate(colours) == ["rgb(18, 23, 30)", "#e6eaf0"]
    page.select_option("#theme", "light")
    assert page.evaluate(colours) == ["rgb(255, 255, 255)", "#1b2430"]
    page.select_option("#theme", "")
    assert page.evaluate(colours) == ["rgb(18, 23, 30)", "#e6eaf0"]
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.evaluate(colours) == ["rgb(255, 255, 255)", "#1b2430"]
    assert page.evaluate("[...document.querySelectorAll('details')].every((d) => d.open)")
    assert page.evaluate("[...document.querySelectorAll('.gallery')].every((g) => g.querySelector('svg.main-svg'))")
    assert page.is_hidden("nav")
    page.emulate_media(media="screen")
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert not page.evaluate("[...document.querySelectorAll('details')].some((d) => d.open)")
    page.emulate_media(color_scheme="light")
    until(page, "document.querySelector('.chart').layout.font.color === '#1b2430'")
    assert dark.messages == []
    page.context.close()


def test_a_phone_shows_it_without_scrolling_aside(browser: Any, report_file: Path) -> None:
    phone = opened(browser, report_file, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    phone.page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    for gallery in phone.page.query_selector_all(".gallery"):
        gallery.scroll_into_view_if_needed()
    until(phone.page, "[...document.querySelectorAll('.gallery')].every((g) => g.querySelector('svg.main-svg'))")
    for width in (360, 320):
        phone.page.set_viewport_size({"width": width, "height": 740})
        until(phone.page, f"document.documentElement.scrollWidth <= {width}")
        aside = "[...document.querySelectorAll('svg.main-svg, select')].filter((c) => c.getBoundingClientRect().right > innerWidth + 1)"
        until(phone.page, f"{aside}.length === 0")
    assert phone.messages == []
    phone.page.context.close()


def test_the_keyboard_reaches_everything_and_shows_where_it_is(desk: Seen) -> None:
    page = desk.page
    page.reload()
    page.wait_for_selector("html[data-charts]", state="attached")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("document.activeElement.getBoundingClientRect().top >= 0")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    page.evaluate("document.activeElement.blur(); window.getSelection().removeAllRanges(); window.seen = new Set()")
    waiting = page.evaluate(f'[...document.querySelectorAll("{FOCUSABLE}")].filter((e) => e.checkVisibility()).length')
    page.focus(".skip")
    unmarked = []
    for _ in range(waiting):
        state = page.evaluate(
            "(() => { const e = document.activeElement; seen.add(e); const s = getComputedStyle(e);"
            " return [e.tagName + '.' + e.className, s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) > 1]; })()"
        )
        if not state[1]:
            unmarked.append(state[0])
        page.keyboard.press("Tab")
    assert page.evaluate("seen.size") == waiting
    assert unmarked == []


def test_landmarks_headings_and_names_are_in_order(desk: Seen) -> None:
    page = desk.page
    for landmark in ("header", "nav", "main", "footer"):
        assert len(page.query_selector_all(f"body {landmark}")) == 1, landmark
    levels = [int(tag[1]) for tag in page.evaluate("[...document.querySelectorAll('main h1, main h2, main h3')].map((h) => h.tagName)")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below - above <= 1 for above, below in pairwise(levels))
    links = page.eval_on_selector_all("nav a", "links => links.map((a) => a.getAttribute('href').slice(1))")
    assert links == page.eval_on_selector_all("main > section", "parts => parts.map((p) => p.id)")
    for chart in page.query_selector_all(".chart"):
        assert (chart.get_attribute("role"), len(chart.get_attribute("aria-label")) > 20) == ("img", True)
    figures = page.query_selector_all("figure")
    assert all(figure.query_selector("figcaption") and figure.query_selector("table") for figure in figures)


def test_an_accessibility_checker_finds_nothing_in_either_colours(browser: Any, report_file: Path) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed (development group)")
    seen = opened(browser, report_file, color_scheme="dark")
    for theme, options in (("dark", {}), ("light", {"runOnly": ["color-contrast"]})):
        seen.page.select_option("#theme", theme)
        found = axe.Axe().run(seen.page, options={"resultTypes": ["violations"]} | options).response
        assert [(rule["id"], [node["html"][:120] for node in rule["nodes"][:2]]) for rule in found["violations"]] == []
        assert "color-contrast" in {rule["id"] for rule in found["passes"]}
    seen.page.context.close()


def test_without_scripts_every_number_is_still_there(browser: Any, report_file: Path, made_run: Path) -> None:
    plain = opened(browser, report_file, java_script_enabled=False)
    page = plain.page
    assert page.is_visible("#no-charts")
    assert page.is_hidden(".theme")
    assert not any(chart.is_visible() for chart in page.query_selector_all(".chart"))
    assert all(view.is_visible() for view in page.query_selector_all(".view figcaption"))
    page.click("#gallery-fidelity summary")
    assert page.query_selector("#gallery-fidelity table").is_visible()
    assert percent(json.loads((made_run / "fidelity.json").read_text())["accuracy"]["integer"]) in page.inner_text("#accuracy")
    assert plain.requests == [report_file.as_uri()]
    page.context.close()


def test_hostile_names_are_text_and_nothing_else(browser: Any, run_copy: Path) -> None:
    """Names from files come where plotly, HTML attributes and JSON would each read them as something else."""
    for name in ("net.nir", "vectors.npz"):
        (run_copy / name).unlink()

    def rename(value: Any) -> None:
        for key, one in list(value.items()) if isinstance(value, dict) else list(enumerate(value)):
            if isinstance(one, dict | list):
                rename(one)
            elif isinstance(one, str) and key not in ("content_hash", "verdict") and not re.fullmatch(r"low|typical|high", str(one)):
                value[key] = f"{one} {HOSTILE}"
        if isinstance(value, dict) and set(value) == {"batched", "onnx"}:
            value[HOSTILE] = value.pop("onnx")

    for name in ("fidelity.json", "verify.json", "energy.json", "placement.json"):
        damage(run_copy / name, rename)
    path = qif_deploy.report(run_copy).path
    seen = opened(browser, path)
    assert seen.page.get_attribute("html", "data-charts") == "ready"
    choose_everything(seen.page)
    seen.page.hover("#gallery-energy-layers .chart .nsewdrag")
    assert seen.page.evaluate("window.owned") is None
    assert seen.page.query_selector_all("main img, a[href^='javascript']") == []
    assert HOSTILE in seen.page.inner_text("#backends")
    assert (seen.messages, seen.requests) == ([], [path.as_uri()])
    seen.page.context.close()
