"""Who counted a trial's bytes, and whether all of them counted the same. Pure.

    counted = counts_of(measured)      # columns: bytes_agree, counted_by, and what each one saw

A yes needs three counts: the client's sockets, the other side's, and a capture. A client probes an
edge with pings, and does not wait for their answers: one of each connection may have been counted
by the edge and not read yet, when the first question came and after the last answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.experiments.kind import Value

if TYPE_CHECKING:
    from testbed.modes.figures import Measured

PING_SECONDS = 1.0  # between two of a connection's pings, at least
PINGS_BEFORE = 60  # of a connection before the first question, at most: each has a number as name
HEAD = 2  # bytes of WebSocket's before a ping's name
BOTH_AND_CAPTURE, CLIENT_AND_CAPTURE = "both sides and capture", "client and capture"
BOTH, CLIENT = "both sides", "client"


def counts_of(one: Measured) -> dict[str, Value]:
    """The columns."""
    far, seen = one.far, one.captured
    return {
        "bytes_agree": agreement(one), "counted_by": counted_by(one),
        "server_up": _whole(far.received), "server_down": _whole(far.sent),
        "captured_up": None if seen is None else seen.up,
        "captured_down": None if seen is None else seen.down}


def _whole(count: float | None) -> int | None:
    return None if count is None else int(count)  # an edge's metrics have a point


def agreement(one: Measured) -> bool | None:
    """True where both sides and a capture agree, False where any two do not; else None."""
    if one.sent is None or one.received is None:
        return None
    mine, far = (one.sent, one.received), one.far
    agree = True
    if far.received is not None and far.sent is not None:
        agree = far.received == one.sent and abs(far.sent - one.received) <= answers_under_way(one)
    if one.captured is not None and _captured(one):
        agree = agree and (one.captured.up, one.captured.down) == mine
    if not agree:
        return False
    return True if counted_by(one) == BOTH_AND_CAPTURE else None


def answers_under_way(one: Measured) -> int:
    """Bytes of pings' answers that the other side may have counted and the client not, or the
    other way round: one of each connection at most."""
    if not one.far.pinged:
        return 0
    connections = len({turn.sequence for turn in one.turns})
    return connections * (HEAD + len(str(int(one.seconds / PING_SECONDS) + 1 + PINGS_BEFORE)))


def counted_by(one: Measured) -> str | None:
    """Whose counts there are; None where nothing was sent."""
    if one.sent is None or one.received is None:
        return None
    if None not in (one.far.received, one.far.sent):
        return BOTH_AND_CAPTURE if _captured(one) else BOTH
    return CLIENT_AND_CAPTURE if _captured(one) else CLIENT


def _captured(one: Measured) -> bool:
    return one.captured is not None and None not in (one.captured.up, one.captured.down)
