"""Packets in: where each goes, and each reason for which one goes nowhere."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testbed.ran.plane.headers import DOWN, UP
from testbed.ran.plane.memory import Count, Mark, Of
from tests.testbed.ran.plane.scene import (
    CORE,
    CORE_6,
    FIRST_TEID,
    MTU,
    packet,
    received,
    scene,
    ue_address,
    ue_address_6,
)


def test_a_packet_finds_its_ue_by_its_destination() -> None:
    with scene(3) as one:
        sent = [packet(CORE, ue_address(2), 100, 1), packet(CORE_6, ue_address_6(0), 1400, 2)]
        for data in sent:
            one.core.send(data)
        one.slot()
        assert [received(end) for end in one.ues] == [[sent[1]], [], [sent[0]]]
        assert (one.used(), one.inside()) == (0, 0)


def test_a_packet_of_a_ue_goes_to_the_core() -> None:
    with scene() as one:
        sent = [packet(ue_address(0), CORE, 40), packet(ue_address_6(0), CORE_6, 90)]
        for data in sent:
            one.ues[0].send(data)
        one.slot()
        assert received(one.core) == sent
        assert list(one.plane.of_bearer[0, UP]) == [2, 2, 0]
        assert one.plane.octets[UP, Count.DELIVERED] == 130


@pytest.mark.parametrize(("data", "reason"), [
    (packet(ue_address(1), CORE), "FOREIGN_SOURCE"),
    (packet(ue_address_6(1), CORE_6), "FOREIGN_SOURCE"),
    (packet("192.0.2.1", CORE), "FOREIGN_SOURCE"),
    (packet(ue_address(0), CORE)[:50], "MALFORMED"),
    (b"\x45", "MALFORMED"), (bytes(100), "MALFORMED"),
    (packet(ue_address(0), CORE, MTU + 1), "OVERSIZE"),
    (packet(ue_address(0), CORE, 9000), "OVERSIZE"),
])
def test_what_a_ue_may_not_send(data: bytes, reason: str) -> None:
    with scene() as one:
        one.ues[0].send(data)
        one.slot()
        assert one.dropped(UP) == {reason: 1}
        assert received(one.core) == []
        assert (one.used(), one.inside()) == (0, 0)


@pytest.mark.parametrize(("data", "reason"), [
    (packet(CORE, "10.45.7.7"), "NO_BEARER"), (packet(CORE_6, "fd45:0:0:77::1"), "NO_BEARER"),
    (packet(CORE_6, "ff02::1"), "NO_BEARER"), (packet(CORE, ue_address(0))[:30], "MALFORMED"),
    (packet(CORE, ue_address(0), 9000), "OVERSIZE"), (b"", "MALFORMED"),
])
def test_what_the_core_sends_in_vain(data: bytes, reason: str) -> None:
    with scene() as one:
        one.core.send(data)
        one.slot()
        assert one.dropped(DOWN) == {reason: 1}
        assert one.inside() == 0


def fragments(source: str, destination: str) -> list[bytes]:
    """A packet in two parts: ports are in the first alone."""
    first = bytearray(packet(source, destination, 104))
    last = bytearray(packet(source, destination, 96, 1))
    for data, more, offset in ((first, 1, 0), (last, 0, 7)):
        if ":" in source:
            data[6] = 44  # a fragment header follows, and after it UDP
            data[40:48] = struct.pack(">BBHI", 17, 0, offset << 3 | more, 77)
        else:
            data[4:8] = struct.pack(">HH", 77, more << 13 | offset)
    return [bytes(first), bytes(last)]


@pytest.mark.parametrize("tunnel", [False, True], ids=["plain", "tunnel"])
@pytest.mark.parametrize(("core", "ue"), [(CORE, ue_address(0)), (CORE_6, ue_address_6(0))],
                         ids=["IPv4", "IPv6"])
def test_fragments_pass_both_ways_as_they_are(core: str, ue: str, tunnel: bool) -> None:
    down, up = fragments(core, ue), fragments(ue, core)
    with scene(tunnel=tunnel) as one:
        for data in down:
            one.core.send(data)
        for data in up:
            one.ues[0].send(data)
        one.slot()
        one.slot()
        assert (received(one.ues[0]), received(one.core)) == (down, up)
        assert (one.used(), one.inside()) == (0, 0)


@pytest.mark.parametrize(("core", "ue"), [(CORE, ue_address(0)), (CORE_6, ue_address_6(0))],
                         ids=["IPv4", "IPv6"])
def test_a_fragment_is_of_whom_its_header_says(core: str, ue: str) -> None:
    """It has no ports to be told by, and is taken from nobody else for that, nor cut short."""
    last = fragments(ue, core)[1]
    with scene() as one:
        one.ues[1].send(last)
        one.ues[0].send(last[:-1])
        one.slot()
        assert one.dropped(UP) == {"FOREIGN_SOURCE": 1, "MALFORMED": 1}
        assert received(one.core) == []


def test_a_session_is_of_one_network() -> None:
    with scene() as one:
        one.plane.bearers[0, Of.N6_DEVICE] = 1  # some other device's
        one.core.send(packet(CORE, ue_address(0)))
        one.slot()
        assert one.dropped(DOWN) == {"NO_BEARER": 1}


def test_a_full_pool_drops_and_recovers() -> None:
    with scene(places=4) as one:
        one.plane.backhaul[DOWN, 1] = 10_000_000_000
        for number in range(6):
            one.core.send(packet(CORE, ue_address(0), mark=number))
            one.slot()
        assert one.dropped(DOWN) == {"POOL_FULL": 2}
        assert (one.used(), one.inside()) == (4, 4)
        one.slot(after_ns=20_000_000_000)
        assert len(received(one.ues[0])) == 4
        assert one.used() == 0


def test_a_slot_reads_no_more_than_it_may_and_takes_turns() -> None:
    with scene(2, most_taken=64) as one:
        for number in range(100):
            for ue in range(2):
                one.ues[ue].send(packet(ue_address(ue), CORE, mark=number))
            if number % 8 == 7:  # as many as a socket holds
                one.slot()
        for _ in range(8):
            one.slot()
        assert list(one.plane.of_bearer[:2, UP, 1]) == [100, 100]


def test_the_way_to_the_core_loses_what_it_is_told_to() -> None:
    with scene() as one:
        one.plane.backhaul[:, 0] = 1 << 30  # half
        for _ in range(400):
            one.core.send(packet(CORE, ue_address(0)))
            one.ues[0].send(packet(ue_address(0), CORE))
            one.slot()
            received(one.core)
            received(one.ues[0])
        for direction in (DOWN, UP):
            assert 130 < one.dropped(direction)["BACKHAUL"] < 270
        assert one.inside() == 0


def test_delay_keeps_packets_and_their_order() -> None:
    with scene() as one:
        one.plane.backhaul[:, 1] = 2_000_000_000
        down = [packet(CORE, ue_address(0), mark=number) for number in range(3)]
        up = [packet(ue_address(0), CORE, mark=number) for number in range(3)]
        for one_down, one_up in zip(down, up, strict=True):
            one.core.send(one_down)
            one.ues[0].send(one_up)
        one.slot()
        assert received(one.ues[0]) == received(one.core) == []
        assert (one.used(), one.inside()) == (6, 6)
        one.plane.backhaul[:, 1] = 0  # what comes now does not overtake
        one.core.send(packet(CORE, ue_address(0), mark=9))
        one.slot()
        assert received(one.ues[0]) == []
        one.slot(after_ns=3_000_000_000)
        assert received(one.ues[0]) == [*down, packet(CORE, ue_address(0), mark=9)]
        assert received(one.core) == up


def test_a_tunnel_carries_both_ways() -> None:
    with scene(tunnel=True) as one:
        down, up = packet(CORE, ue_address(1), 1400), packet(ue_address(1), CORE, 700)
        one.core.send(down)
        one.ues[1].send(up)
        one.slot()
        one.slot()
        assert (received(one.ues[1]), received(one.core)) == ([down], [up])
        for direction in (DOWN, UP):
            assert one.plane.counts[direction, Count.TUNNEL_SENT] == 1
            assert one.plane.counts[direction, Count.TUNNEL_TAKEN] == 1
        assert (one.used(), one.inside()) == (0, 0)


def g_pdu(teid: int, inner: bytes) -> bytes:
    return bytes([0x30, 255]) + struct.pack(">HI", len(inner), teid) + inner


def test_nobody_but_the_peer_puts_packets_into_a_tunnel() -> None:
    with scene(tunnel=True) as one, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        assert one.gnb is not None
        assert one.upf is not None
        stranger.sendto(g_pdu(FIRST_TEID, packet(CORE, ue_address(0))), one.gnb.getsockname())
        one.slot()
        assert one.plane.marks[Mark.TUNNEL_GARBAGE] == 1
        one.upf.sendto(g_pdu(FIRST_TEID + 99, packet(CORE, ue_address(0))),
                       one.gnb.getsockname())
        one.slot()
        assert one.plane.marks[Mark.TUNNEL_UNKNOWN] == 1
        assert received(one.ues[0]) == []


def test_an_echo_comes_back_to_whoever_asked() -> None:
    with scene(tunnel=True) as one, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.settimeout(5)
        for end in (one.gnb, one.upf):
            assert end is not None
            stranger.sendto(bytes([0x32, 1, 0, 4, 0, 0, 0, 0, 0x12, 0x34, 0, 0]),
                            end.getsockname())
            one.slot()
            answer, peer = stranger.recvfrom(100)
            assert (answer[1], answer[8:10]) == (2, b"\x12\x34")
            assert peer == end.getsockname()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["ue", "core", "gnb", "upf"]),
                          st.binary(max_size=2000)), max_size=12))
def test_random_bytes_from_everywhere_are_all_accounted_for(
        sent: list[tuple[str, bytes]]) -> None:
    with scene(tunnel=True) as one:
        ends = {"ue": one.ues[0], "core": one.core}
        for where, data in sent:
            if where in ends:
                ends[where].send(data)
            else:
                end, other = (one.gnb, one.upf) if where == "upf" else (one.upf, one.gnb)
                assert end is not None
                assert other is not None
                end.sendto(data, other.getsockname())
            one.slot()
        one.slot()
        read = one.plane.counts[:, Count.READ]
        assert read[UP] == sum(where == "ue" for where, _ in sent)
        assert read[DOWN] == sum(where == "core" for where, _ in sent)
        assert (one.used(), one.inside()) == (0, 0)
