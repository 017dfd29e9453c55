"""Links that come back: to the same session, to another one, and to another edge."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from websockets.sync.server import ServerConnection

from edge_server.errors import SessionError
from edge_server.frame import Flags, Frame, FrameType, encode
from edge_server.messages import ErrorCode, Hello, Start
from tests.ue_app.client_scene import (
    CHOICE,
    HELLO,
    LONG,
    ROWS,
    answering,
    first_token,
    places,
    token,
)
from tests.ue_app.scripted import (
    SECRET,
    SESSION,
    EdgeThat,
    Turns,
    get,
    refuse,
    wait_for_the_end,
    welcome,
)
from ue_app.client import EdgeLink


@pytest.mark.parametrize("held", [3, 4])
def test_the_same_session_goes_on(held: int, edge_that: EdgeThat) -> None:
    """Whether or not the row that was under way arrived: its result is asked for again."""
    hellos: list[Hello] = []
    seen: list[Frame] = []

    def again(wire: ServerConnection) -> None:
        hellos.append(welcome(wire, epoch=2, length=held, seen=1))
        seen.extend(get(wire) for _ in range(2))
        wire.send(token(4, 6, epoch=3))
        wait_for_the_end(wire)

    link = EdgeLink(replace(edge_that(Turns(first_token, again)), patience=LONG), HELLO)
    assert (answering(link), link.receive()) == (5, 6)
    link.close()
    assert hellos == [replace(HELLO, session=SESSION, secret=SECRET)]
    assert places(seen) == [(FrameType.START, 3, held, 0, Flags.NONE),
                            (FrameType.ROWS, 3, 3, 1, Flags.RESULT_WANTED)]
    assert Start.unpack(seen[0].payload) == Start(CHOICE, 3, (5,))
    assert (link.status.resumed, link.status.rebuilt) == (1, 0)


def test_another_session_is_sent_everything(edge_that: EdgeThat) -> None:
    seen: list[Frame] = []

    def again(wire: ServerConnection) -> None:
        welcome(wire, session=7)
        seen.extend(get(wire) for _ in range(3))
        wire.send(token(4, 9, epoch=1))  # of the session that is gone
        wire.send(token(4, 6, epoch=1, session=7))
        wait_for_the_end(wire)

    link = EdgeLink(replace(edge_that(Turns(first_token, again)), patience=LONG), HELLO)
    assert (answering(link), link.receive()) == (5, 6)
    link.close()
    assert places(seen) == [(FrameType.START, 1, 0, 0, Flags.NONE),
                            (FrameType.ROWS, 1, 0, 3, Flags.NONE),
                            (FrameType.ROWS, 1, 3, 1, Flags.RESULT_WANTED)]
    assert {frame.session for frame in seen} == {7}
    assert bytes(seen[1].payload) == ROWS.numpy().tobytes()
    assert (link.status.resumed, link.status.rebuilt) == (0, 1)


def test_rows_that_an_unseen_start_made_void_are_not_trusted(edge_that: EdgeThat) -> None:
    """The edge holds four rows of the first answer; of the second, which kept two, it knows
    nothing."""
    seen: list[Frame] = []

    def again(wire: ServerConnection) -> None:
        welcome(wire, epoch=2, length=4, seen=1)
        seen.extend(get(wire) for _ in range(2))
        wire.send(token(5, 6, epoch=seen[0].epoch))
        wait_for_the_end(wire)

    lost = threading.Event()

    def first(wire: ServerConnection) -> None:
        first_token(wire)
        wire.send(token(4, 6, epoch=1))
        lost.wait(20.0)

    link = EdgeLink(replace(edge_that(Turns(first, again)), patience=LONG), HELLO)
    assert (answering(link), link.receive()) == (5, 6)
    link.start(CHOICE, 2, 5)
    lost.set()
    link.send(2, ROWS, Flags.RESULT_WANTED)
    assert link.receive() == 6
    link.close()
    assert places(seen) in (
        [(FrameType.START, 3, 2, 0, Flags.NONE), (FrameType.ROWS, 3, 2, 2, Flags.NONE)],
        [(FrameType.START, 3, 2, 0, Flags.NONE), (FrameType.ROWS, 3, 2, 3, Flags.RESULT_WANTED)])


def test_missing_rows_are_sent_again(edge_that: EdgeThat) -> None:
    seen: list[Frame] = []

    def behave(wire: ServerConnection) -> None:
        first_token(wire)
        wire.send(encode(Frame(FrameType.RESEND, SESSION, 1, 1)))
        seen.extend(get(wire) for _ in range(3))
        wire.send(token(4, 6, epoch=2))
        wait_for_the_end(wire)

    link = EdgeLink(edge_that(behave), HELLO)
    assert (answering(link), link.receive()) == (5, 6)
    link.close()
    assert places(seen) == [(FrameType.START, 2, 1, 0, Flags.NONE),
                            (FrameType.ROWS, 2, 1, 2, Flags.NONE),
                            (FrameType.ROWS, 2, 3, 1, Flags.RESULT_WANTED)]
    assert Start.unpack(seen[0].payload).chosen == (5,)
    assert (link.status.resumed, link.status.rebuilt) == (0, 0)


def test_tokens_that_come_twice_or_from_elsewhere(edge_that: EdgeThat) -> None:
    def behave(wire: ServerConnection) -> None:
        first_token(wire)
        for frame in (token(3, 5, epoch=1), token(4, 9, epoch=0), token(4, 9, epoch=2),
                      token(4, 9, epoch=1, session=7), token(5, 9, epoch=1)):
            wire.send(frame)
        wire.send(token(4, 6, epoch=1))
        wait_for_the_end(wire)

    link = EdgeLink(edge_that(behave), HELLO)
    assert (answering(link), link.receive()) == (5, 6)
    link.close()


@pytest.mark.parametrize("code", [ErrorCode.MOVED, ErrorCode.TOO_MANY_SESSIONS,
                                  ErrorCode.OUT_OF_MEMORY, ErrorCode.UNAUTHORISED])
def test_another_edge_steps_in(code: ErrorCode, edge_that: EdgeThat) -> None:
    def leaves(wire: ServerConnection) -> None:
        first_token(wire)
        refuse(wire, code, retry_after=600_000)  # that is for those who have nowhere to go

    def steps_in(wire: ServerConnection) -> None:
        welcome(wire, session=7)
        assert [get(wire).position for _ in range(3)] == [0, 0, 3]
        wire.send(token(4, 6, epoch=1, session=7))
        wait_for_the_end(wire)

    config = replace(edge_that(leaves, steps_in), patience=LONG)
    link = EdgeLink(config, HELLO)
    assert link.status.edge == config.urls[0]
    assert (answering(link), link.receive()) == (5, 6)
    assert link.status.edge == config.urls[1]
    assert link.status.rebuilt == 1
    link.close()


def test_the_first_edge_that_takes_us(edge_that: EdgeThat) -> None:
    def full(wire: ServerConnection) -> None:
        get(wire)
        refuse(wire, ErrorCode.TOO_MANY_SESSIONS)

    def takes_us(wire: ServerConnection) -> None:
        welcome(wire)
        wait_for_the_end(wire)

    config = edge_that(full, takes_us)
    link = EdgeLink(config, HELLO)
    assert link.status.edge == config.urls[1]
    link.close()
    with pytest.raises(SessionError) as got:
        EdgeLink(replace(config, others=("http://127.0.0.1:1",)), HELLO)
    assert got.value.code == ErrorCode.TOO_MANY_SESSIONS  # why the first did not


def test_an_edge_with_less_room_does_not_step_in(edge_that: EdgeThat) -> None:
    def small(wire: ServerConnection) -> None:
        welcome(wire, session=7, capacity=3)
        wait_for_the_end(wire)

    link = EdgeLink(replace(edge_that(first_token, small), patience=LONG), HELLO)
    answering(link)
    link._turn = 1  # its turn comes when the first breaks
    with pytest.raises(SessionError, match=r"4 tokens.*keeps 3") as got:
        link.receive()
    assert got.value.code == ErrorCode.TOO_LONG
    link.close()


def test_a_cancel_that_finds_nobody(edge_that: EdgeThat) -> None:
    """Whatever was asked is given up; the next answer takes the session up again."""
    seen: list[Frame] = []

    def again(wire: ServerConnection) -> None:
        welcome(wire, epoch=2, length=4, seen=1)
        seen.extend(get(wire) for _ in range(2))
        wire.send(token(5, 8, epoch=3))
        wait_for_the_end(wire)

    link = EdgeLink(replace(edge_that(Turns(first_token, again)), patience=LONG), HELLO)
    answering(link)
    assert link.cancel(3) == 3
    link.start(CHOICE, 2, 5)
    link.send(2, ROWS, Flags.RESULT_WANTED)
    assert link.receive() == 8
    link.close()
    assert seen[0].position == 2
    assert Start.unpack(seen[0].payload) == Start(CHOICE, 5)
    assert (seen[1].position, seen[1].rows) == (2, 3)
    assert link.status.resumed == 1


def test_an_edge_that_said_goodbye_between_two_answers(edge_that: EdgeThat) -> None:
    said = threading.Event()

    def idle(wire: ServerConnection) -> None:
        welcome(wire)
        refuse(wire, ErrorCode.IDLE)
        wire.close()
        said.set()

    def again(wire: ServerConnection) -> None:
        welcome(wire, session=7)
        assert [get(wire).type for _ in range(2)] == [FrameType.START, FrameType.ROWS]
        wire.send(token(3, 5, epoch=1, session=7))
        wait_for_the_end(wire)

    link = EdgeLink(replace(edge_that(Turns(idle, again)), patience=LONG), HELLO)
    assert said.wait(60)
    link.start(CHOICE, 0, 3)
    link.send(0, ROWS, Flags.RESULT_WANTED)
    assert link.receive() == 5
    assert link.status.rebuilt == 1
    link.close()
