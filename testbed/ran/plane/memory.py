"""All that the loop works on: one record of arrays, made beforehand, of which nothing grows.

Packets lie in a pool of places of equal size; a stack of free places makes those that are used few
and warm. Python reads counts while the loop runs: each is one word, so none is ever torn, but two
may be a few packets apart. Which sockets and devices there are, `user_plane` enters.
"""

from __future__ import annotations

import enum
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from testbed.ran.plane.histogram import BUCKETS
from testbed.ran.plane.table import EMPTY

PLACES = 32_768  # packets inside at most: 0.3 s of full ones at 1 Gbit/s
STRIDE = 2048  # bytes from one place to the next
HEADROOM = 64  # bytes before a packet: room for tunnel headers, and a cache line
MOST_MTU = STRIDE - 2 * HEADROOM  # bytes of an IP packet; longer ones do not cross a tunnel either
BEARERS = 4096  # sessions at most: each has a device, and a process has 1024 descriptors or more
DEVICES = BEARERS + 64
TABLE = 8 * BEARERS  # entries: two addresses and two tunnels each, half of them left free
MOST_RULES = 1024  # flows outside their session's bearer: each is an order and a control of its own
RULE_TABLE = 4 * MOST_RULES  # entries; three quarters are left free
RULE_WORDS = 5  # of a 5-tuple; see `rules`
MOST_PAUSES = 64  # of which the time is remembered; they are counted beyond
ORDER_WORDS = 8  # kind, six numbers, when it was given
ORDERS = 1024  # that can wait: a slot's worth of a controller in a hurry
BATCH = 32  # datagrams of a tunnel's end that are sent or received with one call
TO_SEND, RECEIVED = PLACES + 1, PLACES + 1 + BATCH  # places of the pool beyond all others: theirs
NAME_BYTES = 28  # of a socket's peer: struct sockaddr_in6, the longer one
DIRECTIONS = 2
HEAD_WORDS = 8  # of struct mmsghdr


# What of a bearer is counted.
OF_READ, OF_DELIVERED, OF_DROPPED = 0, 1, 2


class Count(enum.IntEnum):
    """What becomes of packets: each is delivered, dropped with a reason, or inside."""

    READ = 0
    DELIVERED = 1
    MALFORMED = 2  # no whole IP packet
    OVERSIZE = 3  # longer than the link takes
    NO_BEARER = 4  # to an address that no attached UE has
    FOREIGN_SOURCE = 5  # from an address that is not its session's
    DETACHED = 6  # the UE is not attached
    BACKHAUL = 7  # lost between base station and core, as told
    POOL_FULL = 8  # no place left for it
    TUNNEL = 9  # the kernel did not take it between base station and core
    DEVICE = 10  # the device that it was for did not take it
    TUNNEL_SENT = 11  # between core and base station: into the tunnel, and out of it
    TUNNEL_TAKEN = 12
    AIR = 16  # and on: by the radio's own reasons, added to this


COUNTS = 32
DROPS = (*range(Count.MALFORMED, Count.DEVICE + 1), *range(Count.AIR, COUNTS))


class Mark(enum.IntEnum):
    """Single numbers of the loop."""

    STOP = 0  # set from outside
    FREE = 1  # places in the stack of free ones
    SLOT = 2  # slots that were run
    SLOT_NS = 3
    SKIPPED = 4  # slots that never were, because the process did not run
    PAUSES = 5  # times that some were skipped
    OVERRUNS = 6  # slots whose work took longer than a slot
    ORDER_HEAD = 7  # orders given, ever
    ORDER_TAIL = 8  # orders obeyed, ever
    MOST_TAKEN = 9  # packets read in a slot at most
    TURN = 10  # device that is read first
    BUSY_NS = 11  # spent on work
    ORIGIN_NS = 12  # when the loop began
    MTU = 13
    OFFERED = 14  # packets that wait for the radio to take them
    RANDOM = 15
    DEVICES_LOST = 16  # devices that are gone from under their descriptor
    TUNNEL_GARBAGE = 17  # datagrams that are no GTP-U, too long, or of no peer
    TUNNEL_UNKNOWN = 18  # of a tunnel that is not there
    TUNNEL_OTHER = 19  # messages that carry no user packet: echoes, error indications
    BUDGET_SPENT = 20  # slots that left packets unread
    ORDERS_REFUSED = 21  # which named nothing that is there
    GNB = 22  # descriptors of the tunnel's ends, or -1
    UPF = 23
    TUNS = 24  # devices that are no tunnel's end; they come first
    PLACES = 25  # of the pool, in use or free
    RULES = 26  # flows outside their session's bearer


