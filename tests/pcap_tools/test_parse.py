"""Frames of every kind become the packet that is innermost; no bytes can break it."""

from __future__ import annotations

import ipaddress
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pcap_tools.flow_engine import FlowEngine
from pcap_tools.packets import PACKET, Status, Tunnel
from pcap_tools.parse import parse
from pcap_tools.records import Records
from tests.pcap_tools.frames import ethernet, gtp, ip, mixed, records_of, tcp, udp
from tests.pcap_tools.traffic import exact, outcome

A, B = "192.0.2.1", "198.51.100.7"
A6, B6 = "2001:db8::1", "2001:db8::2"
INNER = tcp(A, B, (1000, 443), b"x" * 100, flags=0x18, sequence=77)
INNER6 = udp(A6, B6, (1000, 53), b"y" * 30)
V4, V6 = 0x0800, 0x86DD
LINKS = (1, 113, 276, 101, 12, 14, 228, 229, 0, 108, 9, 50, 104)


def one(frame: bytes, link: int = 1) -> Any:
    return parse(records_of([frame], link=link))[0]


def assert_inner(row: Any, **more: Any) -> None:
    expected: dict[str, Any] = {
        "status": Status.FLOW, "version": 4, "protocol": 6, "source_port": 1000,
        "destination_port": 443, "length": 140, "payload": 100, "flags": 0x18, "sequence": 77,
        "fragment": 0, "teid": 0, "qfi": 255, "tunnel": Tunnel.NONE, "vlan": 0, "quic": False}
    assert {name: row[name] for name in expected} == expected | more
    assert bytes(row["source"]) == ipaddress.ip_address(A).packed + bytes(12)
    assert bytes(row["destination"]) == ipaddress.ip_address(B).packed + bytes(12)


def vlan(inner_kind: int, inner: bytes, *tags: int) -> bytes:
    shim = b"".join(struct.pack("!HH", 0x8100 if index else 0x88A8, tag)
                    for index, tag in enumerate(tags))
    return bytes(12) + shim + struct.pack("!H", inner_kind) + inner


# --- Link layers ---------------------------------------------------------------------------------

@pytest.mark.parametrize(("link", "head"), [
    (1, bytes(12) + b"\x08\x00"),
    (1, bytes(12) + b"\x81\x00\x20\x00\x08\x00"),  # a priority tag: VLAN 0
    (1, bytes(12) + b"\x88\x64\x11\x00\x00\x01\x00\x8e\x00\x21"),  # PPPoE
    (1, bytes(12) + b"\x88\x47\x00\x01\x00\xff\x00\x02\x01\xff"),  # MPLS, two labels
    (1, bytes(12) + b"\x00\x96\xaa\xaa\x03\x00\x00\x00\x08\x00"),  # SNAP
    (113, bytes(14) + b"\x08\x00"),
    (276, b"\x08\x00" + bytes(18)),
    (101, b""), (12, b""), (14, b""), (228, b""),
    (0, b"\x02\0\0\0"), (0, b"\0\0\0\x02"), (108, b"\0\0\0\x02"),
    (9, b"\xff\x03\x00\x21"), (9, b"\x00\x21"), (9, b"\x21"), (50, b"\xff\x03\x21"),
    (9, b"\x0f\0\x08\0"), (104, b"\x8f\0\x08\0"),
])
def test_every_link_layer_leads_to_the_packet(link: int, head: bytes) -> None:
    assert_inner(one(head + INNER, link))


def test_the_outermost_vlan_is_told() -> None:
    assert_inner(one(vlan(V4, INNER, 42)), vlan=42)
    assert_inner(one(vlan(V4, INNER, 0xF00 | 5, 6)), vlan=0xF05)


def test_padding_is_not_counted() -> None:
    small = tcp(A, B, (1000, 443))
    assert one(ethernet(V4, small) + bytes(6))["payload"] == 0


@pytest.mark.parametrize(("link", "frame", "status"), [
    (1, bytes(12) + b"\x08\x06" + bytes(28), Status.NOT_IP),  # ARP
    (1, bytes(12) + b"\x00\x26\x42\x42\x03" + bytes(35), Status.NOT_IP),  # spanning tree
    (1, bytes(13), Status.CUT),
    (1, b"", Status.CUT),
    (101, b"\x10" + bytes(40), Status.BAD),
    (147, INNER, Status.UNKNOWN_LINK),
    (0, b"\x07\0\0\0" + INNER, Status.NOT_IP),
    (9, b"\xc0\x21" + bytes(20), Status.NOT_IP),  # LCP
])
def test_what_is_no_packet_is_told_apart(link: int, frame: bytes, status: Status) -> None:
    assert one(frame, link)["status"] == status


