"""The console as an operator meets it: a real Chromium, a real console, a real API.

The console is a process of its own; the API is served from this one, over a network that is made
up, so that a test can look behind it, and stop it and start it again.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, WebSocketRoute, sync_playwright
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from tests.xapp.fake_operations import FakeOperations
from tests.xapp.test_console_command import PROGRAM
from xapp.a1_types import SLICE_POLICY
from xapp.access import load_or_make_token
from xapp.api import ApiServer
from xapp.metrics import Metrics

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    # A browser on a busy machine may not come to paint in a minute: once more, for that alone.
    pytest.mark.flaky(reruns=1, only_rerun=["TimeoutError"]),
    pytest.mark.skipif(
        CHROMIUM is None, reason="Chromium is missing: apt-get install chromium")]

PATIENCE = 60_000  # milliseconds until something that comes must have come; nothing waits it out
SECONDS = 60.0
NARROW = 390  # pixels
CHART = "[data-testid='stVegaLiteChart'] svg.marks path"


class World:
    """An API that can be stopped and started at the same port, and a console that looks at it."""

    def __init__(self, folder: Path) -> None:
        token = folder / "token"
        self._token = load_or_make_token(token)
        self._port = 0
        self.operations = FakeOperations(history=300.0)
        self.start_api()
        self._console = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "--port", "0", "--api", self.server.url,
             "--token-file", str(token), "--refresh", "0.5"], stdout=subprocess.PIPE, text=True)
        assert self._console.stdout is not None
        self.url = self._console.stdout.readline().rsplit(" on ", 1)[1].strip()

    def start_api(self) -> None:
        self.server = ApiServer(self.operations, Metrics(self.operations.picture), self._token,
                                port=self._port)
        self._port = self.server.port
        self.server.start()

    def stop_api(self) -> None:
        self.server.stop()

    def close(self) -> int:
        self._console.terminate()
        status = self._console.wait(SECONDS)
        assert self._console.stdout is not None
        self._console.stdout.close()
        self.stop_api()
        return status


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("console"))
    yield made
    assert made.close() == 0


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM)
        yield found
        found.close()


class SlowServer:
    """The way from a server that draws live parts again before it has sent the page around them.

    It sends such a page without these parts: so does this, with all pages but the first.
    """

    def __init__(self) -> None:
        self._pages, self._whole = 0, False

    def route(self, browser: WebSocketRoute) -> None:
        server = browser.connect_to_server()
        server.on_message(lambda message: self._pass(browser, message))

    def _pass(self, browser: WebSocketRoute, message: str | bytes) -> None:
        assert isinstance(message, bytes)
        told = ForwardMsg.FromString(message)
        if told.WhichOneof("type") == "new_session":
            self._whole = not told.metadata.run.fragment_ids
            self._pages += self._whole
        if not (self._whole and self._pages > 1 and told.delta.fragment_id):
            browser.send(message)


OpenPage = Callable[..., "Page"]


@pytest.fixture
def visit(world: World, browser: Browser) -> Iterator[OpenPage]:
    """`visit("/policies", viewport=...)` is a page that is drawn."""
    contexts = []

    def open_page(path: str = "", slow: bool = False, **options: Any) -> Page:
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        if slow:
            page.route_web_socket("**", SlowServer().route)
        page.set_default_timeout(PATIENCE)
        page.goto(world.url + path)
        page.wait_for_selector(".as-cells")
        return page

    yield open_page
    for context in contexts:
        context.close()


def test_live_figures_move_and_the_chart_stays(world: World, visit: OpenPage) -> None:
    """The same picture is updated in place: nothing is taken away and drawn anew."""
    page = visit()
    page.wait_for_selector(CHART, state="attached")
    page.evaluate("""() => {
        window.chart = document.querySelector("[data-testid='stVegaLiteChart'] svg.marks");
        window.drawn = window.chart.innerHTML; window.gone = 0;
        new MutationObserver(() => { if (!document.contains(window.chart)) window.gone += 1; })
            .observe(document.body, { childList: true, subtree: true }); }""")
    used = page.locator(".as-slice").first.inner_text()
    page.wait_for_function("window.chart.innerHTML !== window.drawn")
    page.wait_for_function(
        "(before) => document.querySelector('.as-slice').innerText !== before", arg=used)
    assert page.evaluate("window.gone") == 0
    assert page.locator(".as-cell", has_text="UEs").inner_text().split()[0] == "8"
    assert page.locator(CHART).count() > 20


def test_a_policy_is_added_and_removed(world: World, visit: OpenPage) -> None:
    page = visit("/policies")
    page.wait_for_selector(".as-policy:has-text('chat')")
    page.get_by_label("Id", exact=True).fill("from-the-browser")
    page.get_by_role("textbox", name="floors").fill('{"1": 500}')
    page.click("button:has-text('Put in force')")
    page.wait_for_selector('[role="alert"]:has-text("schema of airsplit-slice-policy")')
    assert page.get_by_role("textbox", name="floors").input_value() == '{"1": 500}'
    page.get_by_role("textbox", name="floors").fill('{"2-000007": 5}')
    page.click("button:has-text('Put in force')")
    page.wait_for_selector(".as-policy:has-text('from-the-browser'):has-text('in effect')")
    assert world.operations.a1.instance(SLICE_POLICY, "from-the-browser").body == {
        "floors": {"2-000007": 5}}
    card = page.locator(f".st-key-a1-{SLICE_POLICY}-from-the-browser")
    card.get_by_text("Remove", exact=True).click()
    page.click("button:has-text('Remove it') >> visible=true")
    page.wait_for_selector(".as-policy:has-text('from-the-browser')", state="detached")
    assert [one.name for one in world.operations.a1.instances(SLICE_POLICY)] == ["chat"]


def test_the_kill_switch_is_confirmed_pulled_and_released(world: World, visit: OpenPage) -> None:
    page = visit()
    page.click("button:has-text('Kill switch')")
    page.wait_for_selector("[role=dialog]:has-text('Pull the kill switch?')")
    page.keyboard.press("Escape")
    page.wait_for_selector("[role=dialog]", state="detached")
    assert not world.operations.modes.killed
    page.click("button:has-text('Kill switch')")
    page.get_by_label("Reason, for the audit log").fill("smoke")
    page.click("button:has-text('Pull it now')")
    page.wait_for_selector('[data-tone="bad"]:has-text("Kill switch pulled")')
    page.wait_for_selector(".as-note:has-text('nothing is steered')")
    assert world.operations.modes.killed
    page.click("button:has-text('Release')")
    page.click("button:has-text('Release it now')")
    page.wait_for_selector('.as-strip:has-text("Steering")')
    assert not world.operations.modes.killed


def test_the_dry_run_is_switched_on_and_off(world: World, visit: OpenPage) -> None:
    page = visit("/decisions")
    page.click("button:has-text('Dry run')")
    page.wait_for_selector('.as-strip:has-text("Dry run")')
    assert world.operations.modes.dry_run
    page.click("button:has-text('End dry run')")
    page.wait_for_selector('.as-strip:has-text("Steering")')


def test_the_xapp_goes_away_and_comes_back(world: World, visit: OpenPage) -> None:
    """However slow the console: what stands beside a live part keeps its place."""
    page = visit(slow=True)
    page.wait_for_selector(CHART, state="attached")
    world.stop_api()
    try:
        page.wait_for_selector('.as-strip:has-text("xApp away")')
        page.wait_for_selector('[role="alert"]:has-text("No xApp answers")')
        page.wait_for_selector("button:has-text('Kill switch'):disabled")
    finally:
        world.start_api()
    page.wait_for_selector('.as-strip:has-text("Steering")')
    page.wait_for_selector(CHART, state="attached")
    assert page.locator('[role="alert"]').count() == 0


@pytest.mark.parametrize("path", ["", "/traffic", "/decisions", "/events", "/policies"])
def test_a_narrow_screen_is_enough(visit: OpenPage, path: str) -> None:
    page = visit(path, viewport={"width": NARROW, "height": 844})
    page.wait_for_selector(".as-section")
    if not path:
        page.wait_for_selector(CHART, state="attached")
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW
    widest = page.evaluate("""() => Math.max(...[...document.querySelectorAll(
        '[data-testid="stMain"] *')].map((e) => e.getBoundingClientRect())
        .filter((box) => box.width && box.height).map((box) => box.right))""")
    assert widest <= NARROW


def test_pages_are_found_from_a_phone(visit: OpenPage) -> None:
    page = visit("", viewport={"width": NARROW, "height": 844})
    page.click('[data-testid="stExpandSidebarButton"]')
    page.click("a:has-text('Flows and UEs')")
    page.wait_for_selector(".as-flow:has-text('video')")


def test_dark_and_light_follow_the_system(visit: OpenPage) -> None:
    for scheme in ("light", "dark"):
        page = visit("", color_scheme=scheme)
        ground, text = page.evaluate(
            """() => [getComputedStyle(document.querySelector('.stApp')).backgroundColor,
                      getComputedStyle(document.querySelector('.as-strip')).color]""")
        assert (brightness(ground) > brightness(text)) == (scheme == "light")


def brightness(colour: str) -> int:
    return sum(int(part) for part in re.findall(r"\d+", colour)[:3])


def test_nothing_is_fetched_from_elsewhere(world: World, visit: OpenPage) -> None:
    page = visit()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    page.wait_for_selector(CHART, state="attached")
    assert asked
    assert [url for url in asked if not url.startswith((world.url, "data:", "blob:"))] == []
