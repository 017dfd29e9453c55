"""Keeps connections that are no session yet, or pretend to be none, at bounded memory and time.

uvicorn waits forever for a request that comes byte by byte, for a reader that never reads, and
accepts whoever calls. Here a listening socket counts connections, and uvicorn's protocols get
deadlines and caps. It knows no sessions: what a phone says once it speaks is for `connection`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
import weakref
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

MAX_HEAD_BYTES = 16 << 10  # of a request; a phone's has under 300
# Until a phone has said HELLO, which is a hash, a token and a few numbers, no long message is
# buffered for it.
MAX_FIRST_MESSAGE = 4 << 10
MAX_FRAGMENTS = 1024  # of a message; phones send whole ones, a proxy may cut them in buffers of KiB
# Messages that one read of the socket (256 KiB) brought and nobody has taken yet: empty ones would
# cost fifty times their size. The smallest useful frame leaves room for it.
MAX_UNREAD_MESSAGES = 8192
# What asyncio takes from the queue of callers at a time; refusals must not keep it from the rest.
REFUSALS_AT_ONCE = 64
KEEPALIVE_SECONDS = 60  # of silence before the system asks whether the peer is still there
KEEPALIVE_PROBES = 3  # 20 s apart
BUSY = (b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\n"
        b"Content-Length: 0\r\n\r\n")
TOO_LATE = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
# Whoever sends nonsense must not fill the disk: it is counted, and uvicorn's warnings are dropped.
_log = logging.getLogger("edge_server.http")
_log.setLevel(logging.INFO)
_log.addFilter(lambda record: record.levelno != logging.WARNING)


@dataclass(frozen=True)
class Limits:
    """What all connections together, and each of them, may cost."""

    connections: int  # at a time
    per_address: int  # at a time from one address; this machine's own addresses have no such limit
    head_seconds: float = 10.0  # to say a whole request, and for a TLS handshake
    unread_seconds: float = 30.0  # to take what was sent to it


Denied = Callable[[str], None]  # told why a connection was refused or cut
Carried = Callable[[int, int], None]  # told how many bytes came on a WebSocket's socket, and went


def nobody(received: int, sent: int) -> None:
    """Nobody counts."""


class GuardedConfig(uvicorn.Config):
    """uvicorn's configuration with the guard's protocols and limits."""

    def __init__(self, app: Any, limits: Limits, denied: Denied, carried: Carried = nobody,
                 **options: Any) -> None:
        # asyncio's own loop: it accepts through `Listener.accept`, which others go around.
        super().__init__(app, http=GuardedHttp, ws=GuardedWebSocket, loop="asyncio",
                         h11_max_incomplete_event_size=MAX_HEAD_BYTES, **options)
        self.limits, self.denied, self.carried = limits, denied, carried


def _guard(config: uvicorn.Config) -> GuardedConfig:
    assert isinstance(config, GuardedConfig)
    return config


class _MustRead(asyncio.Protocol):
    """Cuts a connection whose peer does not take what it is sent."""

    config: uvicorn.Config
    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop
    _unread: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(
            _guard(self.config).limits.unread_seconds, self._cut, "unread")

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def connection_lost(self, exc: Exception | None) -> None:
        if self._unread is not None:
            self._unread.cancel()
            if isinstance(exc, TimeoutError):  # the system has the same limit, and was sooner
                _guard(self.config).denied("unread")
        super().connection_lost(exc)

    def _cut(self, reason: str) -> None:
        """At once: what is still to be sent would wait for the peer that does not read."""
        if not self.transport.is_closing() or self.transport.get_write_buffer_size():
            _guard(self.config).denied(reason)
            self.transport.abort()


class GuardedHttp(_MustRead, H11Protocol):
    """HTTP where a request has a deadline that its dripping in does not move."""

    _deadline: asyncio.TimerHandle | None = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.logger = _log

    def send_400_response(self, msg: str) -> None:
        _guard(self.config).denied("bad_request")
        super().send_400_response(msg)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_request()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
            self._stop_clock()  # all of it is here, and it is for the application to answer

    def on_response_complete(self) -> None:
        # Before: what was pipelined behind it may be a whole request, or an upgrade.
        self._expect_request()
        super().on_response_complete()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._stop_clock()  # this protocol is not told of the connection's end any more
        if self._unread is not None:
            self._unread.cancel()
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_clock()
        super().connection_lost(exc)

    def _expect_request(self) -> None:
        self._stop_clock()
        self._deadline = self.loop.call_later(
            _guard(self.config).limits.head_seconds, self._late)

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self) -> None:
        if self.transport.is_closing():
            return
        _guard(self.config).denied("late_request")
        if self.conn.our_state is h11.IDLE:  # nothing was answered yet, so this is understood
            self.transport.write(TOO_LATE)
        self.transport.close()


class _Counting:
    """A transport that tells how much is written to it, and is otherwise the one it is made of."""

    def __init__(self, transport: asyncio.Transport, carried: Carried) -> None:
        self._transport, self._carried = transport, carried

    def write(self, data: bytes) -> None:
        self._carried(0, len(data))
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class GuardedWebSocket(_MustRead, WebSocketsSansIOProtocol):
    """A WebSocket that buffers little for who has said little, and whose bytes are counted.

    Within TLS, where there is any. The request that made it one is counted as HTTP hands it on.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._wide = self.conn.max_message_size
        self.conn.max_message_size = MAX_FIRST_MESSAGE

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        counting = _Counting(cast(asyncio.Transport, transport), _guard(self.config).carried)
        super().connection_made(cast(asyncio.Transport, counting))

    def send_receive_event_to_app(self) -> None:
        self.conn.max_message_size = self._wide
        if self.queue.qsize() >= MAX_UNREAD_MESSAGES:
            self._cut("messages")
            return
        super().send_receive_event_to_app()

    def handle_cont(self, event: Frame) -> None:
        # Empty fragments add nothing to the size that is capped, and an entry each to a list.
        if len(self.frames) >= MAX_FRAGMENTS:
            self._cut("fragments")
            return
        super().handle_cont(event)

    def handle_ping(self) -> None:
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()  # dropped: pongs to a peer that reads nothing would pile up

    def data_received(self, data: bytes) -> None:
        _guard(self.config).carried(len(data), 0)
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            # A head that HTTP took and the WebSocket library does not: it has prepared an answer,
            # which the base class forgets, with the connection.
            _guard(self.config).denied("handshake")
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()


