"""One connection to an edge: addresses, what else may listen there, silence, and pings."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from edge_server.errors import SessionError
from edge_server.frame import Frame, FrameType, encode, token_frame
from edge_server.messages import SPLIT_PATH, ErrorCode, ErrorNotice
from tests.ue_app.scripted import SESSION, SOON, BareEdge, bare_edge
from ue_app.errors import (
    BadEdgeAddress,
    EdgeUnreachable,
    Interrupted,
    LinkLost,
    LinkTimeout,
)
from ue_app.link import LinkState, LinkStatus, Traffic
from ue_app.wire import LinkConfig, Wire, edge_uri

NEVER = 1e6  # seconds
HELLO = Frame(FrameType.HELLO)  # the scripted edges here do not look into it
TOKEN = token_frame(SESSION, 0, 3, 7)


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0  # seconds

    def __call__(self) -> float:
        return self.now


def open_wire(
    config: LinkConfig, status: LinkStatus | None = None,
    interrupted: threading.Event | None = None, clock: Callable[[], float] | None = None,
) -> Wire:
    stopped = interrupted or threading.Event()
    extra = {} if clock is None else {"clock": clock}
    return Wire(config.url, config, Traffic(), status or LinkStatus(LinkState.CLOSED),
                lambda: stopped.is_set(), **extra)


def opened(url: str, status: LinkStatus | None = None, interrupted: threading.Event | None = None,
           clock: Callable[[], float] | None = None, **limits: float) -> Wire:
    """A wire on which the handshake is done."""
    config = LinkConfig(url, **limits)  # type: ignore[arg-type]  # its fields of seconds
    wire = open_wire(config, status, interrupted, clock)
    wire.send(HELLO)
    assert wire.receive().type is FrameType.WELCOME
    return wire


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


@pytest.mark.parametrize("url", ["http://no-such-host.invalid:8470", "http://a..b:80",
                                 "http://" + "x" * 70 + ".example", "http://256.256.256.256:1"])
def test_a_host_that_is_none(url: str) -> None:
    with pytest.raises(EdgeUnreachable, match=r"No edge answers at.*airsplit edge") as got:
        open_wire(LinkConfig(url, connect_timeout=SOON))
    assert url in got.value.problem


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    with pytest.raises(EdgeUnreachable, match=rf"http://127\.0\.0\.1:{port}.*airsplit edge"):
        open_wire(LinkConfig(f"http://127.0.0.1:{port}"))


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
        open_wire(LinkConfig(f"http://{address}"))
    assert address in got.value.problem


def test_an_edge_that_takes_no_more_connections() -> None:
    """Its listener turns callers away before any session: that passes."""
    answer = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
    with raw_server(answer) as address, pytest.raises(SessionError, match="no more") as got:
        open_wire(LinkConfig(f"http://{address}"))
    assert got.value.code == ErrorCode.TOO_MANY_SESSIONS
    assert got.value.retry_after > 0


def test_a_plain_port_asked_for_tls() -> None:
    with raw_server(b"HTTP/1.1 400 Bad Request\r\n\r\n") as address, pytest.raises(
            EdgeUnreachable, match="No edge answers"):
        open_wire(LinkConfig(f"https://{address}"))


def test_something_silent_listens() -> None:
    with raw_server(None) as address, pytest.raises(LinkTimeout, match="no answer"):
        open_wire(LinkConfig(f"http://{address}", connect_timeout=SOON))


# A connection that stands.


def for_ever(act: Callable[[], None]) -> None:
    while True:
        act()


class Watched(LinkStatus):
    """Tells of each round trip that was measured."""

    def __init__(self) -> None:
        self.measured = threading.Semaphore(0)
        super().__init__(LinkState.CLOSED)

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if name == "round_trip" and value is not None:
            self.measured.release()


def keep_quiet(edge: BareEdge) -> None:
    """Not even pings are answered."""


def test_a_silent_edge_is_declared_dead() -> None:
    """Long before the answer's own time is over."""
    with bare_edge(keep_quiet) as url:
        wire = opened(url, dead_after=SOON, answer_timeout=NEVER)
        with pytest.raises(LinkLost, match="said nothing for"):
            wire.receive()
        with pytest.raises(LinkLost):
            wire.send(HELLO)  # what it says after all comes too late
        wire.close()


def test_an_answer_that_does_not_come() -> None:
    """The edge is there, and says nothing of it."""
    with bare_edge(keep_quiet) as url:
        wire = opened(url, dead_after=NEVER, answer_timeout=SOON)
        with pytest.raises(LinkTimeout, match=r"no answer.*--timeout"):
            wire.receive()
        wire.close()


