"""Labels over ZeroMQ into a loop that has other things to do: floods, garbage, silence, keys."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import zmq

from classifier.messages import Message, encode
from classifier.publisher import Publisher, make_keys, read_keys, read_public
from tests.classifier.test_messages import LABELLED, STATUS
from xapp.errors import ConfigurationError
from xapp.label_source import PER_TURN, LabelSource

WAIT = 20.0  # seconds


class Taken:
    """What came."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def __call__(self, message: Message, source: str, now: float) -> None:
        self.messages.append(message)


def in_loop(work: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        await asyncio.wait_for(work(), 3 * WAIT)

    asyncio.run(run())


async def until(done: Callable[[], bool], meanwhile: Callable[[], None] = lambda: None) -> None:
    end = time.monotonic() + WAIT
    while not done():
        assert time.monotonic() < end
        meanwhile()
        await asyncio.sleep(0.01)


@pytest.fixture
def raw() -> Iterator[zmq.Socket[bytes]]:
    """A publisher that sends whatever it is given."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.PUB)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.SNDHWM, 1_000_000)
    socket.bind("tcp://127.0.0.1:*")
    yield socket
    socket.close()
    context.term()


def address_of(socket: zmq.Socket[bytes]) -> str:
    return socket.getsockopt_string(zmq.LAST_ENDPOINT).rstrip("\0")


def test_messages_arrive_and_silence_is_noticed(tmp_path: Path) -> None:
    async def work() -> None:
        publisher, taken = Publisher(f"ipc://{tmp_path}/labels"), Taken()
        clock = itertools.count(100)
        source = LabelSource(publisher.address, taken, lambda: float(next(clock)))
        assert source.silent_for(5.0) is None
        source.start(asyncio.get_running_loop())
        await until(lambda: bool(taken.messages), lambda: publisher.send(STATUS))
        publisher.send(LABELLED)
        await until(lambda: any(message.topic == LABELLED.topic for message in taken.messages))
        assert source.heard is not None
        assert source.silent_for(source.heard + 7) == 7
        source.close()
        publisher.close()

    in_loop(work)


def test_a_tap_that_comes_late_and_comes_back(tmp_path: Path) -> None:
    async def work() -> None:
        taken = Taken()
        source = LabelSource(f"ipc://{tmp_path}/labels", taken, time.monotonic)
        source.start(asyncio.get_running_loop())
        for _ in range(2):
            publisher = Publisher(f"ipc://{tmp_path}/labels")
            before = len(taken.messages)
            await until(lambda n=before: len(taken.messages) > n,  # type: ignore[misc]  # bound now
                        lambda p=publisher: p.send(STATUS))  # type: ignore[misc]
            publisher.close()
        source.close()

    in_loop(work)


def test_encrypted_for_the_tap_that_is_meant(tmp_path: Path) -> None:
    async def work() -> None:
        public, secret = make_keys(tmp_path / "tap", "tap")
        other, _ = make_keys(tmp_path / "other", "tap")
        mine = read_keys(make_keys(tmp_path / "xapp", "xapp")[1])
        publisher = Publisher(f"ipc://{tmp_path}/labels", read_keys(secret))
        knows, mistaken, clear = Taken(), Taken(), Taken()
        loop = asyncio.get_running_loop()
        sources = [
            LabelSource(publisher.address, knows, time.monotonic, read_public(public), mine),
            LabelSource(publisher.address, mistaken, time.monotonic, read_public(other)),
            LabelSource(publisher.address, clear, time.monotonic)]
        for source in sources:
            source.start(loop)
        await until(lambda: len(knows.messages) > 20, lambda: publisher.send(LABELLED))
        assert not mistaken.messages
        assert not clear.messages
        for source in sources:
            source.close()
        publisher.close()

    in_loop(work)


def test_garbage_is_counted_and_does_no_harm(raw: zmq.Socket[bytes]) -> None:
    async def work() -> None:
        taken = Taken()
        source = LabelSource(address_of(raw), taken, time.monotonic)
        source.start(asyncio.get_running_loop())
        topic, payload = encode(LABELLED)

        def send() -> None:
            raw.send(b"alone")
            raw.send_multipart([b"x"] * 50)
            raw.send_multipart([topic, b"\xff" * 100])
            raw.send_multipart([topic, payload, b"more"])
            raw.send_multipart([topic, payload])

        await until(lambda: len(taken.messages) >= 3, send)
        await until(lambda: source.counters.garbage >= 8)
        assert all(message == LABELLED for message in taken.messages)
        source.close()

    in_loop(work)


def test_a_flood_leaves_the_loop_to_others(raw: zmq.Socket[bytes]) -> None:
    """Between any two turns of at most so many messages, others had theirs."""
    async def work() -> None:
        others, between = 0, []

        class Counting(Taken):
            def __call__(self, message: Message, source: str, now: float) -> None:
                super().__call__(message, source, now)
                between.append(others)

        taken = Counting()
        source = LabelSource(address_of(raw), taken, time.monotonic)
        parts = list(encode(LABELLED))
        loop = asyncio.get_running_loop()
        source.start(loop)

        def send() -> None:
            raw.send_multipart(parts)

        await until(lambda: bool(taken.messages), send)
        for _ in range(20 * PER_TURN):
            raw.send_multipart(parts)

        async def other() -> None:
            nonlocal others
            while len(taken.messages) < 20 * PER_TURN:
                others += 1
                await asyncio.sleep(0)

        await other()
        for value in set(between):
            assert between.count(value) <= 2 * PER_TURN
        assert others > 5
        source.close()

    in_loop(work)


@pytest.mark.parametrize("address", ["nonsense", "tcp://127.0.0.1:x", "foo://a:1"])
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(ConfigurationError, match="Cannot ask"):
        LabelSource(address, Taken(), time.monotonic)


def test_keys_that_are_none() -> None:
    with pytest.raises(ConfigurationError, match="Cannot ask"):
        LabelSource("tcp://127.0.0.1:9", Taken(), time.monotonic, server=b"short")
