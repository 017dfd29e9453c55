"""Captures without people: what is gone, what stays, and what is not passed on."""

from __future__ import annotations

import contextlib
import ipaddress
import struct
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcap_tools.anonymise import Payload, Unclear, anonymise
from pcap_tools.packets import PACKET, Status
from pcap_tools.parse import parse
from pcap_tools.pseudonyms import Pseudonyms
from pcap_tools.records import Records
from tests.pcap_tools.frames import (
    MAC_A,
    MAC_B,
    checksum,
    ethernet,
    gtp,
    ip,
    mixed,
    records_of,
    tcp,
    transport_checksum,
    udp,
)

NAMES = Pseudonyms(b"k" * 32)
SECRET = b"a secret that nobody shall read"
A, B, C, D = "198.51.100.7", "203.0.113.9", "2001:db8::7", "2001:db8:1::9"


def vxlan(inner: bytes) -> bytes:
    return udp(A, B, (50000, 4789), struct.pack("!BBHI", 8, 0, 0, 77 << 8) + inner)


def sll2(kind: int, inner: bytes) -> bytes:
    return struct.pack("!HHIHBB8s", kind, 0, 3, 1, 0, 6, MAC_A + b"\0\0") + inner


INNER = tcp(A, B, (4000, 443), SECRET)
SIX = udp(C, D, (5000, 6000), SECRET)
HOP_BY_HOP = struct.pack("!IHBB", 6 << 28, 8 + len(SIX) - 40, 0, 64) + SIX[8:40] + struct.pack(
    "!BB6s", 17, 0, b"\x05\x02\0\0\1\0") + SIX[40:]
FRAMES = {
    "tcp": (1, ethernet(0x0800, INNER)), "udp6": (1, ethernet(0x86DD, SIX)),
    "vlan": (1, ethernet(0x0800, INNER, vlan=42)), "raw": (101, INNER), "raw6": (101, SIX),
    "gtp": (1, ethernet(0x0800, gtp(0xCAFE, INNER))), "gtp6": (1, ethernet(0x0800, gtp(1, SIX))),
    "ip in ip": (101, ip(A, B, 4, INNER)), "6 in 4": (101, ip(A, B, 41, SIX)),
    "gre": (101, ip(A, B, 47, struct.pack("!HHI", 0x2000, 0x0800, 5) + INNER)),
    "vxlan": (1, ethernet(0x0800, vxlan(ethernet(0x0800, INNER)))),
    "sll": (113, struct.pack("!HHH8sH", 0, 1, 6, MAC_A + b"\0\0", 0x0800) + INNER),
    "sll2": (276, sll2(0x0800, INNER)), "loopback": (0, struct.pack("<I", 2) + INNER),
    "options": (101, HOP_BY_HOP),
    "icmp": (101, ip(A, B, 1, struct.pack("!BBHI", 3, 3, 0, 0) + SECRET)),
    "echo": (101, ip(A, B, 1, struct.pack("!BBHI", 8, 0, 0, 77) + SECRET)),
    "first fragment": (101, ip(A, B, 17, struct.pack("!HHHH", 1, 2, 99, 0) + SECRET, 0x2000)),
    "later fragment": (101, ip(A, B, 17, SECRET * 2, 0x0004)),
}


def addresses(text: bytes) -> list[bytes]:
    return [ipaddress.ip_address(entry).packed for entry in (A, B, C, D)
            if ipaddress.ip_address(entry).packed in text]


def on_the_wire(frames: list[bytes], originals: list[bytes], link: int = 1) -> Records:
    """Frames that were as long as their originals, whatever is left of them."""
    length = np.array([len(frame) for frame in originals], np.int32)
    return replace(records_of(frames, link=link), length=length)


