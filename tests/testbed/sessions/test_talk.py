"""The two ends of generated traffic, over this machine's loopback: no namespaces, no root."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import trustme

from testbed.sessions.ends import server_tls
from testbed.sessions.talk import (
    HEADER,
    LARGEST,
    Datagrams,
    DatagramTalk,
    Parameters,
    Piece,
    Request,
    Talk,
    TalkError,
    serve_datagrams,
    serve_stream,
)

HERE = "127.0.0.1"


def three(parameters: Parameters, randomness: random.Random) -> Iterator[Piece]:
    for _ in range(3):
        yield 0.001, randomness.randint(100, 200)


def port_of(server: asyncio.Server) -> int:
    return int(server.sockets[0].getsockname()[1])


def test_a_reply_is_as_long_as_was_asked_for() -> None:
    async def run() -> None:
        async with await serve_stream(HERE, 0, None, three, {}) as server:
            connection = await Talk(HERE, port_of(server), None, three, {}).open()
            await connection.ask(5000, 70_000, 0.001)
            await connection.stream(300, 99)
            await connection.ping()
            await connection.send(40)  # nothing comes back
            await connection.send(40, 10)
            await connection.send(40, 20)
            await connection.read(30)
            await connection.ask(0, 1)  # at least a header goes up
            await connection.close()
    asyncio.run(run())


def test_the_same_over_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    authority.issue_cert(HERE).private_key_and_cert_chain_pem.write_to_path(
        str(tmp_path / "server.pem"))

    async def run() -> None:
        tls = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
        async with await serve_stream(HERE, 0, server_tls(tmp_path / "server.pem"), three,
                                      {}) as server:
            connection = await Talk(HERE, port_of(server), tls, three, {}).open()
            await connection.ask(5000, 5000)
            await connection.close()
            await asyncio.sleep(0.05)  # the server's end closes too
    asyncio.run(run())


@pytest.mark.parametrize("head", [
    b"\0" * HEADER.size, b"GET / HTTP/1.1\r\n",
    Request(HEADER.size - 1).head(), Request(LARGEST + 1).head(), Request(99, LARGEST + 1).head()])
def test_what_is_no_request_ends_the_connection(head: bytes) -> None:
    with pytest.raises(TalkError):
        Request.of(head)

    async def run() -> None:
        async with await serve_stream(HERE, 0, None, three, {}) as server:
            reader, writer = await asyncio.open_connection(HERE, port_of(server))
            writer.write(head)
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
            writer.close()
            with suppress(ConnectionResetError):
                await writer.wait_closed()
    asyncio.run(run())


def test_datagrams_that_are_no_request_are_not_answered() -> None:
    protocol = Datagrams(three, {}, 0)
    for data in (b"", b"x", Request(30, LARGEST + 1).head()):
        protocol_received(protocol, data)
    assert protocol.replies.qsize() == 2


def protocol_received(protocol: Datagrams, data: bytes) -> None:
    async def run() -> None:
        protocol.datagram_received(data, (HERE, 1))
    asyncio.run(run())


def test_datagrams_are_answered_and_pushed() -> None:
    async def run() -> None:
        server = await serve_datagrams(HERE, 0, three, {}, 1)
        connection = await DatagramTalk(HERE, server.get_extra_info("sockname")[1]).open()
        assert await connection.ask(60, 100, 0.001, 20.0)
        assert not await connection.ask(60, 0, 0.0, 0.01)  # a reply of no bytes is none
        connection.close()
        connection = await DatagramTalk(HERE, server.get_extra_info("sockname")[1]).open()
        await connection.exchange(three({}, random.Random(3)), 40)
        for _ in range(3):
            await connection.receive(20.0)
        connection.close()
        server.close()
        await asyncio.sleep(0)
    asyncio.run(run())
