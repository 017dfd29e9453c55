"""A way for connections into a network namespace, or out of one: for a page served inside.

    python -m testbed.loop.door tcp:8501 tcp:8501 NAMESPACE    a port of ours, and one in there
    python -m testbed.loop.door unix:/tmp/x/page tcp:8501      sockets with a name cross namespaces

It joins each connection to the first end with one to the second, until its input ends. TCP ports
are of 127.0.0.1. It looks at no byte.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from pathlib import Path

from testbed import namespaces
from testbed.errors import LinkFailure

HOST = "127.0.0.1"
MOST_CONNECTIONS = 128  # a browser has some ten to a page
CHUNK = 1 << 16  # bytes read at once; more wait in the kernel
CONNECT_SECONDS = 5.0


def main() -> int:
    here, there = sys.argv[1:3]
    try:
        asyncio.run(serve(here, Door(there, *sys.argv[3:4])))
    except (OSError, LinkFailure) as error:
        print(f"door from {here} to {there}: {error}", file=sys.stderr)
        return 1
    return 0


async def serve(here: str, door: Door) -> None:
    """Until the input ends."""
    kind, _, name = here.partition(":")
    if kind == "unix":
        server: asyncio.Server = await asyncio.start_unix_server(door.joined, Path(name),
                                                                 limit=CHUNK)
    else:
        server = await asyncio.start_server(door.joined, HOST, int(name), limit=CHUNK)
    print(f"door: {here}", flush=True)
    loop = asyncio.get_running_loop()
    async with server:
        await loop.run_in_executor(None, sys.stdin.read)
        door.end()


class Door:
    """Connections through it; `there` is in `namespace`, or where this process is."""

    def __init__(self, there: str, namespace: str | None = None) -> None:
        self._kind, _, self._name = there.partition(":")
        self._namespace = namespace
        self._tasks: set[asyncio.Task[None]] = set()

    async def joined(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, for as long as it lasts."""
        task = asyncio.current_task()
        assert task is not None  # a server runs this in one
        if len(self._tasks) >= MOST_CONNECTIONS:
            writer.close()
            return
        self._tasks.add(task)
        try:
            await self._join(reader, writer)
        except (OSError, LinkFailure) as error:
            print(f"door: {error}", file=sys.stderr, flush=True)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        made = await loop.run_in_executor(None, self._connect)
        inner_reader, inner_writer = await asyncio.open_connection(sock=made, limit=CHUNK)
        try:
            await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer))
        finally:
            inner_writer.close()

    def _connect(self) -> socket.socket:
        """A socket belongs to the namespace in which it was made."""
        if self._namespace is None:
            return self._made()
        return namespaces.inside(self._namespace, self._made)

    def _made(self) -> socket.socket:
        if self._kind == "tcp":
            return socket.create_connection((HOST, int(self._name)), CONNECT_SECONDS)
        made = socket.socket(socket.AF_UNIX)
        try:
            made.settimeout(CONNECT_SECONDS)
            made.connect(self._name)
        except OSError:
            made.close()
            raise
        return made

    def end(self) -> None:
        for task in self._tasks:
            task.cancel()


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """All bytes of one way, and its end."""
    with contextlib.suppress(ConnectionError):  # whoever went has no use for the rest
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


if __name__ == "__main__":
    sys.exit(main())
