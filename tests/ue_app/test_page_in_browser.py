"""The page as people meet it: a real Chromium, a real app, a real edge, each a process of its own.

The link between app and edge goes through a gate that holds back what the edge says until a test
lets it pass, token by token: so a test sees an answer in its middle without any clock.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from testbed.cli import BUNDLED_MODEL, EDGE_COMMAND

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    # A browser on a busy machine may not come to paint in a minute: once more, for that alone.
    pytest.mark.flaky(reruns=1, only_rerun=["TimeoutError"]),
    pytest.mark.skipif(
        CHROMIUM is None, reason="Chromium is missing: apt-get install chromium")]

PATIENCE = 60_000  # milliseconds until something that comes must have come; nothing waits it out
START_SECONDS = 60.0
QUESTION = "Tell me a story about a fox and a king."
NARROW = 390  # pixels


class Gate:
    """A TCP way to a port of this machine that can be held shut downwards."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._sockets = contextlib.ExitStack()  # closed at the end, by one thread
        self._listener = self._sockets.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._changed = threading.Condition()
        self._free = True
        self._allowed = 0
        self._delay = 0.0  # seconds that each message takes on its way down
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def hold(self) -> None:
        """From now on nothing comes down."""
        with self._changed:
            self._free, self._allowed = False, 0

    def let(self, count: int) -> None:
        """Let `count` more messages down: so many tokens, while an answer is written."""
        with self._changed:
            self._allowed += count
            self._changed.notify_all()

    def slow(self, seconds: float) -> None:
        """A long way: each message takes so long, until the gate is opened again."""
        self._delay = seconds

    def open(self) -> None:
        with self._changed:
            self._free, self._delay = True, 0.0
            self._changed.notify_all()

    def close(self) -> None:
        self.open()
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes `accept`
        self._thread.join(START_SECONDS)
        self._sockets.close()

    def _pass(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._free or self._allowed > 0)
            if not self._free:
                self._allowed -= 1
        time.sleep(self._delay)  # as a link does; nothing is waited for

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                phone = self._sockets.enter_context(self._listener.accept()[0])
                try:
                    edge = self._sockets.enter_context(
                        socket.create_connection(("127.0.0.1", self._target)))
                except OSError:
                    phone.close()  # nobody is there: the phone sees its connection end
                    continue
                for pair in ((phone, edge, False), (edge, phone, True)):
                    pair[0].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, down: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if down:
                    self._pass()
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@dataclass
class World:
    """The processes, and the gate between them."""

    app: str  # address of the page
    gate: Gate
    port: int  # of the edge
    data: Path
    edges: list[subprocess.Popen[str]] = field(default_factory=list)

    def start_edge(self) -> None:
        process, _ = started([*EDGE_COMMAND, "--port", str(self.port), "--threads", "1"])
        self.edges.append(process)

    def kill_edge(self) -> None:
        self.edges[-1].send_signal(signal.SIGKILL)
        self.edges[-1].wait(START_SECONDS)


