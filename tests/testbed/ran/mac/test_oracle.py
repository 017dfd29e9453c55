"""The compiled scheduler and the plain one give the same, slot by slot, whatever happens."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from testbed.ran.mac.channel import ChannelConfig, Kind, make_channel
from testbed.ran.mac.config import (
    Bearer,
    Discipline,
    Layout,
    MacConfig,
    QueueConfig,
    Scheduler,
)
from testbed.ran.mac.kernel import enqueue, run_slot
from testbed.ran.mac.oracle import Oracle
from testbed.ran.mac.state import ORDERS, Mac, N, Order, make

SLOT_NS = 1_000_000
CHANNELS = [make_channel(ChannelConfig(kind, snr_db=snr), 5) for kind, snr in (
    (Kind.STATIC, 20.0), (Kind.STATIC, 3.0), (Kind.VEHICULAR, 8.0), (Kind.OUTAGE, 15.0))]
SHARES = st.tuples(st.integers(0, 60), st.integers(60, 100), st.integers(0, 40))
CONFIGS = st.builds(
    MacConfig, pattern=st.sampled_from(["FDD", "DDDSU", "DU"]),
    scheduler=st.sampled_from(Scheduler),
    queue=st.builds(QueueConfig, packets=st.sampled_from([4, 64]),
                    kbytes=st.sampled_from([3, 60]), discipline=st.sampled_from(Discipline),
                    target_ms=st.just(2.0), interval_ms=st.just(10.0)),
    bler=st.sampled_from([0.0, 0.1, 0.6]), again_bler=st.sampled_from([0.01, 0.5]),
    harq_most=st.integers(1, 4), rlc_most=st.integers(1, 8), down_slots=st.integers(1, 4),
    request_slots=st.integers(1, 10), request_jitter=st.integers(0, 6),
    handover_ms=st.sampled_from([0.0, 7.0]), failure_ms=st.just(10.0),
    reestablish_ms=st.just(5.0), give_up_ms=st.sampled_from([12.0, 40.0]))
ORDER = st.one_of(
    st.builds(lambda cell, place, share: (Order.SHARE, cell, place, *share),
              st.integers(-2, 2), st.integers(-1, 2), SHARES),
    st.tuples(st.just(Order.CAP), st.integers(0, 3), st.integers(0, 100)),
    st.tuples(st.just(Order.MOVE), st.integers(0, 3), st.integers(0, 2)),
    st.tuples(st.just(Order.CELL), st.integers(0, 2), st.integers(0, 1)),
    st.tuples(st.sampled_from([Order.LEAVE, Order.RETURN]), st.integers(0, 3)),
    st.tuples(st.just(Order.RESTART)))
ARRIVAL = st.tuples(st.integers(-1, 6), st.integers(0, 1), st.integers(0, 4000))
SLOT = st.tuples(st.lists(ARRIVAL, max_size=6), st.lists(ORDER, max_size=1))


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    ues, cells = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    shares = tuple(draw(st.lists(SHARES, min_size=2, max_size=2)))
    return Layout(
        tuple(draw(st.integers(1, 30)) for _ in range(cells)),
        tuple(draw(st.integers(0, cells - 1)) for _ in range(ues)),
        tuple(Bearer(ue, place) for ue in range(ues) for place in range(2)), shares,
        tuple(draw(st.sampled_from(CHANNELS)) for _ in range(ues)))


def give_order(mac: Mac, numbers: tuple[int, ...]) -> None:
    row = mac.orders[int(mac.numbers[N.ORDER_HEAD]) % ORDERS]
    row[:] = 0
    row[:len(numbers)] = numbers
    mac.numbers[N.ORDER_HEAD] += 1


def both_do_the_same(config: MacConfig, layout: Layout, seed: int,
                     slots: list[tuple[list[tuple[int, int, int]], list[tuple[int, ...]]]],
                     more: int) -> None:
    mac, plain = make(config, layout, 1000, seed, 256), Oracle(config, layout, 1000, seed, 256)
    packet, taken, gone, now = 0, set(), [], 0
    for slot in range(len(slots) + more):
        arrivals, orders = slots[slot] if slot < len(slots) else ([], [])
        now = slot * SLOT_NS
        for bearer, direction, size in arrivals:
            reason = enqueue(mac, bearer, direction, packet, size, now)
            assert reason == plain.enqueue(bearer, direction, packet, size, now)
            taken |= {packet} if reason == 0 else set()
            packet += 1
        for order in orders:
            give_order(mac, order)
            plain.order(Order(order[0]), *order[1:])
        run_slot(mac, slot, now)
        plain.run_slot(slot, now)
        assert mac.delivered[:mac.ends[0]].tolist() == plain.delivered
        assert list(zip(mac.dropped[:mac.ends[1]].tolist(), mac.reasons[:mac.ends[1]].tolist(),
                        strict=True)) == plain.dropped
        gone += plain.delivered + [one for one, _ in plain.dropped]
        mac.ends[:] = 0
    assert mac.numbers[N.SEED] == plain._seed
    assert mac.numbers[N.REFUSED] == plain.refused
    # Conservation: what was taken left once, or is inside.
    assert len(set(gone)) == len(gone)
    assert set(gone) <= taken
    assert len(taken) - len(gone) == plain.inside == mac.numbers[N.INSIDE]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(CONFIGS, layouts(), st.integers(0, 99), st.lists(SLOT, min_size=5, max_size=60))
def test_kernel_and_oracle_agree(
        config: MacConfig, layout: Layout, seed: int,
        slots: list[tuple[list[tuple[int, int, int]], list[tuple[int, ...]]]]) -> None:
    both_do_the_same(config, layout, seed, slots, 120)


def test_they_agree_over_a_long_run_with_much_lost() -> None:
    config = replace(MacConfig(), bler=0.5, again_bler=0.3, harq_most=2)
    layout = Layout((25, 25), (0, 1, 0), tuple(Bearer(ue, place) for ue in range(3)
                                               for place in range(2)),
                    ((20, 100, 0), (0, 80, 10)), (CHANNELS[0], CHANNELS[2], CHANNELS[1]))
    arrivals = [(at % 6, at // 6 % 2, 200 + at * 37 % 1200) for at in range(4)]
    slots: list[tuple[list[tuple[int, int, int]], list[tuple[int, ...]]]] = [
        (arrivals, [(Order.MOVE, at // 100 % 3, at // 300 % 2)] if at % 100 == 50 else [])
        for at in range(900)]
    both_do_the_same(config, layout, 4, slots, 100)


def test_more_out_of_order_than_can_be_noted_begins_again() -> None:
    config = replace(MacConfig(), bler=0.9, again_bler=0.9, harq_most=2, rlc_most=100)
    layout = Layout((52,), (0,), (Bearer(0, 0),), ((0, 100, 0),), (CHANNELS[2],))
    slots: list[tuple[list[tuple[int, int, int]], list[tuple[int, ...]]]] = [
        ([(0, 0, 1400)] * 6, []) for _ in range(1500)]
    both_do_the_same(config, layout, 0, slots, 100)
