"""Frames over TCP, which stand for SCTP in tests: cut anywhere, garbage, half a frame."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.xapp.ric.scene import ended, pair, run, site
from xapp.errors import ProtocolError
from xapp.ric.tcp_framing import HEAD, Frames, framed
from xapp.ric.transport import PPID_DU, Limits, Message

MESSAGES = st.lists(st.builds(Message, st.integers(0, 0xffffffff), st.binary(min_size=1)))


def test_a_frame_is_length_identifier_and_payload() -> None:
    assert framed(Message(72, b"abc")) == bytes.fromhex("0000000300000048") + b"abc"


@given(MESSAGES, st.randoms())
def test_frames_come_out_as_they_went_in_wherever_they_are_cut(
    messages: list[Message], draw: random.Random
) -> None:
    stream = b"".join(framed(message) for message in messages)
    frames, found = Frames(1000), []
    while stream:
        cut = draw.randint(1, len(stream))
        found += list(frames.feed(stream[:cut]))
        stream = stream[cut:]
    assert found == messages
    assert not frames._bytes


@given(st.binary())
def test_any_bytes_are_messages_or_the_one_error(data: bytes) -> None:
    try:
        for message in Frames(100).feed(data):
            assert 0 < len(message.payload) <= 100
    except ProtocolError:
        return


@pytest.mark.parametrize("length", [0, 101, 0xffffffff])
def test_a_size_that_cannot_be_is_refused_before_its_payload(length: int) -> None:
    with pytest.raises(ProtocolError, match=f"{length:,} bytes"):
        list(Frames(100).feed(HEAD.pack(length, 72)))


def test_messages_before_garbage_still_count() -> None:
    found = []
    with pytest.raises(ProtocolError):  # noqa: PT012  # what was found before it counts
        for message in Frames(100).feed(framed(Message(72, b"good")) + bytes(8)):
            found.append(message)
    assert found == [Message(72, b"good")]


def test_garbage_ends_its_connection_and_no_other() -> None:
    async def play() -> None:
        async with site("tcp://127.0.0.1:0") as ours:
            draw = random.Random(3)
            for number in range(30):
                _, writer = await asyncio.open_connection("127.0.0.1", ours.listener.port)
                # Its first four bytes are no length that can be.
                writer.write(b"\xff" + draw.randbytes(draw.randint(8, 3000)))
                came = (await ours.number(number + 1))[-1]
                assert "is none" in await ended(came)
                writer.close()
        async with pair("tcp://127.0.0.1:0") as (here, there):
            there.send(b"hello", PPID_DU)
            assert await here.receive() == Message(PPID_DU, b"hello")

    run(play())


def test_half_a_frame_is_no_first_message() -> None:
    async def play() -> None:
        async with site("tcp://127.0.0.1:0", Limits(first_message_seconds=0.2)) as ours:
            _, writer = await asyncio.open_connection("127.0.0.1", ours.listener.port)
            writer.write(framed(Message(72, bytes(1000)))[:-1])
            assert "said nothing" in await ended((await ours.number(1))[0])
            writer.close()

    run(play())
