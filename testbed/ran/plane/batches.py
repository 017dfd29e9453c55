"""A tunnel's datagrams in batches: one system call sends or receives many of them.

What is to be sent is noted, and goes when there are enough of it or nothing more is to come; what
is received lies beyond the pool's places until somebody takes it. It knows no bearers.
"""

from __future__ import annotations

from testbed.ran.plane.calls import DONT_WAIT, REAL_LENGTH, recvmmsg, sendmmsg
from testbed.ran.plane.compiled import inner
from testbed.ran.plane.counting import count, drop, release
from testbed.ran.plane.memory import (
    BATCH,
    HEADROOM,
    NAME_BYTES,
    RECEIVED,
    STRIDE,
    TO_SEND,
    Count,
    Mark,
    Plane,
)

GNB_NAME, UPF_NAME = 0, 1
MTU = int(Mark.MTU)
SENT, R_TUNNEL = int(Count.TUNNEL_SENT), int(Count.TUNNEL)
NAME, NAME_SIZE, PARTS, PART_COUNT, LENGTH = 0, 1, 2, 3, 7  # words of struct mmsghdr
WORD = (1 << 32) - 1
HEAD_BYTES = 64


@inner
def stage_at(plane: Plane, direction: int) -> int:
    """Where the next packet that is to be sent may be read to."""
    return int((TO_SEND + plane.send_count[direction]) * STRIDE + HEADROOM)


@inner
def keep_for_tunnel(plane: Plane, direction: int, end: int, peer: int, begin: int, size: int,
                    user_bytes: int, bearer: int, place: int) -> None:
    """A datagram for the tunnel's other end; a `place` of the pool is free once it is sent."""
    number = plane.send_count[direction]
    part = plane.send_parts[direction, number]
    part[0] = plane.pool.ctypes.data + begin
    part[1] = size
    head = plane.send_heads[direction, number]
    head[NAME] = plane.names.ctypes.data + peer * NAME_BYTES
    head[NAME_SIZE] = plane.name_size[0]
    head[PARTS] = plane.send_parts.ctypes.data + (direction * BATCH + number) * 16
    head[PART_COUNT] = 1
    note = plane.sending[direction, number]
    note[0], note[1], note[2] = bearer, user_bytes, place
    plane.send_count[direction] = number + 1
    if number + 1 == BATCH:
        send_all(plane, direction, end)


@inner
def send_all(plane: Plane, direction: int, end: int) -> None:
    """What waits; what the kernel does not take is dropped."""
    total = plane.send_count[direction]
    at = 0
    while at < total:
        heads = plane.send_heads.ctypes.data + (direction * BATCH + at) * HEAD_BYTES
        done = sendmmsg(end, heads, total - at, DONT_WAIT)
        for number in range(at, at + max(1, done)):
            note = plane.sending[direction, number]
            if done > 0:
                count(plane, direction, SENT, note[1])
            else:
                drop(plane, direction, R_TUNNEL, note[0], note[1])
            if note[2] >= 0:
                release(plane, note[2])
        at += max(1, done)
    plane.send_count[direction] = 0


@inner
def receive(plane: Plane, descriptor: int, most: int) -> int:
    """Datagrams that came, up to `most`; they lie from `lies_at` on until the next call."""
    for number in range(min(most, BATCH)):
        part = plane.receive_parts[number]
        part[0] = plane.pool.ctypes.data + lies_at(number)
        part[1] = plane.marks[MTU] + HEADROOM
        head = plane.receive_heads[number]
        head[NAME] = plane.senders.ctypes.data + number * NAME_BYTES
        head[NAME_SIZE] = NAME_BYTES
        head[PARTS] = plane.receive_parts.ctypes.data + number * 16
        head[PART_COUNT] = 1
    return max(0, recvmmsg(descriptor, plane.receive_heads.ctypes.data, min(most, BATCH),
                           DONT_WAIT | REAL_LENGTH, 0))


@inner
def lies_at(number: int) -> int:
    """A received datagram's first byte."""
    return (RECEIVED + number) * STRIDE + HEADROOM


@inner
def size_of(plane: Plane, number: int) -> int:
    """Its bytes; more than there was room for where it is longer."""
    return int(plane.receive_heads[number, LENGTH] & WORD)


@inner
def from_peer(plane: Plane, number: int, peer: int) -> bool:
    """User packets count only from the tunnel's other end: nobody slips one in."""
    for place in range(plane.name_size[0]):
        if plane.names[peer, place] != plane.senders[number, place]:
            return False
    return True
