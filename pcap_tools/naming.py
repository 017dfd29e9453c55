"""What numbers of packets and flows are called: addresses, protocols, link types, sizes, times.

Text for people and for tables. It knows nothing of where the numbers come from.
"""

from __future__ import annotations

import socket
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

PROTOCOLS = {1: "ICMP", 2: "IGMP", 4: "IPv4", 6: "TCP", 17: "UDP", 41: "IPv6", 47: "GRE",
             50: "ESP", 51: "AH", 58: "ICMPv6", 89: "OSPF", 132: "SCTP", 136: "UDP-Lite"}
LINKS = {0: "BSD loopback", 1: "Ethernet", 9: "PPP", 12: "raw IP", 14: "raw IP", 50: "PPP (HDLC)",
         51: "PPPoE", 101: "raw IP", 105: "Wi-Fi", 108: "OpenBSD loopback", 113: "Linux cooked",
         127: "Wi-Fi with radiotap", 228: "raw IPv4", 229: "raw IPv6", 276: "Linux cooked v2"}
NANOSECONDS = 1_000_000_000


def protocol_name(number: int) -> str:
    """`TCP` for 6; what has no common name is called by its number."""
    return PROTOCOLS.get(number, f"IP protocol {number}")


def link_name(number: int) -> str:
    """`Ethernet` for 1."""
    return LINKS.get(number, f"link type {number}")


def address_text(version: int, address: bytes) -> str:
    """An address as people write it; IPv4 is in the first four of the sixteen bytes."""
    if version == 4:
        return socket.inet_ntop(socket.AF_INET, address[:4])
    if version == 6:
        return socket.inet_ntop(socket.AF_INET6, address)
    return ""


def address_texts(version: NDArray[np.uint8], address: NDArray[np.uint8]) -> list[str]:
    """The same for many: [n], [n, 16]; each different one is written once."""
    data = np.concatenate([version[:, None], address], axis=1).tobytes()
    keys = [data[at:at + 17] for at in range(0, len(data), 17)]
    known = {key: address_text(key[0], key[1:]) for key in set(keys)}
    return [known[key] for key in keys]


def end_text(address: str, port: int) -> str:
    """`10.0.0.1:80` or `[2001:db8::1]:80`; without a port the address alone."""
    if not port:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def size_text(count: float) -> str:
    """A number of bytes with at most four digits, in powers of ten: 552 B, 1.2 MB."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(count) < 999.5 or unit == "TB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.3g} {unit}"
        count /= 1000
    raise AssertionError("the last unit takes all")


def duration_text(seconds: float) -> str:
    """A time with three digits: 4.2 ms, 17 s, 3 min 20 s."""
    if seconds < 0.9995e-3:
        return f"{seconds * 1e6:.3g} µs"
    if seconds < 0.9995:
        return f"{seconds * 1e3:.3g} ms"
    if seconds < 99.5:
        return f"{seconds:.3g} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 48 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    if whole < 730 * 86400:
        return f"{whole // 86400} d {whole % 86400 // 3600} h"
    return f"{whole / 86400 / 365.25:.1f} years"


def time_text(nanoseconds: int) -> str:
    """A moment in UTC, ISO 8601 with microseconds; a year that does not exist is its number."""
    try:
        seconds, rest = divmod(nanoseconds, NANOSECONDS)
        moment = datetime.fromtimestamp(seconds, UTC)
        return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest // 1000:06d}Z"
    except (OverflowError, ValueError, OSError):
        return f"{nanoseconds} ns"


def count_text(count: int, one: str, many: str | None = None) -> str:
    """`1 flow`, `2,000 flows`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
