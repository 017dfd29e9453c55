"""A host's TCP (`stack`) on a device of the cell, and its connections joined to sockets here.

    link = Link(Host("10.46.0.2", chance), end)
    await asyncio.start_server(link.door(End("10.46.0.1", 8470)), "127.0.0.1", 0)

Bytes are handed on as they come, both ways, as far as either side takes them; nothing looks at
them. Everything runs in one event loop.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from testbed.errors import LinkFailure
from testbed.loop.stack.host import Host
from testbed.loop.stack.segments import End
from testbed.loop.stack.stream import Over, Stream

CHUNK = 1 << 16  # bytes read at once
AT_ONCE = 64  # packets before others get their turn
LONGEST = 2048  # bytes of a packet
Served = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Link:
    """One host's; close it in the loop that it was made in."""

    def __init__(self, host: Host, end: socket.socket,
                 seen: Callable[[bytes], None] = lambda packet: None,
                 greet: Callable[[Stream], Coroutine[Any, Any, None]] | None = None) -> None:
        """`seen` is told of every packet, in and out; `greet` takes connections that come."""
        self.host = host
        self.lost = 0  # packets that the device had no room for
        self.retransmitted = 0  # of connections that are over
        self._end, self._seen, self._greet = end, seen, greet
        self._news: dict[Stream, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(end.fileno(), self._readable)

    def door(self, theirs: End) -> Served:
        """What serves sockets that come: each becomes a connection to `theirs`."""
        async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                stream = self.host.connect(theirs, time.monotonic())
            except LinkFailure:
                writer.transport.abort()  # more connections than a phone has
                return
            await self._tracked(self.join(stream, reader, writer))
        return served

    async def _tracked(self, work: Coroutine[Any, Any, None]) -> None:
        await asyncio.wait([self._task(work)])

    def _task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """It runs beside, until the link closes."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def join(self, stream: Stream, reader: asyncio.StreamReader,
                   writer: asyncio.StreamWriter) -> None:
        """A connection and a socket are one, until both are at their ends."""
        self._news[stream] = asyncio.Event()
        ways = [self._task(self._in(stream, reader)), self._task(self._out(stream, writer))]
        try:
            self.flush()
            await asyncio.gather(*ways)
        except OSError:  # whoever had the socket went
            stream.abort(time.monotonic())
        finally:
            for way in ways:
                way.cancel()
            if stream.over is None:  # the end of all, or a socket that broke
                stream.close(time.monotonic())
            self.flush()
            self.retransmitted += stream.retransmitted
            del self._news[stream]
            writer.close()

    async def _in(self, stream: Stream, reader: asyncio.StreamReader) -> None:
        """From the socket into the cell."""
        while data := await reader.read(CHUNK):
            while data:
                if stream.over is not None:
                    return
                data = data[stream.write(data, time.monotonic()):]
                self.flush()
                if data:
                    await self._wait(stream)
        stream.close(time.monotonic())
        self.flush()

    async def _out(self, stream: Stream, writer: asyncio.StreamWriter) -> None:
        """From the cell into the socket."""
        while True:
            if data := stream.read(time.monotonic()):
                self.flush()  # there is room again
                writer.write(data)
                await writer.drain()
            elif stream.ended:
                break
            else:
                await self._wait(stream)
        if stream.over in (None, Over.CLOSED):
            if writer.can_write_eof():
                writer.write_eof()
        else:
            writer.transport.abort()

    async def _wait(self, stream: Stream) -> None:
        """Until something has happened to the connection. Nothing can between look and wait."""
        news = self._news[stream]
        news.clear()
        await news.wait()

    def _readable(self) -> None:
        now = time.monotonic()
        for _ in range(AT_ONCE):
            try:
                packet = self._end.recv(LONGEST)
            except BlockingIOError:
                break
            self._seen(packet)
            self.host.take(packet, now)
        accepted, self.host.accepted = self.host.accepted, []
        if self._greet is not None:
            for stream in accepted:
                self._task(self._greet(stream))
        self.flush()

    def flush(self) -> None:
        """What the host has to send goes, whoever waits for its connections is told."""
        now = time.monotonic()
        for packet in self.host.outgoing(now):
            self.put(packet)
        for news in self._news.values():
            news.set()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if (due := self.host.due()) is not None:
            self._timer = self._loop.call_at(due, self._due)

    def put(self, packet: bytes) -> None:
        """One packet into the cell; what there is no room for is lost, as in any network."""
        try:
            self._end.send(packet)
        except BlockingIOError:
            self.lost += 1
            return
        self._seen(packet)

    def _due(self) -> None:
        self._timer = None
        self.host.tick(time.monotonic())
        self.flush()

    def account(self) -> dict[str, Any]:
        return {"address": self.host.address, "lost_at_the_device": self.lost,
                "retransmitted": self.retransmitted, "not_for_it": self.host.foreign}

    async def close(self) -> None:
        """All connections end."""
        for task in (waiting := set(self._tasks)):
            task.cancel()
        if waiting:
            await asyncio.wait(waiting)
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._end.fileno())
        self._end.close()