@pytest.mark.parametrize("payload", list(Payload))
@pytest.mark.parametrize("name", FRAMES)
def test_nothing_of_the_people_is_left_and_the_packet_is_the_same(
    name: str, payload: Payload
) -> None:
    link, frame = FRAMES[name]
    shown = anonymise(frame, len(frame), link, NAMES, payload)
    assert addresses(shown) == []
    assert MAC_A not in shown
    assert MAC_B not in shown
    assert (SECRET in shown) == (payload is Payload.KEEP and name != "icmp")  # that quotes packets
    before, after = (parse(on_the_wire([one], [frame], link))[0] for one in (frame, shown))
    for column in set(PACKET.names or ()) - {"source", "destination"}:
        if column == "payload" and payload is Payload.CUT and name in ("icmp", "echo"):
            continue
        assert before[column] == after[column], column
    assert before["status"] in (Status.FLOW, Status.FRAGMENT)
    size = 4 if before["version"] == 4 else 16
    for side in ("source", "destination"):
        assert after[side][:size].tobytes() == NAMES.address(before[side][:size].tobytes())


@pytest.mark.parametrize("payload", [Payload.ZERO, Payload.KEEP])
@pytest.mark.parametrize("protocol", [6, 17])
def test_checksums_are_right_where_the_packet_is_whole(protocol: int, payload: Payload) -> None:
    packet = (tcp if protocol == 6 else udp)(A, B, (4000, 443), SECRET)
    shown = anonymise(packet, len(packet), 101, NAMES, payload)
    assert checksum(shown[:20]) == 0
    ends = [str(ipaddress.ip_address(shown[at:at + 4])) for at in (12, 16)]
    assert transport_checksum(ends[0], ends[1], protocol, shown[20:]) == 0


def test_arp_is_renamed_and_other_protocols_are_not_passed_on() -> None:
    arp = bytes.fromhex("0001080006040001") + MAC_A + ipaddress.ip_address(A).packed + bytes(
        6) + ipaddress.ip_address(B).packed
    shown = anonymise(ethernet(0x0806, arp), 42, 1, NAMES)
    assert len(shown) == 42
    assert addresses(shown) == []
    assert MAC_A not in shown
    for frame, link, reason in (
            (ethernet(0x88CC, SECRET), 1, "not IP"), (INNER, 105, "link type"),
            (ethernet(0x0800, INNER)[:30], 1, "cut headers"), (b"", 1, "cut headers")):
        with pytest.raises(Unclear, match=reason):
            anonymise(frame, len(frame), link, NAMES)


def test_flows_are_the_same_ones() -> None:
    """Whoever shared an address or a port still does, and nobody else."""
    frames = mixed(60)
    before = parse(records_of(frames))
    after = parse(on_the_wire(
        [anonymise(frame, len(frame), 1, NAMES) for frame in frames], frames))
    ends = ("source", "destination")
    for column in ends:
        keys = [rows[column].tobytes() for rows in before]
        others = [rows[column].tobytes() for rows in after]
        assert len(set(zip(keys, others, strict=True))) == len(set(keys)) == len(set(others))
    assert np.array_equal(before["length"], after["length"])


@settings(max_examples=300)
@given(st.sampled_from(sorted(FRAMES)), st.integers(0, 200), st.integers(0, 255),
       st.sampled_from(list(Payload)), st.integers(0, 200))
def test_damage_is_unclear_or_survived(
    name: str, place: int, byte: int, payload: Payload, end: int
) -> None:
    link, frame = FRAMES[name]
    damaged = bytearray(frame)
    damaged[place % len(damaged)] = byte
    for text in (bytes(damaged), bytes(damaged[:end])):
        with contextlib.suppress(Unclear):
            shown = anonymise(text, len(frame), link, NAMES, payload)
            assert len(shown) <= len(text)


@given(st.binary(max_size=120), st.sampled_from([0, 1, 101, 113, 276, 147]))
def test_any_bytes(frame: bytes, link: int) -> None:
    with contextlib.suppress(Unclear):
        anonymise(frame, len(frame), link, NAMES, Payload.ZERO)
