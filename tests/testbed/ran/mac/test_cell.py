"""The scheduler as E2 sees it: it counts, and obeys by the next slot."""

from __future__ import annotations

import numpy as np
import pytest

from testbed.ran.cell_model import Radio, Share
from testbed.ran.mac.cell import SlotCell
from testbed.ran.mac.channel import cqi_of_snr
from testbed.ran.mac.config import MacConfig
from testbed.ran.mac.simulated import Simulated
from testbed.ran.mac.state import ORDERS
from tests.testbed.ran.mac.small import SLICES, simulated, small
from xapp.observations import Snssai

FLOOD = [(at * 500_000, ue, place, 0, 1400) for at in range(6_200) for ue in range(2)
         for place in range(2)]


def flooded() -> tuple[Simulated, SlotCell]:
    """Each of four bearers is offered 22 Mbit/s for three seconds."""
    return simulated(*small(), FLOOD)


def down(cell: SlotCell, before: float = 0.0) -> dict[Snssai, float]:
    """PRBs times seconds of each slice."""
    found = dict.fromkeys(SLICES, 0.0)
    for slices in cell.snapshot().ues.values():
        for snssai, counters in slices.items():
            found[snssai] += counters.down_prbs
    return found


def test_a_share_holds_from_the_next_slot_on() -> None:
    run, cell = flooded()
    run.advance(1)
    assert cell.set_share(None, SLICES[1], Share(80, 100))
    assert cell.shares[100, SLICES[1]] == Share()
    run.advance(1.001)
    assert cell.shares[100, SLICES[1]] == Share(80, 100)
    first = down(cell)
    run.advance(3)
    gained = {one: value - first[one] for one, value in down(cell).items()}
    assert gained[SLICES[1]] / sum(gained.values()) == pytest.approx(0.8, abs=0.02)


def test_a_limited_ue_gets_no_more() -> None:
    run, cell = flooded()
    one, other = (ue.f1_id for ue in cell.ues)
    assert cell.limit_ue(one, Share(0, 20))
    assert not cell.limit_ue(99, Share())
    run.advance(3)
    ues = cell.snapshot().ues
    used = {ue: sum(counters.down_prbs for counters in ues[ue].values()) for ue in (one, other)}
    assert used[one] / sum(used.values()) == pytest.approx(0.2, abs=0.02)
    assert cell.limits[one] == Share(0, 20)


def test_a_ue_is_handed_over_with_all_that_waits() -> None:
    rows = [(at * 2_000_000, 0, 0, 0, 1200) for at in range(500)]
    run, cell = simulated(*small(cells=2), rows)
    run.advance(0.3)
    ue = cell.ues[0]
    assert ue.cell == 100
    assert cell.hand_over(ue.f1_id, 101)
    assert not cell.hand_over(ue.f1_id, 100)  # it is there still
    assert not cell.hand_over(ue.f1_id, 555)
    run.advance(0.302)
    assert cell.ues[0].cell == 101
    run.advance(3)
    assert int(cell._mac.delivered_packets.sum()) == 500


def test_a_restart_is_a_beginning() -> None:
    run, cell = flooded()
    assert cell.set_share(None, SLICES[1], Share(40, 60, 20))
    run.advance(1)
    assert cell.shares[100, SLICES[1]] == Share(40, 60, 20)
    ids = {one.f1_id for one in cell.ues}
    cell.restart(1)
    run.advance(1.001)
    assert cell.shares[100, SLICES[1]] == Share()  # as configured
    assert not ids & {one.f1_id for one in cell.ues}
    assert all(counters.down_bits == 0 for slices in cell.snapshot().ues.values()
               for counters in slices.values())
    run.advance(2)
    assert sum(down(cell).values()) > 0


def test_an_outage_and_a_leaving_ue_hold_everything_back() -> None:
    run, cell = flooded()
    run.advance(0.5)
    assert cell.set_cell_up(0, False)
    run.advance(0.502)
    before = down(cell)
    run.advance(1)
    assert down(cell) == before
    assert cell.set_cell_up(0, True)
    assert cell.leave(0)
    run.advance(2)
    gone, there = cell.ues
    ues = cell.snapshot().ues
    assert sum(one.down_prbs for one in ues[there.f1_id].values()) > before[SLICES[0]]
    assert cell.come_back(0)
    run.advance(2.5)
    assert cell.queued_bytes(0)[0] > 0
    assert gone.f1_id in cell.snapshot().ues


def test_unknown_names_are_refused_and_orders_are_bounded() -> None:
    _, cell = flooded()
    assert not cell.set_share(7, SLICES[0], Share())
    assert not cell.set_share(None, Snssai(9), Share())
    assert not cell.map_flow(77, 1, 1)
    assert cell.map_flow(cell.ues[0].ran_id, 1, 5)
    assert not cell.set_cell_up(3, True)
    given = [cell.set_share(None, SLICES[0], Share()) for _ in range(ORDERS + 5)]
    assert given == [True] * ORDERS + [False] * 5
    assert cell.refused == 5


def test_facts_are_what_was_given() -> None:
    _, cell = flooded()
    assert cell.plmn == "00101"
    assert [one.prbs for one in cell.cells] == [52]
    cell.set_address(0, 1, "10.46.0.99")
    assert [one.address for one in cell.ues[0].sessions] == ["10.45.0.2", "10.46.0.99"]
    assert cell.mcs(0)[0] > 0


@pytest.mark.parametrize("snr_db", [-5.0, 3.0, 12.0, 20.0, 30.0])
def test_a_radio_is_reckoned_from_the_mcs_in_use(snr_db: float) -> None:
    _, cell = simulated(*small(snr_db=snr_db), [])
    cqi = int(cqi_of_snr(np.array([snr_db]), MacConfig().cqi_table)[0])
    radio = cell.radio(cell.ues[1].f1_id)
    assert radio is not None
    assert cqi - 1 <= radio.cqi <= cqi  # CQIs below the lowest MCS look alike
    assert radio.up_snr_db is not None
    assert snr_db - 5 < radio.up_snr_db <= snr_db


def test_who_is_out_of_range_has_a_radio_of_nothing_and_a_stranger_has_none() -> None:
    _, cell = simulated(*small(snr_db=-30.0), [])
    assert cell.radio(cell.ues[0].f1_id) == Radio(0, None)
    assert cell.radio(77) is None
