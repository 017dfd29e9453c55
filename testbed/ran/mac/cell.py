"""The scheduler as what E2 knows of a base station: counters that grow, quotas, handovers.

    cell = SlotCell(mac, facts, slices, sessions, "00101", now=time.monotonic)

Whoever runs the slots may do so in another thread: what is asked for here is given as an order,
which the loop obeys at the begin of its next slot; counters are read as they are. It runs nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from testbed.ran.cell_model import (
    NOTHING,
    CellFacts,
    Counters,
    Radio,
    Session,
    Share,
    Snapshot,
    UeFacts,
)
from testbed.ran.mac.channel import needed_snr
from testbed.ran.mac.config import MacConfig
from testbed.ran.mac.state import BITS, DROPPED, ORDERS, PRBS, WAITED, Bearer, Mac, N, Order, Ue
from testbed.ran.mac.tables import cqi_by_mcs
from xapp.observations import Snssai

DOWN, UP = 0, 1
GENERATION_STEP = 1000  # between UEs' numbers before and after a restart


class SlotCell:
    """A `Ran` of slots and packets."""

    def __init__(self, mac: Mac, cells: Sequence[CellFacts], slices: Sequence[Snssai],
                 sessions: Sequence[tuple[Session, ...]], plmn: str,
                 now: Callable[[], float], config: MacConfig | None = None) -> None:
        """Each UE's sessions are in the order of its bearers' numbers; bearers beyond them are for
        single flows. `config` is what `mac` was made of.
        """
        config = config or MacConfig()
        self._cqis = cqi_by_mcs(config.cqi_table, config.mcs_table)
        self._snrs = needed_snr(config.cqi_table)
        self._mac = mac
        self._cells = tuple(cells)
        self._slices = tuple(slices)
        self._sessions = tuple(sessions)
        self._plmn = plmn
        self._now = now
        self._lock = threading.Lock()
        self._generation = 0
        self._limits: dict[int, Share] = {}  # by place of the UE
        self._configured: list[tuple[int, ...]] = [  # at first each cell has the same
            tuple(int(one) for one in share) for share in mac.shares[0]]
        self.flows: dict[tuple[int, int], int] = {}  # RAN UE id and QFI: DRB
        self.refused = 0  # orders for which there was no room
        self._bearers: list[list[int]] = [[] for _ in self._sessions]
        for bearer, ue in enumerate(mac.bearer_ue):
            self._bearers[int(ue)].append(bearer)
        self._others = [tuple(self._slices[int(mac.bearer_slice[one])]
                              for one in bearers[len(self._sessions[place]):])
                        for place, bearers in enumerate(self._bearers)]
        # Places of UEs that have single flows in bearers beyond their sessions' now; no report
        # tells of such a bearer else.
        self.mapped: Callable[[], Collection[int]] = lambda: ()

    # What E2 sees.

    @property
    def plmn(self) -> str:
        return self._plmn

    @property
    def cells(self) -> Sequence[CellFacts]:
        return self._cells

    @property
    def ues(self) -> Sequence[UeFacts]:
        first, mapped = 1 + GENERATION_STEP * self._generation, self.mapped()
        return tuple(
            UeFacts(first + place, first + place + 100, first + place,
                    self._cells[int(self._mac.ues[place, Ue.CELL])].nci, sessions,
                    self._others[place] if place in mapped else ())
            for place, sessions in enumerate(self._sessions))

    @property
    def shares(self) -> Mapping[tuple[int, Snssai], Share]:
        return {(cell.nci, snssai): Share(*(int(one) for one in self._mac.shares[at, place]))
                for at, cell in enumerate(self._cells)
                for place, snssai in enumerate(self._slices)}

    @property
    def limits(self) -> Mapping[int, Share]:
        """Of each UE, by gNB-CU-UE-F1AP-ID."""
        return {one.f1_id: self._limits.get(place, Share())
                for place, one in enumerate(self.ues)}

    def snapshot(self) -> Snapshot:
        counts = self._mac.counts.copy()
        used = self._mac.cell_used.copy()
        ues: dict[int, dict[Snssai, Counters]] = {}
        for facts, bearers in zip(self.ues, self._bearers, strict=True):
            mine = ues.setdefault(facts.f1_id, {})
            for bearer in bearers:
                snssai = self._slices[int(self._mac.bearer_slice[bearer])]
                mine[snssai] = mine.get(snssai, NOTHING).plus(_counters(counts[bearer]))
        cells = {one.nci: Counters(down_prbs=float(used[at, DOWN]), up_prbs=float(used[at, UP]))
                 for at, one in enumerate(self._cells)}
        return Snapshot(self._now(), ues, cells)

    def queued_bytes(self, place: int) -> tuple[int, int]:
        """What waits of a UE, down and up."""
        waiting = self._mac.bearers[self._bearers[place], :, Bearer.BYTES].sum(axis=0)
        return int(waiting[DOWN]), int(waiting[UP])

    def mcs(self, place: int) -> tuple[int, int]:
        """A UE's MCS now, down and up; below 0 out of range."""
        at = int(self._mac.numbers[N.SLOT] % self._mac.ues[place, Ue.CHANNEL])
        down, up = self._mac.channel[place, :, at]
        return int(down), int(up)

    def radio(self, f1_id: int) -> Radio | None:
        """As a base station reckons it from the MCS that it uses."""
        place = self._place(f1_id)
        if place is None:
            return None
        down, up = self.mcs(place)
        return Radio(0 if down < 0 else int(self._cqis[down]),
                     None if up < 0 else float(self._snrs[self._cqis[up] - 1]))

    # What E2 asks for.

    def set_share(self, cell: int | None, snssai: Snssai, share: Share) -> bool:
        places = [at for at, one in enumerate(self._cells) if cell in (None, one.nci)]
        if not places or snssai not in self._slices:
            return False
        number = -1 if cell is None else places[0]
        return self._order(Order.SHARE, number, self._slices.index(snssai), share.minimum,
                           share.maximum, share.dedicated)

    def limit_ue(self, f1_id: int, share: Share) -> bool:
        """Bound a UE's grants; a minimum is kept in mind and guarantees nothing, as on srsRAN."""
        place = self._place(f1_id)
        if place is None or not self._order(Order.CAP, place, share.maximum):
            return False
        self._limits[place] = share
        return True

    def hand_over(self, f1_id: int, cell: int) -> bool:
        place = self._place(f1_id)
        target = next((at for at, one in enumerate(self._cells) if one.nci == cell), None)
        if place is None or target is None or self._mac.ues[place, Ue.CELL] == target:
            return False
        return self._order(Order.MOVE, place, target)

    def map_flow(self, ran_id: int, drb: int, qfi: int) -> bool:
        known = any(one.ran_id == ran_id for one in self.ues)
        if known:
            self.flows[ran_id, qfi] = drb  # remembered; flows of a bearer share its queue here
        return known

    def restart(self, now: float) -> None:
        """The base station begins anew, with the shares that it was configured with."""
        configured = [(Order.SHARE, -1, place, *share)
                      for place, share in enumerate(self._configured)]
        if self._order_all([(Order.RESTART,), *configured]):
            self._generation += 1
            self._limits.clear()
            self.flows.clear()

    def advance(self, now: float) -> None:
        """Somebody else lets slots pass."""

    # What whoever runs experiments asks for.

    def set_cell_up(self, cell: int, up: bool) -> bool:
        """An outage of a cell, by its place, begins or ends."""
        return 0 <= cell < len(self._cells) and self._order(Order.CELL, cell, int(up))

    def leave(self, place: int) -> bool:
        """A UE is gone, with what waits for it."""
        return 0 <= place < len(self._sessions) and self._order(Order.LEAVE, place)

    def come_back(self, place: int) -> bool:
        return 0 <= place < len(self._sessions) and self._order(Order.RETURN, place)

    def set_address(self, place: int, session: int, address: str) -> None:
        """A UE's session has another address; E2's map of UEs says so."""
        with self._lock:
            mine = list(self._sessions[place])
            mine[session] = replace(mine[session], address=address)
            self._sessions = (*self._sessions[:place], tuple(mine), *self._sessions[place + 1:])

    def _place(self, f1_id: int) -> int | None:
        place = f1_id - 1 - GENERATION_STEP * self._generation
        return place if 0 <= place < len(self._sessions) else None

    def _order(self, kind: Order, *numbers: int) -> bool:
        """Give an order to the loop; False where too many wait already."""
        return self._order_all([(kind, *numbers)])

    def _order_all(self, orders: Sequence[tuple[int, ...]]) -> bool:
        """Give all of them, or none; the loop obeys them in one slot."""
        with self._lock:
            head, tail = (int(self._mac.numbers[one]) for one in (N.ORDER_HEAD, N.ORDER_TAIL))
            if head + len(orders) - tail > ORDERS:
                self.refused += len(orders)
                return False
            for place, order in enumerate(orders):
                row = self._mac.orders[(head + place) % ORDERS]
                row[:] = 0
                row[:len(order)] = order
            self._mac.numbers[N.ORDER_HEAD] = head + len(orders)  # last: the loop looks at this
            return True


def _counters(counts: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Counters:
    down, up = counts[DOWN], counts[UP]
    return Counters(*(float(side[which]) for which in (BITS, WAITED, DROPPED, PRBS)
                      for side in (down, up)))
