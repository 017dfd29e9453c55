"""The link to an edge: against edges that misbehave, break off and come back, and a real one."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from websockets.sync.server import ServerConnection

from edge_server.errors import FrameError, SessionError
from edge_server.frame import Dtype, Flags, Frame, FrameType, drafts_of, encode, token_frame
from edge_server.messages import ErrorCode, ErrorNotice, Hello, Mode, Sampling, Start, Welcome
from edge_server.split import LayerRange
from tests.conftest import MakeCheckpoint, MakeRelay, RunEdge, RunningEdge
from tests.models import LAYERS
from tests.ue_app.scripted import (
    SECRET,
    SESSION,
    SOON,
    Behave,
    EdgeThat,
    Turns,
    get,
    refuse,
    scripted_edges,
    wait_for_the_end,
    welcome,
)
from ue_app.client import MAX_FAULTS, EdgeLink
from ue_app.encoding import RowEncoder
from ue_app.errors import Interrupted, LinkLost, LinkTimeout, PhoneError
from ue_app.link import LinkState
from ue_app.wire import LinkConfig

HIDDEN = 64
HELLO = Hello("0a" * 32, LayerRange(1, LAYERS), Dtype.F32, Mode.TOKENS)
PRIVATE = Hello("0a" * 32, LayerRange(1, 3), Dtype.F32, Mode.PRIVATE)
ROWS = torch.linspace(-1, 1, 3 * HIDDEN).view(3, HIDDEN)


@pytest.fixture
def edge_that() -> Iterator[EdgeThat]:
    with scripted_edges() as start:
        yield start


def test_the_handshake(edge_that: EdgeThat) -> None:
    hellos: list[Hello] = []
    seen: list[Frame] = []
    done = threading.Event()

    def behave(wire: ServerConnection) -> None:
        hellos.append(welcome(wire))
        seen.append(get(wire))
        done.set()

    config = replace(edge_that(behave), token="sesame")
    link = EdgeLink(config, HELLO)
    assert link.welcome == Welcome(SESSION, 64, 16, SECRET)
    assert (link.status.state, link.status.edge) == (LinkState.CONNECTED, config.url)
    assert link.status.round_trip is not None
    link.close()
    assert done.wait(20.0)
    assert hellos == [replace(HELLO, token="sesame")]
    assert (seen[0].type, seen[0].session) == (FrameType.GOODBYE, SESSION)
    assert link.status.state is LinkState.CLOSED


@pytest.mark.parametrize("answer", [
    b"garbage", "text", encode(Frame(FrameType.GOODBYE)), encode(token_frame(1, 0, 0, 5)),
    encode(Frame(FrameType.WELCOME, payload=b"short")),
    encode(Frame(FrameType.WELCOME, payload=Welcome(1, 0, 0).pack()))], ids=range(6))
def test_an_answer_to_hello_that_is_none(answer: bytes | str, edge_that: EdgeThat) -> None:
    def behave(wire: ServerConnection) -> None:
        get(wire)
        wire.send(answer)
        wait_for_the_end(wire)

    with pytest.raises(FrameError):
        EdgeLink(edge_that(behave), HELLO)


def test_a_refusal_arrives_in_the_edges_words(edge_that: EdgeThat) -> None:
    def behave(wire: ServerConnection) -> None:
        get(wire)
        wire.send(encode(Frame(FrameType.ERROR, payload=ErrorNotice(
            ErrorCode.TOO_MANY_SESSIONS, "Full up.", "Come back later.").pack())))

    with pytest.raises(SessionError, match=r"Full up\. Come back later\.") as got:
        EdgeLink(edge_that(behave), HELLO)
    assert got.value.code == ErrorCode.TOO_MANY_SESSIONS


def opened(edge_that: EdgeThat, behave: Behave, hello: Hello = HELLO, **limits: Any) -> EdgeLink:
    """A link whose edge shakes hands, then behaves so."""
    def after_welcome(wire: ServerConnection) -> None:
        welcome(wire)
        behave(wire)

    return EdgeLink(replace(edge_that(after_welcome), **limits), hello)


def token(position: int, value: int, epoch: int = 0, session: int = SESSION) -> bytes:
    return encode(token_frame(session, epoch, position, value))


def test_what_is_sent(edge_that: EdgeThat) -> None:
    seen: list[Frame] = []

    def behave(wire: ServerConnection) -> None:
        seen.extend(get(wire) for _ in range(2))
        wire.send(token(3, 77, epoch=1))
        wait_for_the_end(wire)

    link = opened(edge_that, behave)
    choice = Sampling(0.5, 3, seed=8)
    link.start(choice, 0, 3)
    link.send(0, ROWS, Flags.RESULT_WANTED)
    assert link.receive() == 77
    link.close()
    assert (seen[0].epoch, seen[0].position) == (1, 0)
    assert Start.unpack(seen[0].payload) == Start(choice, 3)
    rows = seen[1]
    assert (rows.type, rows.session, rows.epoch, rows.position, rows.rows, rows.columns,
            rows.flags) == (FrameType.ROWS, SESSION, 1, 0, 3, HIDDEN, Flags.RESULT_WANTED)
    assert bytes(rows.payload) == ROWS.numpy().tobytes()


@pytest.mark.parametrize("came", [(7,), (5, 8), (5, 6, 9)])
def test_drafts_and_what_stands_of_them(came: tuple[int, ...], edge_that: EdgeThat) -> None:
    seen: list[Frame] = []

    def behave(wire: ServerConnection) -> None:
        seen.append(get(wire))
        wire.send(encode(token_frame(SESSION, 0, 1, *came)))
        seen.append(get(wire))
        wire.send(token(1 + len(came), 4))
        wait_for_the_end(wire)

    link = opened(edge_that, behave)
    link.send(0, ROWS, Flags.RESULT_WANTED, [5, 6])
    assert link.receive() == came
    link.send(len(came), ROWS[:1], Flags.RESULT_WANTED)
    assert link.receive() == 4
    link.close()
    assert seen[0].flags == Flags.RESULT_WANTED | Flags.DRAFTED
    guesses, rows = drafts_of(seen[0])
    assert (guesses, bytes(rows)) == ((5, 6), ROWS.numpy().tobytes())
    assert (seen[1].position, seen[1].flags) == (len(came), Flags.RESULT_WANTED)


@pytest.mark.parametrize("came", [(6, 7), (5, 7, 8), (5, 6, 7, 8)])
def test_tokens_that_do_not_follow_from_the_drafts(
    came: tuple[int, ...], edge_that: EdgeThat
) -> None:
    def behave(wire: ServerConnection) -> None:
        get(wire)
        wire.send(encode(token_frame(SESSION, 0, 1, *came)))
        wait_for_the_end(wire)

    link = opened(edge_that, behave)
    link.send(0, ROWS, Flags.RESULT_WANTED, [5, 6])
    with pytest.raises(FrameError, match="do not follow from them"):
        link.receive()
    link.close()


def test_more_tokens_than_were_asked_for(edge_that: EdgeThat) -> None:
    def behave(wire: ServerConnection) -> None:
        get(wire)
        wire.send(encode(token_frame(SESSION, 0, 3, 5, 6)))
        wait_for_the_end(wire)

    link = opened(edge_that, behave)
    link.send(0, ROWS, Flags.RESULT_WANTED)
    with pytest.raises(FrameError, match="do not follow from them"):
        link.receive()
    link.close()


def test_hidden_rows_come_back(edge_that: EdgeThat) -> None:
    def behave(wire: ServerConnection) -> None:
        rows = get(wire)
        wire.send(encode(Frame(FrameType.HIDDEN, SESSION, 0, 0, Dtype.F32, 3, HIDDEN,
                               payload=rows.payload)))
        wait_for_the_end(wire)

    link = opened(edge_that, behave, PRIVATE)
    link.send(0, ROWS, Flags.ALL_ROWS)
    back = link.receive()
    link.close()
    assert isinstance(back, torch.Tensor)
    assert torch.equal(back, ROWS)


HIDDEN_FRAME = encode(Frame(FrameType.HIDDEN, SESSION, 0, 3, Dtype.F32, 1, 1, payload=b"1234"))
TOKEN_FRAME = token(3, 5)


@pytest.mark.parametrize(("hello", "answer"), [
    (HELLO, HIDDEN_FRAME), (PRIVATE, TOKEN_FRAME), (HELLO, b"garbage"), (HELLO, "text"),
    (HELLO, encode(Frame(FrameType.GOODBYE, SESSION, 0, 3))), (PRIVATE, encode(Frame(
        FrameType.CANCEL, SESSION))), (HELLO, TOKEN_FRAME[:-1] + b"?"), (HELLO, b"")],
    ids=range(8))
def test_a_result_that_is_none(hello: Hello, answer: bytes | str, edge_that: EdgeThat) -> None:
    """In private mode above all: no token is taken that the phone did not choose."""
    def behave(wire: ServerConnection) -> None:
        get(wire)
        wire.send(answer)
        wait_for_the_end(wire)

    link = opened(edge_that, behave, hello)
    link.send(0, ROWS, Flags.RESULT_WANTED)
    with pytest.raises(FrameError):
        link.receive()
    link.close()


def test_the_edge_hangs_up(edge_that: EdgeThat) -> None:
    def behave(wire: ServerConnection) -> None:
        get(wire)

    link = opened(edge_that, behave)
    link.send(0, ROWS, Flags.RESULT_WANTED)
    with pytest.raises(LinkLost, match=r"ended.*Ask again"):
        link.receive()
    with pytest.raises(LinkLost):
        link.send(3, ROWS, Flags.RESULT_WANTED)
    link.close()


def test_the_edge_is_torn_away(edge_that: EdgeThat) -> None:
    def behave(wire: ServerConnection) -> None:
        get(wire)
        wire.socket.shutdown(socket.SHUT_RDWR)

    link = opened(edge_that, behave)
    link.send(0, ROWS, Flags.RESULT_WANTED)
    with pytest.raises(LinkLost):
        link.receive()
    link.close()


REFUSAL = encode(Frame(FrameType.ERROR, payload=ErrorNotice(
    ErrorCode.BAD_POSITION, "A gap.", "Fill it.").pack()))


def send_much(link: EdgeLink) -> None:
    """More than sockets hold, always the same rows."""
    rows = torch.zeros(4000, HIDDEN)
    for _ in range(200):
        link.send(0, rows, Flags.NONE)


def test_a_refusal_while_a_result_is_due(edge_that: EdgeThat) -> None:
    def behave(wire: ServerConnection) -> None:
        get(wire)
        wire.send(REFUSAL)

    link = opened(edge_that, behave)
    link.send(0, ROWS, Flags.RESULT_WANTED)
    with pytest.raises(SessionError, match="A gap") as got:
        link.receive()
    assert got.value.code == ErrorCode.BAD_POSITION
    link.close()


def test_a_refusal_while_sending_and_then_a_silent_close(edge_that: EdgeThat) -> None:
    """The edge's words are found behind the broken pipe; closing says nothing more."""
    gone = threading.Event()

    def behave(wire: ServerConnection) -> None:
        wire.send(REFUSAL)
        wire.socket.shutdown(socket.SHUT_RDWR)
        gone.set()

    link = opened(edge_that, behave)
    gone.wait()
    with pytest.raises(SessionError, match="A gap"):
        send_much(link)
    link.close()
    link.close()


