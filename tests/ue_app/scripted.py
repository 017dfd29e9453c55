"""Edges that do as a test says, behind a real socket and with the production codec."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.sync.server import ServerConnection, serve

from edge_server.frame import Frame, FrameType, decode, encode
from edge_server.messages import ErrorCode, ErrorNotice, Hello, Welcome
from ue_app.wire import LinkConfig

SESSION, SECRET = 99, bytes(range(16))
SOON = 0.3  # seconds; a timeout that has to pass, not a measurement
Behave = Callable[[ServerConnection], None]
EdgeThat = Callable[..., LinkConfig]


def get(wire: ServerConnection) -> Frame:
    message = wire.recv()
    assert isinstance(message, bytes)
    return decode(message)


def welcome(wire: ServerConnection, session: int = SESSION, epoch: int = 0, length: int = 0,
            seen: int = 0, capacity: int = 64) -> Hello:
    """Shake hands; what the phone asked for."""
    frame = get(wire)
    assert frame.type is FrameType.HELLO
    payload = Welcome(session, capacity, 16, SECRET, length, seen).pack()
    wire.send(encode(Frame(FrameType.WELCOME, session, epoch, payload=payload)))
    return Hello.unpack(frame.payload)


def refuse(wire: ServerConnection, code: ErrorCode, retry_after: int = 0, position: int = 0
           ) -> None:
    notice = ErrorNotice(code, "No.", "Do.", retry_after)
    wire.send(encode(Frame(FrameType.ERROR, position=position, payload=notice.pack())))


def wait_for_the_end(wire: ServerConnection) -> None:
    with contextlib.suppress(ConnectionClosed):
        while True:
            wire.recv()


class Turns:
    """An edge that does something else on each connection; beyond the last, the last again."""

    def __init__(self, *behaves: Behave) -> None:
        self._behaves = behaves
        self._lock = threading.Lock()
        self.calls = 0

    def __call__(self, wire: ServerConnection) -> None:
        with self._lock:
            behave = self._behaves[min(self.calls, len(self._behaves) - 1)]
            self.calls += 1
        behave(wire)


@contextlib.contextmanager
def scripted_edges() -> Iterator[EdgeThat]:
    """`edge_that(behave, ...)` is the way to edges that run `behave` for each caller.

    Waiting for them is generous and patience is none, so that an error surfaces at once.
    """
    failures: list[BaseException] = []
    with contextlib.ExitStack() as stack:
        def start(*behaves: Behave) -> LinkConfig:
            urls = [f"http://127.0.0.1:{run(behave)}" for behave in behaves]
            return LinkConfig(urls[0], tuple(urls[1:]), connect_timeout=20.0, answer_timeout=20.0,
                              patience=0.0)

        def run(behave: Behave) -> int:
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
            return int(server.socket.getsockname()[1])

        yield start
    assert failures == []


class BareEdge:
    """One connection by hand: after its WELCOME the phone gets what the test lets through.

    The library's answers to pings are `held` in order, each until it is sent.
    """

    def __init__(self, line: socket.socket) -> None:
        self._line, self._protocol = line, ServerProtocol()
        self.held: list[bytes] = []

    def shake_hands(self) -> None:
        while not self._take():
            pass
        self._protocol.send_binary(encode(Frame(
            FrameType.WELCOME, SESSION, payload=Welcome(SESSION, 64, 16, SECRET).pack())))
        self.send(b"".join(self._protocol.data_to_send()))

    def hold(self, count: int) -> None:
        """Read until `count` answers to pings are held."""
        while len(self.held) < count:
            self._take()

    def send(self, data: bytes) -> None:
        self._line.sendall(data)

    def frame(self, frame: Frame) -> None:
        self._protocol.send_binary(encode(frame))
        self.send(b"".join(self._protocol.data_to_send()))

    def hang_up(self) -> None:
        """Take nothing any more; what was said stays to be read."""
        self._line.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._protocol.send_close(1000)
        self.send(b"".join(self._protocol.data_to_send()))

    def _take(self) -> bool:
        """Read once; whether it was HELLO."""
        said = False
        data = self._line.recv(65536)
        assert data, "the phone hung up"
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self._protocol.send_response(self._protocol.accept(event))
                self.send(b"".join(self._protocol.data_to_send()))
            else:
                said = True
        self.held += self._protocol.data_to_send()
        return said


@contextlib.contextmanager
def bare_edge(behave: Callable[[BareEdge], None]) -> Iterator[str]:
    """The URL of an edge that shakes hands once, does so, and then keeps the line."""
    failures: list[BaseException] = []
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def run() -> None:
            try:
                with listener.accept()[0] as line:
                    edge = BareEdge(line)
                    edge.shake_hands()
                    behave(edge)
                    done.wait()
            except BaseException as failure:
                failures.append(failure)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            done.set()
            thread.join()
    assert failures == []
