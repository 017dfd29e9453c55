"""How the two ends of generated traffic exchange bytes: requests that say what is to come back.

Every request begins with a header of 16 bytes that tells its own size and the reply's; the rest is
filler. A reply is one block after a time, or a stream whose pieces both ends work out from the
activity's parameters and a seed. What matters is when how many bytes cross the link; they mean
nothing. Over TCP (plain or TLS) and UDP.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

Parameters = Mapping[str, Any]  # of one activity: as drawn, and written beside the capture
Piece = tuple[float, int]  # seconds to wait, then so many bytes
Plan = Callable[[Parameters, random.Random], Iterator[Piece]]  # a stream, or one end's datagrams

HEADER = struct.Struct(">BBHIII")  # mark, whether a stream, milliseconds, up, down, seed
MARK, PING = 0x51, 0x50
PING_BYTES = 2  # as MQTT's
LARGEST = 256 << 20  # bytes of a request or reply: more than any scenario draws
READ_BYTES = 1 << 16
FILLER = bytes(1 << 16)
SILENCE = 6.0  # seconds without a datagram after which the server stops sending to a client


class TalkError(Exception):
    """The other end sent what is no request."""


@dataclass(frozen=True)
class Request:
    """What a client asks for."""

    up: int  # bytes of the request, at least the header's
    down: int = 0  # of the reply
    wait: float = 0.0  # seconds before it
    stream: bool = False  # the reply is the activity's plan, drawn with `seed`
    seed: int = 0

    def head(self) -> bytes:
        return HEADER.pack(MARK, self.stream, min(65_535, round(self.wait * 1000)), self.up,
                           self.down, self.seed)

    @classmethod
    def of(cls, head: bytes) -> Request:
        mark, stream, milliseconds, up, down, seed = HEADER.unpack_from(head)
        if mark != MARK or not HEADER.size <= up <= LARGEST or down > LARGEST:
            raise TalkError("these bytes are no request")
        return cls(up, down, milliseconds / 1000, bool(stream), seed)


class Connection:
    """A client's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, plan: Plan,
                 parameters: Parameters) -> None:
        self._reader, self._writer = reader, writer
        self._plan, self._parameters = plan, parameters

    async def send(self, up: int, down: int = 0, wait: float = 0.0) -> None:
        """A request whose reply, if any, is read later."""
        await self._put(Request(max(up, HEADER.size), down, wait))

    async def read(self, count: int) -> None:
        while count > 0:
            data = await self._reader.read(min(count, READ_BYTES))
            if not data:
                raise ConnectionResetError("the server ended the connection")
            count -= len(data)

    async def ask(self, up: int, down: int, wait: float = 0.0) -> None:
        """A request and its reply."""
        await self.send(up, down, wait)
        await self.read(down)

    async def stream(self, up: int, seed: int) -> None:
        """A request, and the pieces that the plan gives for `seed`."""
        await self._put(Request(max(up, HEADER.size), stream=True, seed=seed))
        await self.read(sum(size for _, size in self._plan(self._parameters,
                                                           random.Random(seed))))

    async def endless(self, up: int, seed: int) -> None:
        """A request whose reply does not end by itself."""
        await self._put(Request(max(up, HEADER.size), stream=True, seed=seed))
        await self.read(LARGEST)

    async def ping(self) -> None:
        self._writer.write(bytes([PING]) + bytes(PING_BYTES - 1))
        await self._writer.drain()
        await self.read(PING_BYTES)

    async def close(self) -> None:
        with suppress(OSError, ssl.SSLError, TimeoutError):
            self._writer.close()
            await asyncio.wait_for(self._writer.wait_closed(), 1.0)

    async def _put(self, request: Request) -> None:
        self._writer.write(request.head())
        await write(self._writer, request.up - HEADER.size)


async def write(writer: asyncio.StreamWriter, count: int) -> None:
    """So many bytes of filler."""
    while count > 0:
        writer.write(FILLER[: min(count, len(FILLER))])
        await writer.drain()
        count -= len(FILLER)


@dataclass(frozen=True)
class Talk:
    """A client's way to the server of its activity."""

    address: str
    port: int
    tls: ssl.SSLContext | None
    plan: Plan
    parameters: Parameters

    async def open(self) -> Connection:
        reader, writer = await asyncio.open_connection(
            self.address, self.port, ssl=self.tls,
            server_hostname=self.address if self.tls else None)
        return Connection(reader, writer, self.plan, self.parameters)


