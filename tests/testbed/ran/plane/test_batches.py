"""Datagrams of a tunnel in batches: all come, in their order; what the kernel refuses counts."""

from __future__ import annotations

import socket

import pytest

from testbed.ran.plane.headers import DOWN, UP
from testbed.ran.plane.memory import BATCH, Count, Mark
from tests.testbed.ran.plane.scene import (
    CORE,
    CORE_6,
    Scene,
    packet,
    received,
    scene,
    ue_address,
    ue_address_6,
)

MANY = 2 * BATCH + 5  # the last batch is no full one


def slots(one: Scene, number: int = 4) -> None:
    for _ in range(number):
        one.slot()


@pytest.mark.parametrize("count", [1, BATCH - 1, BATCH, BATCH + 1, MANY])
def test_all_come_in_their_order_both_ways(count: int) -> None:
    down = [packet(CORE, ue_address(0), 60 + number, number) for number in range(count)]
    up = [packet(ue_address_6(1), CORE_6, 60 + number, number) for number in range(count)]
    with scene(tunnel=True) as one:
        for data in down:
            one.core.send(data)
        for data in up:
            one.ues[1].send(data)
        slots(one)
        assert received(one.ues[0]) == down
        assert received(one.core) == up
        assert (one.used(), one.inside()) == (0, 0)
        for direction in (DOWN, UP):
            counts = one.plane.counts[direction]
            assert counts[Count.TUNNEL_SENT] == counts[Count.TUNNEL_TAKEN] == count


def test_sessions_share_batches_and_get_their_own() -> None:
    with scene(3, tunnel=True) as one:
        sent = [packet(CORE, ue_address(number % 3), 80, number) for number in range(MANY)]
        for data in sent:
            one.core.send(data)
        slots(one)
        assert [received(end) for end in one.ues] == [sent[ue::3] for ue in range(3)]


def test_what_the_kernel_does_not_take_is_dropped_packet_by_packet() -> None:
    """An end of another kind of address takes none: each is counted, and no place is lost."""
    with scene(tunnel=True) as one, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        one.plane.marks[Mark.UPF] = one.plane.marks[Mark.GNB] = other.fileno()
        for number in range(MANY):
            one.core.send(packet(CORE, ue_address(0), mark=number))
            one.ues[0].send(packet(ue_address(0), CORE, mark=number))
        slots(one)
        for direction in (DOWN, UP):
            assert one.dropped(direction) == {"TUNNEL": MANY}
        assert (one.used(), one.inside()) == (0, 0)


def test_datagrams_of_others_are_none_of_it_within_a_batch() -> None:
    with (scene(tunnel=True) as one,
          socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger):
        assert one.gnb is not None
        sent = [packet(CORE, ue_address(0), mark=number) for number in range(MANY)]
        for number, data in enumerate(sent):
            one.core.send(data)
            if number % 2:
                stranger.sendto(b"\x34\xff garbage", one.gnb.getsockname())
        slots(one)
        assert received(one.ues[0]) == sent
        assert one.plane.marks[Mark.TUNNEL_GARBAGE] == MANY // 2
        assert (one.used(), one.inside()) == (0, 0)


def test_a_full_pool_drops_what_came_through_the_tunnel() -> None:
    with scene(tunnel=True, places=4) as one:
        one.plane.backhaul[DOWN, 1] = 10_000_000_000
        for number in range(10):
            one.core.send(packet(CORE, ue_address(0), mark=number))
        slots(one, 2)
        assert one.dropped(DOWN) == {"POOL_FULL": 6}
        assert (one.used(), one.inside()) == (4, 4)
        one.slot(after_ns=20_000_000_000)
        assert len(received(one.ues[0])) == 4
        assert one.used() == 0
