"""Grants are what quotas say, at once and for good: shares, caps, turns, and the channel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from testbed.ran.mac.config import MacConfig, Scheduler
from testbed.ran.mac.grants import part
from testbed.ran.mac.kernel import enqueue, run_slot
from testbed.ran.mac.simulated import run_many
from testbed.ran.mac.state import BITS, ORDERS, PRBS, Mac, N, Order, Ue
from tests.testbed.ran.mac.small import small

SLOT_NS = 1_000_000
EXACT = MacConfig(bler=0.0, again_bler=0.0, overhead_bytes=0)
ANYTHING = (0, 100, 0)
DOWN, UP = 0, 1


def order(mac: Mac, kind: Order, *numbers: int) -> None:
    row = mac.orders[int(mac.numbers[N.ORDER_HEAD]) % ORDERS]
    row[:] = 0
    row[0], row[1:1 + len(numbers)] = kind, numbers
    mac.numbers[N.ORDER_HEAD] += 1


def flood(mac: Mac, slots: int, bearers: Iterable[int], begin: int = 0, direction: int = DOWN,
          kind: int = PRBS) -> NDArray[np.float64]:
    """Saturate some bearers for a while: each one's part of the blocks (or bits) of that time."""
    before = mac.counts[:, direction, kind].copy()
    chosen = list(bearers)
    times = np.repeat(np.arange(begin, begin + slots) * SLOT_NS, 20 * len(chosen))
    run_many(mac, begin, slots, SLOT_NS, times, np.tile(np.repeat(np.array(chosen), 20), slots),
             np.full(len(times), direction), np.full(len(times), 1400))
    gained: NDArray[np.float64] = mac.counts[:, direction, kind] - before
    gained /= gained.sum()
    return gained


def analytic(shares: Sequence[tuple[int, int, int]], wanting: Sequence[int]) -> list[float]:
    """Each slice's part: guarantees, and over them the level that equal bearers are filled to.

    `wanting` is how many saturated bearers each slice has. The level is found by halving.
    """
    low, high = 0.0, 100.0
    room = 100.0 - sum(one[2] for one, count in zip(shares, wanting, strict=True) if not count)

    def parts(level: float) -> list[float]:
        return [min(one[1], max(one[0], one[2], level * count)) if count else 0.0
                for one, count in zip(shares, wanting, strict=True)]

    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(parts(middle)) < room else (low, middle)
    return [one / sum(parts(low)) for one in parts(low)]


@pytest.mark.parametrize("direction", [DOWN, UP])
@pytest.mark.parametrize(("shares", "wanting"), [
    (((80, 100, 0), ANYTHING), (3, 3)),
    (((80, 100, 0), (20, 100, 0)), (3, 1)),
    ((ANYTHING, (0, 10, 0)), (3, 3)),
    (((50, 100, 0), ANYTHING), (1, 4)),
    (((10, 100, 0), ANYTHING), (1, 1)),
    (((0, 30, 0), (0, 100, 40), (20, 100, 0)), (2, 0, 1)),
    (((0, 2, 0), ANYTHING, (40, 100, 0)), (2, 2, 2))])
def test_shares_are_the_analytic_ones_and_equal_inside_a_slice(
        shares: tuple[tuple[int, int, int], ...], wanting: tuple[int, ...],
        direction: int) -> None:
    mac, layout = small(ues=4, prbs=100, config=EXACT, shares=shares)
    bearers = [number for number, one in enumerate(layout.bearers)
               if one.ue < wanting[one.slice]]
    flood(mac, 100, bearers, direction=direction)
    parts = flood(mac, 500, bearers, 100, direction)
    for place, expected in enumerate(analytic(shares, wanting)):
        mine = [parts[one] for one in bearers if layout.bearers[one].slice == place]
        assert sum(mine) == pytest.approx(expected, abs=0.02)
        assert mine == pytest.approx([expected / max(1, len(mine))] * len(mine), abs=0.02)


def test_what_a_guarantee_gave_is_not_held_against_a_slice() -> None:
    mac, _ = small(ues=1, prbs=100, config=EXACT, shares=((80, 100, 0), ANYTHING))
    assert flood(mac, 1000, range(2)) == pytest.approx([0.8, 0.2], abs=0.02)
    order(mac, Order.SHARE, -1, 0, *ANYTHING)
    assert flood(mac, 20, range(2), 1000) == pytest.approx([0.5, 0.5], abs=0.1)


