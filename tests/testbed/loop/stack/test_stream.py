"""Two ends over a way that loses, delays and exchanges: every byte comes, once, in order."""

from __future__ import annotations

import heapq
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testbed.loop.stack.segments import End, Flag, Segment
from testbed.loop.stack.sending import WINDOW
from testbed.loop.stack.stream import GIVE_UP_SECONDS, ROOM, Over, Stream

PHONE, EDGE = End("10.46.0.2", 40_000), End("10.46.0.1", 8470)
LARGEST = 1360


class Way:
    """Both ends, and time."""

    def __init__(self, loss: float = 0.0, jitter: float = 0.0, seed: int = 1,
                 first: int = 5) -> None:
        self.now, self.loss, self.jitter = 0.0, loss, jitter
        self.chance = random.Random(seed)
        self.phone = Stream.connecting(PHONE, EDGE, first, LARGEST, 0.0)
        self.edge: Stream | None = None
        self.waiting: list[tuple[float, int, bool, Segment]] = []
        self.seen: list[Segment] = []
        self.number = 0
        self.up = b""  # not written yet
        self.down = b""
        self.got_up, self.got_down = b"", b""
        self.reading = True

    def _carry(self) -> None:
        for is_up, end in ((True, self.phone), (False, self.edge)):
            for one in [] if end is None else end.outgoing(self.now):
                self.seen.append(one)
                if self.chance.random() >= self.loss:
                    self.number += 1
                    late = 0.02 + self.jitter * self.chance.random()
                    heapq.heappush(self.waiting, (self.now + late, self.number, is_up, one))

    def _programs(self) -> None:
        if self.phone.connected:
            self.up = self.up[self.phone.write(self.up, self.now):]
        if self.edge is not None:
            self.down = self.down[self.edge.write(self.down, self.now):]
            if self.reading:
                self.got_up += self.edge.read(self.now)
        self.got_down += self.phone.read(self.now)

    def until(self, end: float) -> None:
        while True:
            self._programs()
            self._carry()
            dues = [one.due() for one in (self.phone, self.edge) if one is not None]
            moments = [one for one in dues if one is not None]
            if self.waiting:
                moments.append(self.waiting[0][0])
            if not moments or min(moments) > end:
                self.now = end
                return
            self.now = max(self.now, min(moments))
            while self.waiting and self.waiting[0][0] <= self.now:
                _, _, is_up, one = heapq.heappop(self.waiting)
                self._deliver(is_up, one)
            for stream in (self.phone, self.edge):
                if stream is not None:
                    stream.tick(self.now)

    def _deliver(self, is_up: bool, one: Segment) -> None:
        if not is_up:
            self.phone.take(one, self.now)
        elif self.edge is not None:
            self.edge.take(one, self.now)
        elif one.flags == Flag.SYN:
            self.edge = Stream.answering(one, 0xFFFF_FF00, LARGEST, self.now)


def test_a_quiet_way_needs_no_second_time() -> None:
    way = Way()
    way.up, way.down = bytes(range(256)) * 300, b"token " * 900
    up, down = way.up, way.down
    way.until(5.0)
    assert (way.got_up, way.got_down) == (up, down)
    assert way.phone.retransmitted == 0
    way.phone.close(way.now)
    way.until(6.0)
    assert way.edge is not None
    assert way.edge.ended
    way.edge.close(way.now)
    way.until(8.0)
    assert way.phone.over is Over.CLOSED
    assert way.edge.over is Over.CLOSED


@settings(max_examples=25, deadline=None)
@given(st.floats(0.0, 0.25), st.floats(0.0, 0.05), st.integers(0, 10_000),
       st.binary(min_size=1, max_size=30_000), st.binary(max_size=3000),
       st.integers(0, 0xFFFF_FFFF))
def test_every_byte_comes_once_in_order(loss: float, jitter: float, seed: int, up: bytes,
                                        down: bytes, first: int) -> None:
    way = Way(loss, jitter, seed, first)
    way.up, way.down = up, down
    way.until(100.0)
    assert (way.got_up, way.got_down) == (up, down)


def test_losses_are_made_good_without_waiting_for_the_clock() -> None:
    """One lost of many: the others' acknowledgements tell, in a few of the way's times."""
    way = Way()
    way.until(0.2)
    way.up = bytes(20 * LARGEST)
    way._programs()
    way._carry()
    heapq.heapify(way.waiting)
    heapq.heappop(way.waiting)
    way.until(0.5)
    assert len(way.got_up) == 20 * LARGEST
    assert way.phone.retransmitted == 1


def test_who_does_not_read_is_waited_for() -> None:
    way = Way()
    way.reading = False
    way.up = bytes(3 * WINDOW)
    way.until(3.0)
    assert way.got_up == b""
    assert len(way.up) == 0 < ROOM
    sent = max(one.sequence + len(one.data) for one in way.seen if one.source == PHONE) - 6
    assert sent <= WINDOW + 10  # and some probes of a byte
    way.reading = True
    way.until(10.0)
    assert len(way.got_up) == 3 * WINDOW


def test_an_answer_carries_the_acknowledgement() -> None:
    way = Way()
    way.until(1.0)
    way.seen.clear()
    for _ in range(10):
        way.up, way.down = b"row" * 100, b""
        way.until(way.now + 0.03)
        way.down = b"token"
        way.until(way.now + 0.04)
    alone = [one for one in way.seen if not one.data]
    assert len(alone) <= 3
    assert len(way.seen) >= 20


def test_silence_ends_it() -> None:
    way = Way()
    way.until(1.0)
    way.loss = 1.0
    way.up = b"is there anybody"
    way.until(3 * GIVE_UP_SECONDS)
    assert way.phone.over is Over.SILENT
    assert way.phone.ended


def test_an_abort_is_told_and_a_guess_is_not_believed() -> None:
    way = Way()
    way.until(1.0)
    assert way.edge is not None
    guess = Segment(PHONE, EDGE, 123_456_789, 0, Flag.RST, 0)
    way.edge.take(guess, way.now)
    assert way.edge.over is None
    way.phone.abort(way.now)
    way.until(2.0)
    assert way.edge.over is Over.RESET
    assert way.phone.over is Over.ABORTED


@pytest.mark.parametrize("flags", [Flag(0), Flag.ACK, Flag.FIN, Flag.RST, Flag.SYN | Flag.FIN])
def test_what_makes_no_sense_harms_nothing(flags: Flag) -> None:
    way = Way()
    way.until(1.0)
    assert way.edge is not None
    for number in range(1 << 28, 1 << 32, 1 << 28):  # none of these is near
        way.edge.take(Segment(PHONE, EDGE, number, number ^ 0x0F0F_0F0F, flags, 0,
                              data=b"x" * 50), way.now)
    way.up = b"still here"
    way.until(4.0)
    assert way.got_up == b"still here"
