"""The link to an edge: against the real edge, and against edges that misbehave."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.sync.server import ServerConnection, serve

from edge_server.errors import FrameError, SessionError
from edge_server.frame import Dtype, Flags, Frame, FrameType, decode, encode, token_frame
from edge_server.messages import (
    SPLIT_PATH,
    ErrorCode,
    ErrorNotice,
    Hello,
    Mode,
    Sampling,
    Welcome,
)
from edge_server.split import LayerRange
from tests.conftest import MakeCheckpoint, MakeRelay, RunEdge, RunningEdge
from tests.models import LAYERS
from ue_app.client import EdgeLink, LinkConfig, edge_uri
from ue_app.errors import (
    BadEdgeAddress,
    EdgeUnreachable,
    LinkError,
    LinkLost,
    LinkTimeout,
    PhoneError,
)

HIDDEN, SESSION = 64, 99
HELLO = Hello("0a" * 32, LayerRange(1, LAYERS), Dtype.F32, Mode.TOKENS)
PRIVATE = Hello("0a" * 32, LayerRange(1, 3), Dtype.F32, Mode.PRIVATE)
ROWS = torch.linspace(-1, 1, 3 * HIDDEN).view(3, HIDDEN)
SOON = 0.3  # seconds; a timeout that has to pass, not a measurement
Behave = Callable[[ServerConnection], None]


@pytest.mark.parametrize(("url", "host", "port", "secure"), [
    ("http://127.0.0.1:8470", "127.0.0.1", 8470, False),
    ("https://edge.example", "edge.example", 443, True),
    ("ws://edge.example:1/", "edge.example", 1, False),
    ("wss://[::1]:8470", "::1", 8470, True),
    ("http://edge.example", "edge.example", 80, False)])
def test_addresses(url: str, host: str, port: int, secure: bool) -> None:
    uri = edge_uri(url)
    assert (uri.host, uri.port, uri.secure) == (host, port, secure)
    assert uri.path == SPLIT_PATH


def test_an_edge_below_a_path() -> None:
    assert edge_uri("https://example.com/airsplit/").path == f"/airsplit{SPLIT_PATH}"


@pytest.mark.parametrize("url", [
    "", "127.0.0.1:8470", "edge.example", "ftp://edge.example", "http://", "http://:8470",
    "http://edge.example:port", "http://edge.example:99999", "http://edge.example:-1",
    "http://[::1", "http://edge.example/#here", "https:/edge.example"])
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(BadEdgeAddress, match=r"is not the address of an edge.*http://127") as got:
        edge_uri(url)
    assert repr(url) in got.value.problem


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize("url", ["http://no-such-host.invalid:8470", "http://a..b:80",
                                 "http://" + "x" * 70 + ".example", "http://256.256.256.256:1"])
def test_a_host_that_is_none(url: str) -> None:
    with pytest.raises(EdgeUnreachable, match=r"No edge answers at.*airsplit edge") as got:
        EdgeLink(LinkConfig(url, SOON), HELLO)
    assert url in got.value.problem


def test_nobody_listens() -> None:
    port = free_port()
    with pytest.raises(EdgeUnreachable, match=rf"http://127\.0\.0\.1:{port}.*airsplit edge"):
        EdgeLink(LinkConfig(f"http://127.0.0.1:{port}"), HELLO)


@contextlib.contextmanager
def raw_server(answer: bytes | None) -> Iterator[str]:
    """Says `answer` to whoever calls and hangs up; with None it says nothing and stays."""
    with socket.create_server(("127.0.0.1", 0)) as listener, contextlib.ExitStack() as stack:
        def run() -> None:
            with contextlib.suppress(OSError):
                while True:
                    caller = stack.enter_context(listener.accept()[0])
                    if answer is not None:
                        caller.recv(65536)
                        caller.sendall(answer)
                        caller.close()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize("answer", [
    b"", b"garbage\r\n\r\n", b"\x00" * 5000, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 301 Moved\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\n\r\n", b"HTTP/1.1 101", b"SSH-2.0-OpenSSH_9.2\r\n"],
    ids=range(9))
def test_something_else_listens(answer: bytes) -> None:
    with raw_server(answer) as address, pytest.raises(
        EdgeUnreachable, match=r"does not answer as an edge.*airsplit edge") as got:
        EdgeLink(LinkConfig(f"http://{address}"), HELLO)
    assert address in got.value.problem


def test_a_plain_port_asked_for_tls() -> None:
    with raw_server(b"HTTP/1.1 400 Bad Request\r\n\r\n") as address, pytest.raises(
            EdgeUnreachable, match="No edge answers"):
        EdgeLink(LinkConfig(f"https://{address}"), HELLO)


def test_something_silent_listens() -> None:
    with raw_server(None) as address, pytest.raises(LinkError, match=r"said nothing|no answer"):
        EdgeLink(LinkConfig(f"http://{address}", SOON), HELLO)


# Edges that shake hands and then do as the test says, with the production codec.


def get(wire: ServerConnection) -> Frame:
    message = wire.recv()
    assert isinstance(message, bytes)
    return decode(message)


def welcome(wire: ServerConnection) -> Frame:
    hello = get(wire)
    assert hello.type is FrameType.HELLO
    wire.send(encode(Frame(FrameType.WELCOME, SESSION, payload=Welcome(SESSION, 64, 16).pack())))
    return hello


@pytest.fixture
def edge_that() -> Iterator[Callable[[Behave], LinkConfig]]:
    """`edge_that(behaves)` is the way to an edge that runs `behaves` for each caller."""
    failures: list[BaseException] = []
    with contextlib.ExitStack() as stack:
        def start(behave: Behave) -> LinkConfig:
            def handle(wire: ServerConnection) -> None:
                try:
                    with contextlib.suppress(ConnectionClosed):
                        behave(wire)
                except BaseException as failure:
                    failures.append(failure)

            server = stack.enter_context(serve(
                handle, "127.0.0.1", 0, compression=None, close_timeout=SOON))
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            port = server.socket.getsockname()[1]
            return LinkConfig(f"http://127.0.0.1:{port}", 20.0, 20.0)

        yield start
    assert failures == []


EdgeThat = Callable[[Behave], LinkConfig]


def wait_for_the_end(wire: ServerConnection) -> None:
    with contextlib.suppress(ConnectionClosed):
        while True:
            wire.recv()


def test_the_handshake(edge_that: EdgeThat) -> None:
    seen: list[Frame] = []
    done = threading.Event()

    def behave(wire: ServerConnection) -> None:
        seen.append(welcome(wire))
        seen.append(get(wire))
        done.set()

    link = EdgeLink(edge_that(behave), HELLO)
    assert link.welcome == Welcome(SESSION, 64, 16)
    link.close()
    assert done.wait(20.0)
    assert Hello.unpack(seen[0].payload) == HELLO
    assert (seen[0].session, seen[1].type, seen[1].session) == (0, FrameType.GOODBYE, SESSION)


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


def opened(edge_that: EdgeThat, behave: Behave, hello: Hello = HELLO, answer_timeout: float = 20.0
           ) -> EdgeLink:
    """A link whose edge shakes hands, then behaves so."""
    def after_welcome(wire: ServerConnection) -> None:
        welcome(wire)
        behave(wire)

    config = edge_that(after_welcome)
    return EdgeLink(LinkConfig(config.url, 20.0, answer_timeout), hello)


def test_what_is_sent(edge_that: EdgeThat) -> None:
    seen: list[Frame] = []

    def behave(wire: ServerConnection) -> None:
        seen.extend(get(wire) for _ in range(2))
        wire.send(encode(token_frame(SESSION, 0, 10, 77)))
        wait_for_the_end(wire)

    link = opened(edge_that, behave)
    choice = Sampling(0.5, 3, seed=8)
    link.start(choice)
    link.send(7, ROWS, Flags.RESULT_WANTED)
    assert link.receive() == 77
    link.close()
    assert Sampling.unpack(seen[0].payload) == choice
    rows = seen[1]
    assert (rows.type, rows.session, rows.position, rows.rows, rows.columns, rows.flags) == (
        FrameType.ROWS, SESSION, 7, 3, HIDDEN, Flags.RESULT_WANTED)
    assert bytes(rows.payload) == ROWS.numpy().tobytes()


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


HIDDEN_FRAME = encode(Frame(FrameType.HIDDEN, SESSION, 0, 0, Dtype.F32, 1, 1, payload=b"1234"))
TOKEN_FRAME = encode(token_frame(SESSION, 0, 1, 5))


@pytest.mark.parametrize(("hello", "answer"), [
    (HELLO, HIDDEN_FRAME), (PRIVATE, TOKEN_FRAME), (HELLO, b"garbage"), (HELLO, "text"),
    (HELLO, encode(Frame(FrameType.GOODBYE, SESSION))), (PRIVATE, encode(Frame(
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


def test_the_edge_says_it_closes_and_keeps_the_line() -> None:
    """Its word is enough: the phone does not wait for the line to go dead."""
    def serve_one(listener: socket.socket, done: threading.Event) -> None:
        protocol, frames = ServerProtocol(), 0
        with listener.accept()[0] as line:
            while frames < 2:
                protocol.receive_data(line.recv(65536))
                for event in protocol.events_received():
                    if isinstance(event, Request):
                        protocol.send_response(protocol.accept(event))
                        continue
                    frames += 1
                    if frames == 1:
                        protocol.send_binary(encode(Frame(
                            FrameType.WELCOME, payload=Welcome(SESSION, 64, 16).pack())))
                    else:
                        protocol.send_close(1000)
                for data in protocol.data_to_send():
                    line.sendall(data)
            done.wait()

    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve_one, args=(listener, done))
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        link = EdgeLink(LinkConfig(url, answer_timeout=SOON), HELLO)
        link.send(0, ROWS, Flags.RESULT_WANTED)
        try:
            with pytest.raises(LinkLost):
                link.receive()
        finally:
            link.close()
            done.set()
            thread.join()


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
    """More than sockets hold."""
    rows = torch.zeros(4000, HIDDEN)
    for position in range(0, 200 * 4000, 4000):
        link.send(position, rows, Flags.NONE)


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
    with pytest.raises(LinkTimeout, match=r"said nothing.*--timeout"):
        link.receive()
    link.close()


def wait_on(event: threading.Event) -> None:
    event.wait()


def test_the_edge_takes_no_data(edge_that: EdgeThat) -> None:
    done = threading.Event()
    link = opened(edge_that, lambda _: wait_on(done), answer_timeout=SOON)
    with pytest.raises(LinkTimeout, match=r"took no data.*--timeout"):
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
        wire.send(encode(token_frame(SESSION, 0, 2, 6)))
        wire.send(encode(token_frame(SESSION, 0, 3, 7)))
        wait_for_the_end(wire)

    link = opened(edge_that, behave)
    link.send(0, ROWS, Flags.RESULT_WANTED)
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
        wire.send(encode(token_frame(SESSION, 0, 2, 6)))
        wait_for_the_end(wire)

    link = opened(edge_that, behave)
    link.send(0, ROWS, Flags.RESULT_WANTED)
    assert link.cancel(2) == 2
    link.send(2, ROWS, Flags.RESULT_WANTED)
    assert link.receive() == 6
    link.close()
    assert (seen[0].type, seen[0].position) == (FrameType.CANCEL, 2)


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
    link = EdgeLink(LinkConfig(edge.url), hello_of(edge))
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

    def sendall(self, data: bytes) -> None:
        if self.armed and len(data) > 200:
            self.armed = False
            self._real.sendall(data[: len(data) // 2])
            raise KeyboardInterrupt
        self._real.sendall(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def test_a_torn_frame_is_never_followed_by_another(edge: RunningEdge) -> None:
    """The link is built anew instead, counters go on, and the old session ends."""
    link = EdgeLink(LinkConfig(edge.url), hello_of(edge))
    link.send(0, ROWS, Flags.RESULT_WANTED)
    expected = link.receive()
    first, counted = link.welcome.session, link.traffic.sent if link.traffic else 0
    torn: Any = TornSocket(link._socket)
    link._socket = torn
    with pytest.raises(KeyboardInterrupt):
        link.send(3, ROWS, Flags.RESULT_WANTED)
    with pytest.raises(LinkError):
        link.send(3, ROWS, Flags.RESULT_WANTED)
    assert link.cancel(3) == 0
    assert edge.closed.acquire(timeout=60)
    assert link.welcome.session != first
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

        patch.setattr(link._protocol, name, interrupted)
        with pytest.raises(KeyboardInterrupt):
            link.receive()
    assert link.cancel(3) == 0
    link.send(0, ROWS, Flags.RESULT_WANTED)
    assert link.receive() == expected
    link.close()


def test_rebuilding_while_the_only_slot_is_busy(
    running_edge: RunEdge, checkpoint_folder: MakeCheckpoint
) -> None:
    """The edge still computes what the torn session sent: the new one waits its turn."""
    edge = running_edge(checkpoint_folder("gemma3"), "--sessions", 1, "--context", 4096)
    link = EdgeLink(LinkConfig(edge.url), hello_of(edge))
    for position in range(0, 2560, 256):
        link.send(position, torch.zeros(256, HIDDEN), Flags.NONE)
    torn: Any = TornSocket(link._socket)
    link._socket = torn
    with pytest.raises(KeyboardInterrupt):
        link.send(2560, torch.zeros(256, HIDDEN), Flags.NONE)
    assert link.cancel(0) == 0
    link.send(0, ROWS, Flags.RESULT_WANTED)
    assert isinstance(link.receive(), int)
    link.close()


def test_a_link_that_broke_closes_silently(edge: RunningEdge) -> None:
    link = EdgeLink(LinkConfig(edge.url), hello_of(edge))
    link.send(5, ROWS, Flags.RESULT_WANTED)  # a gap
    with pytest.raises(SessionError):
        link.receive()
    link.close()
    link.close()


def test_errors_read_as_one_line() -> None:
    with pytest.raises(PhoneError) as got:
        EdgeLink(LinkConfig(f"http://127.0.0.1:{free_port()}"), HELLO)
    assert "\n" not in str(got.value)
    assert got.value.remedy
