"""A link's arithmetic, with time and chance that the test holds."""

from __future__ import annotations

import random
import statistics

import pytest

from testbed.shaped_link import Channel, ChannelConfig

MEGABIT = 125_000  # bytes a second


def channel(**changes: object) -> Channel:
    return Channel(ChannelConfig(**({"rate": 8.0} | changes)),  # type: ignore[arg-type]  # by name
                   random.Random(1))


def test_a_packet_takes_its_length_over_the_rate_and_the_delay() -> None:
    assert channel(delay=0.1).offer(1000, 5.0) == pytest.approx(5.0 + 0.001 + 0.1)


def test_packets_wait_for_each_other() -> None:
    line = channel()
    assert [line.offer(1000, 1.0) for _ in range(3)] == pytest.approx([1.001, 1.002, 1.003])
    assert line.offer(1000, 2.0) == pytest.approx(2.001)


def test_what_the_queue_does_not_hold_is_refused() -> None:
    line = channel(queue=2500)
    assert [line.offer(1000, 0.0) is not None for _ in range(4)] == [True, True, False, False]
    assert line.offer(1000, 0.002) is not None  # the first two are gone
    assert (line.offered, line.refused, line.lost) == (5, 2, 0)


@pytest.mark.parametrize("burst", [1.0, 4.0])
def test_losses_have_the_share_and_the_length_asked_for(burst: float) -> None:
    line = channel(loss=0.02, burst=burst)
    came = [line.offer(100, at * 0.01) is not None for at in range(200_000)]
    runs, length = [], 0
    for arrived in came:
        if arrived and length:
            runs.append(length)
        length = 0 if arrived else length + 1
    assert came.count(False) / len(came) == pytest.approx(0.02, rel=0.1)
    assert statistics.mean(runs) == pytest.approx(burst, rel=0.1)


def test_jitter_never_reorders() -> None:
    line = channel(jitter=0.02)
    arrivals = [line.offer(100, at * 0.001) for at in range(1000)]
    assert all(arrival is not None for arrival in arrivals)
    assert arrivals == sorted(arrivals, key=lambda arrival: arrival or 0.0)


def test_a_cell_sends_at_its_slots() -> None:
    line = channel(slot=0.01)
    assert [line.offer(1000, at) for at in (0.001, 0.0085, 0.012)] == pytest.approx(
        [0.01, 0.01, 0.02])


def test_a_sender_that_was_silent_waits_for_a_grant() -> None:
    line = channel(grant=0.02)
    first = line.offer(1000, 1.0)
    assert first is not None
    assert 1.01 <= first - 0.001 <= 1.03
    following = line.offer(1000, 1.001)
    assert following == pytest.approx(first + 0.001)  # the grant is still there
    later = line.offer(1000, 3.0)
    assert later is not None
    assert later >= 3.011


def test_a_retransmission_holds_up_what_comes_after() -> None:
    line = channel(retransmit=0.5, retransmit_delay=0.1)
    arrivals = [line.offer(100, at * 0.02) for at in range(100)]
    late = [arrival - at * 0.02 for at, arrival in enumerate(arrivals) if arrival is not None]
    assert len(late) == 100
    assert max(late) == pytest.approx(0.1001)
    assert sum(delay > 0.01 for delay in late) > 60  # more than were sent again


def test_nothing_passes_in_an_outage() -> None:
    line = channel(outages=((1.0, 2.0),))
    assert [line.offer(100, at) is None for at in (0.9, 1.0, 1.9, 2.0)] == [
        False, True, True, False]


def test_fading_changes_the_rate_over_time_and_not_within_a_moment() -> None:
    line = channel(fading=0.5)
    times = []
    for at in (10.0, 10.1, 20.0, 30.0):
        arrival = line.offer(1000, at)
        assert arrival is not None
        times.append(arrival - at)
    assert times[0] == pytest.approx(times[1])
    assert len({round(time, 9) for time in times}) == 3


def test_the_same_seed_gives_the_same_link() -> None:
    def arrivals(seed: int) -> list[float | None]:
        line = Channel(ChannelConfig(5.0, 0.01, 0.004, 0.1, 2.0, fading=0.3), random.Random(seed))
        return [line.offer(900, at * 0.005) for at in range(300)]

    assert arrivals(4) == arrivals(4)
    assert arrivals(4) != arrivals(5)