class Kind(enum.IntEnum):
    """What a descriptor leads to."""

    UE = 0
    N6 = 1
    GNB = 2
    UPF = 3


class Of(enum.IntEnum):
    """Columns of a bearer."""

    UE_DEVICE = 0
    N6_DEVICE = 1
    TUNNEL_DOWN = 2
    TUNNEL_UP = 3
    QFI = 4
    ATTACHED = 5


class Plane(Protocol):
    """The loop's memory: a NumPy record, so that compiled functions get it as one pointer."""

    pool: NDArray[np.uint8]  # [(PLACES + 1 + 2 * BATCH) * STRIDE]; beyond PLACES: what is passed on
    free: NDArray[np.int32]  # [PLACES], a stack of places
    offered: NDArray[np.int32]  # [PLACES]: packets that the radio has not been given yet
    begin: NDArray[np.int64]  # [PLACES]: of a packet's first byte in the pool
    length: NDArray[np.int32]
    bearer: NDArray[np.int32]
    direction: NDArray[np.int64]
    taken: NDArray[np.int64]  # nanoseconds, when it was read
    marks: NDArray[np.int64]  # [Mark]
    polled: NDArray[np.int32]  # [DEVICES, 2]: descriptor; events asked, and seen above 16 bits
    kind: NDArray[np.int32]  # [DEVICES]
    owner: NDArray[np.int32]  # bearer of a UE's device
    keys: NDArray[np.int64]  # [TABLE]
    values: NDArray[np.int32]
    rule_keys: NDArray[np.int64]  # [RULE_TABLE, RULE_WORDS]
    rule_values: NDArray[np.int32]  # bearers
    bearers: NDArray[np.int64]  # [BEARERS, Of]
    counts: NDArray[np.int64]  # [direction, Count]
    octets: NDArray[np.int64]  # [direction, Count]
    of_bearer: NDArray[np.int64]  # [BEARERS, direction, (read, delivered, dropped)]
    lateness: NDArray[np.int64]  # [BUCKETS], histograms of microseconds
    work: NDArray[np.int64]
    delay: NDArray[np.int64]  # [direction, BUCKETS]
    orders_delay: NDArray[np.int64]
    orders: NDArray[np.int64]  # [ORDERS, ORDER_WORDS], a ring
    pauses: NDArray[np.int64]  # [MOST_PAUSES, 2]: when after the origin, and how long
    # A batch each way is as struct mmsghdr and struct iovec have it, in words of 64 bits.
    send_heads: NDArray[np.int64]  # [direction, BATCH, HEAD_WORDS]
    send_parts: NDArray[np.int64]  # [direction, BATCH, 2]
    sending: NDArray[np.int64]  # [direction, BATCH, 3]: bearer, bytes, place of the pool or -1
    send_count: NDArray[np.int64]  # [direction]
    receive_heads: NDArray[np.int64]  # [BATCH, HEAD_WORDS]
    receive_parts: NDArray[np.int64]  # [BATCH, 2]
    senders: NDArray[np.uint8]  # [BATCH, NAME_BYTES]
    line: NDArray[np.int32]  # [direction, PLACES]: packets on the way between radio and core
    line_due: NDArray[np.int64]
    line_ends: NDArray[np.int64]  # [direction, 2]: taken from, put to; both ever
    backhaul: NDArray[np.int64]  # [direction, 2]: loss in parts of 2^31, delay in nanoseconds
    clock: NDArray[np.int64]  # struct timespec
    names: NDArray[np.uint8]  # [3, NAME_BYTES]: the gNB's socket, the UPF's, whoever sent last
    name_size: NDArray[np.int32]  # [2]: of the peers, of whoever sent last