class Listener(socket.socket):
    """A listening socket that turns callers away beyond a number, before anything is spent on them.

    It replaces the socket it is made of. The count includes those still at their TLS handshake.
    """

    def __init__(self, plain: socket.socket, limits: Limits, denied: Denied, tls: bool) -> None:
        super().__init__(plain.family, plain.type, plain.proto, fileno=plain.detach())
        self._limits, self._denied, self._tls = limits, denied, tls
        self._open = 0
        self._of_address: Counter[str] = Counter()
        # Accepted sockets inherit these.
        self.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in (("TCP_KEEPIDLE", KEEPALIVE_SECONDS), ("TCP_KEEPINTVL", 20),
                            ("TCP_KEEPCNT", KEEPALIVE_PROBES),
                            # A peer whose window stays shut is as gone as one that is silent.
                            ("TCP_USER_TIMEOUT", int(limits.unread_seconds * 1000))):
            if hasattr(socket, name):  # not every system has all of them
                self.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def accept(self) -> tuple[socket.socket, Any]:
        for _ in range(REFUSALS_AT_ONCE):
            plain, address = super().accept()
            source = source_of(address[0])
            reason = self._objection(source)
            if reason is None:
                return _Accepted(plain, self, source), address
            self._denied(reason)
            self._turn_away(plain)
        raise BlockingIOError  # asyncio comes back for the rest when it has served the others

    def released(self, source: str | None) -> None:
        self._open -= 1
        if source is not None:
            self._of_address[source] -= 1
            if not self._of_address[source]:
                del self._of_address[source]

    def taken(self, source: str | None) -> None:
        self._open += 1
        if source is not None:
            self._of_address[source] += 1

    def _objection(self, source: str | None) -> str | None:
        if self._open >= self._limits.connections:
            return "connections"
        if source is not None and self._of_address[source] >= self._limits.per_address:
            return "connections_of_address"
        return None

    def _turn_away(self, plain: socket.socket) -> None:
        with plain, suppress(OSError):  # it is gone already, or takes nothing: as good
            plain.setblocking(False)
            if not self._tls:
                plain.send(BUSY)


class _Accepted(socket.socket):
    """A counted connection."""

    def __init__(self, plain: socket.socket, listener: Listener, source: str | None) -> None:
        super().__init__(plain.family, plain.type, plain.proto, fileno=plain.detach())
        listener.taken(source)
        # On collection too: a connection lost half way through its start is never closed.
        self._release = weakref.finalize(self, listener.released, source)

    def close(self) -> None:
        super().close()
        self._release()


def source_of(host: str) -> str | None:
    """What counts as one caller: an address, an IPv6 network; None for this machine itself."""
    address = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            if address.is_loopback:
                return None
            # A caller is given a /64 at least, and all of its addresses are the caller's.
            return str(ipaddress.ip_network((address, 64), strict=False))
        address = address.ipv4_mapped
    return None if address.is_loopback else str(address)