def test_the_edge_is_silent(edge_that: EdgeThat) -> None:
    link = opened(edge_that, wait_for_the_end, answer_timeout=SOON)
    link.send(0, ROWS, Flags.RESULT_WANTED)
    with pytest.raises(LinkTimeout, match=r"no answer.*--timeout"):
        link.receive()
    link.close()


def wait_on(event: threading.Event) -> None:
    event.wait()


def test_the_edge_takes_no_data(edge_that: EdgeThat) -> None:
    done = threading.Event()
    link = opened(edge_that, lambda _: wait_on(done), dead_after=SOON)
    with pytest.raises(LinkLost, match="took no data"):
        send_much(link)
    done.set()
    link.close()


def test_a_ping_is_answered(edge_that: EdgeThat) -> None:
    def behave(wire: ServerConnection) -> None:
        get(wire)
        assert wire.ping(b"there?").wait(20.0)
        wire.send(TOKEN_FRAME)
        wait_for_the_end(wire)

    link = opened(edge_that, behave)
    link.send(0, ROWS, Flags.RESULT_WANTED)
    assert link.receive() == 5
    link.close()


def test_results_in_fragments_and_in_one_piece(edge_that: EdgeThat) -> None:
    def behave(wire: ServerConnection) -> None:
        get(wire)
        wire.send([TOKEN_FRAME[:10], TOKEN_FRAME[10:33], TOKEN_FRAME[33:]])
        wire.send(token(6, 6))
        wire.send(token(9, 7))
        wait_for_the_end(wire)

    link = opened(edge_that, behave)
    for position in (0, 3, 6):
        link.send(position, ROWS, Flags.RESULT_WANTED)
    assert [link.receive() for _ in range(3)] == [5, 6, 7]
    link.close()


