"""One connection to an edge: frames over a binary WebSocket.

The WebSocket protocol is the `websockets` library's sans-IO core over a plain blocking socket: its
ready-made client hands every message from a thread of its own to the caller's, which costs a
one-token exchange more than the protocol does, and it cannot count the bytes on the socket.
A silent edge is probed with pings, so a dead mobile link is noticed long before TCP would.
It knows frames and not what they mean; `client` does.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus, InvalidURI
from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode
from websockets.protocol import State
from websockets.uri import WebSocketURI, parse_uri

from edge_server.errors import FrameError, SessionError
from edge_server.frame import (
    HEADER_BYTES,
    MAX_PAYLOAD_BYTES,
    Frame,
    FrameType,
    decode,
    encode,
)
from edge_server.messages import SPLIT_PATH, ErrorCode, ErrorNotice
from ue_app.encoding_choice import Progress
from ue_app.errors import BadEdgeAddress, EdgeUnreachable, Interrupted, LinkLost, LinkTimeout
from ue_app.link import LinkStatus, Traffic

RECEIVE_BYTES = 1 << 16  # per read; a token's frame is a fraction, a private prefill many
# struct tcp_info of linux/tcp.h: tcpi_bytes_acked, and the end of tcpi_busy_time (microseconds).
_ACKNOWLEDGED_AT, _BUSY_END = 120, 176
_COUNTER = struct.Struct("=Q")
SLICE = 0.25  # seconds of a wait after which it is looked whether the wait is still wanted


@dataclass(frozen=True)
class LinkConfig:
    """Whom the phone asks, and how patient it is."""

    url: str  # http(s):// or ws(s)://, host and port of the edge
    others: tuple[str, ...] = ()  # edges with the same model to go on at
    token: str = ""  # what the edge's operator gave this phone
    ca: Path | None = None  # certificates to trust for https, beside the system's
    connect_timeout: float = 20.0  # seconds until a session stands; an edge may still be loading
    answer_timeout: float = 60.0  # seconds without a result while one is due
    probe_interval: float = 1.0  # seconds between pings while a result is due
    dead_after: float = 8.0  # seconds without any byte after which the connection counts as broken
    piece: int = 32  # rows a frame when they are sent again: on a bad link small ones get through
    patience: float = 30.0  # seconds to take a broken session up again; 0 gives up at once

    @property
    def urls(self) -> tuple[str, ...]:
        return (self.url, *self.others)


class Wire:
    """A connection that stands."""

    def __init__(
        self, url: str, config: LinkConfig, traffic: Traffic, status: LinkStatus,
        interrupted: Callable[[], bool], clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url, self._config, self._clock = url, config, clock
        self._traffic, self._status, self._interrupted = traffic, status, interrupted
        uri = edge_uri(url)
        self._protocol = ClientProtocol(uri, max_size=HEADER_BYTES + MAX_PAYLOAD_BYTES)
        self._frames: deque[Frame] = deque()
        self._fragments = bytearray()
        self._pings: dict[bytes, float] = {}  # when each that is not answered yet was sent
        self._probes = 0  # sent so far: each has a name of its own
        self._torn = False  # a frame was interrupted half way: the stream cannot go on
        self._socket = _connect(uri, url, config)
        self._heard = self._probed = self._clock()
        try:
            self._handshake()
        except BaseException:
            self._socket.close()
            raise

    def send(self, frame: Frame) -> None:
        """Hand `frame` to the socket, all of it."""
        if self._torn or self._protocol.state is not State.OPEN:
            raise self._lost()
        self._protocol.send_binary(encode(frame))
        self._flush()

    def receive(self) -> Frame:
        """The next frame; the edge's refusal is raised as the error it is."""
        self._heard = self._clock()  # silence counts from when somebody listens
        deadline = self._heard + self._config.answer_timeout
        while not self._frames:
            if not self._read(deadline) and not self._frames:
                raise self._lost()
        frame = self._frames.popleft()
        if frame.type is FrameType.ERROR:
            raise ErrorNotice.unpack(frame.payload).to_error(frame.position)
        return frame

    def poll(self) -> None:
        """Take in what came while nobody asked; raises what it says, if it is the end."""
        if self._torn:
            raise self._lost()
        self._heard = self._clock()  # nothing was expected meanwhile
        while self._readable():
            if not self._read(self._clock() + 1.0):
                raise self._lost()
        if self._torn or any(frame.type is FrameType.ERROR for frame in self._frames):
            raise self._lost()

    def progress(self) -> Progress:
        """Bytes that went up, and how long the connection was busy with them.

        Where the kernel counts both by what the edge's kernel has confirmed, neither side's
        computing is in it; elsewhere time simply goes on.
        """
        if sys.platform == "linux":
            with contextlib.suppress(OSError):
                known = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BUSY_END)
                if len(known) == _BUSY_END:
                    (acknowledged,) = _COUNTER.unpack_from(known, _ACKNOWLEDGED_AT)
                    (busy,) = _COUNTER.unpack_from(known, _BUSY_END - _COUNTER.size)
                    return Progress(acknowledged, busy * 1e-6)
        return Progress(self._traffic.sent, self._clock())

    def close(self) -> None:
        """Close in order; a connection that is broken already closes silently."""
        try:
            if not self._torn and self._protocol.state is State.OPEN:
                self._protocol.send_close(1000)
                self._flush()
        except (LinkLost, LinkTimeout, Interrupted):
            pass  # there is nobody to say it to
        finally:
            self._socket.close()

    def drop(self) -> None:
        """Close without a word: as a link that breaks."""
        self._torn = True
        self._socket.close()

    def _handshake(self) -> None:
        self._protocol.send_request(self._protocol.connect())
        self._flush()
        deadline = self._clock() + self._config.connect_timeout
        while self._protocol.state is State.CONNECTING and not self._protocol.handshake_exc:
            self._read(deadline, dead_after=self._config.connect_timeout)
        error = self._protocol.handshake_exc
        if isinstance(error, InvalidStatus) and error.response.status_code == 503:
            raise SessionError(ErrorCode.TOO_MANY_SESSIONS,
                               f"{self._url} takes no more connections now.",
                               "Try again shortly, or another edge.", retry_after=2.0)
        if error is not None:
            raise EdgeUnreachable(f"{self._url} does not answer as an edge: {error}.",
                                  "Check that the address is an airsplit edge's.") from error

    def _flush(self) -> None:
        try:
            for data in self._protocol.data_to_send():
                if data:
                    self._write(data)
        except OSError as error:
            # What the edge said before it hung up explains more than the broken pipe.
            self._drain()
            raise self._lost() from error
        except BaseException:
            self._torn = True
            raise

    def _write(self, data: bytes) -> None:
        """All of `data`, as fast as the link takes it; one that takes none for long is dead."""
        view, moved = memoryview(data), self._clock()
        while view:
            self._socket.settimeout(SLICE)
            try:
                count = self._socket.send(view)
            except (TimeoutError, ssl.SSLWantWriteError):
                self._check_interrupt()
                if self._clock() - moved > self._config.dead_after:
                    raise LinkLost(f"The edge took no data for {self._config.dead_after:.0f} s.",
                                   "Check the link.") from None
                continue
            self._traffic.sent += count
            view, moved = view[count:], self._clock()

    def _drain(self) -> None:
        self._heard = self._clock()  # whoever only sends hears nothing, however long
        with contextlib.suppress(LinkTimeout):  # it said nothing
            while self._read(self._clock() + 1.0):
                pass

    def _read(self, deadline: float, dead_after: float | None = None) -> bool:
        """Take what the socket has, waiting for it; False once the edge has closed."""
        data = self._wait_for_data(deadline, dead_after or self._config.dead_after)
        self._traffic.received += len(data)
        try:
            if data:
                self._protocol.receive_data(data)
            else:
                self._protocol.receive_eof()
            for event in self._protocol.events_received():
                if isinstance(event, WebSocketFrame):
                    self._take(event)
        except BaseException:
            self._torn = True  # what was read and not taken in is missing
            raise
        if data and self._protocol.state is not State.CLOSED:
            self._flush()  # pongs, and the answer to the edge's close
        return bool(data) and self._protocol.close_rcvd is None

    def _wait_for_data(self, deadline: float, dead_after: float) -> bytes:
        while True:
            now = self._clock()
            silent = now - self._heard
            if now >= deadline:
                raise LinkTimeout(f"The edge gave no answer for {silent:.0f} s.",
                                  "Check the link, or allow more with --timeout.")
            if silent >= dead_after:
                self._torn = True  # what it says after all comes too late
                raise LinkLost(f"The edge said nothing for {silent:.0f} s.", "Check the link.")
            if self._protocol.state is State.OPEN and (
                    now - self._probed >= self._config.probe_interval):
                self._probe(now)
            self._socket.settimeout(min(SLICE, deadline - now))
            try:
                data = self._socket.recv(RECEIVE_BYTES)
            except (TimeoutError, ssl.SSLWantReadError):
                self._check_interrupt()
                continue
            except OSError:
                return b""  # reset: closed, for whoever reads
            self._heard = self._clock()
            return data

    def _probe(self, now: float) -> None:
        """Ping: an edge that is there answers, whatever it computes."""
        self._probes += 1
        name = b"%d" % self._probes
        self._protocol.send_ping(name)
        self._pings[name], self._probed = now, now
        self._flush()

    def _take(self, event: WebSocketFrame) -> None:
        if event.opcode in (Opcode.BINARY, Opcode.CONT):
            self._fragments += event.data
            if event.fin:
                message, self._fragments = bytes(self._fragments), bytearray()
                self._frames.append(decode(message))
        elif event.opcode is Opcode.PONG:
            sent = self._pings.pop(bytes(event.data), None)
            if sent is not None:
                self._status.round_trip = self._clock() - sent
        elif event.opcode is Opcode.TEXT:
            raise FrameError("The edge sent text where frames are binary.")

    def _readable(self) -> bool:
        """Whether something came, or the end; what TLS has read already is seen by no poll."""
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            return True
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(0))

    def _check_interrupt(self) -> None:
        if self._interrupted():
            raise Interrupted("The answer was stopped.")

    def _lost(self) -> Exception:
        """Why the link is gone: the edge's own words where it left some."""
        for frame in self._frames:
            if frame.type is FrameType.ERROR:
                return ErrorNotice.unpack(frame.payload).to_error()
        return LinkLost("The connection to the edge ended.",
                        "Ask again; if it stays, check that the edge still runs.")


