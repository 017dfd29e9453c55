"""The way of SCTP packets that this process makes: in UDP (RFC 6951), or straight over IP.

Who they are from is a number for a network address; numbers of strangers are forgotten again, so
that a flood of addresses takes no more memory than it may. What is in a packet is for
`sctp_packet`. A peer that goes on from another address or UDP port counts as another one.
"""

from __future__ import annotations

import asyncio
import ctypes
import socket
from collections import Counter, OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from xapp.ric.address import Address
from xapp.ric.sctp_packet import is_sound

IPPROTO_SCTP = 132
MAX_DATAGRAM = 1 << 16
DATAGRAMS_AT_ONCE = 64  # before others have their turn
# Network addresses that have no association, while it is seen whether they will have one: many
# times more than nodes that start in the same second.
MAX_STRANGERS = 1024
RECEIVE_BUFFER = 4 << 20  # asked for; it holds bursts while the loop is busy
UDP_HEADER, IPV4_HEADER, IPV6_HEADER = 8, 20, 40
# Of an SCTP packet. Loopback would carry 64 KiB; a few of these fill the receiver's buffer.
LARGEST_PACKET, SAFE_PACKET = 9000, 1200
IP_MTU, IPV6_MTU = 14, 24
Name = tuple[Any, ...]  # a network address as the socket module has it


@dataclass(eq=False)
class Peer:
    """A network address at the other end."""

    number: int
    way: Way
    name: Name
    associations: int = 0

    @property
    def host(self) -> str:
        return str(self.name[0])

    def packet_bytes(self) -> int:
        """How large a packet may be that goes there in one piece."""
        six = len(self.name) > 2
        overhead = (IPV6_HEADER if six else IPV4_HEADER) + (0 if self.way.raw else UDP_HEADER)
        with socket.socket(self.way.family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((self.name[0], self.name[1] or 9, *self.name[2:]))
                largest = probe.getsockopt(
                    socket.IPPROTO_IPV6 if six else socket.IPPROTO_IP, IPV6_MTU if six else IP_MTU)
            except OSError:
                return SAFE_PACKET
        return max(min(largest - overhead, LARGEST_PACKET), SAFE_PACKET) & ~3


class Peers:
    """Every peer's number, of all ways: the library that takes packets knows nothing else."""

    def __init__(self, known: Callable[[int], None], forgotten: Callable[[int], None]) -> None:
        self._known, self._forgotten = known, forgotten
        self._peers: dict[int, Peer] = {}
        self._next = 1

    def add(self, way: Way, name: Name) -> Peer:
        peer = Peer(self._next, way, name)
        self._next += 1
        self._peers[peer.number] = peer
        self._known(peer.number)
        return peer

    def remove(self, peer: Peer) -> None:
        if self._peers.pop(peer.number, None) is not None:
            self._forgotten(peer.number)

    def get(self, number: int) -> Peer | None:
        return self._peers.get(number)


Received = Callable[[int, int, int], None]  # peer's number, where the packet lies, its length


class Way:
    """A socket that carries packets of SCTP for listeners and associations, until the last ends."""

    def __init__(self, address: Address, peers: Peers, received: Received,
                 after: Callable[[], None]) -> None:
        """`after` is called when a packet was `received`."""
        self.raw, self.family = address.udp == 0, address.family
        # Of SCTP that are ours, with the number of users: raw sockets get others' packets, too.
        self._ports: Counter[int] = Counter()
        self._users = 0
        self._peers, self._received, self._after = peers, received, after
        self._strangers: OrderedDict[Name, Peer] = OrderedDict()
        self._friends: dict[Name, Peer] = {}
        self._buffer = bytearray(MAX_DATAGRAM)
        self._at = ctypes.addressof(ctypes.c_char.from_buffer(self._buffer))
        self._loop = asyncio.get_running_loop()
        self._socket = _open(address)
        self.udp: int = 0 if self.raw else self._socket.getsockname()[1]
        self._loop.add_reader(self._socket, self._readable)

    @property
    def unused(self) -> bool:
        return self._users == 0

    def use(self, port: int = 0) -> None:
        """One more needs it, for an SCTP port of this machine."""
        self._users += 1
        self._ports[port] += 1

    def release(self, port: int = 0) -> None:
        """One needs it no more; with the last, it closes."""
        self._users -= 1
        self._ports[port] -= 1
        if not self._ports[port]:
            del self._ports[port]
        if self._users:
            return
        self._loop.remove_reader(self._socket)
        self._socket.close()
        for peer in (*self._strangers.values(), *self._friends.values()):
            self._peers.remove(peer)

    def befriend(self, peer: Peer) -> None:
        """It has an association (more), and is kept in mind."""
        peer.associations += 1
        self._strangers.pop(peer.name, None)
        self._friends[peer.name] = peer

    def part_with(self, peer: Peer) -> None:
        """One of its associations ended."""
        peer.associations -= 1
        if not peer.associations and self._friends.pop(peer.name, None) is not None:
            self._add_stranger(peer)

    def peer(self, name: Name) -> Peer:
        """Who has that network address."""
        known = self._friends.get(name) or self._strangers.get(name)
        if known is not None:
            return known
        stranger = self._peers.add(self, name)
        self._add_stranger(stranger)
        return stranger

    def _add_stranger(self, peer: Peer) -> None:
        if len(self._strangers) >= MAX_STRANGERS:
            self._peers.remove(self._strangers.popitem(last=False)[1])
        self._strangers[peer.name] = peer

    def send(self, peer: Peer, packet: bytes) -> None:
        """What cannot be sent now is lost, as on the way: SCTP sends it again."""
        with suppress(OSError):
            self._socket.sendto(packet, peer.name)

    def _readable(self) -> None:
        for _ in range(DATAGRAMS_AT_ONCE):
            try:
                length, name = self._socket.recvfrom_into(self._buffer)
            except BlockingIOError:
                break
            except OSError:  # an ICMP message about a packet before: SCTP finds out by itself
                continue
            begin = self._begin() if self.raw else 0
            if is_sound(self._buffer, begin, length) and (not self.raw or self._is_ours(begin)):
                self._received(self.peer(name).number, self._at + begin, length - begin)
                self._after()  # before it is asked whether there is more: most often there is not

    def _begin(self) -> int:
        """Raw sockets of IPv4 hand out IP's header, too."""
        return (self._buffer[0] & 15) * 4 if self.family == socket.AF_INET else 0

    def _is_ours(self, begin: int) -> bool:
        return int.from_bytes(self._buffer[begin + 2:begin + 4], "big") in self._ports


def _open(address: Address) -> socket.socket:
    if address.udp == 0:
        made = socket.socket(address.family, socket.SOCK_RAW, IPPROTO_SCTP)
    else:
        made = socket.socket(address.family, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        if address.family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind((address.host, address.udp or 0))
    except BaseException:
        made.close()
        raise
    return made
