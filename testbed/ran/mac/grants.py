"""Who gets which resource blocks of a slot: guarantees first, then turns for what is left.

Repetitions go first. Then each slice gets what it wants up to its minimum (or dedicated share, if
that is more). What is left, less what is kept for other slices' dedicated shares, goes to whoever
has had the fewest blocks so far, of slices below their maximum: an idle slice's part is lent from
slot to slot. With proportional fairness it goes to whose channel is best for what it got. A block's
content is one bearer's; real base stations put bearers of a UE into one.
"""

from __future__ import annotations

from testbed.ran.mac.blocks import (
    N_SLOT,
    free_process,
    mcs_now,
    repeat_blocks,
    send,
    transmit,
    waiting,
)
from testbed.ran.mac.queues import STALLED
from testbed.ran.mac.state import GRANTS, Bearer, Mac, N, Ue
from testbed.ran.plane.compiled import compiled

N_SLICES, N_PATTERN, N_OVERHEAD, N_FAIR = (int(one) for one in (
    N.SLICES, N.PATTERN, N.OVERHEAD, N.FAIR))
SERVED = int(Bearer.SERVED)
U_UP_AT, U_FAILED, U_CAP = int(Ue.UP_AT), int(Ue.FAILED), int(Ue.CAP)
SMOOTHED = 0.01  # of a bearer's mean rate: what a slot changes; a hundred slots
ANY = -1  # in place of a slice


@compiled
def serve(mac: Mac, cell: int, direction: int, now: int) -> None:
    """A cell's slot in one direction."""
    table = mac.pattern[mac.numbers[N_SLOT] % mac.numbers[N_PATTERN], direction]
    if table < 0 or mac.cell_up[cell] == 0:
        return
    prbs = mac.cell_prbs[cell]
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


@compiled
def _look(mac: Mac, cell: int, direction: int, table: int, prbs: int) -> int:
    """Note who wants how many blocks; how many bearers that are."""
    found = 0
    turn = mac.clock[cell, direction]
    earliest = -1
    for place in range(mac.member_count[cell]):
        bearer = mac.members[cell, place]
        size = waiting(mac, bearer, direction, STALLED)
        if size <= 0:
            continue
        row = mac.ues[mac.bearer_ue[bearer]]
        if row[U_FAILED] != 0 or row[U_UP_AT] > mac.numbers[N_SLOT]:
            continue
        mcs = mcs_now(mac, mac.bearer_ue[bearer], direction)
        if mcs < 0 or free_process(mac, bearer, direction) < 0:
            continue
        mac.need[bearer] = _blocks_for(mac, table, mcs, size + mac.numbers[N_OVERHEAD], prbs)
        mac.given[bearer] = 0
        st = mac.bearers[bearer, direction]
        # Who wanted nothing for a while is not ahead by more than a slot's blocks.
        st[SERVED] = max(st[SERVED], turn - prbs)
        if earliest < 0 or st[SERVED] < earliest:
            earliest = st[SERVED]
        mac.wanting[found] = bearer
        found += 1
    if found > 0:
        mac.clock[cell, direction] = max(turn, earliest)
    return found


@compiled
def _blocks_for(mac: Mac, table: int, mcs: int, size: int, prbs: int) -> int:
    """The fewest resource blocks that hold so many bytes, or all there are."""
    low, high = 1, prbs
    while low < high:
        middle = (low + high) // 2
        if mac.sizes[table, mcs, middle] >= size:
            high = middle
        else:
            low = middle + 1
    return low


@compiled
def _next(mac: Mac, direction: int, wanting: int, snssai: int) -> int:
    """Of a slice, or of any: the bearer whose turn it is and that wants more, or -1."""
    best = -1
    for place in range(wanting):
        bearer = mac.wanting[place]
        if mac.given[bearer] >= mac.need[bearer] or snssai not in (ANY, mac.bearer_slice[bearer]):
            continue
        if best < 0 or _before(mac, direction, bearer, best):
            best = bearer
    return int(best)


@compiled
def _before(mac: Mac, direction: int, one: int, other: int) -> bool:
    """Whether it is rather `one`'s turn."""
    if mac.numbers[N_FAIR] == 1:
        return _worth(mac, direction, one) > _worth(mac, direction, other)
    return bool(mac.bearers[one, direction, SERVED] + mac.given[one]
                < mac.bearers[other, direction, SERVED] + mac.given[other])


@compiled
def _worth(mac: Mac, direction: int, bearer: int) -> float:
    mcs = mcs_now(mac, mac.bearer_ue[bearer], direction)
    return float(mac.sizes[0, mcs, 1] / (mac.rate[bearer, direction] + 1.0))


@compiled
def _give(mac: Mac, bearer: int, most: int, prbs: int) -> int:
    """Give a bearer up to `most` blocks; how many. Who may have none wants none any more."""
    ue = mac.bearer_ue[bearer]
    amount = min(mac.need[bearer] - mac.given[bearer], most,
                 part(mac.ues[ue, U_CAP], prbs) - mac.ue_given[ue])
    if amount <= 0:
        mac.need[bearer] = mac.given[bearer]
        return 0
    mac.given[bearer] += amount
    mac.ue_given[ue] += amount
    mac.slice_given[mac.bearer_slice[bearer]] += amount
    return int(amount)


@compiled
def _guarantee(mac: Mac, cell: int, direction: int, wanting: int, left: int, prbs: int) -> int:
    """Each slice's minimum or dedicated share, as far as it is wanted; what is left."""
    for snssai in range(mac.numbers[N_SLICES]):
        share = mac.shares[cell, snssai]
        due = min(part(max(share[0], share[2]), prbs), part(share[1], prbs))
        while left > 0 and mac.slice_given[snssai] < due:
            bearer = _next(mac, direction, wanting, snssai)
            if bearer < 0:
                break
            left -= _give(mac, bearer, min(left, due - mac.slice_given[snssai]), prbs)
    return left


@compiled
def _lend(mac: Mac, cell: int, direction: int, wanting: int, left: int, prbs: int) -> None:
    """What is left, but for what is dedicated to slices that do not use it now."""
    for snssai in range(mac.numbers[N_SLICES]):
        left -= max(0, part(mac.shares[cell, snssai, 2], prbs) - mac.slice_given[snssai])
    while left > 0:
        bearer = _next(mac, direction, wanting, ANY)
        if bearer < 0:
            return
        snssai = mac.bearer_slice[bearer]
        room = part(mac.shares[cell, snssai, 1], prbs) - mac.slice_given[snssai]
        left -= _give(mac, bearer, min(left, room), prbs)


@compiled
def _send_all(mac: Mac, cell: int, direction: int, table: int, wanting: int, now: int) -> None:
    sent = 0
    for place in range(wanting):
        bearer = mac.wanting[place]
        given = mac.given[bearer]
        carried = 0
        if given > 0 and sent < GRANTS:
            mac.bearers[bearer, direction, SERVED] += given
            mcs = mcs_now(mac, mac.bearer_ue[bearer], direction)
            room = mac.sizes[table, mcs, given] - mac.numbers[N_OVERHEAD]
            process = free_process(mac, bearer, direction)
            if room > 0:
                carried = send(mac, cell, bearer, direction, given, room, now)
            if carried > 0:
                transmit(mac, bearer, direction, process)
                sent += 1
        mac.rate[bearer, direction] += SMOOTHED * (carried - mac.rate[bearer, direction])