async def serve_stream(
    address: str, port: int, tls: ssl.SSLContext | None, plan: Plan, parameters: Parameters,
) -> asyncio.Server:
    """A server for `Connection`s."""
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A client that leaves in the middle, at the end of its time above all, is no fault.
        with suppress(OSError, asyncio.IncompleteReadError, ssl.SSLError, TalkError):
            while True:
                mark = await reader.readexactly(1)
                if mark[0] == PING:
                    await reader.readexactly(PING_BYTES - 1)
                    await write(writer, PING_BYTES)
                    continue
                request = Request.of(mark + await reader.readexactly(HEADER.size - 1))
                await _discard(reader, request.up - HEADER.size)
                await _reply(writer, request, plan, parameters)
        writer.close()

    return await asyncio.start_server(connected, address, port, ssl=tls)


async def _discard(reader: asyncio.StreamReader, count: int) -> None:
    while count > 0:
        data = await reader.read(min(count, READ_BYTES))
        if not data:
            raise asyncio.IncompleteReadError(b"", count)
        count -= len(data)


async def _reply(
    writer: asyncio.StreamWriter, request: Request, plan: Plan, parameters: Parameters,
) -> None:
    pieces = (plan(parameters, random.Random(request.seed)) if request.stream
              else iter([(request.wait, request.down)]))
    due = asyncio.get_running_loop().time()
    for wait, size in pieces:
        due += wait
        await _sleep_until(due)
        await write(writer, size)


async def _sleep_until(due: float) -> None:
    """By the clock, so that what a busy machine loses in one pause it wins back in the next."""
    wait = due - asyncio.get_running_loop().time()
    if wait > 0:
        await asyncio.sleep(wait)


class Datagrams(asyncio.DatagramProtocol):
    """Either end over UDP: answers requests, and sends what the plan says once it has a peer."""

    def __init__(self, plan: Plan, parameters: Parameters, seed: int) -> None:
        self._plan, self._parameters, self._seed = plan, parameters, seed
        self._transport: asyncio.DatagramTransport | None = None
        self._heard: dict[Any, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.replies: asyncio.Queue[int] = asyncio.Queue()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # The library's own transport of datagrams does not derive from this type.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def error_received(self, exc: Exception) -> None:
        """Nobody listens there yet, or no longer."""

    def datagram_received(self, data: bytes, addr: Any) -> None:
        loop = asyncio.get_running_loop()
        first = addr not in self._heard
        self._heard[addr] = loop.time()
        if data[:1] != bytes([MARK]) or len(data) < HEADER.size:
            self.replies.put_nowait(len(data))
            return
        try:
            request = Request.of(data)
        except TalkError:
            return
        if request.stream and first:
            self._start(self._push(addr))
        elif request.down:
            loop.call_later(request.wait, self._put, bytes(request.down), addr)

    def _start(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _push(self, addr: Any) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        for wait, size in self._plan(self._parameters, random.Random(self._seed)):
            due += wait
            await _sleep_until(due)
            if loop.time() - self._heard[addr] > SILENCE:
                return
            self._put(bytes(size), addr)

    def _put(self, data: bytes, addr: Any) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data, addr)


@dataclass(frozen=True)
class DatagramTalk:
    """A client's way to the server of its activity, over UDP: a socket for each `open`."""

    address: str
    port: int

    async def open(self) -> DatagramConnection:
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.create_datagram_endpoint(
            lambda: Datagrams(lambda *_: iter(()), {}, 0), remote_addr=(self.address, self.port))
        return DatagramConnection(transport, protocol)


class DatagramConnection:
    """A client's socket."""

    def __init__(self, transport: asyncio.DatagramTransport, protocol: Datagrams) -> None:
        self._transport, self._protocol = transport, protocol

    def send(self, size: int) -> None:
        self._transport.sendto(bytes(size))

    async def ask(self, up: int, down: int, wait: float, patience: float) -> bool:
        """A request and its reply; whether it came in time."""
        self._transport.sendto(Request(max(up, HEADER.size), down, wait).head().ljust(up, b"\0"))
        try:
            await self.receive(patience)
        except TimeoutError:
            return False
        return True

    async def receive(self, patience: float) -> int:
        """Bytes of the next datagram."""
        return await asyncio.wait_for(self._protocol.replies.get(), patience)

    async def exchange(self, pieces: Iterator[Piece], hello: int) -> None:
        """Have the server send its plan, and send `pieces` meanwhile."""
        self._transport.sendto(Request(HEADER.size, stream=True).head().ljust(hello, b"\0"))
        due = asyncio.get_running_loop().time()
        for wait, size in pieces:
            due += wait
            await _sleep_until(due)
            self.send(size)

    def close(self) -> None:
        self._transport.close()


async def serve_datagrams(
    address: str, port: int, plan: Plan, parameters: Parameters, seed: int,
) -> asyncio.DatagramTransport:
    """A server for `DatagramConnection`s."""
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Datagrams(plan, parameters, seed), local_addr=(address, port))
    return transport
