"""Records one TUN device into a pcap file, and lists the flows that it saw.

A plain packet socket: enough for the emulated links here, whose process records between two
packets that it moves. Packets bear the kernel's time stamps; the kernel counts those that it had
to drop.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from dataclasses import dataclass
from pathlib import Path

from pcap_tools.write import PcapWriter

ETH_P_ALL = 3
SOL_PACKET, PACKET_STATISTICS = 263, 6
SO_TIMESTAMPNS = 35
SO_RCVBUFFORCE = 33
BUFFER_BYTES = 32 << 20  # of the socket: what comes while the link's process does something else
TAKE_AT_ONCE = 256
LINKTYPE_RAW = 101
PORTS_OF = {6, 17}  # TCP, UDP
_STAMP = struct.Struct("qq")


@dataclass(frozen=True, order=True)
class Flow:
    """What two end points exchange; the smaller end first."""

    protocol: int
    address_a: str
    port_a: int
    address_b: str
    port_b: int


class Tap:
    """A recording of `device`, in the namespace of the thread that makes this."""

    def __init__(self, device: str, path: Path, snap: int) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.setblocking(False)
        self._socket.bind((device, ETH_P_ALL))
        self._writer = PcapWriter(path, LINKTYPE_RAW, snap=snap)
        self._seen: set[bytes] = set()

    def fileno(self) -> int:
        return self._socket.fileno()

    def take(self) -> bool:
        """Write what has come; whether there may be more."""
        for _ in range(TAKE_AT_ONCE):
            try:
                packet, ancillary, _, _ = self._socket.recvmsg(65_535, 64)
            except BlockingIOError:
                return False
            seconds, nanoseconds = _STAMP.unpack_from(ancillary[0][2])
            self._writer.write_frame(seconds * 1_000_000_000 + nanoseconds, packet)
            self._seen.add(flow_key(packet))
        return True

    def close(self) -> tuple[list[Flow], int, int]:
        """The flows, packets written, and packets that the kernel had no room for."""
        while self.take():
            pass
        statistics = self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)
        self._socket.close()
        self._writer.close()
        flows = {flow for flow in map(flow_of, self._seen) if flow is not None}
        return sorted(flows), self._writer.packets, int(struct.unpack("II", statistics)[1])


def flow_key(packet: bytes) -> bytes:
    """The bytes of a packet that say which flow it is of; every packet of a flow has the same."""
    if len(packet) < 20:
        return b""
    if packet[0] >> 4 == 4:
        ports = packet[20:24] if packet[0] & 15 == 5 else b""  # our own senders set no options
        return b"\4" + packet[9:10] + packet[12:20] + ports
    return b"\6" + packet[6:7] + packet[8:40] + packet[40:44]


def flow_of(key: bytes) -> Flow | None:
    """What `flow_key` stands for; None for protocols without ports."""
    if not key:
        return None
    protocol, width = key[1], 4 if key[0] == 4 else 16
    if protocol not in PORTS_OF or len(key) < 2 + 2 * width + 4:
        return None
    addresses = [key[2 + width * end : 2 + width * (end + 1)] for end in (0, 1)]
    ports = struct.unpack(">HH", key[2 + 2 * width :])
    (one, one_port), (other, other_port) = sorted(zip(addresses, ports, strict=True))
    return Flow(protocol, str(ipaddress.ip_address(one)), one_port,
                str(ipaddress.ip_address(other)), other_port)
