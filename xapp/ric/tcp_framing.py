"""FOR TESTS ONLY: messages over TCP, where there is no SCTP at all. No RAN speaks this.

A frame is 4 bytes of length, 4 bytes of payload protocol identifier, both in network order, and the
payload. `Frames` takes bytes and gives messages; the rest is the same as for SCTP.
"""

from __future__ import annotations

import asyncio
import errno
import os
import struct
from collections import Counter
from collections.abc import Iterator
from typing import cast

from xapp.errors import ProtocolError, TransportError
from xapp.ric.address import Address
from xapp.ric.association import Admission, QueuedAssociation, reason_of
from xapp.ric.transport import Limits, Message, OnAssociation

HEAD = struct.Struct("!II")  # bytes of the payload, its identifier
WRITE_BUFFER = 256 << 10  # bytes that asyncio keeps before messages wait in our queue


def framed(message: Message) -> bytes:
    """The frame of a message."""
    return HEAD.pack(len(message.payload), message.ppid) + message.payload


class Frames:
    """Bytes in, messages out; a frame of a size that cannot be raises ProtocolError."""

    def __init__(self, message_bytes: int) -> None:
        self._most = message_bytes
        self._bytes = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """The messages that are complete with `data`."""
        self._bytes += data
        begin = 0
        try:
            while len(self._bytes) - begin >= HEAD.size:
                length, ppid = HEAD.unpack_from(self._bytes, begin)
                if not 0 < length <= self._most:
                    raise ProtocolError(f"A frame of {length:,} bytes is none: 1 to {self._most:,} "
                                        "are.", "Look what else connects to this port.")
                end = begin + HEAD.size + length
                if len(self._bytes) < end:
                    return
                payload = bytes(memoryview(self._bytes)[begin + HEAD.size:end])
                begin = end
                yield Message(ppid, payload)
        finally:
            del self._bytes[:begin]


async def listen(address: Address, on_association: OnAssociation, limits: Limits) -> TcpListener:
    """Take connections at `address`, for tests."""
    listener = TcpListener(address, on_association, limits)
    try:
        await listener.start()
    except OSError as error:
        remedy = (f"Another program has port {address.port}: end it (ss -lnpt shows who), or "
                  "choose another." if error.errno == errno.EADDRINUSE else
                  "Choose another address.")
        number = error.errno or 0
        raise TransportError(f"{address} cannot be listened on: {os.strerror(number).lower()}.",
                             remedy) from error
    return listener


async def connect(address: Address, limits: Limits) -> TcpAssociation:
    """A connection to who listens at `address`, for tests."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(limits.connect_seconds):
            _, protocol = await loop.create_connection(
                lambda: _Protocol(address, limits, None), address.host, address.port)
    except TimeoutError as error:
        raise TransportError(f"{address} did not answer within {limits.connect_seconds:g} s.",
                             "Look whether something listens there.") from error
    except OSError as error:
        raise TransportError(f"{address} cannot be reached: {os.strerror(error.errno or 0)}.",
                             "Look whether something listens there.") from error
    return protocol.association


class TcpListener:
    """A listening socket."""

    def __init__(self, address: Address, on_association: OnAssociation, limits: Limits) -> None:
        self.address, self._limits = address, limits
        self._on_association = on_association
        self._admission = Admission(limits)
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Protocol(self.address, self._limits, self), self.address.host,
            self.address.port)
        port = self._server.sockets[0].getsockname()[1]
        self.address = Address(self.address.scheme, self.address.host, port)

    @property
    def port(self) -> int:
        return self.address.port

    @property
    def refused(self) -> Counter[str]:
        return self._admission.refused

    def take(self, association: TcpAssociation) -> bool:
        """Whether the connection is taken."""
        if self._server is None or self._admission.objection(association.host) is not None:
            return False
        self._admission.taken(association)
        self._on_association(association)
        return True

    def close(self) -> None:
        """Take no more."""
        if self._server is not None:
            self._server.close()
            self._server = None  # also for who was just let in

    async def wait_closed(self) -> None:
        """asyncio closes the socket at once; its own wait is for the connections, too."""


class _Protocol(asyncio.Protocol):
    """Makes an association of a connection, and tells it what happens."""

    association: TcpAssociation

    def __init__(self, address: Address, limits: Limits, listener: TcpListener | None) -> None:
        self._address, self._limits, self._listener = address, limits, listener
        self._frames = Frames(limits.message_bytes)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        made = cast(asyncio.Transport, transport)
        made.set_write_buffer_limits(high=WRITE_BUFFER)
        host, port = made.get_extra_info("peername")[:2]
        self.association = TcpAssociation(
            made, str(Address(self._address.scheme, host, port)), host, self._limits)
        if self._listener is not None and not self._listener.take(self.association):
            self.association.abort("one too many")

    def data_received(self, data: bytes) -> None:
        try:
            for message in self._frames.feed(data):
                self.association.came(message)
        except ProtocolError as error:
            self.association.abort(error.problem)

    def eof_received(self) -> None:
        self.association.lost("closed by its peer")

    def connection_lost(self, error: Exception | None) -> None:
        self.association.lost(
            reason_of(error) if isinstance(error, OSError) else "closed by its peer")

    def resume_writing(self) -> None:
        self.association.can_write()


class TcpAssociation(QueuedAssociation):
    """A TCP connection that stands for an association, in tests."""

    def __init__(self, transport: asyncio.Transport, peer: str, host: str, limits: Limits) -> None:
        super().__init__(peer, host, limits)
        self._transport = transport

    def came(self, message: Message) -> None:
        self._arrived(message.payload, message.ppid)
        if self._paused:
            self._transport.pause_reading()

    def can_write(self) -> None:
        self._writable()

    def lost(self, reason: str) -> None:
        self._lost(reason)

    def _write(self, payload: bytes, ppid: int) -> bool:
        if self._transport.get_write_buffer_size() > WRITE_BUFFER:
            return False
        self._transport.write(framed(Message(ppid, payload)))
        return True

    def _read_on(self) -> None:
        self._transport.resume_reading()

    def _shut_down(self) -> None:
        self._transport.close()  # `connection_lost` follows what was written

    def _cut(self) -> None:
        self._transport.abort()

    def _leave(self) -> None:
        """TCP knows no peers that start anew."""
