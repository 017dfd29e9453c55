"""Sockets joined through a cell to sockets: bytes, ends and breaks are handed on."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from testbed.loop.relay_core import Core
from testbed.loop.relay_link import Link
from testbed.loop.stack.host import Host
from testbed.loop.stack.segments import End
from testbed.ran.relay_devices import taken
from tests.testbed.loop.ends import EDGE, PHONE, UE, Cell, cell_in, config_in

Work = Callable[[Cell, Core, int], Awaitable[None]]
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until the other end says no more."""
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.close()


@asynccontextmanager
async def ends(folder: Path, serve: Serve) -> AsyncIterator[tuple[Cell, Core, int]]:
    """A cell, the core, and the port of the phone's door."""
    edge = await asyncio.start_server(serve, "127.0.0.1", 0)
    config, chance = config_in(folder, edge.sockets[0].getsockname()[1]), random.Random(1)
    with cell_in(folder) as cell, Core(config, Host(EDGE, chance, (8470,))) as core:
        link = Link(Host(PHONE, chance), taken(folder / "cell", UE))
        door = await asyncio.start_server(link.door(End(EDGE, 8470)), "127.0.0.1", 0)
        try:
            yield cell, core, door.sockets[0].getsockname()[1]
        finally:
            door.close()
            edge.close()
            await link.close()
            await core.link.close()


def run(folder: Path, work: Work, serve: Serve = echo) -> None:
    async def all_of_it() -> None:
        async with asyncio.timeout(60), ends(folder, serve) as (cell, core, port):
            await work(cell, core, port)
    asyncio.run(all_of_it())


@pytest.mark.parametrize("every", [0, 13])
def test_bytes_come_back_though_packets_are_lost(tmp_path: Path, every: int) -> None:
    async def work(cell: Cell, core: Core, port: int) -> None:
        cell.lost = lambda number: bool(every) and number % every == 0
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        octets = random.Random(3).randbytes(200_000)
        writer.write(octets)
        writer.write_eof()
        assert await reader.read(-1) == octets
        writer.close()
        assert cell.crossed > 2 * len(octets) / 1400
    run(tmp_path, work)


def test_many_at_once_are_kept_apart(tmp_path: Path) -> None:
    async def work(cell: Cell, core: Core, port: int) -> None:
        async def one(number: int) -> bytes:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(bytes([number]) * 3000)
            writer.write_eof()
            found = await reader.read(-1)
            writer.close()
            return found
        assert await asyncio.gather(*map(one, range(8))) == [
            bytes([number]) * 3000 for number in range(8)]
    run(tmp_path, work)


def test_an_edge_that_is_not_there_breaks_the_connection(tmp_path: Path) -> None:
    async def work(cell: Cell, core: Core, port: int) -> None:
        core._config = config_in(tmp_path, 1)  # where nobody listens
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"hello")
        with pytest.raises(ConnectionError):
            await _all(reader)
        writer.close()
    run(tmp_path, work)


async def _all(reader: asyncio.StreamReader) -> None:
    while await reader.read(1 << 16):
        pass
    raise ConnectionResetError  # an orderly end is a break, too, where nothing was said


def test_an_edge_that_breaks_is_told_to_the_phone(tmp_path: Path) -> None:
    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.transport.abort()

    async def work(cell: Cell, core: Core, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"hello")
        assert await reader.read(-1) == b""
        writer.close()
    run(tmp_path, work, rude)