_SHAPES: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {
    "marks": (np.int64, (len(Mark),)),
    "clock": (np.int64, (2,)),
    "name_size": (np.int32, (2,)),
    "names": (np.uint8, (3, NAME_BYTES)),
    "backhaul": (np.int64, (DIRECTIONS, 2)),
    "line_ends": (np.int64, (DIRECTIONS, 2)),
    "counts": (np.int64, (DIRECTIONS, COUNTS)),
    "octets": (np.int64, (DIRECTIONS, COUNTS)),
    "polled": (np.int32, (DEVICES, 2)),
    "kind": (np.int32, (DEVICES,)),
    "owner": (np.int32, (DEVICES,)),
    "keys": (np.int64, (TABLE,)),
    "values": (np.int32, (TABLE,)),
    "rule_keys": (np.int64, (RULE_TABLE, RULE_WORDS)),
    "rule_values": (np.int32, (RULE_TABLE,)),
    "bearers": (np.int64, (BEARERS, len(Of))),
    "of_bearer": (np.int64, (BEARERS, DIRECTIONS, 3)),
    "lateness": (np.int64, (BUCKETS,)),
    "work": (np.int64, (BUCKETS,)),
    "delay": (np.int64, (DIRECTIONS, BUCKETS)),
    "orders_delay": (np.int64, (BUCKETS,)),
    "orders": (np.int64, (ORDERS, ORDER_WORDS)),
    "pauses": (np.int64, (MOST_PAUSES, 2)),
    "free": (np.int32, (PLACES,)),
    "offered": (np.int32, (PLACES,)),
    "begin": (np.int64, (PLACES,)),
    "length": (np.int32, (PLACES,)),
    "bearer": (np.int32, (PLACES,)),
    "direction": (np.int64, (PLACES,)),
    "taken": (np.int64, (PLACES,)),
    "send_heads": (np.int64, (DIRECTIONS, BATCH, HEAD_WORDS)),
    "send_parts": (np.int64, (DIRECTIONS, BATCH, 2)),
    "sending": (np.int64, (DIRECTIONS, BATCH, 3)),
    "send_count": (np.int64, (DIRECTIONS,)),
    "receive_heads": (np.int64, (BATCH, HEAD_WORDS)),
    "receive_parts": (np.int64, (BATCH, 2)),
    "senders": (np.uint8, (BATCH, NAME_BYTES)),
    "line": (np.int32, (DIRECTIONS, PLACES)),
    "line_due": (np.int64, (DIRECTIONS, PLACES)),
    "pool": (np.uint8, ((PLACES + 1 + 2 * BATCH) * STRIDE,)),
}


def make(mtu: int, slot_ns: int, most_taken: int, seed: int, places: int = PLACES) -> Plane:
    """An empty plane; `places` of the pool are used. Memory is taken when it is touched."""
    layout = np.dtype([(name, kind, shape) for name, (kind, shape) in _SHAPES.items()], align=True)
    plane = cast(Plane, np.zeros(1, layout).view(np.recarray)[0])
    plane.marks[[Mark.FREE, Mark.SLOT_NS, Mark.MOST_TAKEN, Mark.MTU]] = (
        places, slot_ns, most_taken, mtu)
    plane.marks[Mark.PLACES] = places
    plane.marks[Mark.RANDOM] = (seed * 2 + 1) & 0x7FFF_FFFF
    plane.marks[[Mark.GNB, Mark.UPF]] = -1
    plane.free[:places] = np.arange(places - 1, -1, -1)
    plane.values[:] = EMPTY
    plane.rule_values[:] = EMPTY
    plane.polled[:, 0] = -1
    return plane
