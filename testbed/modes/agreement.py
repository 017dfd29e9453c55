"""Who counted a trial's bytes, and whether all of them counted the same. Pure.

    counted = counts_of(measured)      # columns: bytes_agree, counted_by, and what each one saw

A yes needs three counts: the client's sockets, the other side's, and a capture. The modes' server
counts its sockets. An edge counts frames: to these are added the heads that WebSocket puts before
them, whose sizes follow from the frames', and the pings that there was time for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_server.frame import HEADER_BYTES
from testbed.experiments.kind import Value

if TYPE_CHECKING:
    from testbed.modes.figures import Far, Measured, Turn
    from testbed.modes.metering import Step

CHUNK = 32  # rows of a prompt in one frame to an edge
LEAST_FRAME = HEADER_BYTES + 2  # bytes of an answer's frame: its header, and hardly a payload
START_BYTES = 128  # of the frame that begins an answer, at most: how tokens are chosen
PING_SECONDS = 1.0  # between two of a connection's pings, at least
PINGS_BEFORE = 60  # of a connection before the first question, at most: each has a number as name
MASK = 4  # bytes that a client's frame has more, WebSocket says
BOTH_AND_CAPTURE, CLIENT_AND_CAPTURE = "both sides and capture", "client and capture"
BOTH, CLIENT = "both sides", "client"


@dataclass(frozen=True)
class Framing:
    """Bytes that WebSocket's heads took in one direction, pings left out."""

    least: int
    most: int

    def fits(self, framing: int, pings: tuple[int, int], ping: tuple[int, int]) -> bool:
        """Whether so many bytes may be these heads and that many pings of a size."""
        (fewest, most), (small, big) = pings, ping
        return self.least + fewest * small <= framing <= self.most + most * big


def counts_of(one: Measured) -> dict[str, Value]:
    """The columns."""
    far, seen = one.far, one.captured
    return {
        "bytes_agree": agreement(one), "counted_by": counted_by(one),
        "server_up": _whole(far.frames_received if far.received is None else far.received),
        "server_down": _whole(far.frames_sent if far.sent is None else far.sent),
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
        agree = (far.received, far.sent) == mine
    elif far.frames_received is not None and far.frames_sent is not None:
        agree = frames_agree(one.turns, one.seconds, one.sent - far.frames_received,
                             one.received - far.frames_sent)
    if one.captured is not None and _captured(one):
        agree = agree and (one.captured.up, one.captured.down) == mine
    if not agree:
        return False
    return True if counted_by(one) == BOTH_AND_CAPTURE else None


def counted_by(one: Measured) -> str | None:
    """Whose counts there are; None where nothing was sent."""
    if one.sent is None or one.received is None:
        return None
    if _far_counted(one.far):
        return BOTH_AND_CAPTURE if _captured(one) else BOTH
    return CLIENT_AND_CAPTURE if _captured(one) else CLIENT


def _far_counted(far: Far) -> bool:
    return None not in (far.received, far.sent) or None not in (
        far.frames_received, far.frames_sent)


def _captured(one: Measured) -> bool:
    return one.captured is not None and None not in (one.captured.up, one.captured.down)


def frames_agree(turns: Sequence[Turn], seconds: float, up: int, down: int) -> bool:
    """Whether what the sockets carried beyond an edge's frames can be heads and pings.

    Each ping is answered by as much without a mask; at the trial's ends one answer of each
    connection may be on its way.
    """
    connections = len({turn.sequence for turn in turns})
    heads, each = (_heads_up(turns), _heads_down(turns)), int(seconds / PING_SECONDS) + 1
    small, big = 2 + 1, 2 + len(str(each + PINGS_BEFORE))  # bytes of a ping's answer
    return any(
        heads[0].fits(up, (pings, pings), (small + MASK, big + MASK))
        and heads[1].fits(down, (max(0, pings - connections), pings + connections), (small, big))
        for pings in range(connections * each + 1))


def _heads_up(turns: Sequence[Turn]) -> Framing:
    """A START for each answer, and the rows of its steps in frames."""
    found = []
    for turn in turns:
        for place, step in enumerate(turn.steps):
            frames = -(-step.rows // CHUNK)
            beside = _pings_of(step) + (START_BYTES if place == 0 else 0)
            found.append(_heads(int(step.sent or 0), beside, (frames, frames), MASK))
        found.append(Framing(2 + MASK, 2 + MASK))  # a START is short
    return _sum(found)


def _heads_down(turns: Sequence[Turn]) -> Framing:
    """A token for each step; where rows come back, those of each frame that was sent."""
    found = []
    for turn in turns:
        for step in turn.steps:
            size = int(step.received or 0)
            most = max(1, min(-(-step.rows // CHUNK), size // LEAST_FRAME))
            found.append(_heads(size, _pings_of(step), (1, most), 0))
    return _sum(found)


def _heads(size: int, beside: int, frames: tuple[int, int], mask: int) -> Framing:
    """Of so many frames that took `size` bytes, of which `beside` may be something else's."""
    fewest, most = frames
    smallest = head_of(size - beside, mask) if most == 1 else 2 + mask
    return Framing(fewest * smallest, most * head_of(size, mask))


def head_of(size: int, mask: int) -> int:
    """WebSocket's head of a frame that is so long with it."""
    return mask + (2 if size <= 125 + 2 + mask else 4 if size <= 65_535 + 4 + mask else 10)


def _pings_of(step: Step) -> int:
    """Bytes of the pings that there was time for in a step, at most."""
    each = int(step.seconds / PING_SECONDS) + 1
    return (2 + MASK + len(str(each + PINGS_BEFORE))) * each


def _sum(found: Sequence[Framing]) -> Framing:
    return Framing(sum(one.least for one in found), sum(one.most for one in found))
