"""The scheduler in plain Python: what `kernel` does, told with lists and objects, slowly.

    plain = Oracle(config, layout, slot_us=1000, seed=1, packets=4096)
    plain.enqueue(bearer, direction, packet, size, now)
    plain.run_slot(slot, now)           # then read `delivered` and `dropped` of this slot

Tests hold the compiled one to it, slot by slot, random numbers included. Made beforehand, and so
the same by construction, are block sizes and channels; `tables` and `channel` have tests of their
own. It has no list of fixed length but queues and repetitions, and counts only packets.
"""

from __future__ import annotations

from collections import deque

from testbed.ran.mac.config import HARQ_PROCESSES, Layout, MacConfig
from testbed.ran.mac.oracle_grants import serve
from testbed.ran.mac.oracle_streams import DOWN, NEVER, UP, Block, Line, Packet, Pipe
from testbed.ran.mac.state import LATE, PART_BITS, REPEATS, N, Order, Reason, Ue, make


class Oracle:
    """All cells."""

    def __init__(self, config: MacConfig, layout: Layout, slot_us: int, seed: int,
                 packets: int) -> None:
        made = make(config, layout, slot_us, seed, packets)
        self.config, self.layout = config, layout
        self._channel, self.sizes, self.pattern = made.channel, made.sizes, made.pattern
        self.n = {one: int(made.numbers[one]) for one in N}
        self._lengths = [int(one) for one in made.ues[:, Ue.CHANNEL]]
        self.slot, self.inside, self._seed = 0, 0, self.n[N.SEED]
        self.pipes = [(Pipe(at, one.ue, one.slice, DOWN), Pipe(at, one.ue, one.slice, UP))
                      for at, one in enumerate(layout.bearers)]
        cells, ues = range(len(layout.prbs)), range(len(layout.ue_cells))
        self.shares = [list(layout.shares) for _ in cells]
        self.cell_up = [True for _ in cells]
        self.members = [[at for at, one in enumerate(layout.bearers)
                         if layout.ue_cells[one.ue] == cell] for cell in cells]
        self.cell = list(layout.ue_cells)
        self.up_at, self.out = [0 for _ in ues], [NEVER for _ in ues]
        self.failed, self.gone = [False for _ in ues], [False for _ in ues]
        self.given_up = [False for _ in ues]  # so long ago that nothing waits any more
        self.cap = [100 for _ in ues]
        self.clock = [[0, 0] for _ in cells]  # the end of the line for what is lent
        self.turns = [[0, 0] for _ in cells]
        self.lines = [[[Line() for _ in layout.shares] for _ in range(2)] for _ in cells]
        self.repeats: list[list[deque[Block]]] = [[deque(), deque()] for _ in cells]
        self._most_repeats = min(2 * max(1, len(self.pipes)) * HARQ_PROCESSES, REPEATS)
        self._ends: dict[int, list[Block]] = {}  # by slot
        self._orders: list[tuple[int, ...]] = []
        self.refused = 0
        self.delivered: list[int] = []
        self.dropped: list[tuple[int, int]] = []  # packet, reason

    def order(self, kind: Order, *numbers: int) -> None:
        self._orders.append((kind, *numbers))

    def enqueue(self, bearer: int, direction: int, packet: int, size: int, now: int) -> int:
        if not 0 <= bearer < len(self.pipes) or size <= 0:
            return Reason.UNKNOWN
        pipe = self.pipes[bearer][direction]
        if size > self.n[N.QUEUE_BYTES]:
            return Reason.TOO_LONG
        if self.gone[pipe.ue] or self.given_up[pipe.ue]:
            return Reason.LINK_FAILED
        if (len(pipe.sent) + len(pipe.waiting) >= self.n[N.RING]
                or pipe.bytes + size > self.n[N.QUEUE_BYTES]
                or self.inside >= self.n[N.CAPACITY]):
            return Reason.QUEUE_FULL
        pipe.waiting.append(Packet(packet, size, now))
        self.inside += 1
        return 0

    def run_slot(self, slot: int, now: int) -> None:
        self.slot = slot
        self.delivered, self.dropped = [], []
        for order in self._orders:
            self.refused += not self._obey(*order)
        self._orders = []
        for ue in range(len(self.cell)):
            self._link(ue)
        for broken in self._end_blocks(now):
            if not self.failed[broken] and not self.gone[broken]:
                self._interrupt(broken, self.n[N.REESTABLISH_SLOTS])
        for cell in range(len(self.members)):
            for bearer in self.members[cell]:
                self._request(self.pipes[bearer][UP])
            for direction in (DOWN, UP):
                serve(self, cell, direction, now)

    # Orders and links.

    def _obey(self, kind: int, one: int = 0, two: int = 0, *share: int) -> bool:
        if kind == Order.SHARE:
            if not -1 <= one < len(self.members) or not 0 <= two < len(self.layout.shares):
                return False
            for cell in range(len(self.members)) if one == -1 else (one,):
                self.shares[cell][two] = (share[0], share[1], share[2])
        elif kind == Order.RESTART:
            self._restart()
        elif not 0 <= one < len(self.members if kind == Order.CELL else self.cell):
            return False
        elif kind == Order.CELL:
            self.cell_up[one] = bool(two)
        elif kind == Order.CAP:
            self.cap[one] = two
        elif kind == Order.MOVE:
            return self._move(one, two)
        elif kind == Order.LEAVE:
            self._throw_away(one, Reason.LINK_FAILED)
            self.gone[one] = True
        elif kind == Order.RETURN:
            self.gone[one], self.failed[one], self.out[one] = False, False, NEVER
            self.given_up[one] = False
            self.up_at[one] = self.slot + self.n[N.REESTABLISH_SLOTS]
        else:
            return False
        return True

    def _of(self, ue: int) -> list[Pipe]:
        return [pipe for both in self.pipes for pipe in both if pipe.ue == ue]

    def _link(self, ue: int) -> None:
        if self.gone[ue]:
            return
        if self.cell_up[self.cell[ue]] and self.mcs(ue, DOWN) >= 0:
            if self.failed[ue]:
                self.failed[ue] = self.given_up[ue] = False
                self.up_at[ue] = self.slot + self.n[N.REESTABLISH_SLOTS]
            self.out[ue] = NEVER
            return
        if self.out[ue] < 0:
            self.out[ue] = self.slot
        out = self.slot - self.out[ue]
        if not self.failed[ue] and out >= self.n[N.FAILURE_SLOTS]:
            self.failed[ue] = True
            self._interrupt(ue, 0)
        if self.failed[ue] and not self.given_up[ue] and out >= self.n[N.GIVE_UP_SLOTS]:
            self.given_up[ue] = True
            self._throw_away(ue, Reason.LINK_FAILED)

    def _interrupt(self, ue: int, slots: int) -> None:
        self.up_at[ue] = max(self.up_at[ue], self.slot + slots)
        for pipe in self._of(ue):
            pipe.rewind()

    def _throw_away(self, ue: int, reason: int) -> None:
        for pipe in self._of(ue):
            self._empty(pipe, reason)

    def _empty(self, pipe: Pipe, reason: int) -> None:
        for one in (*pipe.sent, *pipe.waiting):
            if one.size:
                self.drop(one, reason)
        pipe.sent.clear()
        pipe.waiting.clear()
        pipe.part, pipe.arrived = 0, pipe.end
        pipe.blocks = [None] * HARQ_PROCESSES
        pipe.again, pipe.late, pipe.lost = [], [], 0
        pipe.forget()

    def drop(self, packet: Packet, reason: int) -> None:
        self.dropped.append((packet.number, reason))
        self.inside -= 1
        packet.size = 0

    def _move(self, ue: int, cell: int) -> bool:
        before = self.cell[ue]
        if not 0 <= cell < len(self.members) or cell == before:
            return False
        self._interrupt(ue, self.n[N.HANDOVER_SLOTS])
        self.cell[ue], self.out[ue] = cell, NEVER
        for both in self.pipes:
            if both[0].ue != ue:
                continue
            members, last = self.members[before], self.members[before][-1]
            members[members.index(both[0].bearer)] = last  # the last one takes its place
            members.pop()
            self.members[cell].append(both[0].bearer)
            for pipe in both:
                pipe.served = self.lines[cell][pipe.direction][pipe.slice].end
        return True

    def _restart(self) -> None:
        for both in self.pipes:
            for pipe in both:
                self._empty(pipe, Reason.RESTARTED)
        self.cap = [100] * len(self.cap)
        self.up_at = [self.slot + self.n[N.REESTABLISH_SLOTS]] * len(self.cap)

    # The air.

    def _draw(self) -> int:
        self._seed = (self._seed * 1103515245 + 12345) % (1 << PART_BITS)
        return self._seed

    def mcs(self, ue: int, direction: int) -> int:
        return int(self._channel[ue, direction, self.slot % self._lengths[ue]])

    def _request(self, pipe: Pipe) -> None:
        slot = self.slot
        if pipe.report_at == slot:
            pipe.known, pipe.report_at = max(0, pipe.report - pipe.since), NEVER
        if pipe.request_at == slot:
            pipe.known, pipe.request_at = max(pipe.known, self.config.request_bytes), NEVER
        idle = pipe.known <= 0 and pipe.request_at < 0 and pipe.report_at < 0
        linked = not self.failed[pipe.ue] and not self.gone[pipe.ue] and self.up_at[
            pipe.ue] <= slot
        if idle and linked and pipe.bytes > 0:
            wait = (pipe.ue - slot) % self.config.request_slots
            late = self._draw() % (self.config.request_jitter + 1)
            pipe.request_at = slot + wait + late + self.config.grant_slots

    def _end_blocks(self, now: int) -> set[int]:
        """UEs of which RLC gives up."""
        broken = set()
        for block in self._ends.pop(self.slot, []):
            pipe = block.pipe
            if pipe.blocks[block.process] is not block:
                continue
            waiting = self.repeats[block.cell][pipe.direction]
            if max(len(pipe.late), len(pipe.again)) >= LATE:
                pipe.rewind()  # no room to note one more: begin where it was
            elif block.good:
                pipe.blocks[block.process] = None
                self._receive(pipe, block.first, block.last)
            elif block.times < self.config.harq_most and len(waiting) < self._most_repeats:
                waiting.append(block)
            else:
                pipe.blocks[block.process] = None
                pipe.again.append((block.first, block.last))
                pipe.lost += 1
                if pipe.lost > self.config.rlc_most:
                    broken.add(pipe.ue)
        return broken

    def _receive(self, pipe: Pipe, first: int, last: int) -> None:
        pipe.late.append((first, last))
        if first > pipe.arrived:
            return
        pipe.lost = 0
        while ready := [one for one in pipe.late if one[0] <= pipe.arrived]:
            pipe.arrived = max(pipe.arrived, *(end for _, end in ready))
            pipe.late = [one for one in pipe.late if one not in ready]
        while pipe.sent and pipe.sent[0].end <= pipe.arrived:
            packet = pipe.sent.popleft()
            if packet.size:
                self.delivered.append(packet.number)
                self.inside -= 1

    def transmit(self, block: Block) -> None:
        block.times += 1
        chance = self.config.bler if block.times == 1 else self.config.again_bler
        lucky = self._draw() >= round(chance * (1 << PART_BITS))
        pipe = block.pipe
        block.good = lucky and self.mcs(pipe.ue, pipe.direction) >= 0
        good_slots = self.config.up_slots if pipe.direction == UP else self.config.down_slots
        slots = good_slots if block.good else self.config.harq_slots
        self._ends.setdefault(self.slot + slots, []).append(block)
