"""A user plane whose devices are socket pairs: what the loop does, without namespaces or root.

A datagram socket is read and written as a TUN device is. One bearer each UE, numbers from 0, with
addresses 10.45.0.2 and fd45:0:0:1::1 and on.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from testbed.ran.plane.air import Air, make_air
from testbed.ran.plane.headers import DOWN, UP
from testbed.ran.plane.loop import one_slot
from testbed.ran.plane.memory import DROPS, PLACES, Count, Kind, Mark, Of, Plane, make
from testbed.ran.plane.table import TUNNEL_DOWN, TUNNEL_UP, address_key, put

CORE, CORE_6 = "10.45.0.1", "fd45::1"
MTU = 1400
SLOT_NS = 3_600_000_000_000  # an hour: however long a slow machine compiles, no budget is spent
FIRST_TEID, CORE_TEID = 0x1000, 0x11000


def ue_address(ue: int) -> str:
    return f"10.45.0.{2 + ue}"


def ue_address_6(ue: int) -> str:
    return f"fd45:0:0:{1 + ue:x}::1"


def packet(source: str, destination: str, size: int = 60, mark: int = 0) -> bytes:
    """An IP packet of `size` bytes with a UDP datagram in it; `mark` tells it from others."""
    if ":" in source:
        body = size - 48
        head = struct.pack(">IHBB", 6 << 28, 8 + body, 17, 64)
        head += socket.inet_pton(socket.AF_INET6, source)
        head += socket.inet_pton(socket.AF_INET6, destination)
    else:
        body = size - 28
        head = struct.pack(">BBHHHBBH", 0x45, 0, size, 0, 0, 64, 17, 0)
        head += socket.inet_aton(source) + socket.inet_aton(destination)
    return head + struct.pack(">HHHH", 1, 2, 8 + body, 0) + struct.pack(">I", mark).ljust(body)


@dataclass
class Scene:
    """The plane, and the far ends of its devices."""

    plane: Plane
    air: Air
    ues: list[socket.socket]
    core: socket.socket
    gnb: socket.socket | None = None
    upf: socket.socket | None = None

    def slot(self, after_ns: int = 0) -> None:
        one_slot(self.plane, self.air, time.monotonic_ns() + after_ns)

    def dropped(self, direction: int) -> dict[str, int]:
        counts = self.plane.counts[direction]
        return {Count(reason).name if reason < Count.AIR else f"AIR {reason - Count.AIR}":
                int(counts[reason]) for reason in DROPS if counts[reason]}

    def used(self) -> int:
        return int(self.plane.marks[Mark.PLACES] - self.plane.marks[Mark.FREE])

    def inside(self) -> int:
        """By the counts: what was read and is neither delivered nor dropped nor in a tunnel."""
        total = 0
        for direction in (DOWN, UP):
            counts = self.plane.counts[direction]
            total += int(counts[Count.READ] - counts[Count.DELIVERED] - counts[list(DROPS)].sum()
                         - counts[Count.TUNNEL_SENT] + counts[Count.TUNNEL_TAKEN])
        return total


def received(end: socket.socket) -> list[bytes]:
    """All that has come."""
    found = []
    while True:
        try:
            found.append(end.recv(70_000))
        except BlockingIOError:
            return found


@contextmanager
def scene(ues: int = 2, tunnel: bool = False, places: int = PLACES, most_taken: int = 1024,
          ) -> Iterator[Scene]:
    plane = make(MTU, SLOT_NS, most_taken, 1, places)
    opened: list[socket.socket] = []
    far = []
    for number in range(ues + 1):
        near, end = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        for one in (near, end):
            one.setblocking(False)
            opened.append(one)
        far.append(end)
        plane.polled[number, 0] = near.fileno()
        plane.kind[number] = Kind.N6 if number == ues else Kind.UE
        plane.owner[number] = -1 if number == ues else number
    plane.marks[Mark.TUNS] = ues + 1
    for ue in range(ues):
        plane.bearers[ue, [Of.UE_DEVICE, Of.N6_DEVICE, Of.QFI, Of.ATTACHED]] = ue, ues, 1 + ue, 1
        plane.bearers[ue, [Of.TUNNEL_DOWN, Of.TUNNEL_UP]] = FIRST_TEID + ue, CORE_TEID + ue
        put(plane.keys, plane.values, TUNNEL_DOWN | (FIRST_TEID + ue), ue)
        put(plane.keys, plane.values, TUNNEL_UP | (CORE_TEID + ue), ue)
        for address in (ue_address(ue), ue_address_6(ue)):
            put(plane.keys, plane.values, address_key(address), ue)
    made = Scene(plane, make_air(PLACES), far[:-1], far[-1])
    if tunnel:
        made.gnb, made.upf = (_tunnel_end(plane, ues + 1 + which, which) for which in (0, 1))
        opened += [made.gnb, made.upf]
    try:
        yield made
    finally:
        for one in opened:
            one.close()


def _tunnel_end(plane: Plane, device: int, which: int) -> socket.socket:
    end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    end.setblocking(False)
    end.bind(("127.0.0.1", 0))
    plane.polled[device, 0] = end.fileno()
    plane.kind[device] = (Kind.GNB, Kind.UPF)[which]
    plane.marks[(Mark.GNB, Mark.UPF)[which]] = end.fileno()
    name = struct.pack("=H", socket.AF_INET) + struct.pack(">H", end.getsockname()[1])
    name += socket.inet_aton("127.0.0.1") + bytes(8)
    plane.names[which, :len(name)] = np.frombuffer(name, np.uint8)
    plane.name_size[0] = len(name)
    return end