# --- IP ------------------------------------------------------------------------------------------

def test_options_are_skipped() -> None:
    packet = bytearray(ip(A, B, 6, bytes(4) + INNER[20:]))
    packet[0] = 0x46
    assert_inner(one(bytes(packet), 101), length=144)


def test_a_total_length_of_zero_is_what_was_on_the_wire() -> None:
    packet = INNER[:2] + b"\0\0" + INNER[4:]
    assert_inner(one(packet, 101))


def test_fragments_share_an_identification() -> None:
    first = one(ip(A, B, 17, struct.pack("!HHHH", 5, 6, 1000, 0) + bytes(16), 0x2000), 101)
    assert (first["status"], first["source_port"], first["payload"]) == (Status.FLOW, 5, 16)
    later = one(ip(A, B, 17, bytes(24), 0x2003), 101)
    assert (later["status"], later["source_port"], later["payload"]) == (Status.FRAGMENT, 0, 24)
    assert first["fragment"] == later["fragment"] != 0


def six(protocol: int, inner: bytes) -> bytes:
    return ip(A6, B6, protocol, inner)


def test_extension_headers_are_skipped() -> None:
    hop, routing = b"\x2b\0" + bytes(6), b"\x33\0" + bytes(6)
    authentication, options = b"\x3c\x04" + bytes(22), b"\x11\x01" + bytes(14)
    datagram = INNER6[40:]
    row = one(six(0, hop + routing + authentication + options + datagram), 101)
    assert (row["protocol"], row["source_port"], row["destination_port"]) == (17, 1000, 53)
    assert row["payload"] == 30
    assert bytes(row["source"]) == ipaddress.ip_address(A6).packed


def test_fragments_of_version_6_too() -> None:
    first = one(six(44, struct.pack("!BBHI", 17, 0, 1, 99) + INNER6[40:]), 101)
    assert (first["source_port"], first["fragment"], first["protocol"]) == (1000, 99, 17)
    later = one(six(44, struct.pack("!BBHI", 17, 0, 8, 99) + bytes(24)), 101)
    assert (later["status"], later["fragment"], later["payload"]) == (Status.FRAGMENT, 99, 24)
    whole = one(six(44, struct.pack("!BBHI", 17, 0, 0, 99) + INNER6[40:]), 101)
    assert (whole["fragment"], whole["payload"]) == (0, 30)


def test_other_protocols_have_no_ports() -> None:
    for protocol, payload in ((1, 12), (2, 20), (50, 20)):
        row = one(ip(A, B, protocol, bytes(20)), 101)
        assert (row["status"], row["protocol"], row["payload"]) == (Status.FLOW, protocol, payload)
    sctp = one(ip(A, B, 132, struct.pack("!HHII", 7, 8, 0, 0) + bytes(16)), 101)
    assert (sctp["source_port"], sctp["destination_port"], sctp["payload"]) == (7, 8, 16)


@pytest.mark.parametrize("packet", [
    INNER[:2] + b"\xff\xff" + INNER[4:],  # longer than the frame
    INNER[:2] + b"\x00\x10" + INNER[4:],  # shorter than its header
    b"\x44" + INNER[1:],  # a header of 16 bytes
    INNER[:32] + b"\x40" + INNER[33:],  # likewise TCP's
    INNER[:32] + b"\xf0" + INNER[33:35] + b"",
    INNER6[:44] + b"\0\x07" + INNER6[46:],  # a datagram of 7 bytes
    INNER6[:44] + b"\x7f\0" + INNER6[46:],
    ip(A, B, 6, bytes(19)), ip(A, B, 17, bytes(7)), ip(A, B, 132, bytes(11)),
    six(0, b"\x11\xff" + bytes(14)),
])
def test_lengths_that_contradict_each_other_are_bad(packet: bytes) -> None:
    assert one(packet, 101)["status"] == Status.BAD


# --- QUIC and tunnels ----------------------------------------------------------------------------

@pytest.mark.parametrize(("first", "version", "expected"), [
    (0xC3, 1, True), (0xC3, 0x6B3343CF, True), (0xC3, 0xFF00001D, True),
    (0xC3, 0x51303530, True), (0x43, 1, False), (0xC3, 7, False)])
def test_quic_is_known_by_its_long_header(first: int, version: int, expected: bool) -> None:
    frame = udp(A, B, (5000, 443), struct.pack("!BI", first, version) + bytes(30))
    assert one(frame, 101)["quic"] == expected