def test_cancel_drops_what_was_under_way(edge_that: EdgeThat) -> None:
    seen: list[Frame] = []

    def behave(wire: ServerConnection) -> None:
        get(wire)
        wire.send(TOKEN_FRAME)
        seen.append(get(wire))
        wire.send(encode(Frame(FrameType.CANCEL, SESSION)))
        get(wire)
        wire.send(token(5, 6))
        wait_for_the_end(wire)

    link = opened(edge_that, behave)
    link.send(0, ROWS, Flags.RESULT_WANTED)
    assert link.cancel(2) == 2
    link.send(2, ROWS, Flags.RESULT_WANTED)
    assert link.receive() == 6
    link.close()
    assert (seen[0].type, seen[0].position) == (FrameType.CANCEL, 2)


# Links that come back.


CHOICE = Sampling(0.5, 3, seed=8)
ROW = ROWS[:1]
LONG = 1e6  # seconds


def answering(link: EdgeLink) -> int:
    """The first token of an answer to three rows; one row more is then under way."""
    link.start(CHOICE, 0, 3)
    link.send(0, ROWS, Flags.RESULT_WANTED)
    first = link.receive()
    assert isinstance(first, int)
    link.send(3, ROW, Flags.RESULT_WANTED)
    return first


def first_token(wire: ServerConnection) -> None:
    """The edge's part of that."""
    welcome(wire)
    assert [get(wire).type for _ in range(2)] == [FrameType.START, FrameType.ROWS]
    wire.send(token(3, 5, epoch=1))
    assert get(wire).position == 3


