"""How long a link tries again: faults, pauses, what no attempt can help, and how it is stopped."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from websockets.sync.server import ServerConnection

from edge_server.errors import FrameError, SessionError
from edge_server.frame import Flags, Frame, FrameType
from edge_server.messages import ErrorCode, Sampling
from tests.ue_app.client_scene import (
    CHOICE,
    HELLO,
    LONG,
    ROW,
    ROWS,
    answering,
    first_token,
    places,
    token,
)
from tests.ue_app.scripted import Behave, EdgeThat, Turns, get, refuse, wait_for_the_end, welcome
from ue_app.client import MAX_FAULTS, EdgeLink
from ue_app.encoding import RowEncoder
from ue_app.errors import Interrupted, LinkLost
from ue_app.link import LinkState

FINAL = [ErrorCode.UNAUTHORISED, ErrorCode.WRONG_MODEL, ErrorCode.TOO_LONG,
         ErrorCode.UNUSABLE_ROWS, ErrorCode.WRONG_PROTOCOL]


@pytest.mark.parametrize("code", FINAL)
def test_what_another_attempt_cannot_help(code: ErrorCode, edge_that: EdgeThat) -> None:
    """However patient one is: it is said at once, in the middle of an answer or coming back."""
    def refuses_rows(wire: ServerConnection) -> None:
        first_token(wire)
        refuse(wire, code)

    def refuses_hello(wire: ServerConnection) -> None:
        get(wire)
        refuse(wire, code)

    for behaves in ((refuses_rows,), (first_token, refuses_hello)):
        turns = Turns(*behaves)
        link = EdgeLink(replace(edge_that(turns), patience=LONG), HELLO)
        answering(link)
        with pytest.raises(SessionError) as got:
            link.receive()
        assert got.value.code == code
        assert turns.calls == len(behaves)
        link.close()


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0  # seconds

    def __call__(self) -> float:
        return self.now


def test_patience_ends(edge_that: EdgeThat) -> None:
    """The clock passes ten seconds with every attempt; three of them are allowed."""
    clock = Clock()

    def hang_up(wire: ServerConnection) -> None:
        get(wire)
        clock.now += 10.0

    turns = Turns(first_token, hang_up)
    config = replace(edge_that(turns), patience=25.0, connect_timeout=LONG, answer_timeout=LONG,
                     dead_after=LONG)
    link = EdgeLink(config, HELLO, clock)
    answering(link)
    with pytest.raises(LinkLost):
        link.receive()
    assert turns.calls == 1 + 3
    assert link.status.state is LinkState.CLOSED
    link.close()


@pytest.mark.parametrize("code", [ErrorCode.BAD_FRAME, ErrorCode.BAD_POSITION,
                                  ErrorCode.INTERNAL, None])
def test_faults_do_not_come_for_ever(code: ErrorCode | None, edge_that: EdgeThat) -> None:
    """However patient one is: an edge that says it each time would say it again."""
    def always(wire: ServerConnection) -> None:
        welcome(wire, epoch=1)
        get(wire)
        if code is None:
            wire.send(b"garbage")
        else:
            refuse(wire, code)
        wait_for_the_end(wire)

    turns = Turns(always)
    link = EdgeLink(replace(edge_that(turns), patience=LONG), HELLO)
    link.start(CHOICE, 0, 3)
    with pytest.raises(FrameError if code is None else SessionError):
        ask_for_ever(link)
    assert turns.calls == 1 + MAX_FAULTS
    link.close()


def ask_for_ever(link: EdgeLink) -> None:
    link.send(0, ROWS, Flags.RESULT_WANTED)
    while True:
        link.receive()


@pytest.mark.parametrize("code", [ErrorCode.BAD_FRAME, ErrorCode.TOO_LARGE])
@pytest.mark.parametrize(("encoding", "drafts", "said"), [
    ("raw", (5, 6), "does not take guesses: No. Switch guessing off"),
    ("int8", (), "does not take rows in int8: No. Send rows as they are"),
    ("raw", (), "^No. Do.$")])
def test_what_an_edge_does_not_take_is_named(
    encoding: str, drafts: tuple[int, ...], said: str, code: ErrorCode, edge_that: EdgeThat
) -> None:
    """An edge of another make or version: the one way out is to leave it."""
    def behave(wire: ServerConnection) -> None:
        welcome(wire)
        while get(wire).type is not FrameType.ROWS:
            pass
        refuse(wire, code)
        wait_for_the_end(wire)

    link = EdgeLink(edge_that(behave), HELLO, encoder=RowEncoder(encoding))
    link.start(Sampling(), 0, 1)
    with pytest.raises(SessionError, match=said) as caught:
        exchange(link, drafts)
    assert caught.value.code == code
    link.close()


def exchange(link: EdgeLink, drafts: tuple[int, ...]) -> None:
    link.send(0, ROWS[: 1 + len(drafts)], Flags.RESULT_WANTED, drafts)
    link.receive()


def test_a_result_makes_up_for_faults(edge_that: EdgeThat) -> None:
    faults = 2 * MAX_FAULTS

    def now_and_then(wire: ServerConnection) -> None:
        welcome(wire, session=turns.calls)
        while get(wire).flags is not Flags.RESULT_WANTED:
            pass
        position = 2 + turns.calls
        wire.send(token(position, turns.calls, epoch=1, session=turns.calls))
        get(wire)
        if turns.calls <= faults:
            refuse(wire, ErrorCode.INTERNAL)
        wait_for_the_end(wire)

    turns = Turns(now_and_then)
    link = EdgeLink(replace(edge_that(turns), patience=LONG), HELLO)
    link.start(CHOICE, 0, 3)
    link.send(0, ROWS, Flags.RESULT_WANTED)
    tokens = [link.receive()]
    for position in range(3, 3 + faults):
        link.send(position, ROW, Flags.RESULT_WANTED)
        tokens.append(link.receive())
    assert tokens == list(range(1, faults + 2))
    assert link.status.rebuilt == faults
    link.close()


class Waits(threading.Event):
    """Notes how long it was waited for, and does not wait."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds.append(timeout)
        return self.is_set()