def test_what_a_maximum_withheld_is_not_made_up_for() -> None:
    mac, _ = small(ues=1, prbs=100, config=EXACT, shares=((0, 2, 0), ANYTHING))
    assert flood(mac, 1000, range(2)) == pytest.approx([0.02, 0.98], abs=0.01)
    order(mac, Order.SHARE, -1, 0, *ANYTHING)
    assert flood(mac, 20, range(2), 1000) == pytest.approx([0.5, 0.5], abs=0.15)


def test_who_comes_beside_a_limited_slice_gets_a_part_and_not_all() -> None:
    mac, _ = small(ues=1, prbs=100, config=EXACT, shares=(ANYTHING, (0, 2, 0), ANYTHING))
    flood(mac, 1000, range(2))
    assert flood(mac, 20, range(3), 1000) == pytest.approx([0.49, 0.02, 0.49], abs=0.1)


@pytest.mark.parametrize("direction", [DOWN, UP])
def test_orders_hold_from_the_next_slot_on(direction: int) -> None:
    mac, _ = small(ues=1, prbs=100, config=EXACT, shares=(ANYTHING, ANYTHING))
    flood(mac, 200, range(2), direction=direction)
    order(mac, Order.SHARE, 0, 0, 70, 100, 0)
    order(mac, Order.SHARE, 0, 1, 0, 20, 0)
    for slot in range(200, 210):
        parts = flood(mac, 1, range(2), slot, direction)
        assert parts[0] >= 0.7
        assert parts[1] <= 0.21


@pytest.mark.parametrize("cap", [0, 1, 30])
def test_a_cap_bounds_a_ue_over_all_of_its_slices(cap: int) -> None:
    mac, _ = small(ues=2, prbs=100, config=EXACT)
    flood(mac, 50, range(4))
    order(mac, Order.CAP, 0, cap)
    parts = flood(mac, 200, range(4), 50)
    assert parts[:2].sum() == pytest.approx(cap / 100, abs=0.005)
    order(mac, Order.CAP, 0, 100)
    assert flood(mac, 50, range(4), 250)[:2].sum() == pytest.approx(0.5, abs=0.1)


def test_round_robin_gives_blocks_and_proportional_fairness_asks_the_channel() -> None:
    """Two channels that are good in turns, and one that is always bad."""
    total, bits = {}, {}
    for scheduler in Scheduler:
        mac, _ = small(ues=3, prbs=50, config=replace(EXACT, scheduler=scheduler),
                       shares=(ANYTHING,))
        slots = 400
        wave = np.arange(slots) // 20 % 2
        made = np.stack([5 + 15 * wave, 20 - 15 * wave, np.full(slots, 3)])
        mac = mac._replace(channel=np.repeat(made[:, None, :], 2, axis=1).astype(np.int8))
        mac.ues[:, Ue.CHANNEL] = slots
        bits[scheduler] = flood(mac, 2000, range(3), kind=BITS)
        total[scheduler] = mac.counts[:, DOWN, BITS].sum()
    assert total[Scheduler.PROPORTIONAL_FAIR] > 1.2 * total[Scheduler.ROUND_ROBIN]
    assert bits[Scheduler.PROPORTIONAL_FAIR].min() > 0.02  # nobody starves


@pytest.mark.parametrize("pattern", ["DDDSU", "DDDDDDDSUU", "DU"])
def test_a_pattern_divides_time(pattern: str) -> None:
    mac, _ = small(ues=1, prbs=50, config=replace(EXACT, pattern=pattern), shares=(ANYTHING,))
    for slot in range(1000):
        for direction in (DOWN, UP):
            for _ in range(20):
                enqueue(mac, 0, direction, 0, 1400, slot * SLOT_NS)
        run_slot(mac, slot, slot * SLOT_NS)
        mac.ends[:] = 0
    slots = mac.cell_used[0] / 0.05  # PRBs times seconds
    down = len(pattern) - pattern.count("U")
    assert slots[DOWN] == pytest.approx(1000 * down / len(pattern), rel=0.02)
    assert slots[UP] == pytest.approx(1000 * pattern.count("U") / len(pattern), rel=0.02)


def test_a_share_of_few_blocks_is_rounded() -> None:
    assert [part(percent, 6) for percent in (0, 8, 9, 50, 100)] == [0, 0, 1, 3, 6]
