"""A port that leads into a namespace: bytes both ways, ends, and targets that are not there."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from testbed import namespaces
from testbed.loop.door import Door, pump


@pytest.fixture(autouse=True)
def _no_namespaces(monkeypatch: pytest.MonkeyPatch) -> None:
    """The joining is tried here; entering a namespace is `namespaces`' and the demo's."""
    monkeypatch.setattr(namespaces, "inside", lambda name, function: function())


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await pump(reader, writer)
    writer.close()


@contextlib.asynccontextmanager
async def door_to(target: int) -> AsyncIterator[int]:
    server = await asyncio.start_server(Door("x", target).joined, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def test_bytes_go_both_ways_and_an_end_is_handed_on() -> None:
    async def run() -> bytes:
        inner = await asyncio.start_server(echo, "127.0.0.1", 0)
        async with inner, door_to(inner.sockets[0].getsockname()[1]) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"x" * 300_000)
            writer.write_eof()
            found = await asyncio.wait_for(reader.read(), 20)
            writer.close()
            await writer.wait_closed()
            return found

    assert asyncio.run(run()) == b"x" * 300_000


def test_nobody_behind_it_ends_the_connection(capsys: pytest.CaptureFixture[str]) -> None:
    async def run() -> bytes:
        async with door_to(9) as port:  # nobody listens there
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            found = await asyncio.wait_for(reader.read(), 20)
            writer.close()
            await writer.wait_closed()
            return found

    assert asyncio.run(run()) == b""
    assert "door: " in capsys.readouterr().err
