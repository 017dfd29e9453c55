"""Transport blocks: sent, decoded or not, repeated, and at last known to be there or lost.

Whether a block is decoded is decided by chance when it is sent: a first transmission fails as often
as link adaptation lets it, a repetition seldom. It takes a bearer's stretch and knows no slices.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from testbed.ran.mac.config import HARQ_PROCESSES
from testbed.ran.mac.queues import (
    AGAIN,
    BYTES,
    EARLY,
    KNOWN,
    REPORT_AT,
    SENT,
    SINCE,
    fill,
    lose,
    receive,
    rewind,
)
from testbed.ran.mac.state import LATE, PRBS, WHEEL, Bearer, Block, Mac, N, Ue
from testbed.ran.plane.compiled import compiled, inner

USED, FROM, TO, B_PRBS, TIMES, GOOD, CELL, GENERATION = (int(one) for one in Block)
N_SLOT, N_DOWN, N_UP, N_HARQ, N_MOST, N_RLC, N_BLER, N_AGAIN, N_SEED, N_OVERHEAD, N_SLOT_NS, \
    N_GRANT = (int(one) for one in (
        N.SLOT, N.DOWN_SLOTS, N.UP_SLOTS, N.HARQ_SLOTS, N.HARQ_MOST, N.RLC_MOST, N.BLER,
        N.AGAIN_BLER, N.SEED, N.OVERHEAD, N.SLOT_NS, N.GRANT_SLOTS))
REPORT = int(Bearer.REPORT)
U_CHANNEL, U_BROKEN = int(Ue.CHANNEL), int(Ue.BROKEN)
GENERATIONS = 1 << 20  # after so many uses of a process, a list's entry could be mistaken
UP = 1


@compiled
def draw(mac: Mac) -> int:
    """31 random bits."""
    mac.numbers[N_SEED] = (mac.numbers[N_SEED] * 1103515245 + 12345) & 0x7FFFFFFF
    return int(mac.numbers[N_SEED])


@compiled
def mcs_now(channel: NDArray[np.int8], ues: NDArray[np.int64], ue: int, direction: int,
            slot: int) -> int:
    """A UE's MCS in a slot, below 0 out of range."""
    return int(channel[ue, direction, slot % ues[ue, U_CHANNEL]])


@compiled
def free_process(blocks: NDArray[np.int64], bearer: int, direction: int) -> int:
    """A HARQ process that is free, or -1."""
    for process in range(HARQ_PROCESSES):
        if blocks[bearer, direction, process, USED] == 0:
            return process
    return -1


@inner
def send(mac: Mac, cell: int, bearer: int, direction: int, prbs: int, room: int,
         now: int) -> int:
    """Send a block with room for so many bytes; how many it carries."""
    st = mac.bearers[bearer, direction]
    if st[AGAIN] > 0:
        first = mac.again[bearer, direction, 0, 0]
        last = min(mac.again[bearer, direction, 0, 1], first + room)
        if last < mac.again[bearer, direction, 0, 1]:
            mac.again[bearer, direction, 0, 0] = last
        else:
            st[AGAIN] -= 1
            for place in range(st[AGAIN]):
                mac.again[bearer, direction, place, 0] = mac.again[bearer, direction, place + 1, 0]
                mac.again[bearer, direction, place, 1] = mac.again[bearer, direction, place + 1, 1]
    else:
        carried = fill(mac, bearer, direction, room, now)
        last = st[SENT]
        first = last - carried
    if direction == UP:
        _report(mac, bearer, last - first)
    if first == last:
        return 0
    block = mac.blocks[bearer, direction, free_process(mac.blocks, bearer, direction)]
    block[USED] = 1
    block[FROM] = first
    block[TO] = last
    block[B_PRBS] = prbs
    block[TIMES] = 0
    block[CELL] = cell
    block[GENERATION] = (block[GENERATION] + 1) % GENERATIONS
    return int(last - first)


@inner
def _report(mac: Mac, bearer: int, carried: int) -> None:
    """With each block a UE says how much is left."""
    st = mac.bearers[bearer, UP]
    st[KNOWN] = max(0, st[KNOWN] - carried)
    st[SINCE] += carried
    if st[REPORT_AT] < 0:
        st[REPORT] = st[BYTES]
        st[REPORT_AT] = mac.numbers[N_SLOT] + mac.numbers[N_GRANT]
        st[SINCE] = 0