def test_an_edge_that_answers_pings_is_alive() -> None:
    """However long it computes: the clock passes any limit, a byte came in between each time."""
    clock, status = Clock(), Watched()

    def behave(edge: BareEdge) -> None:
        for _ in range(5):
            clock.now += 6.0
            edge.hold(1)
            edge.send(edge.held.pop(0))
            assert status.measured.acquire(timeout=60)
        edge.frame(TOKEN)

    with bare_edge(behave) as url:
        wire = opened(url, status, clock=clock, dead_after=8.0, answer_timeout=NEVER,
                      probe_interval=1.0)
        assert wire.receive() == TOKEN
        wire.close()


def test_round_trips_longer_than_the_time_between_pings() -> None:
    """Each answer counts from its own ping, however many are under way."""
    status, clock = LinkStatus(LinkState.CLOSED), Clock()
    seen: list[float | None] = []
    taken = threading.Semaphore(0)

    def behave(edge: BareEdge) -> None:
        for pings in (1, 2, 2, 2):  # one round trip is 1.5 s, a ping leaves each second
            clock.now += 1.0
            edge.hold(pings)
            if pings == 2:
                clock.now += 0.5
                edge.send(edge.held.pop(0))
                edge.frame(TOKEN)
                assert taken.acquire(timeout=60)
                clock.now -= 0.5
        edge.frame(TOKEN)

    with bare_edge(behave) as url:
        wire = opened(url, status, clock=clock, dead_after=NEVER, answer_timeout=NEVER,
                      probe_interval=1.0)
        for _ in range(3):
            assert wire.receive() == TOKEN
            seen.append(status.round_trip)
            taken.release()
        wire.close()
    assert seen == [1.5, 1.5, 1.5]


def test_pings_measure_the_way() -> None:
    status, clock = LinkStatus(LinkState.CLOSED), Clock()

    def behave(edge: BareEdge) -> None:
        clock.now += 1.0
        edge.hold(1)
        clock.now += 0.25
        edge.send(edge.held.pop(0))
        edge.frame(TOKEN)

    with bare_edge(behave) as url:
        wire = opened(url, status, clock=clock, probe_interval=1.0)
        assert wire.receive() == TOKEN
        assert status.round_trip == 0.25
        wire.close()


def test_an_edge_that_says_it_closes_and_keeps_the_line() -> None:
    """Its word is enough: the phone does not wait for the line to go dead."""
    with bare_edge(BareEdge.close) as url:
        wire = opened(url, answer_timeout=NEVER)
        with pytest.raises(LinkLost, match="ended"):
            wire.receive()
        wire.close()


def test_whoever_waits_may_stop() -> None:
    stop = threading.Event()
    with bare_edge(lambda _: stop.set()) as url:
        wire = opened(url, interrupted=stop, answer_timeout=NEVER)
        with pytest.raises(Interrupted):
            wire.receive()
        wire.close()


def test_what_came_while_nobody_asked() -> None:
    refusal = Frame(FrameType.ERROR, payload=ErrorNotice(ErrorCode.IDLE, "Idle.").pack())
    said = threading.Event()

    def behave(edge: BareEdge) -> None:
        edge.frame(refusal)
        edge.close()
        said.set()

    with bare_edge(behave) as url:
        wire = opened(url)
        assert said.wait(60)
        with pytest.raises(SessionError, match="Idle") as got:
            for_ever(wire.poll)  # until its bytes are here
        assert got.value.code == ErrorCode.IDLE
        wire.close()


def test_a_long_pause_is_no_silence() -> None:
    """Between two answers nobody listens; only then does the edge's last word count."""
    clock = Clock()
    go = threading.Event()

    def behave(edge: BareEdge) -> None:
        assert go.wait(60)
        edge.frame(TOKEN)

    with bare_edge(behave) as url:
        wire = opened(url, clock=clock, dead_after=8.0)
        clock.now += 3600.0
        wire.poll()
        go.set()
        assert wire.receive() == TOKEN
        wire.close()


def test_the_edges_words_count_however_long_nothing_was_heard() -> None:
    """A phone that computes its prompt sends for long and hears nothing; then the edge refuses."""
    clock = Clock()
    refusal = Frame(FrameType.ERROR, payload=ErrorNotice(ErrorCode.UNUSABLE_ROWS, "No.").pack())
    said = threading.Event()

    def behave(edge: BareEdge) -> None:
        edge.frame(refusal)
        edge.hang_up()
        said.set()

    with bare_edge(behave) as url:
        wire = opened(url, clock=clock, dead_after=8.0)
        assert said.wait(60)
        clock.now += 100.0
        rows = Frame(FrameType.START, payload=bytes(1 << 20))
        with pytest.raises(SessionError) as got:
            for_ever(lambda: wire.send(rows))  # until the socket holds no more
        assert got.value.code == ErrorCode.UNUSABLE_ROWS
        wire.close()


def test_a_frame_of_bytes_that_are_none() -> None:
    """The stream cannot go on after it."""
    with bare_edge(lambda edge: edge.send(b"\x82\x03abc" + encode(TOKEN))) as url:
        wire = opened(url)
        with pytest.raises(Exception, match="at least"):
            wire.receive()
        with pytest.raises(LinkLost):
            wire.poll()
        wire.close()
