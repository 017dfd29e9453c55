"""Blocks: sent, failing, repeated, and given up; each ends once, and costs what it took."""

from __future__ import annotations

import pytest

from testbed.ran.mac.blocks import draw, free_process, mcs_now
from testbed.ran.mac.config import HARQ_PROCESSES, MacConfig
from testbed.ran.mac.kernel import enqueue, run_slot
from testbed.ran.mac.state import PART_BITS, PRBS, Block, Mac, N, Ue
from tests.testbed.ran.mac.small import small

SLOT_NS = 1_000_000
WHOLE = 1 << PART_BITS  # of chances: always


def run(mac: Mac, first: int, last: int) -> None:
    for slot in range(first, last):
        run_slot(mac, slot, slot * SLOT_NS)
        mac.ends[:] = 0


def used(mac: Mac, bearer: int) -> int:
    return int(mac.blocks[bearer, 0, :, Block.USED].sum())


def test_chances_are_31_bits_and_spread_evenly() -> None:
    mac, _ = small(ues=1)
    drawn = [draw(mac) for _ in range(4000)]
    assert 0 <= min(drawn) < max(drawn) < WHOLE
    assert sum(one < WHOLE // 10 for one in drawn) / 4000 == pytest.approx(0.1, abs=0.02)


def test_an_mcs_is_its_slots_and_comes_again_after_the_channels_period() -> None:
    mac, _ = small(ues=1)
    mac.channel[0, 0, 0] = 7
    assert [mcs_now(mac.channel, mac.ues, 0, 0, slot) for slot in (0, 5, 10**9)] == [7, 7, 7]


def test_a_block_that_arrives_is_on_its_way_for_the_airs_slots() -> None:
    mac, _ = small(ues=1, config=MacConfig(bler=0.0, down_slots=4))
    enqueue(mac, 0, 0, 1, 100, 0)
    run(mac, 0, 1)
    assert used(mac, 0) == 1
    assert free_process(mac.blocks, 0, 0) == 1
    run(mac, 1, 4)
    assert (used(mac, 0), int(mac.delivered_packets[0])) == (1, 0)
    run(mac, 4, 5)
    assert (used(mac, 0), int(mac.delivered_packets[0])) == (0, 1)


@pytest.mark.parametrize("most", [1, 2, 4])
def test_a_block_that_always_fails_is_sent_as_often_as_harq_may(most: int) -> None:
    mac, _ = small(ues=1, config=MacConfig(harq_most=most, harq_slots=8, rlc_most=100))
    mac.numbers[[N.BLER, N.AGAIN_BLER]] = WHOLE
    enqueue(mac, 0, 0, 1, 100, 0)
    run(mac, 0, 1)
    once = float(mac.counts[0, 0, PRBS])
    run(mac, 1, 8 * most)
    assert mac.counts[0, 0, PRBS] == pytest.approx(once * most)
    run(mac, 8 * most, 8 * most + 1)  # its fate is known, and RLC sends it anew
    assert mac.counts[0, 0, PRBS] == pytest.approx(once * (most + 1))
    assert int(mac.delivered_packets[0]) == 0


def test_all_processes_busy_mean_nothing_more_is_sent() -> None:
    mac, _ = small(ues=1, prbs=6, config=MacConfig(bler=0.0, harq_slots=60, down_slots=60))
    for number in range(HARQ_PROCESSES + 10):
        enqueue(mac, 0, 0, number, 1400, 0)
    run(mac, 0, 50)
    assert free_process(mac.blocks, 0, 0) == -1
    assert used(mac, 0) == HARQ_PROCESSES


@pytest.mark.parametrize("ues", [1, 2, 5])
def test_every_ue_of_which_rlc_gives_up_in_a_slot_is_interrupted(ues: int) -> None:
    mac, _ = small(ues=ues, prbs=100, shares=((0, 100, 0),),
                   config=MacConfig(harq_most=1, harq_slots=8, rlc_most=1, reestablish_ms=30))
    mac.numbers[[N.BLER, N.AGAIN_BLER]] = WHOLE
    for bearer in range(ues):
        enqueue(mac, bearer, 0, bearer, 100, 0)
    run(mac, 0, 17)  # lost in slot 8 and, sent anew, in slot 16: more often than RLC may
    assert mac.ues[:, Ue.UP_AT].tolist() == [16 + 30] * ues
    assert not mac.ues[:, Ue.BROKEN].any()
    mac.numbers[[N.BLER, N.AGAIN_BLER]] = 0
    run(mac, 17, 60)
    assert int(mac.delivered_packets[0]) == ues


def test_a_link_that_fails_later_than_it_is_given_up_throws_away_all_the_same() -> None:
    mac, _ = small(ues=1, config=MacConfig(failure_ms=50, give_up_ms=20, reestablish_ms=5))
    mac.cell_up[0] = 0
    enqueue(mac, 0, 0, 1, 100, 0)
    run(mac, 0, 60)
    assert int(mac.numbers[N.INSIDE]) == 0
    assert enqueue(mac, 0, 0, 2, 100, 60 * SLOT_NS) != 0
    mac.cell_up[0] = 1
    run(mac, 60, 70)
    assert enqueue(mac, 0, 0, 3, 100, 70 * SLOT_NS) == 0
    run(mac, 70, 110)
    assert int(mac.delivered_packets[0]) == 1
