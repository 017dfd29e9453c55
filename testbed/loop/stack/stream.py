"""One TCP connection's end, without sockets: segments in, segments out, bytes on the other side.

    stream = Stream.connecting(mine, theirs, first, now)
    stream.take(segment, now); stream.write(b"..."); stream.read()
    for segment in stream.outgoing(now): ...
    stream.due()                       # when `tick` is to be called, if nothing happens before

What crosses a cell without a kernel's help is carried by this: Reno's congestion control with
NewReno's recovery (RFC 5681, 6582), time-outs by RFC 6298, delayed acknowledgements, time stamps.
No selective acknowledgements, no window over 64 KiB, no urgent data; what is written goes out at
once, as with TCP_NODELAY. It reads no clock and knows no addresses but its own two.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator

from testbed.loop.stack.segments import STAMPS_BYTES, End, Flag, Segment
from testbed.loop.stack.sending import WINDOW, Sending, Timeout

ROOM = 1 << 18  # bytes written that wait for their acknowledgement at most
FIRST_WINDOW = 10  # segments (RFC 6928)
GIVE_UP_SECONDS = 120.0  # without any acknowledgement of what was sent
ACK_SECONDS = 0.04  # that an acknowledgement waits for something to go with
DUPLICATES = 3  # acknowledgements of the same that mean a loss
HALF = 1 << 31


class Over(enum.StrEnum):
    """Why a connection is no more."""

    CLOSED = "closed"  # both sides had said all
    RESET = "reset by the other end"
    SILENT = "the other end has not answered for too long"
    ABORTED = "aborted here"


class Stream:
    """One end. Times are seconds of one clock that never goes back."""

    def __init__(self, mine: End, theirs: End, first: int, largest: int, now: float) -> None:
        """`first` is the sequence number to begin with, `largest` a segment's bytes here."""
        self.mine, self.theirs = mine, theirs
        self.connected = False
        self.over: Over | None = None
        self.retransmitted = 0  # segments
        self._first, self._largest = first, largest
        self._out = Sending(since=now)
        self._timeout = Timeout()
        self._their_first: int | None = None
        self._expected = 0  # place of the other end's that comes next
        self._in = bytearray()  # in order, not read yet
        self._early: dict[int, bytes] = {}  # by place; within the window
        self._fin_at: int | None = None
        self._ended = False  # the other end's FIN came, in order
        self._told_edge = 0  # the place up to which the other end may send
        self._echo = 0
        self._ack_now, self._unacked = False, 0
        self._ack_at: float | None = None
        self._segments: list[Segment] = []

    @classmethod
    def connecting(cls, mine: End, theirs: End, first: int, largest: int, now: float) -> Stream:
        """The end that begins."""
        made = cls(mine, theirs, first, largest, now)
        made._open(now)
        return made

    @classmethod
    def answering(cls, segment: Segment, first: int, largest: int, now: float) -> Stream:
        """The end that a first segment came to."""
        made = cls(segment.target, segment.source, first, largest, now)
        made._synchronise(segment)
        made._open(now)
        return made

    @property
    def ended(self) -> bool:
        """Nothing more comes: all was read, and the other end has said its last."""
        return not self._in and (self._ended or self.over is not None)

    def room(self) -> int:
        """Bytes that `write` takes now."""
        return 0 if self._out.closing or self.over else ROOM - len(self._out.data)

    def write(self, data: bytes, now: float) -> int:
        """Take what there is room for; how much that was."""
        taken = data[:self.room()]
        self._out.data += taken
        self._out.end += len(taken)
        self._send(now)
        return len(taken)

    def read(self, now: float) -> bytes:
        """All that came in order."""
        found = bytes(self._in)
        self._in.clear()
        if found and self._expected + WINDOW - self._told_edge >= 2 * self._largest:
            self._ack_now = True  # the other end may have waited for room
        return found

    def close(self, now: float) -> None:
        """Nothing more is written; what was goes out first."""
        self._out.closing = True
        self._send(now)
        self._settle()

    def abort(self, now: float) -> None:
        """At once, and the other end is told."""
        if self.over is None:
            self._emit(now, self._out.next, Flag.RST | Flag.ACK)
            self.over = Over.ABORTED

    def outgoing(self, now: float) -> Iterator[Segment]:
        """What is to be sent now; asked for after each of the other calls."""
        if self._ack_now and self._their_first is not None and self.over is None:
            self._emit(now, self._out.next, Flag.ACK)
        found, self._segments = self._segments, []
        yield from found

    def due(self) -> float | None:
        """When time alone makes something happen."""
        if self.over is not None:
            return None
        moments = [one for one in (self._out.deadline, self._ack_at) if one is not None]
        return min(moments, default=None)

    def tick(self, now: float) -> None:
        """Time has passed."""
        if self.over is not None:
            return
        if self._ack_at is not None and now >= self._ack_at:
            self._ack_now = True
        if self._out.deadline is not None and now >= self._out.deadline:
            self._timed_out(now)

    def take(self, segment: Segment, now: float) -> None:
        """One that came from the other end."""
        if self.over is not None:
            return
        if Flag.RST in segment.flags:
            if self._is_near(segment):
                self.over = Over.RESET
            return
        if Flag.SYN in segment.flags:
            self._synchronise(segment)
        if self._their_first is None or not segment.flags & (Flag.ACK | Flag.SYN):
            return  # nothing else means anything
        if Flag.ACK in segment.flags:
            self._acknowledged(segment, now)
        self._arrived(segment, now)
        self._send(now)
        if self._ack_now:  # one for each: that of the same place three times tells of a loss
            self._emit(now, self._out.next, Flag.ACK)
        self._settle()

    def _open(self, now: float) -> None:
        self._out.congestion = FIRST_WINDOW * self._largest
        self._send(now)

    def _is_near(self, segment: Segment) -> bool:
        """Whether a reset is of this connection: nobody can end it by guessing."""
        if self._their_first is None:
            return self._place_acknowledged(segment) == 1
        place = self._place(segment)
        return self._expected <= place < max(self._told_edge, self._expected + 1)

    def _synchronise(self, segment: Segment) -> None:
        if self._their_first is not None:
            self._ack_now = True  # it came again: ours was lost
            return
        if Flag.ACK in segment.flags and self._place_acknowledged(segment) != 1:
            return  # of an older connection
        self._their_first, self._expected = segment.sequence, 1
        self._out.largest = min(segment.largest or 536, self._largest) - STAMPS_BYTES
        self._out.window, self._echo = segment.window, segment.stamp
        self._ack_now = Flag.ACK in segment.flags

    def _place(self, segment: Segment) -> int:
        """Of a segment's first byte, counted from the other end's SYN."""
        assert self._their_first is not None  # who asks has looked
        return self._expected + _difference(segment.sequence, self._their_first + self._expected)

    def _place_acknowledged(self, segment: Segment) -> int:
        out = self._out
        return out.acknowledged + _difference(segment.acknowledged,
                                              self._first + out.acknowledged)

    def _acknowledged(self, segment: Segment, now: float) -> None:
        out, place = self._out, self._place_acknowledged(segment)
        if place > out.highest:
            self._ack_now = True  # of what never was
            return
        if place > out.acknowledged:
            self._advance(place, segment, now)
        elif (place == out.acknowledged and out.flight and not segment.data
              and segment.window == out.window and not segment.flags & (Flag.SYN | Flag.FIN)):
            self._duplicate(now)
        if place >= out.acknowledged:
            out.window = segment.window

    def _advance(self, place: int, segment: Segment, now: float) -> None:
        """Something new is acknowledged."""
        out = self._out
        fresh = place - out.acknowledged
        del out.data[:place - max(out.acknowledged, 1)]
        out.acknowledged, out.duplicates, out.since = place, 0, now
        out.next = max(out.next, place)
        self.connected = True
        if segment.echo:
            self._timeout.measured(((_stamp(now) - segment.echo) & 0xFFFFFFFF) / 1000)
        if out.recover is None:
            out.congestion += (min(fresh, out.largest) if out.congestion < out.threshold
                               else max(1, out.largest * out.largest // out.congestion))
        elif place >= out.recover:
            out.recover, out.congestion = None, out.threshold
        else:  # the next one was lost, too
            out.congestion = max(out.largest, out.congestion - fresh + out.largest)
            self._again(now)
        out.deadline = now + self._timeout.seconds if out.flight else None

    def _duplicate(self, now: float) -> None:
        out = self._out
        out.duplicates += 1
        if out.recover is not None:
            out.congestion += out.largest
        elif out.duplicates == DUPLICATES:
            out.threshold = max(out.flight // 2, 2 * out.largest)
            out.congestion = out.threshold + DUPLICATES * out.largest
            out.recover = out.highest
            self._again(now)

    def _again(self, now: float) -> None:
        """The oldest that is not acknowledged is sent once more."""
        out = self._out
        at = out.acknowledged
        self.retransmitted += 1
        if at >= out.end:
            self._emit(now, at, Flag.FIN | Flag.ACK)
        else:
            self._emit(now, at, Flag.ACK | Flag.PSH, out.piece(at, out.largest))
        out.deadline = now + self._timeout.seconds

    def _timed_out(self, now: float) -> None:
        out = self._out
        if now - out.since > GIVE_UP_SECONDS:
            self.over = Over.SILENT
            return
        self._timeout.doubled()
        if out.flight:
            self.retransmitted += 1
            out.threshold = max(out.flight // 2, 2 * out.largest)
            out.congestion, out.recover, out.duplicates = out.largest, None, 0
            out.next = out.acknowledged
        if out.window == 0 and self.connected and out.next < out.end:  # a probe of one byte
            self._emit(now, out.next, Flag.ACK, out.piece(out.next, 1))
            self._sent(1, now)
        else:
            self._send(now)
        out.deadline = now + self._timeout.seconds

    def _arrived(self, segment: Segment, now: float) -> None:
        """Its bytes, and its end."""
        place = self._place(segment) + (Flag.SYN in segment.flags)
        end = place + len(segment.data)
        if Flag.FIN in segment.flags and end <= self._told_edge + 1:
            self._fin_at = end
        if place <= self._expected:
            self._echo = segment.stamp
        if segment.data:
            late = place < self._expected or place > self._expected
            self._keep(place, segment.data)
            self._unacked += 1
            self._ack_now |= late or bool(self._early) or self._unacked >= 2
            if self._ack_at is None:
                self._ack_at = now + ACK_SECONDS
        if self._fin_at == self._expected and not self._ended:
            self._expected += 1
            self._ended = self._ack_now = True
        elif Flag.FIN in segment.flags:
            self._ack_now = True

    def _keep(self, place: int, data: bytes) -> None:
        """What is new of it and fits into the window."""
        skipped = max(0, self._expected - place)
        data, place = data[skipped:max(0, self._told_edge - place)], place + skipped
        if not data or self._ended:
            return
        if place > self._expected:
            if len(data) > len(self._early.get(place, b"")):
                self._early[place] = data
            return
        self._in += data
        self._expected += len(data)
        while self._early and (first := min(self._early)) <= self._expected:
            more = self._early.pop(first)[self._expected - first:]
            self._in += more
            self._expected += len(more)

    def _send(self, now: float) -> None:
        """All that windows let out."""
        out = self._out
        if self.over is not None:
            return
        if out.next == 0:
            self._emit(now, 0, Flag.SYN | (Flag.ACK if self._their_first is not None else Flag(0)))
            self._sent(1, now)
        while self.connected and out.next < out.end:
            allowed = out.acknowledged + min(out.congestion, out.window) - out.next
            size = min(out.largest, out.end - out.next, allowed)
            if size <= 0 or (size < min(out.largest, out.end - out.next) and out.flight):
                break
            last = out.next + size == out.end
            self._emit(now, out.next, Flag.ACK | (Flag.PSH if last else Flag(0)),
                       out.piece(out.next, size))
            self._sent(size, now)
        if self.connected and out.closing and out.next == out.end:
            self._emit(now, out.next, Flag.FIN | Flag.ACK)
            self._sent(1, now)
        if out.deadline is None and self.connected and out.next < out.end:
            out.deadline = now + self._timeout.seconds  # the window is shut: it is asked again

    def _sent(self, size: int, now: float) -> None:
        out = self._out
        if not out.flight and out.next >= out.highest:  # the first time
            out.since = now
        out.next += size
        out.highest = max(out.highest, out.next)
        if out.deadline is None:
            out.deadline = now + self._timeout.seconds

    def _emit(self, now: float, place: int, flags: Flag, data: bytes = b"") -> None:
        window = max(0, WINDOW - len(self._in))
        acknowledged = 0
        if self._their_first is not None:
            acknowledged = (self._their_first + self._expected) & 0xFFFFFFFF
            self._told_edge = max(self._told_edge, self._expected + window)
            self._ack_now, self._ack_at, self._unacked = False, None, 0
        self._segments.append(Segment(
            self.mine, self.theirs, (self._first + place) & 0xFFFFFFFF, acknowledged, flags,
            window, _stamp(now), self._echo,
            self._largest if Flag.SYN in flags else None, data))

    def _settle(self) -> None:
        """Both ways are at their ends."""
        if self.over is None and self._ended and self._out.all_acknowledged:
            self.over = Over.CLOSED


def _difference(one: int, other: int) -> int:
    """Of two 32-bit numbers, the shorter way round."""
    return ((one - other + HALF) & 0xFFFFFFFF) - HALF


def _stamp(now: float) -> int:
    """Milliseconds; never 0, which means that there is none."""
    return int(now * 1000) & 0xFFFFFFFF or 1