def places(frames: list[Frame]) -> list[tuple[FrameType, int, int, int, Flags]]:
    return [(frame.type, frame.epoch, frame.position, frame.rows, frame.flags)
            for frame in frames]


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


# The real edge.


@pytest.fixture
def edge(running_edge: RunEdge, checkpoint_folder: MakeCheckpoint) -> RunningEdge:
    return running_edge(checkpoint_folder("gemma3"), "--sessions", 1, "--context", 64)


def hello_of(edge: RunningEdge) -> Hello:
    return Hello(edge.edge.serving.identity, LayerRange(1, LAYERS), Dtype.F32, Mode.TOKENS)


def test_every_byte_is_counted(edge: RunningEdge, relay: MakeRelay) -> None:
    between = relay(edge.port)
    link = EdgeLink(LinkConfig(between.url), hello_of(edge))
    link.send(0, ROWS, Flags.RESULT_WANTED)
    link.receive()
    link.cancel(3)
    link.close()
    between.wait()
    assert link.traffic is not None
    assert link.traffic.sent == len(between.up)
    # What the edge still said to the goodbye, the phone did not wait for.
    assert 0 <= len(between.down) - link.traffic.received <= 4


def test_one_tokens_bytes_on_the_socket(edge: RunningEdge) -> None:
    link = EdgeLink(LinkConfig(edge.url, probe_interval=1e6), hello_of(edge))
    assert link.traffic is not None
    sent, received = link.traffic.sent, link.traffic.received
    link.send(0, ROWS[:1], Flags.RESULT_WANTED)
    link.receive()
    assert link.traffic.sent - sent == 32 + 4 * HIDDEN + 8  # a masked WebSocket header
    assert link.traffic.received - received == 32 + 4 + 2
    link.close()


