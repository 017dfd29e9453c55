"""Reports in a real browser: sorted tables, both themes, narrow screens, and no network."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from pcap_tools import page as pages
from pcap_tools.plots import Bar, bars

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    # A browser on a busy machine may not come to paint in a minute: once more, for that alone.
    pytest.mark.flaky(reruns=1, only_rerun=["TimeoutError"]),
    pytest.mark.skipif(
        CHROMIUM is None, reason="Chromium is missing: apt-get install chromium")]
NARROW, WIDE = 390, 1100  # pixels


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM)
        yield found
        found.close()


@pytest.fixture
def report(tmp_path: Path) -> Path:
    page = pages.Page("A <capture>", "in two parts")
    page.cells((("packets", "12"),))
    page.note("Something is missing.", ["here", "and there"])
    page.figure(bars([Bar("10.0.0.1 → 10.0.0.2", 0.0, 2.0, "c0", "12 kB")], 3.0, [("TCP", "c0")]),
                "Flows")
    page.table([pages.Column("name"), pages.Column("bytes", True)],
               [["b", pages.Cell("2 kB", 2000.0)], ["a", pages.Cell("900 B", 900.0)],
                [pages.Cell("c", anchor="more"), pages.Cell("", None)]], "and 3 more")
    page.open("More of c", "more")
    page.text("what was folded up")
    page.close()
    page.write(tmp_path / "report.html")
    return tmp_path / "report.html"


def opened(browser: Browser, report: Path, width: int = WIDE, scheme: str = "light"
           ) -> tuple[Page, list[str]]:
    page = browser.new_page(viewport={"width": width, "height": 800},
                            color_scheme=scheme)  # type: ignore[arg-type]  # one of its words
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: asked.append(str(error)))
    page.goto(report.as_uri())
    return page, asked


def column(page: Page, number: int) -> list[str]:
    return page.locator(f"tbody td:nth-child({number})").all_inner_texts()


def test_tables_are_sorted_by_their_heads(browser: Browser, report: Path) -> None:
    page, asked = opened(browser, report)
    page.click("th button:has-text('bytes')")
    assert column(page, 2) == ["2 kB", "900 B", ""]
    assert page.get_attribute("th.number", "aria-sort") == "descending"
    page.click("th button:has-text('bytes')")
    assert column(page, 2) == ["", "900 B", "2 kB"]
    page.click("th button:has-text('name')")
    assert column(page, 1) == ["a", "b", "c"]
    assert asked == [report.as_uri()]
    page.close()


def test_what_is_folded_up_opens_by_its_link(browser: Browser, report: Path) -> None:
    page, _ = opened(browser, report)
    assert not page.locator("text=what was folded up").is_visible()
    page.click("a[href='#more']")
    page.wait_for_selector("text=what was folded up")
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_themes_and_a_button_between_them(
        scheme: str, browser: Browser, report: Path) -> None:
    page, _ = opened(browser, report, scheme=scheme)
    ground = "getComputedStyle(document.body).backgroundColor"
    bar = ("getComputedStyle(document.querySelector('svg.wide [style*=\"--c0\"]')).fill")
    before, colour = page.evaluate(ground), page.evaluate(bar)
    page.click("#theme")
    assert page.evaluate(ground) != before
    assert page.evaluate(bar) != colour
    page.close()


@pytest.mark.parametrize(("width", "shown"), [(WIDE, "wide"), (NARROW, "narrow")])
def test_pictures_and_tables_fit(width: int, shown: str, browser: Browser, report: Path) -> None:
    page, _ = opened(browser, report, width)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") == 0
    for kind in ("wide", "narrow"):
        assert page.locator(f"svg.{kind}").is_visible() == (kind == shown)
    assert page.title() == "A <capture>"
    page.close()
