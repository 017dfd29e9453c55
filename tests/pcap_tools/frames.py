"""Small frames for tests, written out by hand: Ethernet, VLAN, IPv4, IPv6, TCP, UDP, GTP-U."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Sequence

import numpy as np

from pcap_tools.records import Records

MAC_A, MAC_B = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")


def ethernet(kind: int, inner: bytes, vlan: int | None = None) -> bytes:
    tag = b"" if vlan is None else struct.pack("!HH", 0x8100, vlan)
    return MAC_B + MAC_A + tag + struct.pack("!H", kind) + inner


def checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip(source: str, target: str, protocol: int, inner: bytes, fragment: int = 0) -> bytes:
    """An IPv4 or IPv6 packet, by its addresses; `fragment` is IPv4's flags and offset."""
    one, other = ipaddress.ip_address(source).packed, ipaddress.ip_address(target).packed
    if len(one) == 16:
        return struct.pack("!IHBB", 6 << 28, len(inner), protocol, 64) + one + other + inner
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(inner), 7, fragment, 64, protocol, 0)
    head += one + other
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + inner


def transport_checksum(source: str, target: str, protocol: int, segment: bytes) -> int:
    one, other = ipaddress.ip_address(source).packed, ipaddress.ip_address(target).packed
    return checksum(one + other + struct.pack("!II", len(segment), protocol) + segment)


def udp(source: str, target: str, ports: tuple[int, int], payload: bytes) -> bytes:
    segment = struct.pack("!HHHH", *ports, 8 + len(payload), 0) + payload
    total = transport_checksum(source, target, 17, segment) or 0xFFFF
    return ip(source, target, 17, segment[:6] + struct.pack("!H", total) + segment[8:])


def tcp(source: str, target: str, ports: tuple[int, int], payload: bytes = b"",
        flags: int = 0x10, sequence: int = 1) -> bytes:
    segment = struct.pack("!HHIIBBHHH", *ports, sequence, 1, 0x50, flags, 1024, 0, 0) + payload
    total = transport_checksum(source, target, 6, segment)
    return ip(source, target, 6, segment[:16] + struct.pack("!H", total) + segment[18:])


def gtp(teid: int, inner: bytes, outer: tuple[str, str] = ("10.9.0.1", "10.9.0.2")) -> bytes:
    message = struct.pack("!BBHI", 0x30, 255, len(inner), teid) + inner
    return udp(*outer, (2152, 2152), message)


def mixed(count: int) -> list[bytes]:
    """Ethernet frames of several conversations, versions and lengths."""
    frames = []
    for number in range(count):
        host, payload = 1 + number % 7, bytes([number & 255]) * (number * 37 % 900)
        a, b = f"10.0.0.{host}", "10.0.1.1"
        if number % 3 == 0:
            frames.append(ethernet(0x0800, tcp(a, b, (4000 + host, 443), payload)))
        elif number % 3 == 1:
            six = f"2001:db8::{host}"
            frames.append(ethernet(0x86DD, udp(six, "2001:db8::99", (5000, 53), payload)))
        else:
            frames.append(ethernet(0x0800, udp(b, a, (8470, 4000 + host), payload), vlan=42))
    return frames


def records_of(frames: Sequence[bytes], times: Sequence[int] | None = None,
               link: int = 1) -> Records:
    """Frames as a source delivers them, a millisecond apart unless told."""
    captured = np.array([len(frame) for frame in frames], np.int32)
    moments = [10**18 + number * 10**6 for number in range(len(frames))] if times is None else times
    return Records(np.frombuffer(b"".join(frames), np.uint8).copy(),
                   np.cumsum(captured, dtype=np.int64) - captured, captured, captured.copy(),
                   np.array(moments, np.int64), np.full(len(frames), link, np.uint16),
                   np.zeros(len(frames), np.int32))


def frames_of(records: Records) -> list[bytes]:
    return [records.data[begin:begin + size].tobytes()
            for begin, size in zip(records.start, records.captured, strict=True)]
