"""A slot's grants in plain Python: what `grants` and `queues` do when a slot is shared out.

Repetitions first, then each slice's guarantee, then turns, less what is kept for dedicated shares.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.ran.mac.config import Discipline, Scheduler
from testbed.ran.mac.oracle_streams import UP, Block, Pipe
from testbed.ran.mac.state import GRANTS, LATE, N, Reason

if TYPE_CHECKING:
    from testbed.ran.mac.oracle import Oracle

STANDING = 3000  # bytes that CoDel leaves alone
STALLED = LATE - 32  # stretches out of order beyond which nothing new is sent
SMOOTHED = 0.01  # of a mean rate: what a slot changes


@dataclass(eq=False)
class Wish:
    """What a bearer wants of this slot, and gets."""

    pipe: Pipe
    need: int  # PRBs
    key: float  # the smallest is next
    given: int = 0


def serve(oracle: Oracle, cell: int, direction: int, now: int) -> None:
    """A cell's slot in one direction."""
    table = int(oracle.pattern[oracle.slot % len(oracle.pattern), direction])
    if table < 0 or not oracle.cell_up[cell]:
        return
    prbs = oracle.layout.prbs[cell]
    oracle.turns[cell][direction] += 1
    slices = [0] * len(oracle.layout.shares)
    ues = [0] * len(oracle.cell)
    left = _repeat(oracle, cell, direction, slices, ues)
    lines, clock = oracle.lines[cell][direction], oracle.clock[cell]
    in_turns = oracle.config.scheduler is Scheduler.ROUND_ROBIN
    for line in lines:
        if line.wanted != oracle.turns[cell][direction] - 1:  # to the end of the cell's line
            line.offset = max(line.offset, clock[direction] - line.end)
        behind = clock[direction] - line.at - line.offset
        line.offset += behind - min(2 * prbs, max(0, behind))
    wishes = _wishes(oracle, cell, direction, table)

    def give(wish: Wish, most: int) -> int:
        ue = wish.pipe.ue
        amount = min(wish.need - wish.given, most, part(oracle.cap[ue], prbs) - ues[ue])
        if amount <= 0:
            wish.need = wish.given
            return 0
        wish.given += amount
        if in_turns:
            line = lines[wish.pipe.slice]
            line.at = max(line.at, int(wish.key) - line.offset)
            wish.key += amount
        ues[ue] += amount
        slices[wish.pipe.slice] += amount
        return amount

    shares = oracle.shares[cell]
    for place, (minimum, maximum, dedicated) in enumerate(shares):
        due = min(part(max(minimum, dedicated), prbs), part(maximum, prbs))
        mine = [one for one in wishes if one.pipe.slice == place]
        while left > 0 and slices[place] < due and (wish := _next(mine)):
            left -= give(wish, min(left, due - slices[place]))
    left -= sum(max(0, part(share[2], prbs) - slices[place]) for place, share in enumerate(shares))
    while left > 0 and (wish := _next(wishes)):
        room = part(shares[wish.pipe.slice][1], prbs) - slices[wish.pipe.slice]
        lent = give(wish, min(left, room))
        if lent and in_turns:
            clock[direction] = max(clock[direction], int(wish.key))
        left -= lent
    _send(oracle, cell, table, wishes, now)


def part(percent: int, prbs: int) -> int:
    return (percent * prbs + 50) // 100


def _next(wishes: list[Wish]) -> Wish | None:
    return min((one for one in wishes if one.given < one.need), key=lambda one: one.key,
               default=None)


def _repeat(oracle: Oracle, cell: int, direction: int, slices: list[int], ues: list[int]) -> int:
    left = oracle.layout.prbs[cell]
    waiting = oracle.repeats[cell][direction]
    while waiting:
        block = waiting[0]
        if block.pipe.blocks[block.process] is block:
            if block.prbs > left:
                break
            left -= block.prbs
            slices[block.pipe.slice] += block.prbs
            ues[block.pipe.ue] += block.prbs
            oracle.transmit(block)
        waiting.popleft()
    return left


