"""Whatever happens, a bearer's packets keep their order, leave once, and never wait for ever."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from testbed.ran.mac.channel import ChannelConfig, Kind, make_channel
from testbed.ran.mac.config import Layout, MacConfig
from testbed.ran.mac.kernel import enqueue, run_slot
from testbed.ran.mac.state import Bearer, Mac, N, Order, Reason, make
from tests.testbed.ran.mac.small import small
from tests.testbed.ran.mac.test_oracle import CONFIGS, SLOT, give_order, layouts

SLOT_NS = 1_000_000
GOOD = make_channel(ChannelConfig(Kind.STATIC, snr_db=20.0), 1)
MOST_QUIET = 6000  # slots in which all that waits has to leave, with six of ten blocks lost
Happening = tuple[list[tuple[int, int, int]], list[tuple[int, ...]]]


class Watched:
    """A scheduler and what has gone into it and come out."""

    def __init__(self, mac: Mac) -> None:
        self.mac = mac
        self.slot = 0
        self.whose: list[tuple[int, int]] = []  # of each packet
        self.inside: set[int] = set()
        self.last: dict[tuple[int, int], int] = {}  # packet that came out
        self.refused = 0

    def offer(self, bearer: int, direction: int, size: int) -> None:
        number = len(self.whose)
        self.whose.append((bearer, direction))
        if enqueue(self.mac, bearer, direction, number, size, self.slot * SLOT_NS) == 0:
            self.inside.add(number)
        else:
            self.refused += 1

    def run(self) -> None:
        run_slot(self.mac, self.slot, self.slot * SLOT_NS)
        delivered, dropped = (int(one) for one in self.mac.ends)
        for number in self.mac.delivered[:delivered].tolist():
            self.inside.remove(number)  # else it came twice
            assert self.last.get(self.whose[number], -1) < number
            self.last[self.whose[number]] = number
        for number, reason in zip(self.mac.dropped[:dropped].tolist(),
                                  self.mac.reasons[:dropped].tolist(), strict=True):
            self.inside.remove(number)
            assert Reason(reason) in (Reason.CODEL, Reason.LINK_FAILED, Reason.RESTARTED)
        self.mac.ends[:] = 0
        self.slot += 1
        mac = self.mac
        assert int(mac.numbers[N.INSIDE]) == len(self.inside)
        assert len(self.whose) == (len(self.inside) + int(mac.delivered_packets.sum())
                                   + int(mac.dropped_packets.sum()))
        assert (mac.bearers[:, :, [Bearer.BYTES, Bearer.PART, Bearer.KNOWN]] >= 0).all()
        assert (mac.cell_used <= (mac.cell_prbs * self.slot / 1000 + 1e-6)[:, None]).all()


def heal(mac: Mac, layout: Layout) -> None:
    """Everything is there again, and nothing is held back."""
    for cell in range(len(layout.prbs)):
        give_order(mac, (Order.CELL, cell, 1))
    for place in range(len(layout.shares)):
        give_order(mac, (Order.SHARE, -1, place, 0, 100, 0))
    for ue in range(len(layout.ue_cells)):
        give_order(mac, (Order.CAP, ue, 100))
        give_order(mac, (Order.RETURN, ue))
        mac.channel[ue] = 15


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(CONFIGS, layouts(), st.integers(0, 99), st.lists(SLOT, min_size=5, max_size=80))
def test_what_is_taken_leaves_once_in_order_and_at_last(
        config: MacConfig, layout: Layout, seed: int, slots: list[Happening]) -> None:
    mac = make(config, layout, 1000, seed, 256)
    watched = Watched(mac)
    for arrivals, orders in slots:
        for one in arrivals:
            watched.offer(*one)
        for order in orders:
            give_order(mac, order)
        watched.run()
    heal(mac, layout)
    for _ in range(MOST_QUIET):
        watched.run()
        if not watched.inside:
            break
    assert not watched.inside


def test_an_uplink_bearer_is_heard_after_everything() -> None:
    """Requests, with jitter, are made again after a handover, an outage and a restart."""
    config = MacConfig(request_jitter=7, request_slots=20, handover_ms=5, failure_ms=10,
                       reestablish_ms=5, bler=0.3)
    mac, _ = small(ues=2, cells=2, config=config)
    watched = Watched(mac)
    events = {0: (), 100: (Order.MOVE, 0, 1), 200: (Order.CELL, 1, 0), 230: (Order.CELL, 1, 1),
              300: (Order.RESTART,), 400: (Order.LEAVE, 0), 420: (Order.RETURN, 0)}
    for slot in range(600):
        if events.get(slot):
            give_order(mac, events[slot])
        if slot % 7 == 0 and slot < 500:
            for bearer in range(4):
                watched.offer(bearer, 1, 900)
        watched.run()
    assert not watched.inside
    assert watched.last[0, 1] > len(watched.whose) - 8
    assert int(mac.dropped_packets.sum()) < 30


def test_a_slot_number_of_a_month_is_no_limit() -> None:
    mac, _ = small(ues=1)
    watched = Watched(mac)
    watched.slot = 30 * 86_400_000
    for direction in (0, 1):
        watched.offer(0, direction, 1000)
    for _ in range(60):
        watched.run()
    assert not watched.inside


def test_orders_that_name_nothing_are_counted() -> None:
    mac, _ = small(ues=1, cells=2)
    before = [np.copy(one) for one in (mac.shares, mac.cell_up, mac.ues)]
    bad = [(Order.SHARE, 2, 0, 1, 2, 3), (Order.SHARE, -1, 9, 1, 2, 3), (Order.CAP, 5, 10),
           (Order.SHARE, -2, 0, 1, 2, 3), (Order.MOVE, 0, 0), (Order.MOVE, 0, 7),
           (Order.CELL, -1, 0), (Order.LEAVE, -1), (99, 0)]
    for order in bad:
        give_order(mac, order)
    run_slot(mac, 0, 0)
    assert int(mac.numbers[N.REFUSED]) == len(bad)
    assert all((one == other).all() for one, other in zip(
        before, (mac.shares, mac.cell_up, mac.ues), strict=True))
