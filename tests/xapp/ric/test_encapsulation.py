"""Where SCTP packets travel: numbers of peers, strangers that are forgotten, sizes of packets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from xapp.ric.address import Address
from xapp.ric.encapsulation import LARGEST_PACKET, MAX_STRANGERS, SAFE_PACKET, Peers, Way


class Played:
    """Stands for the library."""

    def __init__(self) -> None:
        self.known: set[int] = set()
        self.packets: list[tuple[int, int]] = []  # peer's number, length
        self.bursts = 0
        self.peers = Peers(self.known.add, self.known.remove)

    def received(self, number: int, _at: int, length: int) -> None:
        self.packets.append((number, length))

    def after(self) -> None:
        self.bursts += 1

    @contextmanager
    def way(self, text: str = "usrsctp://127.0.0.1:0?udp=any") -> Iterator[Way]:
        way = Way(Address.parse(text), self.peers, self.received, self.after)
        way.use(36421)
        try:
            yield way
        finally:
            way.release(36421)


def packet(size: int) -> bytes:
    """One chunk of data, of that size with the header."""
    return bytes(14) + max(size - 12, 0).to_bytes(2) + bytes(max(size - 16, 0))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


def test_packets_come_with_the_number_of_who_sent_them() -> None:
    async def play() -> None:
        played = Played()
        with played.way() as way, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one, \
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as two:
            for sender, size in ((one, 16), (two, 20), (one, 15), (one, 0), (one, 1500)):
                sender.sendto(packet(size), ("127.0.0.1", way.udp))
            await until(lambda: len(played.packets) == 3)
            second = way.peer(("127.0.0.1", two.getsockname()[1]))
            numbers = [number for number, _ in played.packets]
            assert numbers[0] == numbers[2] != numbers[1] == second.number
            assert [length for _, length in played.packets] == [16, 20, 1500]
            way.send(second, b"back")
            two.settimeout(10)
            assert two.recv(100) == b"back"
            assert played.bursts >= 1
        assert not played.known

    asyncio.run(play())


def test_a_flood_of_addresses_is_forgotten_and_friends_are_not() -> None:
    async def play() -> None:
        played = Played()
        with played.way() as way:
            friend = way.peer(("192.0.2.1", 1))
            way.befriend(friend)
            for number in range(3 * MAX_STRANGERS):
                way.peer((f"198.51.{number >> 8}.{number & 255}", 9899))
            assert len(played.known) == MAX_STRANGERS + 1
            assert way.peer(("192.0.2.1", 1)) is friend
            assert played.peers.get(friend.number) is friend
            way.part_with(friend)
            for number in range(MAX_STRANGERS):
                way.peer((f"203.0.{number >> 8}.{number & 255}", 9899))
            assert len(played.known) == MAX_STRANGERS
            assert played.peers.get(friend.number) is None
        assert not played.known

    asyncio.run(play())


def test_a_peer_with_two_associations_is_a_friend_until_the_second_ends() -> None:
    async def play() -> None:
        played = Played()
        with played.way() as way:
            peer = way.peer(("192.0.2.1", 1))
            for _ in range(2):
                way.befriend(peer)
            way.part_with(peer)
            assert peer.name in way._friends
            way.part_with(peer)
            assert peer.name not in way._friends
            assert way.peer(peer.name) is peer

    asyncio.run(play())


def test_packets_are_as_large_as_the_way_allows() -> None:
    async def play() -> None:
        played = Played()
        with played.way() as way:
            assert way.peer(("127.0.0.1", 9)).packet_bytes() == LARGEST_PACKET & ~3
            # No way there at all: small enough for any.
            assert way.peer(("255.255.255.255", 9)).packet_bytes() == SAFE_PACKET
            assert SAFE_PACKET % 4 == 0

    asyncio.run(play())


def test_a_raw_socket_hears_only_its_own_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        played = Played()
        with played.way() as way:
            monkeypatch.setattr(way, "raw", True)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                for port in (36421, 36422):
                    inner = (1).to_bytes(2) + port.to_bytes(2) + packet(16)[4:]
                    sender.sendto(b"\x45" + bytes(19) + inner, ("127.0.0.1", way.udp))
            await until(lambda: played.bursts > 0 and len(played.packets) == 1)
            assert played.packets[0][1] == 16

    asyncio.run(play())


def test_what_cannot_be_sent_is_lost_as_on_the_way() -> None:
    async def play() -> None:
        played = Played()
        with played.way() as way:
            way.send(way.peer(("127.0.0.1", 0)), b"to no port")
            way.send(way.peer(("255.255.255.255", 9)), b"to everybody")
            way.send(way.peer(("127.0.0.1", 9)), bytes(70_000))

    asyncio.run(play())