def gtp_with(flags: int, more: bytes, inner: bytes = INNER, kind: int = 255) -> bytes:
    message = struct.pack("!BBHI", 0x30 | flags, kind, len(more) + len(inner), 0xABCD)
    return udp("10.0.0.1", "10.0.0.2", (2152, 2152), message + more + inner)


def test_a_user_packet_is_looked_for_in_its_tunnel() -> None:
    inside = {"tunnel": Tunnel.GTP_U, "teid": 0xABCD}
    assert_inner(one(gtp_with(0, b""), 101), **inside)
    assert_inner(one(gtp_with(2, b"\0\x01\0\0"), 101), **inside)  # sequence number
    session = b"\0\0\0\x85" + b"\x01\x10\x49\0"
    assert_inner(one(gtp_with(4, session), 101), **inside, qfi=9)
    two = b"\0\0\0\x40" + b"\x01\0\0\x85" + b"\x02\x00\x05" + bytes(5)
    assert_inner(one(gtp_with(7, two), 101), **inside, qfi=5)
    six_inside = one(gtp(3, INNER6), 101)
    assert (six_inside["version"], six_inside["teid"]) == (6, 3)


@pytest.mark.parametrize("frame", [
    gtp_with(0, b"", kind=1),  # an echo
    gtp_with(0, b"", inner=b"\x00" * 30),  # no IP
    udp("10.0.0.1", "10.0.0.2", (2152, 2152), b"\x50" + bytes(40)),  # another version
])
def test_what_is_no_user_packet_stays_the_outer_one(frame: bytes) -> None:
    row = one(frame, 101)
    assert (row["status"], row["destination_port"], row["tunnel"], row["teid"]) == (0, 2152, 0, 0)
    assert row["payload"] == len(frame) - 28


def test_other_tunnels() -> None:
    in_ip = {"tunnel": Tunnel.IP_IN_IP}
    assert_inner(one(ip("10.0.0.1", "10.0.0.2", 4, INNER), 101), **in_ip)
    assert_inner(one(six(4, INNER), 101), **in_ip)
    assert one(ip("10.0.0.1", "10.0.0.2", 41, INNER6), 101)["version"] == 6
    assert one(six(41, INNER6), 101)["tunnel"] == Tunnel.IP_IN_IP
    in_gre = {"tunnel": Tunnel.GRE}
    for head in (b"\0\0\x08\0", b"\x20\0\x08\0abcd", b"\xb0\0\x08\0" + bytes(12),
                 b"\0\0\x65\x58" + ethernet(V4, b"")):
        assert_inner(one(ip("10.0.0.1", "10.0.0.2", 47, head + INNER), 101), **in_gre)
    vxlan = udp("10.0.0.1", "10.0.0.2", (9, 4789), b"\x08" + bytes(7) + ethernet(V4, INNER, 8))
    assert_inner(one(vxlan, 101), tunnel=Tunnel.VXLAN)
    assert_inner(one(gtp(5, ip("10.0.0.1", "10.0.0.2", 4, INNER)), 101),
                 tunnel=Tunnel.GTP_U, teid=5)


def test_a_tunnel_without_ip_stays_the_outer_packet() -> None:
    for head in (b"\0\0\x88\x0b", b"\0\x01\x88\x0b", b"\0\0\x65\x58" + ethernet(0x0806, b"")):
        row = one(ip(A, B, 47, head + bytes(40)), 101)
        assert (row["status"], row["protocol"], row["tunnel"]) == (0, 47, 0)


def test_nesting_has_an_end() -> None:
    packet = INNER
    for _ in range(20):
        packet = ip(A, B, 4, packet)
    row = one(packet, 101)
    assert (row["status"], row["protocol"]) == (Status.FLOW, 4)


def test_a_tunnel_packet_in_fragments_is_known_by_its_first() -> None:
    whole = gtp(5, INNER)
    first = bytearray(whole[:20 + 64])
    first[2:4], first[6:8] = struct.pack("!H", len(first)), b"\x20\0"
    assert_inner(one(bytes(first), 101), tunnel=Tunnel.GTP_U, teid=5)


# --- What was not captured -----------------------------------------------------------------------

def cut(frame: bytes, snap: int, link: int = 1) -> NDArray[np.void]:
    records = records_of([frame[:snap]], link=link)
    return parse(Records(records.data, records.start, records.captured,
                         np.full(1, len(frame), np.int32), records.time, records.link,
                         records.interface))


