"""The link to an edge: what is sent and comes back, and edges that misbehave or break off."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace

import pytest
import torch
from websockets.sync.server import ServerConnection

from edge_server.errors import FrameError, SessionError
from edge_server.frame import Dtype, Flags, Frame, FrameType, drafts_of, encode, token_frame
from edge_server.messages import ErrorCode, ErrorNotice, Hello, Sampling, Start, Welcome
from tests.ue_app.client_scene import HELLO, HIDDEN, PRIVATE, ROWS, TOKEN_FRAME, opened, token
from tests.ue_app.scripted import SECRET, SESSION, SOON, EdgeThat, get, wait_for_the_end, welcome
from ue_app.client import EdgeLink
from ue_app.errors import LinkLost, LinkTimeout, PhoneError
from ue_app.link import LinkState
from ue_app.wire import LinkConfig


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


def test_errors_read_as_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(PhoneError) as got:
        EdgeLink(LinkConfig(f"http://127.0.0.1:{port}"), HELLO)
    assert "\n" not in str(got.value)
    assert got.value.remedy