class TornSocket:
    """A socket whose next large message is interrupted half way, as by Ctrl-C."""

    def __init__(self, real: socket.socket) -> None:
        self._real = real
        self.armed = True

    def send(self, data: memoryview) -> int:
        if self.armed and len(data) > 200:
            self.armed = False
            self._real.sendall(data[: len(data) // 2])
            raise KeyboardInterrupt
        return self._real.send(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def test_a_torn_frame_is_never_followed_by_another(edge: RunningEdge) -> None:
    """The next answer is on another connection, counters go on, and the session stays."""
    link = EdgeLink(LinkConfig(edge.url), hello_of(edge))
    link.start(Sampling(), 0, 3)
    link.send(0, ROWS, Flags.RESULT_WANTED)
    expected = link.receive()
    first, counted = link.welcome.session, link.traffic.sent if link.traffic else 0
    torn: Any = TornSocket(link._wire._socket)
    link._wire._socket = torn
    with pytest.raises(KeyboardInterrupt):
        link.send(3, ROWS, Flags.RESULT_WANTED)
    assert link.cancel(3) == 3
    link.start(Sampling(), 0, 3)
    assert link.welcome.session == first
    assert (link.status.resumed, link.status.rebuilt) == (1, 0)
    assert link.traffic is not None
    assert link.traffic.sent > counted
    link.send(0, ROWS, Flags.RESULT_WANTED)
    assert link.receive() == expected
    link.close()


@pytest.mark.parametrize("name", ["receive_data", "events_received"])
def test_an_interrupt_while_taking_in_is_survived(
    name: str, edge: RunningEdge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes that were read and not understood are lost: the stream cannot go on."""
    link = EdgeLink(LinkConfig(edge.url), hello_of(edge))
    link.send(0, ROWS, Flags.RESULT_WANTED)
    expected = link.receive()
    link.send(3, ROWS, Flags.RESULT_WANTED)
    with monkeypatch.context() as patch:
        def interrupted(*_: Any) -> None:
            raise KeyboardInterrupt

        patch.setattr(link._wire._protocol, name, interrupted)
        with pytest.raises(KeyboardInterrupt):
            link.receive()
    assert link.cancel(3) == 3
    link.start(Sampling(), 0, 3)
    link.send(0, ROWS, Flags.RESULT_WANTED)
    assert link.receive() == expected
    link.close()


def test_coming_back_while_the_edge_computes(
    running_edge: RunEdge, checkpoint_folder: MakeCheckpoint
) -> None:
    """What the torn connection sent is still in line: the same session waits its turn."""
    edge = running_edge(checkpoint_folder("gemma3"), "--sessions", 1, "--context", 4096)
    link = EdgeLink(LinkConfig(edge.url), hello_of(edge))
    for position in range(0, 2560, 256):
        link.send(position, torch.zeros(256, HIDDEN), Flags.NONE)
    torn: Any = TornSocket(link._wire._socket)
    link._wire._socket = torn
    with pytest.raises(KeyboardInterrupt):
        link.send(2560, torch.zeros(256, HIDDEN), Flags.NONE)
    assert link.cancel(0) == 0
    link.start(Sampling(), 0, 3)
    link.send(0, ROWS, Flags.RESULT_WANTED)
    assert isinstance(link.receive(), int)
    assert len(edge.edge.sessions) == 1
    link.close()


def test_a_link_that_was_refused_closes_silently(edge: RunningEdge) -> None:
    link = EdgeLink(LinkConfig(edge.url), hello_of(edge))
    link.send(0, torch.full((1, HIDDEN), torch.nan), Flags.RESULT_WANTED)
    with pytest.raises(SessionError) as got:
        link.receive()
    assert got.value.code == ErrorCode.UNUSABLE_ROWS
    link.close()
    link.close()


def test_errors_read_as_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(PhoneError) as got:
        EdgeLink(LinkConfig(f"http://127.0.0.1:{port}"), HELLO)
    assert "\n" not in str(got.value)
    assert got.value.remedy
