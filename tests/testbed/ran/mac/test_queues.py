"""Streams of a bearer: any cut of the bytes, in any order, gives the packets back in theirs."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testbed.ran.mac.config import MacConfig, QueueConfig
from testbed.ran.mac.queues import drop_all, enqueue, fill, receive, rewind
from testbed.ran.mac.state import LATE, Bearer, Reason
from tests.testbed.ran.mac.small import small


@settings(deadline=None, max_examples=50)  # the first one compiles
@given(st.lists(st.integers(1, 1500), min_size=1, max_size=20),
       st.lists(st.integers(1, 900), min_size=1, max_size=10), st.randoms(), st.booleans())
def test_stretches_in_any_order_give_packets_in_theirs(
        sizes: list[int], rooms: list[int], random: Random, again: bool) -> None:
    mac, _ = small(ues=1)
    for number, size in enumerate(sizes):
        assert enqueue(mac, 0, 0, number, size, 0) == 0
    st_ = mac.bearers[0, 0]
    for attempt in range(2 if again else 1):
        stretches: list[tuple[int, int]] = []
        for room in (*(rooms * LATE)[:LATE // 2], 1 << 20):  # the last one takes the rest
            sent = fill(mac, 0, 0, room, 0)
            if sent:
                stretches.append((int(st_[Bearer.SENT]) - sent, int(st_[Bearer.SENT])))
        random.shuffle(stretches)
        if again and attempt == 0:  # some have arrived; the rest is sent anew
            for first, last in stretches[:len(stretches) // 2]:
                receive(mac, 0, 0, first, last, 1000)
            rewind(mac, 0, 0)
            assert st_[Bearer.BYTES] == sum(sizes) - st_[Bearer.ARRIVED]
        else:
            for first, last in stretches:
                receive(mac, 0, 0, first, last, 1000)
    assert mac.delivered[:mac.ends[0]].tolist() == list(range(len(sizes)))


@pytest.mark.parametrize("filled", [0, 300, 1000])
def test_dropping_all_counts_each_once(filled: int) -> None:
    mac, _ = small(ues=1)
    for number in range(5):
        enqueue(mac, 0, 1, number, 250, 0)
    fill(mac, 0, 1, filled, 0)
    drop_all(mac, 0, 1, Reason.RESTARTED)
    assert mac.dropped[:mac.ends[1]].tolist() == list(range(5))
    assert mac.dropped_packets[1, Reason.RESTARTED] == 5
    assert mac.bearers[0, 1, Bearer.BYTES] == 0
    assert enqueue(mac, 0, 1, 9, 250, 0) == 0
    assert fill(mac, 0, 1, 1000, 0) == 250


def test_each_refusal_has_its_reason() -> None:
    mac, _ = small(ues=1, config=MacConfig(queue=QueueConfig(packets=4, kbytes=1)))
    assert enqueue(mac, 99, 0, 0, 100, 0) == Reason.UNKNOWN
    assert enqueue(mac, 0, 0, 0, 0, 0) == Reason.UNKNOWN
    assert enqueue(mac, 0, 0, 0, 1001, 0) == Reason.TOO_LONG
    assert [enqueue(mac, 0, 0, 0, 100, 0) for _ in range(5)] == [0] * 4 + [Reason.QUEUE_FULL]
    assert [enqueue(mac, 0, 1, 0, 400, 0) for _ in range(3)] == [0, 0, Reason.QUEUE_FULL]