def edge_uri(url: str) -> WebSocketURI:
    """The WebSocket's address for an edge's URL."""
    scheme, mark, rest = url.partition("://")
    scheme = {"http": "ws", "https": "wss"}.get(scheme, scheme)
    try:
        if not mark:
            raise ValueError("it has no http:// or https:// in front")
        return parse_uri(f"{scheme}://{rest.rstrip('/')}{SPLIT_PATH}")
    except (InvalidURI, ValueError) as error:
        raise BadEdgeAddress(f"{url!r} is not the address of an edge: {error}.",
                             "Give one such as http://127.0.0.1:8470.") from error


def _connect(uri: WebSocketURI, url: str, config: LinkConfig) -> socket.socket:
    try:
        plain = socket.create_connection((uri.host, uri.port), timeout=config.connect_timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if not uri.secure:
            return plain
        return _trust(config.ca).wrap_socket(plain, server_hostname=uri.host)
    except (OSError, UnicodeError) as error:  # a host's name that is too long is the latter
        reason = getattr(error, "strerror", None) or error
        raise EdgeUnreachable(f"No edge answers at {url}: {reason}.",
                              "Start one with `airsplit edge`, or name it with --edge."
                              ) from error


def _trust(ca: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca is not None:
        try:
            context.load_verify_locations(ca)
        except (OSError, ssl.SSLError) as error:
            raise BadEdgeAddress(f"{ca} holds no certificate to trust: {error}.",
                                 "Give --ca the certificate the edge was started with, in PEM."
                                 ) from error
    return context
