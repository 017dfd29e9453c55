"""Queues, ends and admission of associations, on a transport that a test plays."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from xapp.errors import TransportError
from xapp.ric.association import MESSAGE_COST, Admission, QueuedAssociation, reason_of
from xapp.ric.transport import Limits, Message


class Played(QueuedAssociation):
    """Takes `room` messages at a time, and notes what it is asked."""

    def __init__(self, limits: Limits | None = None, host: str = "192.0.2.1") -> None:
        super().__init__(f"played://{host}:1", host, limits or Limits())
        self.room = 1_000_000
        self.written: list[tuple[bytes, int]] = []
        self.asked: list[str] = []
        self.breaks: OSError | None = None

    def _write(self, payload: bytes, ppid: int) -> bool:
        if self.breaks is not None:
            raise self.breaks
        if not self.room:
            return False
        self.room -= 1
        self.written.append((payload, ppid))
        return True

    def _read_on(self) -> None:
        self.asked.append("read on")

    def _shut_down(self) -> None:
        self.asked.append("shut down")

    def _cut(self) -> None:
        self.asked.append("cut")

    def _leave(self) -> None:
        self.asked.append("leave")

    def starts_anew(self) -> None:
        self._restarted()

    def comes(self, payload: bytes, ppid: int = 72) -> None:
        self._arrived(payload, ppid)

    def takes(self, room: int) -> None:
        self.room = room
        self._writable()

    def loses(self, reason: str) -> None:
        self._lost(reason)


Play = Callable[[], Coroutine[Any, Any, None]]


def played(play: Play) -> Callable[[], None]:
    """A test that is a scene in an event loop."""
    def test() -> None:
        asyncio.run(play())

    test.__name__ = play.__name__
    return test


@played
async def test_what_the_transport_does_not_take_waits_in_order() -> None:
    one = Played()
    one.room = 1
    for number in range(5):
        one.send(b"%d" % number, number)
    assert one.written == [(b"0", 0)]
    one.takes(2)
    assert one.written == [(b"0", 0), (b"1", 1), (b"2", 2)]
    one.send(b"5", 5)  # behind those that wait, although there may be room
    one.takes(10)
    assert one.written == [(b"%d" % number, number) for number in range(6)]
    assert one._unsent == 0


@played
async def test_a_close_waits_for_what_is_unsent() -> None:
    one = Played()
    one.room = 0
    one.send(b"x", 1)
    one.close()
    assert one.asked == []
    one.takes(1)
    assert one.asked == ["shut down"]
    one.loses("closed by its peer")
    assert one.asked == ["shut down", "cut"]
    assert one.ended == "closed here"
    await one.wait_closed()


@played
async def test_a_close_that_takes_too_long_is_cut() -> None:
    one = Played(Limits(close_seconds=0.01))
    one.room = 0
    one.send(b"x", 1)
    one.close()
    await one.wait_closed()
    assert one.asked == ["cut"]


@played
async def test_a_queue_that_is_full_ends_it_with_the_reason() -> None:
    one = Played(Limits(unsent_bytes=3 * (10 + MESSAGE_COST)))
    one.room = 0
    for _ in range(3):
        one.send(bytes(10), 1)
    with pytest.raises(TransportError, match="does not take what it is sent: 3 messages wait"):
        one.send(b"x", 1)
    assert one.asked == ["cut"]
    assert one._unsent == 0
    with pytest.raises(TransportError, match="has ended"):
        one.send(b"x", 1)


@played
async def test_reading_pauses_at_the_cap_and_goes_on_at_half() -> None:
    one = Played(Limits(unread_bytes=4 * (10 + MESSAGE_COST)))
    for _ in range(4):
        one.comes(bytes(10))
    assert not one._paused
    one.comes(bytes(10))
    assert one._paused
    for _ in range(2):
        await one.receive()
    assert one.asked == []
    await one.receive()
    assert one.asked == ["read on"]
    assert not one._paused


@played
async def test_what_came_before_the_end_can_be_received() -> None:
    one = Played()
    one.comes(b"a")
    one.loses("connection timed out")
    assert await one.receive() == Message(72, b"a")
    assert await one.receive() is None
    assert await one.receive() is None
    assert one.ended == "connection timed out"


@played
async def test_nothing_is_kept_after_an_abort() -> None:
    one = Played()
    one.comes(b"a")
    one._part(b"half", 72, False)
    one.abort("no more")
    one.comes(b"b")
    assert await one.receive() is None
    assert (one._unread, one._parts, one._partial) == (0, [], 0)


@played
async def test_parts_are_put_together_and_counted() -> None:
    one = Played(Limits(message_bytes=8))
    for part, last in ((b"ab", False), (b"cd", False), (b"ef", True), (b"gh", True)):
        one._part(part, 70, last)
    assert await one.receive() == Message(70, b"abcdef")
    assert await one.receive() == Message(70, b"gh")
    for _ in range(3):
        one._part(b"xyz", 70, False)
    assert one.ended == "it sent a message of more than 8 bytes"


@played
async def test_an_error_of_the_transport_ends_it_in_words() -> None:
    one, two = Played(), Played()
    one.breaks = two.breaks = OSError(errno.EPIPE, os.strerror(errno.EPIPE))
    with pytest.raises(TransportError, match="broken pipe"):
        one.send(b"x", 1)
    two.breaks, two.room = None, 0
    two.send(b"x", 1)
    two.breaks = ConnectionResetError(errno.ECONNRESET, "reset")
    two.takes(1)
    assert two.ended == "aborted by its peer"


@played
async def test_two_that_receive_at_the_same_time_are_a_mistake() -> None:
    one = Played()
    waiting = asyncio.create_task(one.receive())
    await asyncio.sleep(0)
    with pytest.raises(AssertionError, match="two receive"):
        await one.receive()
    one.comes(b"x")
    assert await waiting == Message(72, b"x")


@played
async def test_admission_counts_until_the_end_of_each() -> None:
    admission = Admission(Limits(associations=3, of_address=2))
    taken = [Played(host=host) for host in ("192.0.2.1", "192.0.2.1", "192.0.2.2")]
    for one in taken:
        assert admission.objection(one.host) is None
        admission.taken(one)
    assert admission.objection("192.0.2.3") == "associations"
    taken[2].abort()
    assert admission.objection("192.0.2.1") == "associations_of_address"
    assert admission.objection("192.0.2.3") is None
    for one in taken:
        one.abort()
        one.abort()
    assert not admission._of_address
    assert admission.refused == {"associations": 1, "associations_of_address": 1}


@played
async def test_a_peer_that_starts_anew_is_another_association() -> None:
    one, two, three = Played(), Played(), Played()
    one.succeeded(lambda: one.asked.append("successor"))
    one.comes(b"before")
    one.starts_anew()
    assert one.asked == ["leave", "successor"]
    assert await one.receive() == Message(72, b"before")
    assert await one.receive() is None
    assert one.ended == "its peer started anew"
    two.starts_anew()  # nobody would take another
    assert two.asked == ["cut"]
    three.succeeded(lambda: three.asked.append("successor"))
    three.close()
    three.starts_anew()
    assert three.asked == ["shut down", "cut"]


def test_reasons_are_words() -> None:
    assert reason_of(OSError(errno.ETIMEDOUT, "Connection timed out")) == "connection timed out"
    assert reason_of(ConnectionResetError()) == "aborted by its peer"
    assert reason_of(OSError("odd")) == "odd"
