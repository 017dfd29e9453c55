"""Who gets which resource blocks of a slot: guarantees first, then turns for what is left.

Repetitions go first. Then each slice gets what it wants up to its minimum (or dedicated share, if
that is more). What is left, less what is kept for other slices' dedicated shares, goes in turns,
to bearers of slices below their maximum: an idle slice's part is lent from slot to slot. Who wants
blocks after a pause stands at the end of the line, as at a base station that goes round its UEs;
those that always want get as many blocks each. With proportional fairness it goes to whose channel
is best for what it got. A block's content is one bearer's; real base stations put a UE's into one.

Each slice has a line of its own, and the lines are moved against each other so that none is ahead
or behind by more than two slots' blocks: what a guarantee gave is not held against a slice once the
guarantee ends, and what a maximum withheld is not made up for. A line moves as a whole, so that its
bearers' order stays.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from testbed.ran.mac.blocks import (
    N_SLOT,
    U_CHANNEL,
    UP,
    free_process,
    mcs_now,
    repeat_blocks,
    send,
    transmit,
)
from testbed.ran.mac.queues import AGAIN, BYTES, EARLY, KNOWN, STALLED
from testbed.ran.mac.state import GRANTS, Bearer, Line, Mac, N, Ue
from testbed.ran.plane.compiled import compiled, inner

N_SLICES, N_PATTERN, N_OVERHEAD, N_FAIR = (int(one) for one in (
    N.SLICES, N.PATTERN, N.OVERHEAD, N.FAIR))
SERVED, TURN = int(Bearer.SERVED), int(Bearer.TURN)
AT, END, OFFSET, WANTED = (int(one) for one in Line)
U_UP_AT, U_FAILED, U_CAP = int(Ue.UP_AT), int(Ue.FAILED), int(Ue.CAP)
SMOOTHED = 0.01  # of a bearer's mean rate: what a slot changes; a hundred slots
ANY = -1  # in place of a slice
Numbers = NDArray[np.int64]


@inner
def serve(mac: Mac, cell: int, direction: int, now: int) -> None:
    """A cell's slot in one direction."""
    table = mac.pattern[mac.numbers[N_SLOT] % mac.numbers[N_PATTERN], direction]
    if table < 0 or mac.cell_up[cell] == 0:
        return
    prbs = mac.cell_prbs[cell]
    mac.turns[cell, direction] += 1
    _align(mac.lines[cell, direction], mac.turns[cell, direction], mac.clock[cell, direction],
           prbs)
    mac.slice_given[:] = 0
    for place in range(mac.member_count[cell]):
        mac.ue_given[mac.bearer_ue[mac.members[cell, place]]] = 0
    left = repeat_blocks(mac, cell, direction, prbs)
    wanting = _look(mac, cell, direction, table, prbs)
    if wanting == 0:
        return
    left = _guarantee(mac, cell, direction, wanting, left, prbs)
    _lend(mac, cell, direction, wanting, left, prbs)
    _send_all(mac, cell, direction, table, wanting, now)


@compiled
def part(percent: int, prbs: int) -> int:
    """Resource blocks of a share, to the nearest one."""
    return (percent * prbs + 50) // 100


@inner
def _align(lines: Numbers, turn: int, clock: int, prbs: int) -> None:
    """Move the slices' lines: a new one to the end, and none too far ahead or behind."""
    for snssai in range(lines.shape[0]):
        line = lines[snssai]
        if line[WANTED] != turn - 1:
            line[OFFSET] = max(line[OFFSET], clock - line[END])
        line[OFFSET] = min(max(line[OFFSET], clock - 2 * prbs - line[AT]), clock - line[AT])


@inner
def _look(mac: Mac, cell: int, direction: int, table: int, prbs: int) -> int:
    """Note who wants how many blocks; how many bearers that are.

    It is most of a slot's work. Functions that it calls for each bearer get the few arrays that
    they need: to hand on all of the memory takes longer than what they do.
    """
    found = 0
    turn, lines, slices = mac.turns[cell, direction], mac.lines[cell, direction], mac.bearer_slice
    slot, overhead, fair = mac.numbers[N_SLOT], mac.numbers[N_OVERHEAD], mac.numbers[N_FAIR] == 1
    bearers, members, ues = mac.bearers, mac.members, mac.ues
    for place in range(mac.member_count[cell]):
        bearer = members[cell, place]
        st = bearers[bearer, direction]
        if st[AGAIN] > 0:
            size = mac.again[bearer, direction, 0, 1] - mac.again[bearer, direction, 0, 0]
        elif st[EARLY] >= STALLED:
            continue
        else:  # as far as the base station knows
            size = st[KNOWN] if direction == UP else st[BYTES]
        if size <= 0:
            continue
        ue = mac.bearer_ue[bearer]
        row = ues[ue]
        if row[U_FAILED] != 0 or row[U_UP_AT] > slot:
            continue
        mcs = mac.channel[ue, direction, slot % row[U_CHANNEL]]
        if mcs < 0 or free_process(mac.blocks, bearer, direction) < 0:
            continue
        mac.need[bearer] = _blocks_for(mac.sizes, table, mcs, size + overhead, prbs)
        mac.given[bearer] = 0
        line = lines[slices[bearer]]
        # Whom a cap held back is not ahead of its line by more than a slot's blocks.
        anew = st[TURN] != turn - 1
        st[SERVED] = max(st[SERVED], line[END] if anew else line[AT] - prbs)
        st[TURN] = turn
        line[WANTED] = turn
        mac.key[bearer] = float(st[SERVED] + line[OFFSET])
        if fair:
            mac.key[bearer] = -mac.sizes[0, mcs, 1] / (mac.rate[bearer, direction] + 1.0)
        mac.wanting[found] = bearer
        found += 1
    return found


@inner
def _blocks_for(sizes: NDArray[np.int32], table: int, mcs: int, size: int, prbs: int) -> int:
    """The fewest resource blocks that hold so many bytes, or all there are."""
    low, high = 1, prbs
    while low < high:
        middle = (low + high) // 2
        if sizes[table, mcs, middle] >= size:
            high = middle
        else:
            low = middle + 1
    return low


@inner
def _next(wanting: Numbers, count: int, key: NDArray[np.float64], need: Numbers, given: Numbers,
          slices: Numbers, snssai: int) -> int:
    """Of a slice, or of any: the bearer whose turn it is and that wants more, or -1."""
    best = -1
    for place in range(count):
        bearer = wanting[place]
        if given[bearer] < need[bearer] and (snssai == ANY or slices[bearer] == snssai) and (
                best < 0 or key[bearer] < key[best]):
            best = bearer
    return int(best)


@inner
def _give(mac: Mac, cell: int, direction: int, bearer: int, most: int, prbs: int) -> int:
    """Give a bearer up to `most` blocks; how many. Who may have none wants none any more."""
    ue = mac.bearer_ue[bearer]
    amount = min(mac.need[bearer] - mac.given[bearer], most,
                 part(mac.ues[ue, U_CAP], prbs) - mac.ue_given[ue])
    if amount <= 0:
        mac.need[bearer] = mac.given[bearer]
        return 0
    mac.given[bearer] += amount
    if mac.numbers[N_FAIR] == 0:
        line = mac.lines[cell, direction, mac.bearer_slice[bearer]]
        line[AT] = max(line[AT], int(mac.key[bearer]) - line[OFFSET])
        mac.key[bearer] += amount
    mac.ue_given[ue] += amount
    mac.slice_given[mac.bearer_slice[bearer]] += amount
    return int(amount)


@inner
def _guarantee(mac: Mac, cell: int, direction: int, wanting: int, left: int, prbs: int) -> int:
    """Each slice's minimum or dedicated share, as far as it is wanted; what is left."""
    for snssai in range(mac.numbers[N_SLICES]):
        share = mac.shares[cell, snssai]
        due = min(part(max(share[0], share[2]), prbs), part(share[1], prbs))
        while left > 0 and mac.slice_given[snssai] < due:
            bearer = _next(mac.wanting, wanting, mac.key, mac.need, mac.given, mac.bearer_slice,
                           snssai)
            if bearer < 0:
                break
            left -= _give(mac, cell, direction, bearer,
                          min(left, due - mac.slice_given[snssai]), prbs)
    return left


@inner
def _lend(mac: Mac, cell: int, direction: int, wanting: int, left: int, prbs: int) -> None:
    """What is left, but for what is dedicated to slices that do not use it now."""
    for snssai in range(mac.numbers[N_SLICES]):
        left -= max(0, part(mac.shares[cell, snssai, 2], prbs) - mac.slice_given[snssai])
    while left > 0:
        bearer = _next(mac.wanting, wanting, mac.key, mac.need, mac.given, mac.bearer_slice, ANY)
        if bearer < 0:
            return
        snssai = mac.bearer_slice[bearer]
        room = part(mac.shares[cell, snssai, 1], prbs) - mac.slice_given[snssai]
        amount = _give(mac, cell, direction, bearer, min(left, room), prbs)
        if amount > 0 and mac.numbers[N_FAIR] == 0:
            mac.clock[cell, direction] = max(mac.clock[cell, direction], int(mac.key[bearer]))
        left -= amount


@inner
def _send_all(mac: Mac, cell: int, direction: int, table: int, wanting: int, now: int) -> None:
    sent = 0
    for place in range(wanting):
        bearer = mac.wanting[place]
        given = mac.given[bearer]
        carried = 0
        st = mac.bearers[bearer, direction]
        if given > 0 and sent < GRANTS:
            st[SERVED] += given
            mcs = mcs_now(mac.channel, mac.ues, mac.bearer_ue[bearer], direction,
                          mac.numbers[N_SLOT])
            room = mac.sizes[table, mcs, given] - mac.numbers[N_OVERHEAD]
            process = free_process(mac.blocks, bearer, direction)
            if room > 0:
                carried = send(mac, cell, bearer, direction, given, room, now)
            if carried > 0:
                transmit(mac, bearer, direction, process)
                sent += 1
        line = mac.lines[cell, direction, mac.bearer_slice[bearer]]
        line[END] = max(line[END], st[SERVED])
        mac.rate[bearer, direction] += SMOOTHED * (carried - mac.rate[bearer, direction])