def test_a_frame_that_was_cut_off_counts_in_full() -> None:
    assert_inner(cut(ethernet(V4, INNER), 54)[0])
    row = cut(ethernet(V4, INNER), 14 + 20 + 4)[0]
    assert (row["status"], row["length"], row["payload"], row["source_port"]) == (0, 140, -1, 1000)
    assert cut(ethernet(V4, INNER), 14 + 20 + 3)[0]["status"] == Status.CUT
    assert_inner(cut(gtp(5, INNER), 90, 101)[0], tunnel=Tunnel.GTP_U, teid=5)


ZOO = [(1, ethernet(V4, INNER)), (1, ethernet(V6, INNER6)), (1, vlan(V4, INNER, 1, 2)),
       (101, gtp_with(4, b"\0\0\0\x85" + b"\x01\x10\x49\0")), (101, six(0, b"\x11\0" + bytes(22))),
       (101, ip(A, B, 47, b"\xb0\0\x65\x58" + bytes(12) + ethernet(V4, INNER))),
       (101, udp(A, B, (9, 4789), b"\x08" + bytes(7) + ethernet(V4, INNER))),
       (101, six(44, struct.pack("!BBHI", 17, 0, 1, 99) + INNER6[40:])),
       (113, bytes(14) + b"\x08\0" + INNER), (276, b"\x86\xdd" + bytes(18) + INNER6),
       (0, b"\x02\0\0\0" + INNER), (9, b"\xff\x03\x00\x21" + INNER),
       (1, bytes(12) + b"\x88\x64\x11\x00\x00\x01\x00\x8e\x00\x21" + INNER)]


@pytest.mark.parametrize(("link", "frame"), ZOO)
def test_every_cut_is_a_known_status(link: int, frame: bytes) -> None:
    for snap in range(len(frame) + 1):
        row = cut(frame, snap, link)[0]
        assert row["status"] in (Status.FLOW, Status.CUT)


def sane(packets: NDArray[np.void], records: Records) -> None:
    """What holds of a row whatever the bytes were."""
    assert set(packets["status"]) <= set(Status)
    flows = packets[packets["status"] <= Status.FRAGMENT]
    assert (flows["length"] >= 20).all()
    assert (flows["payload"] <= flows["length"]).all()
    assert np.isin(flows["version"], (4, 6)).all()
    engine = FlowEngine()
    engine.feed(records)
    assert outcome(engine)[0]["packets_up"].sum() <= len(flows)


@given(st.lists(st.tuples(st.binary(max_size=120), st.sampled_from(LINKS)), min_size=1,
                max_size=20))
@settings(max_examples=100, deadline=None)
def test_no_bytes_break_it(frames: list[tuple[bytes, int]]) -> None:
    for link in {link for _, link in frames}:
        records = records_of([frame for frame, _ in frames], link=link)
        sane(parse(records), records)


@given(st.sampled_from(ZOO), st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)),
                                      min_size=1, max_size=6), st.integers(0, 400))
@settings(max_examples=200, deadline=None)
def test_no_change_of_a_frame_breaks_it(seed: tuple[int, bytes], changes: list[tuple[int, int]],
                                        snap: int) -> None:
    link, frame = seed
    changed = bytearray(frame)
    for place, value in changes:
        changed[place % len(changed)] = value
    records = records_of([bytes(changed[:snap])], link=link)
    sane(parse(records), records)


def test_frames_and_their_packets_give_the_same_flows() -> None:
    records = records_of(mixed(200) + [frame for link, frame in ZOO if link == 1])
    ours, theirs = FlowEngine(), FlowEngine()
    ours.feed(records)
    theirs.feed_packets(parse(records))
    for one_table, other in zip(outcome(ours), outcome(theirs), strict=True):
        assert exact(one_table) == exact(other)


def test_memory_that_cannot_be_written_will_do() -> None:
    records = records_of(mixed(10))
    records.data.flags.writeable = False
    assert len(parse(records)) == 10


@pytest.mark.parametrize(("start", "captured"), [(-1, 10), (0, -1), (5, 100)])
def test_records_outside_their_data_are_refused(start: int, captured: int) -> None:
    good = records_of([bytes(60)])
    bad = Records(good.data, good.start + start, np.full(1, captured, np.int32), good.length,
                  good.time, good.link, good.interface)
    with pytest.raises(ValueError, match="outside"):
        parse(bad)


def test_no_records_no_packets() -> None:
    assert len(parse(records_of([]))) == 0
    assert parse(records_of([])).dtype == PACKET
