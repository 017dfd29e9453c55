"""A port that leads into a namespace: bytes both ways, ends, and targets that are not there."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

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
    server = await asyncio.start_server(Door(f"tcp:{target}", "x").joined, "127.0.0.1", 0)
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


def test_a_named_socket_will_do(tmp_path: Path) -> None:
    async def run() -> bytes:
        inner = await asyncio.start_unix_server(echo, tmp_path / "inner")
        outer = await asyncio.start_unix_server(Door(f"unix:{tmp_path}/inner").joined,
                                                tmp_path / "outer")
        async with inner, outer:
            reader, writer = await asyncio.open_unix_connection(tmp_path / "outer")
            writer.write(b"hello")
            writer.write_eof()
            found = await asyncio.wait_for(reader.read(), 20)
            writer.close()
            await writer.wait_closed()
            return found

    assert asyncio.run(run()) == b"hello"


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
