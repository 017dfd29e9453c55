"""What a TCP end remembers of what it sends, and how long it waits for an answer (RFC 6298).

It sends nothing: `stream` does.
"""

from __future__ import annotations

from dataclasses import dataclass, field

WINDOW = 65_535  # bytes that wait to be read at most: what fits without scaling
LEAST_TIMEOUT, MOST_TIMEOUT = 0.2, 60.0  # seconds, of Linux and of RFC 6298
FIRST_TIMEOUT = 1.0


@dataclass
class Sending:
    """What goes out. Places count from 0, which is SYN's; bytes begin at 1."""

    data: bytearray = field(default_factory=bytearray)  # from `acknowledged` on
    acknowledged: int = 0  # the first place that is not
    next: int = 0  # to be sent
    highest: int = 0  # sent ever
    end: int = 1  # after the last byte written
    closing: bool = False  # FIN follows it
    window: int = 0  # of the other end
    largest: int = 536  # bytes of a segment
    congestion: int = 0  # window, bytes
    threshold: int = WINDOW
    duplicates: int = 0
    recover: int | None = None  # NewReno: until all up to here is acknowledged
    deadline: float | None = None  # of the retransmission
    since: float = 0.0  # when the oldest thing unacknowledged was sent, or last advanced

    @property
    def flight(self) -> int:
        return self.next - self.acknowledged

    @property
    def all_acknowledged(self) -> bool:
        return self.closing and self.acknowledged > self.end

    def piece(self, at: int, size: int) -> bytes:
        begin = at - max(self.acknowledged, 1)
        return bytes(self.data[begin:begin + size])


@dataclass
class Timeout:
    """RFC 6298."""

    smooth: float | None = None
    varies: float = 0.0
    seconds: float = FIRST_TIMEOUT

    def measured(self, took: float) -> None:
        if self.smooth is None:
            self.smooth, self.varies = took, took / 2
        else:
            self.varies += (abs(self.smooth - took) - self.varies) / 4
            self.smooth += (took - self.smooth) / 8
        self.seconds = min(max(self.smooth + max(0.001, 4 * self.varies), LEAST_TIMEOUT),
                           MOST_TIMEOUT)

    def doubled(self) -> None:
        self.seconds = min(2 * self.seconds, MOST_TIMEOUT)
