"""A TCP port of this machine that leads into a network namespace: for a page served inside one.

    python -m testbed.loop.door NAMESPACE PORT TARGET_PORT

It listens at 127.0.0.1:PORT and joins each connection with one to 127.0.0.1:TARGET_PORT in
NAMESPACE, until its input ends. It looks at no byte.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys

from testbed import namespaces
from testbed.errors import LinkFailure

HOST = "127.0.0.1"
MOST_CONNECTIONS = 128  # a browser has some ten to a page
CHUNK = 1 << 16  # bytes read at once; more wait in the kernel
CONNECT_SECONDS = 5.0


def main() -> int:
    namespace, port, target = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    try:
        asyncio.run(serve(namespace, port, target))
    except (OSError, LinkFailure) as error:
        print(f"door: port {port} into {namespace}: {error}", file=sys.stderr)
        return 1
    return 0


async def serve(namespace: str, port: int, target: int) -> None:
    """Until the input ends."""
    door = Door(namespace, target)
    server = await asyncio.start_server(door.joined, HOST, port, limit=CHUNK)
    print(f"door: http://{HOST}:{port}", flush=True)
    loop = asyncio.get_running_loop()
    async with server:
        await loop.run_in_executor(None, sys.stdin.read)
        door.end()


class Door:
    """Connections through it."""

    def __init__(self, namespace: str, target: int) -> None:
        self._namespace, self._target = namespace, target
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
        return namespaces.inside(self._namespace, lambda: socket.create_connection(
            (HOST, self._target), CONNECT_SECONDS))

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