def test_rows_that_came_too_fast_are_sent_again_after_a_pause(edge_that: EdgeThat) -> None:
    """On the same connection, from where the edge stopped taking them."""
    seen: list[Frame] = []

    def behave(wire: ServerConnection) -> None:
        first_token(wire)
        refuse(wire, ErrorCode.TOO_FAST, retry_after=1500, position=1)
        seen.extend(get(wire) for _ in range(3))
        wire.send(token(4, 6, epoch=2))
        wait_for_the_end(wire)

    turns = Turns(behave)
    link = EdgeLink(replace(edge_that(turns), patience=LONG), HELLO)
    waits = link.interrupted = Waits()
    assert (answering(link), link.receive()) == (5, 6)
    assert waits.seconds == [1.5]
    assert places(seen) == [(FrameType.START, 2, 1, 0, Flags.NONE),
                            (FrameType.ROWS, 2, 1, 2, Flags.NONE),
                            (FrameType.ROWS, 2, 3, 1, Flags.RESULT_WANTED)]
    assert (turns.calls, link.status.resumed, link.status.rebuilt) == (1, 0, 0)
    assert link.status.state is LinkState.CONNECTED
    link.close()


def test_pauses_grow_and_the_only_edge_is_given_the_time_it_asks_for(edge_that: EdgeThat) -> None:
    calls: list[Behave] = [first_token]
    for retry_after in (0, 0, 0, 30_000):
        def full(wire: ServerConnection, retry_after: int = retry_after) -> None:
            get(wire)
            refuse(wire, ErrorCode.TOO_MANY_SESSIONS, retry_after)

        calls.append(full)

    def again(wire: ServerConnection) -> None:
        welcome(wire, epoch=2, length=4, seen=1)
        wire.send(token(4, 6, epoch=3))
        wait_for_the_end(wire)

    link = EdgeLink(replace(edge_that(Turns(*calls, again)), patience=LONG), HELLO)
    waits = link.interrupted = Waits()
    assert (answering(link), link.receive()) == (5, 6)
    assert len(waits.seconds) == 4  # none before the first attempt: a link that broke is back soon
    for taken, asked in zip(waits.seconds, (0.1, 0.2, 0.4, 30.0), strict=True):
        assert taken is not None
        assert asked / 2 <= taken <= asked
    link.close()


@pytest.mark.parametrize("where", ["silent", "reconnecting"])
def test_who_waits_is_told_to_stop(where: str, edge_that: EdgeThat) -> None:
    """From another thread; the link then goes on with the next answer."""
    reached = threading.Event()

    def silent(wire: ServerConnection) -> None:
        first_token(wire)
        reached.set()
        if where == "silent":
            wait_for_the_end(wire)

    def full(wire: ServerConnection) -> None:
        get(wire)
        refuse(wire, ErrorCode.TOO_MANY_SESSIONS, retry_after=600_000)

    link = EdgeLink(replace(edge_that(Turns(silent, full)), patience=LONG, answer_timeout=LONG,
                            dead_after=LONG), HELLO)
    answering(link)
    failures: list[BaseException] = []

    def wait() -> None:
        try:
            link.receive()
        except BaseException as failure:
            failures.append(failure)

    thread = threading.Thread(target=wait)
    thread.start()
    assert reached.wait(60)
    link.interrupted.set()
    thread.join(60)
    assert not thread.is_alive()
    assert [type(failure) for failure in failures] == [Interrupted]
    link.close()
