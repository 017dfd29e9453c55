"""PDUs as SCTP packets: scapy reads the same bytes, numbers and checksums out of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.sctp import SCTP, SCTPChunkData, crc32c

from xapp.e2.capture_packets import (
    MOST_FRAGMENT,
    AssociationPackets,
    Endpoint,
    internet_checksum,
)
from xapp.errors import ConfigurationError

RIC, GNB = Endpoint("192.0.2.1", 36421), Endpoint("192.0.2.9", 50000)


def chunk_of(packet: bytes) -> Any:
    """The DATA chunk, after every checksum was found right."""
    ip = IP(packet) if packet[0] >> 4 == 4 else IPv6(packet)
    header = 20 if packet[0] >> 4 == 4 else 40
    if header == 20:
        assert internet_checksum(packet[:10] + bytes(2) + packet[12:20]) == ip.chksum
        assert ip.len == len(packet)
    sctp = packet[header:]
    blank = sctp[:8] + bytes(4) + sctp[12:]
    # RFC 9260's appendix A: the checksum's lowest byte comes first.
    assert int.from_bytes(sctp[8:12]) == crc32c(blank)  # type: ignore[no-untyped-call]  # scapy
    assert len(sctp) % 4 == 0
    return ip[SCTPChunkData]


def test_a_pdu_is_one_packet_with_valid_checksums() -> None:
    ends = AssociationPackets(RIC, GNB)
    packet, = ends.sent(b"hello", 72)
    ip, chunk = IP(packet), chunk_of(packet)
    assert (ip.src, ip.dst, ip[SCTP].sport, ip[SCTP].dport) == (
        "192.0.2.1", "192.0.2.9", 36421, 50000)
    assert (chunk.beginning, chunk.ending, chunk.unordered) == (1, 1, 0)
    assert (chunk.tsn, chunk.stream_seq, chunk.proto_id, chunk.len) == (0, 0, 72, 21)
    assert bytes(chunk.data)[:5] == b"hello"
    back, = ends.received(b"hi", 72)
    assert IP(back).src == "192.0.2.9"
    assert IP(back)[SCTP].tag != ip[SCTP].tag


def test_a_pdu_without_an_identifier_has_e2_s_by_which_dissectors_know_it() -> None:
    packet, = AssociationPackets(RIC, GNB).sent(b"hello", 0)
    assert chunk_of(packet).proto_id == 70


def test_numbers_go_up_each_way_and_differ_between_associations() -> None:
    ends = AssociationPackets(RIC, GNB)
    chunks = [chunk_of(packet) for number in range(5) for packet in ends.sent(b"x", 70)]
    assert [(chunk.tsn, chunk.stream_seq) for chunk in chunks] == [(n, n) for n in range(5)]
    assert chunk_of(next(ends.received(b"y", 70))).tsn == 0
    again = AssociationPackets(RIC, GNB, 1)
    assert IP(next(again.sent(b"x", 70)))[SCTP].tag != IP(next(ends.sent(b"x", 70)))[SCTP].tag


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 3), st.integers(-5, 5))
def test_large_pdus_come_in_pieces_that_make_them(whole: int, more: int) -> None:
    size = max(whole * MOST_FRAGMENT + more, 1)
    data = (bytes(range(256)) * (size // 256 + 1))[:size]
    packets = list(AssociationPackets(RIC, GNB).sent(data, 72))
    assert max(map(len, packets)) < 65536
    chunks = [chunk_of(packet) for packet in packets]
    assert b"".join(bytes(chunk.data)[:chunk.len - 16] for chunk in chunks) == data
    assert [chunk.tsn for chunk in chunks] == list(range(len(packets)))
    assert {chunk.stream_seq for chunk in chunks} == {0}
    assert [chunk.beginning for chunk in chunks] == [1] + [0] * (len(packets) - 1)
    assert [chunk.ending for chunk in chunks] == [0] * (len(packets) - 1) + [1]


def test_nothing_is_no_packet() -> None:
    ends = AssociationPackets(RIC, GNB)
    assert list(ends.sent(b"", 72)) == []
    assert chunk_of(next(ends.sent(b"x", 72))).tsn == 0


def test_ipv6_and_ipv4_in_its_clothes() -> None:
    packet, = AssociationPackets(Endpoint("2001:db8::1", 1), Endpoint("fe80::2%eth0", 2)).sent(
        b"x", 70)
    assert (IPv6(packet).src, IPv6(packet).dst, IPv6(packet).nh) == ("2001:db8::1", "fe80::2", 132)
    assert bytes(chunk_of(packet).data)[:1] == b"x"
    packet, = AssociationPackets(Endpoint("::ffff:192.0.2.1", 1), GNB).sent(b"x", 70)
    assert IP(packet).src == "192.0.2.1"


def test_whoever_listens_everywhere_does_so_in_the_peers_version() -> None:
    ends = AssociationPackets(Endpoint("::", 36421), Endpoint("::ffff:192.0.2.9", 2))
    assert IP(next(ends.sent(b"x", 70))).src == "0.0.0.0"
    ends = AssociationPackets(Endpoint("0.0.0.0", 36421), Endpoint("2001:db8::9", 2))
    assert IPv6(next(ends.received(b"x", 70))).dst == "::"


def test_ends_that_no_packet_can_have() -> None:
    with pytest.raises(ConfigurationError, match=r"'gnb\.example' is no IP address"):
        AssociationPackets(RIC, Endpoint("gnb.example", 1))
    with pytest.raises(ConfigurationError, match="same IP version"):
        AssociationPackets(RIC, Endpoint("2001:db8::1", 1))
