"""What the console's pages share: the xApp is asked once, and anew after a change."""

from __future__ import annotations

import threading

import pytest

from xapp import console_state
from xapp.console_client import Client
from xapp.console_state import MAX_KEPT, Console, ConsoleConfig, current, install
from xapp.errors import ApiAway, ConfigurationError

WAIT = 30.0


class Counting:
    """Something to ask."""

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []
        self.broken = False

    def ask(self, *arguments: object) -> int:
        self.asked.append(arguments)
        if self.broken:
            raise ApiAway("Away.", "Wait.")
        return len(self.asked)


@pytest.fixture
def source() -> Counting:
    return Counting()


def make(now: list[float], **options: object) -> Console:
    client = Client("http://127.0.0.1:1", "a-token-for-the-tests")
    client.close()
    return Console(client, ConsoleConfig(**options), lambda: now[0])  # type: ignore[arg-type]  # named


def test_the_same_question_is_asked_once_a_refresh(source: Counting) -> None:
    now = [0.0]
    console = make(now, refresh=2.0)
    assert [console.read(source.ask, 1) for _ in range(3)] == [1, 1, 1]
    assert console.read(source.ask, 2) == 2
    now[0] = 1.01
    assert console.read(source.ask, 1) == 3
    console.changed()
    assert console.read(source.ask, 1) == 4


def test_an_error_is_kept_as_long(source: Counting) -> None:
    now = [0.0]
    console = make(now)
    source.broken = True
    for _ in range(3):
        with pytest.raises(ApiAway, match=r"Away\. Wait\."):
            console.read(source.ask)
    assert len(source.asked) == 1
    source.broken, now[0] = False, 10.0
    assert console.read(source.ask) == 2


def test_those_who_come_at_once_wait_for_one_answer(source: Counting) -> None:
    """Also where it takes long, and whoever waited comes to look at it only later."""
    now, begun, release = [0.0], threading.Event(), threading.Event()
    console = make(now)

    def slow() -> int:
        begun.set()
        assert release.wait(WAIT)
        now[0] += 5.0
        return source.ask()

    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(console.read(slow)))
               for _ in range(5)]
    for thread in threads:
        thread.start()
    assert begun.wait(WAIT)
    release.set()
    for thread in threads:
        thread.join(WAIT)
    assert found == [1] * 5
    now[0] += 5.0
    assert console.read(slow) == 1
    now[0] += 0.1
    assert console.read(slow) == 2


def test_what_is_kept_is_bounded(source: Counting) -> None:
    console = make([0.0])
    for number in range(3 * MAX_KEPT):
        console.read(source.ask, number)
    assert len(console._kept) <= MAX_KEPT


def test_read_only_changes_nothing_although_there_is_a_token() -> None:
    assert make([0.0]).may_change
    assert not make([0.0], read_only=True).may_change


def test_the_pages_find_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console_state, "_installed", None)
    with pytest.raises(ConfigurationError, match="xapp-console"):
        current()
    console = make([0.0])
    install(console)
    assert current() is console
    monkeypatch.setattr(console_state, "_installed", None)
