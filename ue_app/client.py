"""The link to an edge: frames over one binary WebSocket.

The WebSocket protocol is the `websockets` library's sans-IO core over a plain blocking socket: its
ready-made client hands every message from a thread of its own to the caller's, which costs a
one-token exchange more than the protocol does, and it cannot count the bytes on the socket.
It knows frames and sessions, not tokens or text.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections import deque
from dataclasses import dataclass

import torch
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidURI
from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode
from websockets.protocol import State
from websockets.uri import WebSocketURI, parse_uri

from edge_server.engine.tensors import WIRE_TYPES, from_bytes, to_bytes
from edge_server.errors import FrameError, SessionError
from edge_server.frame import (
    HEADER_BYTES,
    MAX_PAYLOAD_BYTES,
    Flags,
    Frame,
    FrameType,
    decode,
    encode,
    token_of,
)
from edge_server.messages import (
    SPLIT_PATH,
    ErrorCode,
    ErrorNotice,
    Hello,
    Mode,
    Sampling,
    Welcome,
)
from ue_app.errors import BadEdgeAddress, EdgeUnreachable, LinkError, LinkLost, LinkTimeout
from ue_app.link import LinkState, LinkStatus, Result, Traffic

RECEIVE_BYTES = 1 << 16  # per read; a token's frame is a fraction, a private prefill many


@dataclass(frozen=True)
class LinkConfig:
    """How patient the phone is."""

    url: str  # http(s):// or ws(s)://, host and port of the edge
    connect_timeout: float = 20.0  # seconds until a session stands; an edge may still be loading
    answer_timeout: float = 60.0  # seconds of silence while a result is due


class EdgeLink:
    """A session on an edge."""

    def __init__(self, config: LinkConfig, hello: Hello) -> None:
        self._config, self._hello = config, hello
        self._uri = edge_uri(config.url)
        self.traffic: Traffic | None = Traffic()
        self.status = LinkStatus(LinkState.CLOSED, config.url)
        self._counter = self.traffic
        self._open()

    def _open(self) -> None:
        """Connect and agree on a session; counters go on."""
        self._protocol = ClientProtocol(self._uri, max_size=HEADER_BYTES + MAX_PAYLOAD_BYTES)
        self._frames: deque[Frame] = deque()
        self._fragments = bytearray()
        self._torn = False  # a frame was interrupted half way: the stream cannot go on
        self._socket = _connect(self._uri, self._config)
        try:
            self._handshake()
            self._send(Frame(FrameType.HELLO, payload=self._hello.pack()))
            answer = self._next_frame()
            if answer.type is not FrameType.WELCOME:
                raise FrameError(f"The edge answered HELLO with {answer.type.name}.")
            self.welcome = Welcome.unpack(answer.payload)
            self.status.state = LinkState.CONNECTED
        except BaseException:
            self._socket.close()
            raise

    def start(self, sampling: Sampling) -> None:
        self._send(self._frame(FrameType.SAMPLING, payload=sampling.pack()))

    def send(self, position: int, rows: torch.Tensor, flags: Flags) -> None:
        self._send(Frame(FrameType.ROWS, self.welcome.session, 0, position,
                         WIRE_TYPES[rows.dtype], rows.shape[0], rows.shape[1], flags,
                         to_bytes(rows)))

    def receive(self) -> Result:
        frame = self._next_frame()
        if self._hello.mode is Mode.TOKENS:
            return token_of(frame)
        if frame.type is not FrameType.HIDDEN:  # a token above all: the phone chooses them
            raise FrameError(f"Hidden rows were expected, and a {frame.type.name} frame came.")
        return from_bytes(memoryview(frame.payload), frame.dtype, frame.rows, frame.columns)

    def cancel(self, kept: int) -> int:
        if self._torn:
            self._socket.close()  # which cancels at the edge too
            self._reopen()
            return 0
        self._send(self._frame(FrameType.CANCEL, position=kept))
        while self._next_frame().type is not FrameType.CANCEL:
            pass  # a result of the answer that was given up
        return kept

    def close(self) -> None:
        """Say goodbye; a link that is already broken closes silently."""
        try:
            self._send(self._frame(FrameType.GOODBYE))
            self._protocol.send_close(1000)
            self._flush()
        except (LinkError, SessionError):
            pass  # there is nobody to say it to
        finally:
            self._socket.close()
            self.status.state = LinkState.CLOSED

    def _reopen(self) -> None:
        """Open a session anew; an edge frees the place of the last once it has noticed its end."""
        for pause in (0.1, 0.2, 0.4, 0.8, 1.6, 3.2):  # seconds
            try:
                return self._open()
            except SessionError as error:
                if error.code != ErrorCode.TOO_MANY_SESSIONS:
                    raise
                time.sleep(pause)
        return self._open()

    def _frame(self, kind: FrameType, position: int = 0, payload: bytes = b"") -> Frame:
        return Frame(kind, self.welcome.session, 0, position, payload=payload)

    def _handshake(self) -> None:
        self._protocol.send_request(self._protocol.connect())
        self._flush()
        while self._protocol.state is State.CONNECTING and not self._protocol.handshake_exc:
            self._read(self._config.connect_timeout)
        error = self._protocol.handshake_exc
        if error is not None:
            raise EdgeUnreachable(f"{self._config.url} does not answer as an edge: {error}.",
                                  "Check that the address is an airsplit edge's.") from error

    def _send(self, frame: Frame) -> None:
        if self._torn or self._protocol.state is not State.OPEN:
            raise self._lost()
        self._protocol.send_binary(encode(frame))
        self._flush()

    def _flush(self) -> None:
        try:
            self._socket.settimeout(self._config.answer_timeout)
            # `sendall` keeps to one deadline for all of a chunk, which a slow link may need.
            for data in self._protocol.data_to_send():
                if data:
                    self._socket.sendall(data)
                    self._counter.sent += len(data)
        except TimeoutError as error:
            raise LinkTimeout(
                f"The edge took no data for {self._config.answer_timeout:.0f} s.",
                "Check the link, or allow more with --timeout.") from error
        except OSError as error:
            # What the edge said before it hung up explains more than the broken pipe.
            self._drain()
            raise self._lost() from error
        except BaseException:
            self._torn = True
            raise

    def _drain(self) -> None:
        try:
            while self._read(1.0):
                pass
        except LinkTimeout:
            pass  # it said nothing

    def _next_frame(self) -> Frame:
        while not self._frames:
            if not self._read(self._config.answer_timeout) and not self._frames:
                raise self._lost()
        frame = self._frames.popleft()
        if frame.type is FrameType.ERROR:
            raise ErrorNotice.unpack(frame.payload).to_error()
        return frame

    def _read(self, timeout: float) -> bool:
        """Take what the socket has, waiting for it; False once the edge has closed."""
        try:
            self._socket.settimeout(timeout)
            data = self._socket.recv(RECEIVE_BYTES)
        except TimeoutError as error:
            raise LinkTimeout(f"The edge said nothing for {timeout:.0f} s.",
                              "Check the link, or allow more with --timeout.") from error
        except OSError:
            data = b""  # reset: closed, for whoever reads
        self._counter.received += len(data)
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

    def _take(self, event: WebSocketFrame) -> None:
        if event.opcode in (Opcode.BINARY, Opcode.CONT):
            self._fragments += event.data
            if event.fin:
                message, self._fragments = bytes(self._fragments), bytearray()
                self._frames.append(decode(message))
        elif event.opcode is Opcode.TEXT:
            raise FrameError("The edge sent text where frames are binary.")

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


def _connect(uri: WebSocketURI, config: LinkConfig) -> socket.socket:
    try:
        plain = socket.create_connection((uri.host, uri.port), timeout=config.connect_timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if not uri.secure:
            return plain
        return ssl.create_default_context().wrap_socket(plain, server_hostname=uri.host)
    except (OSError, UnicodeError) as error:  # a host's name that is too long is the latter
        reason = getattr(error, "strerror", None) or error
        raise EdgeUnreachable(f"No edge answers at {config.url}: {reason}.",
                              "Start one with `airsplit edge`, or check the address.") from error
