"""PDUs found again in frames of every kind, whole or in pieces, once each."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import CookedLinux, CookedLinuxV2, Dot1Q, Ether
from scapy.layers.sctp import SCTP, SCTPChunkData, SCTPChunkSACK
from scapy.packet import Packet, Raw

from xapp.e2 import capture_reading
from xapp.e2.capture_packets import LINK_RAW_IP, MOST_FRAGMENT, AssociationPackets, Endpoint
from xapp.e2.capture_reading import ETHERNET, SCTP_ALONE, SLL, SLL2, PduFinder

RIC, GNB = Endpoint("192.0.2.1", 36421), Endpoint("192.0.2.9", 50000)


def data(payload: bytes, tsn: int = 1, begins: int = 1, ends: int = 1, ppid: int = 72,
         stream: int = 0) -> Packet:
    return SCTPChunkData(tsn=tsn, stream_id=stream, beginning=begins, ending=ends,
                         proto_id=ppid, data=payload)


def packet(*chunks: Packet, sport: int = 50000, dport: int = 36421) -> Packet:
    built = SCTP(sport=sport, dport=dport, tag=7)
    for chunk in chunks:
        built /= chunk
    return built


def found(finder: PduFinder, *frames: bytes, link: int = LINK_RAW_IP) -> list[bytes]:
    return [pdu.data for frame in frames for pdu in finder.take(5, frame, link)]


@pytest.mark.parametrize(("outer", "link"), [
    (IP(src="192.0.2.9", dst="192.0.2.1"), LINK_RAW_IP),
    (IPv6(src="2001:db8::9", dst="2001:db8::1"), LINK_RAW_IP),
    (Ether() / IP(), ETHERNET), (Ether() / Dot1Q(vlan=5) / Dot1Q(vlan=6) / IP(), ETHERNET),
    (CookedLinux(proto=0x800) / IP(), SLL), (CookedLinuxV2(proto=0x800) / IP(), SLL2),
    (IP() / UDP(sport=9899, dport=9899), LINK_RAW_IP),
    (IP() / UDP(sport=40123, dport=22001), LINK_RAW_IP)])
def test_a_pdu_is_found_in_every_kind_of_frame(outer: Packet, link: int) -> None:
    frame = bytes(outer / packet(SCTPChunkSACK(), data(b"hello")))
    assert found(PduFinder(), frame, link=link) == [b"hello"]


@given(st.integers(min_value=0), st.binary(min_size=1, max_size=40))
def test_udp_at_another_port_is_sctp_only_where_all_of_it_is(place: int, payload: bytes) -> None:
    inside = bytes(packet(data(payload)))

    def in_udp(content: bytes) -> list[bytes]:
        return found(PduFinder(), bytes(IP() / UDP(sport=5004, dport=5006) / Raw(content)))

    assert in_udp(inside) == [payload]
    turned = bytearray(inside)
    turned[place // 8 % len(inside)] ^= 1 << place % 8
    assert in_udp(bytes(turned)) == []
    for other in (inside[:-1], inside + b"\0", payload, inside[:12], b""):
        assert in_udp(other) == []


def test_frames_of_scapys_and_ours_say_between_whom() -> None:
    pdu, = PduFinder().take(9, bytes(IP(src="192.0.2.9", dst="192.0.2.1") / packet(data(b"x"))),
                            LINK_RAW_IP)
    assert (pdu.time, pdu.source, pdu.destination, pdu.ppid) == (
        9, "192.0.2.9:50000", "192.0.2.1:36421", 72)
    ours, = AssociationPackets(RIC, GNB).sent(b"y", 70)
    back, = PduFinder().take(9, ours, LINK_RAW_IP)
    assert back.ends == pdu.ends
    assert found(PduFinder(), bytes(packet(data(b"bare"))), link=SCTP_ALONE) == [b"bare"]


@given(st.lists(st.binary(min_size=1, max_size=50) | st.just(b"x" * (2 * MOST_FRAGMENT + 5)),
                max_size=6))
def test_what_our_captures_hold_is_found_again(pdus: list[bytes]) -> None:
    finder, ends = PduFinder(), AssociationPackets(RIC, GNB)
    frames = [frame for pdu in pdus for frame in ends.sent(pdu, 72)]
    assert found(finder, *frames) == pdus
    assert (finder.lost, finder.repeated, finder.others) == (0, 0, 0)
    assert found(finder, *frames) == []  # all of it again
    assert finder.repeated == len(frames)


def test_several_pdus_of_a_packet_and_streams_side_by_side() -> None:
    finder = PduFinder()
    assert found(finder, bytes(IP() / packet(data(b"one", 1), data(b"two", 2)))) == [b"one", b"two"]
    pieces = [data(b"a1", 3, 1, 0), data(b"b1", 4, 1, 0, stream=1), data(b"b2", 5, 0, 1, stream=1)]
    assert found(finder, bytes(IP() / packet(*pieces))) == [b"b1b2"]


def test_a_pdu_whose_piece_is_missing_is_counted_and_not_made_up() -> None:
    finder = PduFinder()
    frames = [bytes(IP() / packet(chunk)) for chunk in (
        data(b"end of something", 1, 0, 1), data(b"a", 2, 1, 0), data(b"c", 4, 0, 1),
        data(b"whole", 5))]
    assert found(finder, *frames) == [b"whole"]
    assert finder.lost == 2  # the first has no beginning, the second no middle
    assert found(finder, bytes(IP() / packet(data(b"b", 3, 0, 0)))) == [b"abc"]
    assert finder.lost == 1


@given(st.permutations(range(9)), st.integers(0, 2**32 - 1), st.integers(0, 7))
def test_pieces_may_come_in_any_order_and_again(
    order: list[int], number: int, again: int
) -> None:
    finder = PduFinder()
    frames = [bytes(IP() / packet(data(bytes([one]), (number + one) % 2**32, one % 3 == 0,
                                       one % 3 == 2))) for one in range(9)]
    first = found(finder, *(frames[one] for one in order[:-1]))
    assert finder.lost == 1
    assert found(finder, frames[order[again]], frames[order[-1]])[-1:] == [
        bytes(range(order[-1] // 3 * 3, order[-1] // 3 * 3 + 3))]
    assert sorted(first)[:2] == sorted(first)
    assert (finder.lost, finder.repeated) == (0, 1)


def test_pieces_without_end_are_given_up_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture_reading, "MOST_RUNS", 2)
    finder = PduFinder()
    ends = [bytes(IP() / packet(data(b"e", one, 0, 1))) for one in (10, 20, 30)]
    assert found(finder, *ends) == []
    assert finder.lost == 3
    starts = [bytes(IP() / packet(data(b"b", one, 1, 0))) for one in (29, 9)]
    assert found(finder, *starts) == [b"be"]  # the oldest had made room
    assert finder.lost == 2  # that one, and one from 9 to 20


def test_other_protocols_are_left_alone() -> None:
    finder = PduFinder()
    ngap = IP() / packet(data(b"ngap", ppid=60), sport=38412, dport=38412)
    assert found(finder, bytes(ngap)) == []
    assert finder.others == 1
    odd = IP() / packet(data(b"e2", ppid=0))  # at the RIC's port
    assert found(finder, bytes(odd)) == [b"e2"]
    tcp = IP(proto=6) / Raw(b"x" * 40)
    assert found(finder, bytes(tcp), bytes(Ether() / tcp), b"", b"\x45") == []
    fragment = bytes(IP(flags="MF") / packet(data(b"x")))
    assert found(finder, fragment) == []


@given(st.binary(max_size=200), st.sampled_from([0, 1, 101, 113, 276, 248, 147]))
def test_any_frame_is_taken(frame: bytes, link: int) -> None:
    PduFinder().take(0, frame, link)
    PduFinder().take(0, b"\x45\0\0\0\0\0\0\0\x40\x84" + frame, 101)
    PduFinder().take(0, b"\x60\0\0\0\xff\xff\x84\x40" + frame, 101)