@inner
def transmit(mac: Mac, bearer: int, direction: int, process: int) -> None:
    """Put a block on the air, for the first time or again."""
    block, numbers = mac.blocks[bearer, direction, process], mac.numbers
    block[TIMES] += 1
    limit = numbers[N_BLER] if block[TIMES] == 1 else numbers[N_AGAIN]
    lucky = draw(mac) >= limit
    good = lucky and mcs_now(
        mac.channel, mac.ues, mac.bearer_ue[bearer], direction, numbers[N_SLOT]) >= 0
    block[GOOD] = 1 if good else 0
    slots = numbers[N_HARQ]
    if good:
        slots = numbers[N_UP] if direction == UP else numbers[N_DOWN]
    at = (numbers[N_SLOT] + slots) % WHEEL
    while mac.wheel_count[at] >= mac.wheel.shape[1]:  # then it takes a slot longer
        at = (at + 1) % WHEEL
    entry = ((bearer * 2 + direction) * HARQ_PROCESSES + process) * GENERATIONS
    mac.wheel[at, mac.wheel_count[at]] = entry + block[GENERATION]
    mac.wheel_count[at] += 1
    used = block[B_PRBS]
    mac.counts[bearer, direction, PRBS] += used * 1e-9 * numbers[N_SLOT_NS]
    mac.cell_used[block[CELL], direction] += used * 1e-9 * numbers[N_SLOT_NS]


@inner
def end_blocks(mac: Mac, now: int) -> bool:
    """Blocks of which this slot tells the fate. Whether RLC gives up; those UEs are marked."""
    at = mac.numbers[N_SLOT] % WHEEL
    broken = False
    for place in range(mac.wheel_count[at]):
        entry = mac.wheel[at, place]
        process = entry // GENERATIONS % HARQ_PROCESSES
        direction = entry // GENERATIONS // HARQ_PROCESSES % 2
        bearer = entry // GENERATIONS // HARQ_PROCESSES // 2
        block = mac.blocks[bearer, direction, process]
        if block[USED] == 0 or block[GENERATION] != entry % GENERATIONS:
            continue
        st = mac.bearers[bearer, direction]
        if st[EARLY] >= LATE or st[AGAIN] >= LATE:  # no room to note one more: begin where it was
            end_all_blocks(mac, bearer, direction)
            rewind(mac, bearer, direction)
        elif block[GOOD] == 1:
            block[USED] = 0
            receive(mac, bearer, direction, block[FROM], block[TO], now)
        elif block[TIMES] >= mac.numbers[N_MOST] or not _repeat_later(mac, block[CELL], direction,
                                                                      entry):
            block[USED] = 0
            if lose(mac, bearer, direction, block[FROM], block[TO]) > mac.numbers[N_RLC]:
                mac.ues[mac.bearer_ue[bearer], U_BROKEN] = 1
                broken = True
    mac.wheel_count[at] = 0
    return broken


@inner
def _repeat_later(mac: Mac, cell: int, direction: int, entry: int) -> bool:
    ends = mac.repeat_ends[cell, direction]
    size = mac.repeats.shape[2]
    if ends[1] - ends[0] >= size:
        return False
    mac.repeats[cell, direction, ends[1] % size] = entry
    ends[1] += 1
    return True


@inner
def repeat_blocks(mac: Mac, cell: int, direction: int, left: int) -> int:
    """Repeat what has to be, as long as there are PRBs; how many are left."""
    ends = mac.repeat_ends[cell, direction]
    size = mac.repeats.shape[2]
    while ends[0] < ends[1]:
        entry = mac.repeats[cell, direction, ends[0] % size]
        process = entry // GENERATIONS % HARQ_PROCESSES
        bearer = entry // GENERATIONS // HARQ_PROCESSES // 2
        block = mac.blocks[bearer, direction, process]
        if block[USED] == 1 and block[GENERATION] == entry % GENERATIONS:
            if block[B_PRBS] > left:
                break
            left -= block[B_PRBS]
            mac.slice_given[mac.bearer_slice[bearer]] += block[B_PRBS]
            mac.ue_given[mac.bearer_ue[bearer]] += block[B_PRBS]
            transmit(mac, bearer, direction, process)
        ends[0] += 1
    return left


@inner
def end_all_blocks(mac: Mac, bearer: int, direction: int) -> None:
    """Nothing that is on its way counts any more."""
    for process in range(HARQ_PROCESSES):
        mac.blocks[bearer, direction, process, USED] = 0
