"""The scheduler's memory says what the configuration does, in slots, bytes and nanoseconds."""

from __future__ import annotations

import numpy as np

from testbed.ran.mac.channel import ChannelConfig, make_channel
from testbed.ran.mac.config import (
    PROFILES,
    Bearer,
    Discipline,
    Layout,
    MacConfig,
    QueueConfig,
    Scheduler,
)
from testbed.ran.mac.state import PART_BITS, Line, Mac, N, Ue, make
from testbed.ran.mac.state import Bearer as Column
from testbed.ran.mac.tables import McsTable, transport_block_bits

CHANNEL = make_channel(ChannelConfig(snr_db=20.0), 1)


def made(config: MacConfig, slot_us: int = 1000, packets: int = 64) -> Mac:
    bearers = (Bearer(0, 0), Bearer(1, 1), Bearer(2, 0))
    layout = Layout((25, 50), (1, 0, 1), bearers, ((10, 90, 5), (0, 100, 0)), (CHANNEL,) * 3)
    return make(config, layout, slot_us, 7, packets)


def test_times_become_slots_of_their_length() -> None:
    config = MacConfig(handover_ms=40, failure_ms=500, bler=0.25)
    for slot_us in (500, 1000):
        numbers = made(config, slot_us).numbers
        assert numbers[N.HANDOVER_SLOTS] == 40_000 // slot_us
        assert numbers[N.FAILURE_SLOTS] == 500_000 // slot_us
        assert numbers[N.SLOT_NS] == slot_us * 1000
        assert numbers[N.BLER] == 1 << (PART_BITS - 2)


def test_queues_and_the_scheduler_are_as_told() -> None:
    queue = QueueConfig(packets=100, kbytes=7, discipline=Discipline.CODEL, target_ms=3)
    config = MacConfig(queue=queue, scheduler=Scheduler.PROPORTIONAL_FAIR)
    assert made(config, packets=64).numbers[N.RING] == 64  # no more than there are in all
    numbers = made(config, packets=1000).numbers
    assert numbers[N.RING] >= 100
    assert int(numbers[N.RING]).bit_count() == 1
    assert numbers[N.QUEUE_BYTES] == 7000
    assert (numbers[N.CODEL], numbers[N.CODEL_TARGET], numbers[N.FAIR]) == (1, 3_000_000, 1)


def test_members_are_in_their_cells_and_know_their_places() -> None:
    mac = made(MacConfig())
    assert mac.member_count.tolist() == [1, 2]
    assert mac.members[0, :1].tolist() == [1]
    assert mac.members[1, :2].tolist() == [0, 2]
    assert mac.member_at.tolist() == [0, 0, 1]
    assert mac.shares.tolist() == [[[10, 90, 5], [0, 100, 0]]] * 2
    assert mac.ues[:, Ue.CAP].tolist() == [100] * 3
    assert (mac.bearers[:, :, [Column.REQUEST_AT, Column.REPORT_AT]] == -1).all()
    assert mac.lines.shape == (2, 2, 2, len(Line))


def test_block_sizes_are_those_of_the_patterns_slots() -> None:
    config = PROFILES["5g-lab"]
    mac = made(config)
    for slot, both in enumerate(config.slots):
        for direction, symbols in enumerate(both):
            table = int(mac.pattern[slot, direction])
            assert (table < 0) == (symbols == 0)
            if symbols:
                assert int(mac.sizes[table, 12, 25]) * 8 == transport_block_bits(
                    25, symbols, config.dmrs_per_prb, 0, McsTable.QAM256, 12)


def test_a_still_channel_takes_one_slot_and_seeds_are_odd() -> None:
    mac = made(MacConfig())
    assert mac.channel.shape == (3, 2, 1)
    assert (mac.channel == mac.channel[0, 0, 0]).all()
    assert mac.numbers[N.SEED] == 15
    assert np.unique(mac.ues[:, Ue.CHANNEL]).tolist() == [1]
