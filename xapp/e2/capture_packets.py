"""E2 PDUs as the SCTP packets that carried them, or would have: for captures, not for the wire.

An association's packets have valid checksums, verification tags and transmission sequence numbers
that go up without gaps each way, so that a dissector follows them and puts split PDUs together
again. Where a PDU came without a payload protocol identifier, they have E2's. There is no handshake
and there are no acknowledgements: they carry no E2. It knows neither files nor clocks.
"""

from __future__ import annotations

import ipaddress
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import google_crc32c

from xapp.errors import ConfigurationError

LINK_RAW_IP = 101  # LINKTYPE_ of a capture whose frames begin with the IP header
SCTP = 132  # IP's number of it
MOST_FRAGMENT = 65_000  # bytes of a PDU in one packet: with all headers below IP's 65,535
DATA, BEGINNING, ENDING = 0, 2, 1  # chunk type and flags (RFC 9260, 3.3.1)
MODULO = 1 << 32
# Of a PDU that came with none, as OpenAirInterface's and FlexRIC's do: by it dissectors know E2.
E2_PPID = 70
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Endpoint:
    """One end of an association."""

    address: str
    port: int

    def packed(self) -> Address:
        """The address as a packet has it; an IPv4 one in an IPv6 one's clothes without them."""
        try:
            address = ipaddress.ip_address(self.address.partition("%")[0])
        except ValueError:
            raise ConfigurationError(f"{self.address!r} is no IP address.",
                                     "Captures need the numeric address of both ends.") from None
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        return mapped or address


class Way:
    """One direction of an association: its headers, and how far its numbers have come."""

    def __init__(self, source: Endpoint, destination: Endpoint, tag: int) -> None:
        self._source, self._destination = _alike(source, destination)
        self._common = struct.pack(">HHI", source.port, destination.port, tag)
        self._sent = 0  # packets
        self._message = 0  # number of the stream's next

    def packets(self, data: bytes, ppid: int) -> Iterator[bytes]:
        """The packets that carry `data`: one, more where it does not fit, none of nothing."""
        pieces = -(-len(data) // MOST_FRAGMENT)
        for piece in range(pieces):
            flags = BEGINNING * (piece == 0) | ENDING * (piece == pieces - 1)
            part = data[piece * MOST_FRAGMENT:(piece + 1) * MOST_FRAGMENT]
            chunk = struct.pack(">BBHIHHI", DATA, flags, 16 + len(part), self._sent % MODULO, 0,
                                self._message % 65536, ppid % MODULO or E2_PPID)
            body = chunk + part + bytes(-len(part) % 4)
            yield self._in_ip(self._in_sctp(body))
            self._sent += 1
        self._message += 1

    def _in_sctp(self, chunks: bytes) -> bytes:
        # The checksum counts itself as zero, and is the one field with its lowest byte first.
        checksum = google_crc32c.value(self._common + bytes(4) + chunks)
        return self._common + struct.pack("<I", checksum) + chunks

    def _in_ip(self, packet: bytes) -> bytes:
        ends = self._source.packed + self._destination.packed
        if self._source.version == 6:
            return struct.pack(">IHBB", 6 << 28, len(packet), SCTP, 64) + ends + packet
        header = bytearray(struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(packet), self._sent % 65536,
                                       0x4000, 64, SCTP, 0) + ends)
        header[10:12] = internet_checksum(header).to_bytes(2)
        return bytes(header) + packet


class AssociationPackets:
    """Both directions of one association; `number` tells it from others between the same ends."""

    def __init__(self, local: Endpoint, remote: Endpoint, number: int = 0) -> None:
        names = f"{local}{remote}{number}".encode()
        self._out = Way(local, remote, zlib.crc32(names) | 1)  # a tag is never 0
        self._in = Way(remote, local, zlib.crc32(names + b"in") | 1)

    def sent(self, data: bytes, ppid: int) -> Iterator[bytes]:
        """Packets from the local end."""
        return self._out.packets(data, ppid)

    def received(self, data: bytes, ppid: int) -> Iterator[bytes]:
        """Packets from the remote end."""
        return self._in.packets(data, ppid)


def _alike(source: Endpoint, destination: Endpoint) -> tuple[Address, Address]:
    """Both addresses in one version of IP; whoever listens everywhere does so in the other's."""
    one, other = source.packed(), destination.packed()
    if one.version != other.version and one.is_unspecified:
        one = type(other)(0)
    elif one.version != other.version and other.is_unspecified:
        other = type(one)(0)
    if one.version != other.version:
        raise ConfigurationError(
            f"{source.address} and {destination.address} are not of the same IP version.",
            "Give both ends of an association alike.")
    return one, other


def internet_checksum(header: bytes | bytearray) -> int:
    """IPv4's checksum of a header whose own field is zero (RFC 1071)."""
    total: int = sum(struct.unpack(f">{len(header) // 2}H", header))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF
