"""All that the scheduler works on: arrays made beforehand, of which nothing grows.

A bearer's packets lie in a ring, each way: those that were sent in part or whole and are not yet
acknowledged, then those that wait. What is sent is a stream of bytes; a transport block carries a
stretch of one bearer's stream, from byte `from` to byte `to`. Stretches that arrive before an
earlier one wait in a table, so that nothing is reordered. Python enters orders in a ring and reads
counts; all else is the loop's alone.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from testbed.ran.mac.channel import Direction, mcs_slots, period_slots
from testbed.ran.mac.config import HARQ_PROCESSES, Discipline, Layout, MacConfig, Scheduler
from testbed.ran.mac.tables import MOST_PRBS, mcs_by_cqi, transport_block_table
from testbed.ran.plane.histogram import BUCKETS

WHEEL = 64  # slots ahead that a block's end can be
GRANTS = 64  # blocks of a cell, a direction and a slot at most
REPEATS = 4096  # blocks of a cell and a direction that wait to be repeated
ORDERS = 256  # that can wait
ORDER_WORDS = 6
LATE = 64  # stretches of a bearer that wait for an earlier one, or to be sent anew
PART_BITS = 31  # chances are compared with as many random bits
# In place of FAILED's 1.
GONE = 2  # the UE left
GIVEN_UP = 3  # it failed so long ago that what waited was thrown away
MOST_SLOTS = 600_000  # of a channel that are kept; after them it begins anew


class Reason(enum.IntEnum):
    """Why a packet was dropped."""

    QUEUE_FULL = 1
    CODEL = 2
    LINK_FAILED = 3  # without a radio link for too long
    UNKNOWN = 4  # a bearer that is not there
    TOO_LONG = 5  # longer than a queue
    RESTARTED = 6  # the base station began anew


class N(enum.IntEnum):
    """Single numbers, in `numbers`."""

    SLOT = 0
    CELLS = 1
    UES = 2
    BEARERS = 3
    SLICES = 4
    RING = 5  # packets of a queue, a power of two
    QUEUE_BYTES = 6
    CODEL = 7  # 1: on
    CODEL_TARGET = 8  # nanoseconds
    CODEL_INTERVAL = 9
    PATTERN = 10  # slots of it
    DOWN_SLOTS = 11
    UP_SLOTS = 12
    HARQ_SLOTS = 13
    HARQ_MOST = 14
    RLC_MOST = 15
    BLER = 16  # in parts of 2^31
    AGAIN_BLER = 17
    REQUEST_SLOTS = 18
    REQUEST_JITTER = 19
    GRANT_SLOTS = 20
    REQUEST_BYTES = 21
    HANDOVER_SLOTS = 22
    FAILURE_SLOTS = 23
    REESTABLISH_SLOTS = 24
    GIVE_UP_SLOTS = 25
    OVERHEAD = 26
    FAIR = 27  # 1: proportional fair
    SEED = 28  # of the random numbers, as it goes on
    SLOT_NS = 29
    ORDER_HEAD = 30  # orders given, ever
    ORDER_TAIL = 31  # orders obeyed, ever
    PACKETS = 32  # taken, ever
    REFUSED = 33  # orders that named nothing that is there
    INSIDE = 34  # packets
    CAPACITY = 35  # of all queues together


class Ue(enum.IntEnum):
    """Columns of a UE."""

    CELL = 0
    UP_AT = 1  # slot from which it has a link; before it: moving, or failed
    OUT_SINCE = 2  # slot since which it is out of range, or -1
    FAILED = 3  # 1: the radio link has failed; or GONE or GIVEN_UP
    CAP = 4  # percent of a cell's blocks that it gets in a slot at most
    CHANNEL = 5  # slots of its channel
    BROKEN = 6  # 1: RLC gave up in this slot


class Bearer(enum.IntEnum):
    """Columns of a bearer in one direction."""

    FIRST = 0  # oldest packet that is inside; a count that only grows
    NEXT = 1  # first packet of which nothing was sent
    TAIL = 2  # one past the newest
    BYTES = 3  # of packets from NEXT on, less what was sent of them
    SENT = 4  # end of what was sent, in bytes of the stream
    ARRIVED = 5  # end of what has arrived without a gap
    PART = 6  # bytes of packet NEXT that were sent
    KNOWN = 7  # up: bytes that the base station knows to wait
    REQUEST_AT = 8  # up: slot in which a request takes effect, or -1
    REPORT_AT = 9  # up: slot in which a report takes effect, or -1
    REPORT = 10  # up: bytes that it says
    SERVED = 11  # PRBs that it got, on the scale of its slice's line
    AGAIN = 12  # stretches that wait to be sent anew
    LATE = 13  # stretches that arrived early
    CODEL_ABOVE = 14  # ns: when waits above the target will have lasted an interval, or 0
    CODEL_NEXT = 15  # ns of the next drop
    CODEL_COUNT = 16
    CODEL_DROPPING = 17
    RLC_TIMES = 18  # times that a stretch was sent anew since something last arrived
    SINCE = 19  # up: bytes granted since the report that is on its way was made
    TURN = 20  # its cell's slot, counted each way, in which it last wanted blocks


class Line(enum.IntEnum):
    """Columns of a slice in a cell and a direction: its bearers' turns, in PRBs."""

    AT = 0  # who was given something last stood here
    END = 1
    OFFSET = 2  # from this scale to the cell's clock
    WANTED = 3  # the cell's slot, counted each way, in which it last wanted blocks


class Block(enum.IntEnum):
    """Columns of a HARQ process."""

    USED = 0
    FROM = 1
    TO = 2
    PRBS = 3
    TIMES = 4  # transmissions so far
    GOOD = 5  # 1: the one that is on its way will be decoded
    CELL = 6
    GENERATION = 7  # of uses of this process: what a list says of an older one counts no more


class Order(enum.IntEnum):
    """Kinds of orders, with their numbers."""

    SHARE = 1  # cell or -1, slice, minimum, maximum, dedicated
    CAP = 2  # UE, percent
    MOVE = 3  # UE, cell
    CELL = 4  # cell, 1 up or 0 out
    RESTART = 5
    LEAVE = 6  # UE: gone, with all that waits
    RETURN = 7  # UE


# What is counted of a bearer in one direction; `cell_model.Counters` has the same.
BITS, WAITED, DROPPED, PRBS = range(4)


class Mac(NamedTuple):
    """The loop's memory. B bearers, U UEs, C cells, S slices; a direction is 0 down or 1 up."""

    numbers: NDArray[np.int64]  # [N]
    cell_prbs: NDArray[np.int64]  # [C]
    cell_up: NDArray[np.int64]  # [C]: 1, or 0 in an outage
    shares: NDArray[np.int64]  # [C, S, 3]
    ues: NDArray[np.int64]  # [U, Ue]
    bearer_ue: NDArray[np.int64]  # [B]
    bearer_slice: NDArray[np.int64]
    members: NDArray[np.int64]  # [C, B]: bearers of the cell's UEs
    member_count: NDArray[np.int64]  # [C]
    member_at: NDArray[np.int64]  # [B]: place in its cell's members
    channel: NDArray[np.int8]  # [U, 2, slots]: MCS, or below 0
    pattern: NDArray[np.int64]  # [slots, 2]: which table of block sizes, or -1
    sizes: NDArray[np.int32]  # [table, MCS, PRBS]: bytes
    bearers: NDArray[np.int64]  # [B, 2, Bearer]
    rate: NDArray[np.float64]  # [B, 2]: mean bytes a slot, for fairness
    packet: NDArray[np.int32]  # [B, 2, RING]
    size: NDArray[np.int32]  # bytes; 0: dropped before it was sent
    end: NDArray[np.int64]  # of a packet in the stream, once it was sent in part
    came: NDArray[np.int64]  # nanoseconds
    again: NDArray[np.int64]  # [B, 2, LATE, 2]: from, to
    late: NDArray[np.int64]
    blocks: NDArray[np.int64]  # [B, 2, HARQ_PROCESSES, Block]
    clock: NDArray[np.int64]  # [C, 2]: the end of the line for what is lent, in PRBs
    turns: NDArray[np.int64]  # [C, 2]: slots so far
    lines: NDArray[np.int64]  # [C, 2, S, Line]
    wheel: NDArray[np.int64]  # [WHEEL, entries]: blocks that end, by slot
    wheel_count: NDArray[np.int64]  # [WHEEL]
    repeats: NDArray[np.int64]  # [C, 2, entries]: blocks to repeat, a ring
    repeat_ends: NDArray[np.int64]  # [C, 2, 2]: taken from, put to; both ever
    need: NDArray[np.int64]  # [B]: PRBs that a bearer wants in this slot
    given: NDArray[np.int64]  # [B]: PRBs that it gets
    wanting: NDArray[np.int64]  # [B]: bearers that want some, in order of their turn
    key: NDArray[np.float64]  # [B]: who has the smallest is next
    slice_given: NDArray[np.int64]  # [S]
    ue_given: NDArray[np.int64]  # [U]
    orders: NDArray[np.int64]  # [ORDERS, ORDER_WORDS], a ring
    counts: NDArray[np.float64]  # [B, 2, 4]
    cell_used: NDArray[np.float64]  # [C, 2]: PRBs times slots
    dropped_packets: NDArray[np.int64]  # [2, len(Reason) + 1]
    delivered_packets: NDArray[np.int64]  # [2]
    delays: NDArray[np.int64]  # [B, 2, BUCKETS]: of what was delivered, since it came
    delivered: NDArray[np.int32]  # what a slot gave back; the driver empties it
    dropped: NDArray[np.int32]
    reasons: NDArray[np.int32]
    ends: NDArray[np.int64]  # [2]: of `delivered`, and of `dropped` with `reasons`


def make(config: MacConfig, layout: Layout, slot_us: int, seed: int, packets: int) -> Mac:
    """An empty cell; `packets` are inside at most, all queues together."""
    cells, ues, bearers = len(layout.prbs), len(layout.ue_cells), len(layout.bearers)
    slices = len(layout.shares)
    ring = 1 << (min(config.queue.packets, packets) - 1).bit_length() if packets > 1 else 1
    many = max(1, packets)
    blocks = 2 * max(1, bearers) * HARQ_PROCESSES
    # In a slot end those of two slots, each way; each has new ones and at most one a PRB again.
    ending = min(2 * blocks, 4 * cells * (GRANTS + MOST_PRBS))
    pattern, sizes = _sizes(config)
    channel, lengths = _channels(config, layout, slot_us)
    members, member_count, member_at = _members(layout)

    def none(*shape: int) -> NDArray[np.int64]:
        return np.zeros(shape, np.int64)

    return Mac(
        numbers=_numbers(config, layout, slot_us, seed, ring, many, len(pattern)),
        cell_prbs=np.array(layout.prbs, np.int64), cell_up=np.ones(cells, np.int64),
        shares=np.tile(np.array(layout.shares, np.int64).reshape(1, slices, 3), (cells, 1, 1)),
        ues=_ues(layout, lengths),
        bearer_ue=np.array([one.ue for one in layout.bearers], np.int64),
        bearer_slice=np.array([one.slice for one in layout.bearers], np.int64),
        members=members, member_count=member_count, member_at=member_at,
        channel=channel, pattern=pattern, sizes=sizes, bearers=_bearers(bearers),
        rate=np.zeros((bearers, 2)), packet=np.zeros((bearers, 2, ring), np.int32),
        size=np.zeros((bearers, 2, ring), np.int32), end=none(bearers, 2, ring),
        came=none(bearers, 2, ring), again=none(bearers, 2, LATE, 2),
        late=none(bearers, 2, LATE, 2), blocks=none(bearers, 2, HARQ_PROCESSES, len(Block)),
        clock=none(cells, 2), turns=none(cells, 2), lines=none(cells, 2, slices, len(Line)),
        wheel=none(WHEEL, ending), wheel_count=none(WHEEL),
        repeats=none(cells, 2, min(blocks, REPEATS)), repeat_ends=none(cells, 2, 2),
        need=none(bearers), given=none(bearers), wanting=none(bearers), key=np.zeros(bearers),
        slice_given=none(slices), ue_given=none(ues), orders=none(ORDERS, ORDER_WORDS),
        counts=np.zeros((bearers, 2, 4)), cell_used=np.zeros((cells, 2)),
        dropped_packets=none(2, len(Reason) + 1), delivered_packets=none(2),
        delays=none(bearers, 2, BUCKETS), delivered=np.zeros(many, np.int32),
        dropped=np.zeros(many, np.int32), reasons=np.zeros(many, np.int32), ends=none(2))


def _numbers(config: MacConfig, layout: Layout, slot_us: int, seed: int, ring: int,
             capacity: int, pattern: int) -> NDArray[np.int64]:
    """Single numbers, in the loop's units: slots, nanoseconds, bytes, parts of 2^31."""
    per_ms = 1000 / slot_us
    plain = {
        N.CELLS: len(layout.prbs), N.UES: len(layout.ue_cells), N.BEARERS: len(layout.bearers),
        N.SLICES: len(layout.shares), N.RING: ring, N.CAPACITY: capacity, N.PATTERN: pattern,
        N.QUEUE_BYTES: config.queue.kbytes * 1000,
        N.CODEL: config.queue.discipline is Discipline.CODEL,
        N.CODEL_TARGET: round(config.queue.target_ms * 1e6),
        N.CODEL_INTERVAL: round(config.queue.interval_ms * 1e6),
        N.DOWN_SLOTS: config.down_slots, N.UP_SLOTS: config.up_slots,
        N.HARQ_SLOTS: config.harq_slots, N.HARQ_MOST: config.harq_most,
        N.RLC_MOST: config.rlc_most, N.BLER: round(config.bler * (1 << PART_BITS)),
        N.AGAIN_BLER: round(config.again_bler * (1 << PART_BITS)),
        N.REQUEST_SLOTS: config.request_slots, N.REQUEST_JITTER: config.request_jitter,
        N.GRANT_SLOTS: config.grant_slots, N.REQUEST_BYTES: config.request_bytes,
        N.HANDOVER_SLOTS: round(config.handover_ms * per_ms),
        N.FAILURE_SLOTS: round(config.failure_ms * per_ms),
        N.REESTABLISH_SLOTS: round(config.reestablish_ms * per_ms),
        N.GIVE_UP_SLOTS: round(config.give_up_ms * per_ms),
        N.OVERHEAD: config.overhead_bytes,
        N.FAIR: config.scheduler is Scheduler.PROPORTIONAL_FAIR,
        N.SEED: (seed * 2 + 1) & 0x7FFF_FFFF, N.SLOT_NS: slot_us * 1000}
    numbers = np.zeros(len(N), np.int64)
    for name, value in plain.items():
        numbers[name] = value
    return numbers


def _ues(layout: Layout, lengths: list[int]) -> NDArray[np.int64]:
    """UEs with a link, each where it begins; `lengths` are their channels', in slots."""
    rows = np.zeros((len(layout.ue_cells), len(Ue)), np.int64)
    rows[:, Ue.CELL], rows[:, Ue.OUT_SINCE], rows[:, Ue.CAP] = layout.ue_cells, -1, 100
    rows[:, Ue.CHANNEL] = lengths
    return rows


def _bearers(count: int) -> NDArray[np.int64]:
    """Bearers with nothing in them."""
    states = np.zeros((count, 2, len(Bearer)), np.int64)
    states[:, :, [Bearer.REQUEST_AT, Bearer.REPORT_AT, Bearer.TURN]] = -1
    return states


def _members(layout: Layout) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Each cell's bearers, how many, and each bearer's place there."""
    cells, bearers = len(layout.prbs), len(layout.bearers)
    members = np.zeros((cells, max(1, bearers)), np.int64)
    count = np.zeros(cells, np.int64)
    at = np.zeros(bearers, np.int64)
    for number, one in enumerate(layout.bearers):
        cell = layout.ue_cells[one.ue]
        at[number] = count[cell]
        members[cell, count[cell]] = number
        count[cell] += 1
    return members, count, at


def _sizes(config: MacConfig) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Which table each slot of the pattern has, each way, and the tables in bytes."""
    symbols = sorted({one for slot in config.slots for one in slot if one})
    pattern = np.array([[symbols.index(one) if one else -1 for one in slot]
                        for slot in config.slots], np.int64)
    return pattern, np.stack([transport_block_table(
        config.mcs_table, MOST_PRBS, one, config.dmrs_per_prb, 0, config.layers) // 8
        for one in symbols]).astype(np.int32)


def _channels(config: MacConfig, layout: Layout, slot_us: int,
              ) -> tuple[NDArray[np.int8], list[int]]:
    """[UE, direction, slot] -> MCS, as long as the longest, and each one's own length."""
    by_cqi = mcs_by_cqi(config.cqi_table, config.mcs_table)
    seconds = slot_us * 1e-6
    highest = len(transport_block_table(config.mcs_table, 1, 12, 0)) - 1
    # A channel that does not change needs one slot.
    lengths = [1 if len(one.seconds) == 1 else min(MOST_SLOTS, period_slots(one, seconds))
               for one in layout.channels]
    made = np.zeros((len(lengths), 2, max(lengths, default=1)), np.int8)
    for place, (one, length) in enumerate(zip(layout.channels, lengths, strict=True)):
        for direction in Direction:
            made[place, direction, :length] = mcs_slots(
                one, direction, by_cqi, seconds, length, 0.0, highest)
    return made, lengths
