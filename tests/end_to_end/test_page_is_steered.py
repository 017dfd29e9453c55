"""A prompt typed in a browser crosses a cell that is full; what the xApp does there is felt.

The speed of an answer is what the page's own process measured and keeps beside it.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, sync_playwright

from testbed import namespaces
from testbed.loop.settings import LLM
from tests.end_to_end.bed import PATIENCE, Bed
from tests.ue_app.test_page_in_browser import CHROMIUM
from ue_app.history import History

pytestmark = [
    pytest.mark.alone,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is missing: apt-get install chromium"),
    pytest.mark.skipif(not namespaces.available(), reason="no network namespaces here")]
MOST_ANSWERS = 12  # until the xApp's share is in force; it takes one or two
FELT = 1.3  # times as fast is no chance, and a reader sees it
QUESTION = "Tell me a story about a king and a bell."


@pytest.fixture
def page(bed: Bed) -> Iterator[Page]:
    """The phone's page, which has its edge."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM)
        found = browser.new_page()
        found.set_default_timeout(PATIENCE * 1000)
        found.goto(bed.addresses["the phone's page"])
        found.wait_for_selector('[data-tone="good"]')
        yield found
        browser.close()


def answered(bed: Bed, page: Page) -> float:
    """Type the question, and wait for the whole answer: tokens a second."""
    before = rates(bed)
    page.fill("textarea", QUESTION)
    page.keyboard.press("Enter")
    bed.until(lambda: len(rates(bed)) > len(before), "an answer on the page")
    page.wait_for_selector("button:has-text('Regenerate')")
    page.wait_for_selector(".as-growing", state="detached")
    assert page.locator(".as-figures").count() == len(before) + 1
    assert page.locator(".as-answer").last.inner_text().strip()
    return rates(bed)[-1]


def rates(bed: Bed) -> list[float]:
    """Of each answer, as the page's process has written it down."""
    history = History(bed.folder / "page" / "history.sqlite3")
    try:
        return [float(turn.figures["tokens_per_second"])
                for one in reversed(history.conversations())
                for turn in history.turns(one.id) if turn.role == "assistant"]
    finally:
        history.close()


def test_steering_changes_the_speed_of_what_was_typed(bed: Bed, page: Page) -> None:
    calm = answered(bed, page)
    with bed.crowded():
        for _ in range(MOST_ANSWERS):  # the first may be over before the cell is full
            congested = answered(bed, page)
            if FELT * congested < calm:
                break
        else:
            pytest.fail(f"the crowd slowed nothing: {congested:.1f} tokens/s of {calm:.1f}")
        bed.watch_only(False)
        for _ in range(MOST_ANSWERS):
            in_force = bed.shares()[LLM][0] > 0
            steered = answered(bed, page)
            if in_force and bed.shares()[LLM][0] > 0:
                break
        else:
            pytest.fail("the xApp made no room for the page's answers")
    print(f"tokens/s: calm {calm:.1f}, congested {congested:.1f}, steered {steered:.1f}")
    assert steered > FELT * congested