def _wishes(oracle: Oracle, cell: int, direction: int, table: int) -> list[Wish]:
    prbs, turn = oracle.layout.prbs[cell], oracle.turns[cell][direction]
    found = []
    for bearer in oracle.members[cell]:
        pipe = oracle.pipes[bearer][direction]
        if pipe.again:
            size = pipe.again[0][1] - pipe.again[0][0]
        elif len(pipe.late) >= STALLED:
            continue
        else:
            size = pipe.known if direction == UP else pipe.bytes
        mcs = oracle.mcs(pipe.ue, direction)
        linked = (not oracle.failed[pipe.ue] and not oracle.gone[pipe.ue]
                  and oracle.up_at[pipe.ue] <= oracle.slot)
        if size <= 0 or not linked or mcs < 0 or None not in pipe.blocks:
            continue
        size += oracle.config.overhead_bytes
        need = next((one for one in range(1, prbs) if oracle.sizes[table, mcs, one] >= size), prbs)
        line = oracle.lines[cell][direction][pipe.slice]
        anew = pipe.turn != turn - 1
        pipe.served = max(pipe.served, line.end if anew else line.at - prbs)
        pipe.turn = line.wanted = turn
        key = float(pipe.served + line.offset)
        if oracle.config.scheduler is Scheduler.PROPORTIONAL_FAIR:
            key = -float(oracle.sizes[0, mcs, 1]) / (pipe.rate + 1.0)
        found.append(Wish(pipe, need, key))
    return found


def _send(oracle: Oracle, cell: int, table: int, wishes: list[Wish], now: int) -> None:
    sent = 0
    for wish in wishes:
        pipe, carried = wish.pipe, 0
        if wish.given > 0 and sent < GRANTS:
            pipe.served += wish.given
            mcs = oracle.mcs(pipe.ue, pipe.direction)
            room = int(oracle.sizes[table, mcs, wish.given]) - oracle.config.overhead_bytes
            if room > 0:
                first, last = _stretch(oracle, pipe, room, now)
                carried = last - first
                if pipe.direction == UP:
                    _report(oracle, pipe, carried)
            if carried > 0:
                process = pipe.blocks.index(None)
                block = Block(pipe, process, cell, first, last, wish.given)
                pipe.blocks[process] = block
                oracle.transmit(block)
                sent += 1
        line = oracle.lines[cell][pipe.direction][pipe.slice]
        line.end = max(line.end, pipe.served)
        pipe.rate += SMOOTHED * (carried - pipe.rate)


def _stretch(oracle: Oracle, pipe: Pipe, room: int, now: int) -> tuple[int, int]:
    """What a block carries: what was lost before anything new."""
    if pipe.again:
        first, end = pipe.again[0]
        last = min(end, first + room)
        pipe.again[:1] = [(last, end)] if last < end else []
        return first, last
    first = pipe.end
    while room > 0 and pipe.waiting:
        packet = pipe.waiting[0]
        if packet.size and not pipe.part and _codel(oracle, pipe, now):
            oracle.drop(packet, Reason.CODEL)
        taken = min(packet.size - pipe.part, room)
        room -= taken
        pipe.end += taken
        pipe.part += taken
        if pipe.part == packet.size:
            packet.end = pipe.end
            pipe.sent.append(pipe.waiting.popleft())
            pipe.part = 0
    return first, pipe.end


def _report(oracle: Oracle, pipe: Pipe, carried: int) -> None:
    pipe.known = max(0, pipe.known - carried)
    pipe.since += carried
    if pipe.report_at < 0:
        pipe.report, pipe.since = pipe.bytes, 0
        pipe.report_at = oracle.slot + oracle.config.grant_slots


def _codel(oracle: Oracle, pipe: Pipe, now: int) -> bool:
    """RFC 8289, section 4: whether the first that waits goes."""
    if oracle.config.queue.discipline is not Discipline.CODEL:
        return False
    interval = oracle.n[N.CODEL_INTERVAL]
    if now - pipe.waiting[0].came < oracle.n[N.CODEL_TARGET] or pipe.bytes <= STANDING:
        pipe.above, pipe.dropping = 0, False
        return False
    if pipe.above == 0:
        pipe.above = now + interval
        return False
    if not pipe.dropping:
        if now < pipe.above:
            return False
        recent = now - pipe.drop_at < 16 * interval and pipe.drops > 2
        pipe.drops = pipe.drops - 2 if recent else 1
        pipe.dropping, pipe.drop_at = True, now
    elif now < pipe.drop_at:
        return False
    else:
        pipe.drops += 1
    pipe.drop_at += int(interval / math.sqrt(pipe.drops))
    return True
