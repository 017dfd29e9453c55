"""The emulated MAC does what arithmetic says: block sizes, shares, lending, a known queue.

And its profile of a lab answers pings as that lab's base station did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from testbed.ran.mac.channel import ChannelConfig, make_channel
from testbed.ran.mac.config import PROFILES, Bearer, Discipline, Layout, MacConfig, QueueConfig
from testbed.ran.mac.simulated import run_many
from testbed.ran.mac.state import BITS, DROPPED, PRBS, WAITED, Mac
from testbed.ran.mac.tables import MCS_TABLES, McsTable, transport_block_bits
from tests.benchmarks.bench_cell import REAL, saturated
from tests.benchmarks.cell_pings import LAB_PRBS, LAB_SNR, LAB_UP, pinged, summed_up
from tests.testbed.ran.mac.small import small

SLOT_NS = 1_000_000
EXACT = MacConfig(bler=0.0, again_bler=0.0, overhead_bytes=0)
PLENTY = 40  # packets of each bearer that come in a slot: more than any cell here carries


def saturate(mac: Mac, slots: int, bearers: range, begin: int = 0, size: int = 1400,
             direction: int = 0) -> None:
    times = np.repeat(np.arange(begin, begin + slots) * SLOT_NS, PLENTY * len(bearers))
    whose = np.tile(np.repeat(np.array(bearers), PLENTY), slots)
    run_many(mac, begin, slots, SLOT_NS, times, whose, np.full(len(times), direction),
             np.full(len(times), size))


@pytest.mark.parametrize("mcs", range(len(MCS_TABLES[McsTable.QAM256])))
@pytest.mark.parametrize("prbs", [6, 52, 106])
def test_throughput_is_38_214s(mcs: int, prbs: int) -> None:
    mac, _ = small(ues=1, prbs=prbs, config=EXACT, shares=((0, 100, 0),))
    mac.channel[:] = mcs
    expected = transport_block_bits(prbs, 13, 12, 0, McsTable.QAM256, mcs)
    size = min(1400, expected // 8 * 3 // 4)  # small beside what is measured; in parts of blocks
    saturate(mac, 50, range(1), size=size)
    before = mac.counts[0, 0, BITS]
    saturate(mac, 400, range(1), begin=50, size=size)
    assert (mac.counts[0, 0, BITS] - before) / 400 == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("direction", [0, 1])
@pytest.mark.parametrize("bler", [0.0, 0.1, 0.3])
@pytest.mark.parametrize(("prbs", "mcs"), [(25, 5), (52, 19), (106, 27)])
def test_blocks_that_fail_cost_what_their_repetitions_take(
        prbs: int, mcs: int, bler: float, direction: int) -> None:
    """Repetitions always succeed here: each block takes 1 + BLER slots in the mean.

    No window closes: with 16 processes and what waits for a gap, 0.3 is still below its limit.
    """
    mac, _ = small(ues=1, prbs=prbs, config=replace(EXACT, bler=bler), shares=((0, 100, 0),))
    mac.channel[:] = mcs
    bits = transport_block_bits(prbs, 13 + direction, 12, 0, McsTable.QAM256, mcs)
    saturate(mac, 100, range(1), direction=direction)
    before = mac.counts[0, direction, BITS]
    saturate(mac, 6000, range(1), begin=100, direction=direction)
    assert (mac.counts[0, direction, BITS] - before) / 6000 == pytest.approx(
        bits / (1 + bler), rel=0.02)


def test_codel_keeps_a_standing_queue_short_where_the_tail_alone_does_not() -> None:
    """A tenth more comes than the cell carries, for ten seconds; waits of the last five."""
    waits = {}
    for discipline in Discipline:
        queue = QueueConfig(discipline=discipline, target_ms=10, interval_ms=50, packets=1 << 13)
        mac, _ = small(ues=1, prbs=25, config=replace(EXACT, queue=queue), shares=((0, 100, 0),))
        mac.channel[:] = 10
        carried = transport_block_bits(25, 13, 12, 0, McsTable.QAM256, 10) // 8
        for begin in (0, 5000):
            mac.counts[:] = 0
            times = np.repeat(np.arange(begin, begin + 5000) * SLOT_NS, 2)
            none = np.zeros_like(times)
            run_many(mac, begin, 5000, SLOT_NS, times, none, none, none + carried * 11 // 20)
        waits[discipline] = mac.counts[0, 0, WAITED] / mac.counts[0, 0, BITS] * 1000  # ms
        assert mac.counts[0, 0, BITS] / 5000 == pytest.approx(carried * 8, rel=0.02)
    assert waits[Discipline.CODEL] < 3 * 10 + EXACT.down_slots
    assert waits[Discipline.TAIL] > 500


@pytest.mark.parametrize(("shares", "parts"), [
    (((30, 100, 0), (70, 100, 0)), (0.3, 0.7)),
    (((0, 20, 0), (0, 100, 0)), (0.2, 0.8)),
    (((0, 100, 0), (0, 100, 0)), (0.5, 0.5)),
    (((60, 60, 60), (0, 100, 0)), (0.6, 0.4))])
def test_shares_under_saturation(shares: tuple[tuple[int, int, int], ...],
                                 parts: tuple[float, float]) -> None:
    mac, _ = small(ues=2, prbs=100, config=EXACT, shares=shares)
    saturate(mac, 400, range(4))
    used = mac.counts[:, 0, PRBS]
    of_slice = np.array([used[mac.bearer_slice == place].sum() for place in (0, 1)])
    assert of_slice / of_slice.sum() == pytest.approx(parts, abs=0.02)


def test_an_idle_slices_part_is_lent_and_comes_back_in_the_same_slot() -> None:
    mac, _ = small(ues=1, prbs=100, config=EXACT, shares=((50, 100, 0), (0, 100, 0)))
    saturate(mac, 50, range(1, 2))
    before = mac.counts[:, 0, PRBS].copy()
    saturate(mac, 1, range(1, 2), begin=50)
    assert (mac.counts[:, 0, PRBS] - before).tolist() == pytest.approx([0, 0.1])
    before = mac.counts[:, 0, PRBS].copy()
    saturate(mac, 1, range(2), begin=51)  # the owner wants it in this very slot
    assert mac.counts[0, 0, PRBS] - before[0] >= 0.05


def test_what_is_dedicated_is_kept_free() -> None:
    mac, _ = small(ues=1, prbs=100, config=EXACT, shares=((0, 100, 40), (0, 100, 0)))
    saturate(mac, 100, range(1, 2))
    assert mac.cell_used[0, 0] == pytest.approx(0.1 * 60)


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_waits_are_those_of_a_queue_with_a_fixed_service(load: float) -> None:
    """Packets that each fill a slot, coming at random: M/D/1 in slots, load/(2(1-load)) waits.

    A packet waits for its slot to begin too, half a one in the mean, and then `down_slots`.
    """
    mac, _ = small(ues=1, prbs=52, config=EXACT, shares=((0, 100, 0),))
    mac.channel[:] = 10
    size = transport_block_bits(52, 13, 12, 0, McsTable.QAM256, 10) // 8
    times = np.random.default_rng(2).exponential(SLOT_NS / load, 60_000).cumsum().astype(np.int64)
    none = np.zeros_like(times)
    run_many(mac, 0, int(times[-1]) // SLOT_NS + 2, SLOT_NS, times, none, none, none + size)
    assert mac.counts[0, 0, DROPPED] == 0
    mean = mac.counts[0, 0, WAITED] / mac.counts[0, 0, BITS] * 1000  # slots
    expected = load / (2 * (1 - load)) + 0.5 + EXACT.down_slots
    assert mean == pytest.approx(expected, rel=0.05)


GUIDE = Path(__file__).parents[4] / "docs" / "guides" / "researcher.md"


def test_the_labs_profile_is_near_srsran_4g_over_zeromq_and_the_guide_says_how_near() -> None:
    """The guide's rows are the figures themselves: slots alone are the same on every machine."""
    least, mean, most, deviation = found = summed_up(pinged(PROFILES["lte-lab"]))
    real = REAL["ping_ms"]
    assert isinstance(real, list)
    assert mean == pytest.approx(real[1], rel=0.1)
    assert deviation == pytest.approx(real[3], rel=0.15)
    assert [least, most] == pytest.approx([real[0], real[2]], abs=8.0)
    channel = make_channel(ChannelConfig(snr_db=LAB_SNR, up_offset_db=LAB_UP), 1)
    rates = saturated(Layout((LAB_PRBS,), (0,), (Bearer(0, 0), Bearer(0, 1)),
                             ((0, 100, 0),) * 2, (channel,)))
    assert [rates["down_mbps"], rates["up_mbps"]] == pytest.approx(
        [REAL["down_mbps"], REAL["up_mbps"]], rel=0.1)
    text = GUIDE.read_text()
    assert _row("srsRAN 4G over ZeroMQ", [*real, REAL["down_mbps"], REAL["up_mbps"]]) in text
    assert _row("`lte-lab`", [*found, rates["down_mbps"], rates["up_mbps"]]) in text
    of_5g = summed_up(pinged(PROFILES["5g-lab"], 500, LAB_PRBS + 1))
    assert _row("`5g-lab`, 0.5 ms slots, 51 PRBs", of_5g) in text


def _row(name: str, values: Sequence[object]) -> str:
    return f"| {name} | {' | '.join(f'{one:.1f}' for one in values)} |"


def test_requests_that_come_at_their_own_time_are_what_spreads_a_labs_pings() -> None:
    even = pinged(replace(PROFILES["lte-lab"], request_jitter=0), count=300)
    real = REAL["ping_ms"]
    assert isinstance(real, list)
    assert even.std() < 0.7 * real[3]
    assert even.mean() < 0.8 * real[1]