def started(command: list[str]) -> tuple[subprocess.Popen[str], str]:
    """A program that has said where it listens, and what it said."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.search(r" on (http://\S+)", line)
    assert found, line
    return process, found.group(1)


def ended(process: subprocess.Popen[str]) -> int:
    process.terminate()
    status = process.wait(START_SECONDS)
    assert process.stdout is not None
    process.stdout.close()
    return status


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    edge, url = started([*EDGE_COMMAND, "--port", "0", "--threads", "1"])
    port = int(url.rsplit(":", 1)[1])
    gate = Gate(port)
    data = tmp_path_factory.mktemp("app")
    # An edge that starts again on a busy machine takes its time; the link must not give up before.
    (data / "settings.json").write_text('{"patience": 300}')
    app, address = started([
        sys.executable, "-m", "testbed.cli", "app", "--port", "0", "--edge", gate.url,
        "--model", str(BUNDLED_MODEL), "--data", str(data)])
    made = World(address, gate, port, data, [edge])
    yield made
    gate.open()
    assert ended(app) == 0
    for process in made.edges:
        ended(process)
    gate.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM)
        yield found
        found.close()


OpenPage = Callable[..., "Page"]


@pytest.fixture
def visit(world: World, browser: Browser) -> Iterator[OpenPage]:
    """`visit("/settings", viewport=...)` is a page that is drawn; the gate is open at first."""
    contexts = []
    world.gate.open()

    def open_page(path: str = "", **options: Any) -> Page:
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(world.app + path)
        page.wait_for_selector('[data-testid="stMain"] h1')
        if not path:
            page.wait_for_selector(".as-strip")
        return page

    yield open_page
    world.gate.open()
    for context in contexts:
        context.close()


def ask(page: Page, question: str = QUESTION) -> None:
    page.fill("textarea", question)
    page.keyboard.press("Enter")


def wait_for_the_end(page: Page) -> None:
    """Until the answer is whole and drawn: the growing one goes a moment after that."""
    page.wait_for_selector("button:has-text('Regenerate')")
    page.wait_for_selector(".as-growing", state="detached")


def answer(page: Page) -> str:
    """The answer on the page, without the cursor, and without marks of emphasis: while it grows,
    one stands there that has no end yet."""
    return re.sub("[*_`]", "", page.locator(".as-answer").last.inner_text()).strip()


def wait_for_text(page: Page, more_than: int) -> str:
    page.wait_for_function(
        """(least) => [...document.querySelectorAll('.as-answer')].at(-1)?.querySelector('p')
             && [...document.querySelectorAll('.as-answer')].at(-1).innerText
                .replace(/[*_`]/g, '').trim().length > least
        """, arg=more_than)
    return answer(page)


def begin(page: Page, world: World, tokens: int = 8) -> str:
    """Ask, and hold the link once some tokens are there; returns them."""
    page.wait_for_selector('[data-tone="good"]')
    world.gate.hold()
    ask(page)
    world.gate.let(tokens)
    return wait_for_text(page, 0)


def test_tokens_are_seen_to_arrive_and_the_answer_stays(world: World, visit: OpenPage) -> None:
    page = visit()
    first = begin(page, world)
    assert page.locator("textarea").is_disabled()
    world.gate.let(8)
    second = wait_for_text(page, len(first))
    assert second.startswith(first)
    world.gate.open()
    wait_for_the_end(page)
    final = answer(page)
    assert final.startswith(second)
    assert "tokens" in page.locator(".as-figures").last.inner_text()
    page.wait_for_selector(".as-plot u[style]", state="attached")
    up = page.locator(".as-cell", has_text="Up").inner_text()
    assert re.search(r"\d", up), up
    page.reload()
    wait_for_the_end(page)
    assert answer(page) == final
    assert page.locator(".as-question").inner_text().strip() == QUESTION


def test_stop_ends_the_answer_and_regenerate_gives_another(world: World, visit: OpenPage) -> None:
    page = visit()
    begun = begin(page, world)
    page.click("button:has-text('Stop') >> nth=-1")
    world.gate.open()
    wait_for_the_end(page)
    stopped = answer(page)
    assert stopped.startswith(begun)
    assert "stopped" in page.locator(".as-figures").last.inner_text()
    page.click("button:has-text('Regenerate')")
    page.wait_for_selector(".as-figures:not(:has-text('stopped'))")
    assert page.locator(".as-question").count() == 1
    assert page.locator(".as-figures").count() == 1


def test_an_answer_goes_on_while_the_browser_reloads(world: World, visit: OpenPage) -> None:
    page = visit()
    begun = begin(page, world)
    page.reload()
    assert wait_for_text(page, len(begun) - 1).startswith(begun)
    page.wait_for_selector("button:has-text('Stop') >> nth=-1")
    world.gate.let(8)
    wait_for_text(page, len(begun))
    world.gate.open()
    wait_for_the_end(page)
    assert answer(page).startswith(begun)


def test_the_edge_goes_away_and_comes_back(world: World, visit: OpenPage) -> None:
    page = visit()
    begun = begin(page, world)
    world.kill_edge()
    world.gate.open()
    page.wait_for_selector('[data-tone="wait"]:has-text("Reconnecting")')
    world.start_edge()
    page.wait_for_selector('[data-tone="good"]')
    wait_for_the_end(page)
    assert answer(page).startswith(begun)
    assert len(answer(page)) > len(begun)
    assert page.locator('[role="alert"]').count() == 0


# More than one token a round trip, while the way is long: over the open one guessing may end.
PAYS = "() => parseFloat(document.querySelectorAll('.as-guesses b')[1]?.innerText) > 1.0"


def test_guessing_and_the_encoding_are_switched_between_answers(
    world: World, visit: OpenPage
) -> None:
    """Over a slow link, where guesses pay; what they bring is seen while the answer is written."""
    page = visit()
    page.click(".st-key-link summary")
    choose(page, "Exit head", "guessing ahead")
    world.gate.slow(0.04)
    ask(page)
    page.wait_for_selector(".as-guesses b:has-text('%')")
    page.wait_for_function(PAYS)
    assert page.locator("textarea").is_disabled()  # it is being written
    world.gate.open()
    wait_for_the_end(page)
    trips, _, _ = page.locator(".as-guesses b").all_inner_texts()
    assert int(trips.replace(",", "")) > 0
    assert "guesses true" in page.locator(".as-figures").last.inner_text()
    page.click(".st-key-link-encoding .react-aria-ComboBox button")
    page.click("[role=option]:has-text('int8') >> nth=0")
    choose(page, "Off", "7 of 8 layers there")
    page.click("button:has-text('Regenerate')")
    page.wait_for_selector(".as-figures:not(:has-text('guesses true'))")
    page.wait_for_selector(".as-place:has-text('rows in int8')")
    assert page.locator(".as-guesses").count() == 0
    assert page.locator('[role="alert"]').count() == 0


def choose(page: Page, label: str, place: str) -> None:
    """In the side bar, until the strip knows."""
    page.click(f".st-key-link label:has-text('{label}')")
    page.wait_for_selector(f".as-place:has-text('{place}')")
    page.wait_for_function("""(label) => [...document.querySelectorAll('.st-key-link label')].find(
        (one) => one.innerText.includes(label))?.querySelector('input').checked""", arg=label)


def test_the_link_is_set_on_a_narrow_screen(world: World, visit: OpenPage) -> None:
    """Everything fits, and what is chosen there holds here."""
    page = visit("", viewport={"width": NARROW, "height": 844})
    page.click('[data-testid="stExpandSidebarButton"]')
    page.click(".st-key-link summary")
    page.click(".st-key-link label:has-text('Prompt lookup')")
    page.wait_for_selector(".as-guesses", state="attached")
    widest = page.evaluate("""() => Math.max(...[...document.querySelectorAll('.st-key-link *')]
        .map((e) => e.getBoundingClientRect()).filter((box) => box.width && box.height)
        .map((box) => box.right))""")
    assert widest <= NARROW
    page.click('[data-testid="stSidebarCollapseButton"] button')
    ask(page)
    wait_for_the_end(page)
    assert page.locator(".as-guesses").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW
    page.click('[data-testid="stExpandSidebarButton"]')
    page.click(".st-key-link label:has-text('Off')")
    page.wait_for_selector(".as-place:not(:has-text('guessing ahead'))", state="attached")


@pytest.mark.parametrize("path", ["", "/settings", "/recordings"])
def test_a_narrow_screen_is_enough(world: World, visit: OpenPage, path: str) -> None:
    page = visit(path, viewport={"width": NARROW, "height": 844})
    if not path:
        ask(page)
        wait_for_the_end(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW
    widest = page.evaluate("""() => Math.max(...[...document.querySelectorAll(
        '[data-testid="stMain"] *')].map((e) => e.getBoundingClientRect())
        .filter((box) => box.width && box.height).map((box) => box.right))""")
    assert widest <= NARROW


def test_conversations_on_a_phone_and_copying(visit: OpenPage) -> None:
    page = visit("", viewport={"width": NARROW, "height": 844},
                 permissions=["clipboard-read", "clipboard-write"])
    for question in ("The first question", "The second question"):
        ask(page, question)
        page.wait_for_selector(f".as-question:has-text('{question}')")
        wait_for_the_end(page)
        latest = page.locator(".as-question").last.bounding_box()
        assert latest is not None
        assert 0 < latest["y"] < 844  # the page went along
        assert page.locator(".as-question").count() == 1
        if question == "The first question":
            page.click('[data-testid="stExpandSidebarButton"]')
            page.click("a:has-text('New chat')")
            page.wait_for_selector(".as-hello")
            page.wait_for_selector('[data-testid="stSidebar"][data-collapsed="true"]',
                                   state="attached")
    page.click('[data-testid="stExpandSidebarButton"]')
    page.click("a:has-text('The first question') >> nth=0")
    page.wait_for_selector(".as-question:has-text('The first question')")
    page.wait_for_selector('[data-testid="stSidebar"][data-collapsed="true"]', state="attached")
    page.wait_for_url("**/?chat=*")
    page.reload()
    page.wait_for_selector(".as-question:has-text('The first question')")
    page.click("button:has-text('Copy')")
    page.wait_for_selector("button:has-text('Copied')")
    copied = page.evaluate("navigator.clipboard.readText()")
    # What is copied is what the model wrote; the page shows a _word_ of it as emphasis.
    assert shown_words(copied) == shown_words(answer(page))


def shown_words(text: str) -> list[str]:
    """The words without the marks that a page renders."""
    return re.sub(r"^\d+[.)] |[_*`#>~-]", " ", text, flags=re.MULTILINE).split()


def test_dark_and_light_follow_the_system(visit: OpenPage) -> None:
    grounds = {}
    for scheme in ("light", "dark"):
        page = visit("", color_scheme=scheme)
        grounds[scheme], text = page.evaluate(
            """() => [getComputedStyle(document.querySelector('.stApp')).backgroundColor,
                      getComputedStyle(document.querySelector('.as-strip')).color]""")
        assert grounds[scheme] != text
        assert brightness(grounds[scheme]) > brightness(text) if scheme == "light" else (
            brightness(grounds[scheme]) < brightness(text))


def brightness(colour: str) -> int:
    return sum(int(part) for part in re.findall(r"\d+", colour)[:3])


def test_nothing_is_fetched_from_elsewhere(world: World, visit: OpenPage) -> None:
    page = visit()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    page.wait_for_selector(".as-strip")
    assert asked
    assert [url for url in asked if not url.startswith((world.app, "data:", "blob:"))] == []


@pytest.mark.skipif(os.geteuid() != 0, reason="capturing packets needs the right to")
def test_a_recording_is_made_opened_and_downloaded(world: World, visit: OpenPage) -> None:
    page = visit()
    page.wait_for_selector('[data-tone="good"]')
    page.click(".st-key-record button >> visible=true")
    page.wait_for_selector(".st-key-record-on")
    ask(page)
    wait_for_the_end(page)
    page.click(".st-key-record button >> visible=true")
    page.click("a:has-text('Open the recording')")
    page.wait_for_selector("canvas, [data-testid='stVegaLiteChart'] svg")
    with page.expect_download() as download:
        page.click("button:has-text('Download all')")
    assert download.value.suggested_filename.endswith(".zip")
