"""SCTP of this process: hostile packets, restarts, ports that are shared, loops that change."""

from __future__ import annotations

import asyncio
import ctypes
import random
import socket
import struct
from dataclasses import replace

import pytest

from tests.xapp.ric import scene
from tests.xapp.ric.scene import ended, pair, run, site
from xapp.errors import ConfigurationError, TransportError
from xapp.ric import encapsulation, usrsctp, usrsctp_library, usrsctp_stack
from xapp.ric.sctp_packet import acknowledges_alone
from xapp.ric.transport import PPID_DU, Address, Association, Limits, Message, connect, listen

pytestmark = pytest.mark.skipif(not usrsctp.available(), reason="libusrsctp2 is not installed")
HERE = "usrsctp://127.0.0.1:0?udp=any"
CHUNKS = 12  # bytes before them in a packet


async def echoed(here: Association, there: Association, payload: bytes) -> None:
    there.send(payload, PPID_DU)
    assert await here.receive() == Message(PPID_DU, payload)
    here.send(payload, PPID_DU)
    assert await there.receive() == Message(PPID_DU, payload)


def test_garbage_at_the_udp_port_disturbs_nobody() -> None:
    async def play() -> None:
        draw = random.Random(11)
        async with pair(HERE) as (here, there):
            udp = Address.parse(there.peer).udp
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                for number in range(600):
                    size = draw.choice((0, 1, 11, 12, 15, 16, 17, 100, 1400, 9000))
                    stranger.sendto(draw.randbytes(size), ("127.0.0.1", udp))
                    if number % 60 == 0:
                        await echoed(here, there, b"still here %d" % number)
            await echoed(here, there, b"at the end")

    run(play())


def test_no_message_waits_for_its_acknowledgement_to_be_sent(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[str] = []
    send = encapsulation.Way.send

    def noted(way: encapsulation.Way, peer: encapsulation.Peer, packet: bytes) -> None:
        happened.append("acknowledged" if acknowledges_alone(packet) else "sent")
        send(way, peer, packet)

    async def play() -> None:
        async with pair(HERE) as (here, there):
            monkeypatch.setattr(encapsulation.Way, "send", noted)
            for _ in range(5):  # a timer of an earlier message may come in between
                await echoed(here, there, b"before")
                for number in range(2):  # the second is acknowledged without delay
                    there.send(b"%d" % number, PPID_DU)
                happened.clear()  # of what was before
                for _ in range(2):
                    await here.receive()
                    happened.append("taken")
                async with asyncio.timeout(5):
                    while "acknowledged" not in happened:
                        await asyncio.sleep(0.001)
                if happened[:2] == ["taken", "taken"]:
                    return
        pytest.fail("each was acknowledged first")

    run(play())


def test_packets_that_lie_harm_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every packet of a conversation, bent, with a checksum that is right, from the peer itself."""
    seen: list[bytes] = []
    send = encapsulation.Way.send

    def noted(way: encapsulation.Way, peer: encapsulation.Peer, packet: bytes) -> None:
        seen.append(packet)
        send(way, peer, packet)

    async def play() -> None:
        draw = random.Random(5)
        for _ in range(12):
            seen.clear()
            async with pair(HERE) as (here, there):
                for size in (10, 400, 5000):
                    await echoed(here, there, bytes(size))
                await _inject(draw, list(seen), 120)
                here.abort()
            # The library goes on as before.
            async with pair(HERE) as (here, there):
                await echoed(here, there, b"unharmed")

    monkeypatch.setattr(encapsulation.Way, "send", noted)
    run(play())


async def _inject(draw: random.Random, packets: list[bytes], number: int) -> None:
    """From the sockets of both ends, so that they count as the other end's."""
    stack = usrsctp_stack._stack
    assert stack is not None
    for count in range(number):
        packet = _with_checksum(_bent(draw, packets))
        peer = draw.choice(list(stack.peers._peers.values()))
        if len(packet) <= 60_000:
            peer.way.send(peer, packet)
        if count % 4 == 0:
            await asyncio.sleep(0)  # a socket's buffer holds a few


def _bent(draw: random.Random, packets: list[bytes]) -> bytearray:
    packet = bytearray(draw.choice(packets))
    for _ in range(draw.choice((1, 1, 2, 4, 16))):
        what = draw.randrange(4)
        if what == 0:
            packet[draw.randrange(CHUNKS, len(packet))] ^= 1 << draw.randrange(8)
        elif what == 1 and len(packet) > CHUNKS + 5:
            del packet[draw.randrange(CHUNKS + 4, len(packet)):]
        elif what == 2:
            packet[CHUNKS:CHUNKS] = draw.choice(packets)[CHUNKS:]
        else:  # a chunk's type, flags or length
            packet[CHUNKS + draw.randrange(4)] = draw.randrange(256)
    return packet


def _with_checksum(packet: bytearray) -> bytes:
    library = usrsctp_library.load()
    library.usrsctp_crc32c.restype = ctypes.c_uint32
    library.usrsctp_crc32c.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    packet[8:12] = bytes(4)
    packet[8:12] = struct.pack("<I", library.usrsctp_crc32c(bytes(packet), len(packet)))
    return bytes(packet)


def test_a_packet_that_would_never_be_read_to_its_end_is_dropped(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    """A parameter of length 0, which libusrsctp 0.9.5 reads forever, from a stranger."""
    seen: list[bytes] = []
    send = encapsulation.Way.send

    def noted(way: encapsulation.Way, peer: encapsulation.Peer, packet: bytes) -> None:
        seen.append(packet)
        send(way, peer, packet)

    async def play() -> None:
        async with pair(HERE) as (here, there):
            first = bytearray(seen[0])
            assert first[CHUNKS] == 1
            first[CHUNKS + 20 + 2:CHUNKS + 20 + 4] = bytes(2)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                udp = Address.parse(there.peer).udp
                stranger.sendto(_with_checksum(first), ("127.0.0.1", udp))
            await echoed(here, there, b"still here")

    monkeypatch.setattr(encapsulation.Way, "send", noted)
    run(play())


def test_the_checksum_of_these_tests_is_the_one_that_is_sent(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bytes] = []
    monkeypatch.setattr(encapsulation.Way, "send", lambda way, peer, packet: seen.append(packet))
    with pytest.raises(TransportError, match="did not answer"):
        asyncio.run(connect(Address.parse("usrsctp://127.0.0.1:1?udp=9"),
                            Limits(connect_seconds=0.05)))
    assert seen
    assert all(_with_checksum(bytearray(packet)) == packet for packet in seen)


def test_a_node_that_comes_back_without_an_end_is_another_association() -> None:
    async def play() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            udp = free.getsockname()[1]
        async with site(HERE, Limits(of_address=1)) as ours:
            for number in (1, 2):
                async with scene.process("restart", ours.listener.address, udp):
                    here = (await ours.number(number))[-1]
                    assert await here.receive() == Message(PPID_DU, b"hello")
                    here.send(b"answer", PPID_DU)
            assert await ended(ours.came[0]) == "its peer started anew"
            assert ours.came[0].peer == ours.came[1].peer
            assert ours.came[1].ended is None

    run(play())


def test_listeners_share_an_sctp_port_by_their_udp_ports() -> None:
    async def play() -> None:
        async with site(HERE) as one:
            async with site(str(replace(one.listener.address, udp=None))) as two:
                assert one.listener.port == two.listener.port
                for ours in (one, two):
                    there = await connect(ours.listener.address)
                    await echoed((await ours.number(1))[0], there, b"hello")
                    there.abort()
                    await there.wait_closed()
                assert (len(one.came), len(two.came)) == (1, 1)
            there = await connect(one.listener.address)
            await echoed((await one.number(2))[1], there, b"hello")
            there.abort()
            await there.wait_closed()

    run(play())


def test_listeners_share_a_udp_port_by_their_sctp_ports() -> None:
    async def play() -> None:
        async with site(HERE) as one, site(str(replace(one.listener.address, port=0))) as two:
            assert one.listener.address.udp == two.listener.address.udp
            for ours in (one, two):
                there = await connect(ours.listener.address)
                await echoed((await ours.number(1))[0], there, b"hello")
                there.abort()
                await there.wait_closed()

    run(play())


def test_a_udp_port_without_that_sctp_port_refuses_at_once() -> None:
    async def play() -> None:
        async with site(HERE) as ours:
            wrong = replace(ours.listener.address, port=1)
            with pytest.raises(TransportError, match="cannot be reached"):
                await connect(wrong)
            # A port that is listened on, but not for those who come this way.
            async with site(str(replace(ours.listener.address, port=0, udp=None))) as other:
                mixed = replace(ours.listener.address, port=other.listener.port)
                try:
                    there = await connect(mixed)
                except TransportError:
                    return
                await ended(there)
                assert not other.came

    run(play())


def test_a_udp_port_that_is_taken_is_named_with_what_to_do() -> None:
    async def play() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            with pytest.raises(TransportError, match=f"UDP port {port}.*ss -lnpu"):
                await listen(Address.parse(f"usrsctp://127.0.0.1:0?udp={port}"), lambda _: None)

    run(play())


def test_an_address_that_is_not_ours_is_named_with_what_to_do() -> None:
    with pytest.raises(TransportError, match="ip addr"):
        asyncio.run(listen(Address.parse("usrsctp://192.0.2.1:0?udp=any"), lambda _: None))


def test_a_loop_that_left_something_open_keeps_the_next_from_it() -> None:
    left = asyncio.new_event_loop()
    listener = left.run_until_complete(listen(Address.parse(HERE), lambda _: None))
    with pytest.raises(ConfigurationError, match="another event loop"):
        asyncio.run(listen(Address.parse(HERE), lambda _: None))
    listener.close()
    left.run_until_complete(listener.wait_closed())
    left.close()

    async def play() -> None:
        async with pair(HERE) as (here, there):
            await echoed(here, there, b"next loop")

    run(play())


def test_the_library_is_there_as_long_as_it_is_used() -> None:
    async def play() -> None:
        assert usrsctp_stack._stack is None
        async with pair(HERE):
            assert usrsctp_stack._stack is not None
        while usrsctp_stack._stack is not None:
            await asyncio.sleep(0.01)

    for _ in range(20):
        run(play())


def test_a_loop_that_was_busy_for_a_while_loses_no_association() -> None:
    async def play() -> None:
        limits = Limits(heartbeat_seconds=0.1, most_timeout_seconds=0.2)
        async with pair(HERE, limits, limits) as (here, there):
            here.send(b"before", PPID_DU)
            stack = usrsctp_stack._stack
            assert stack is not None
            stack._ticked -= 0.4  # as much as the clock went on meanwhile
            await echoed_after(here, there)

    async def echoed_after(here: Association, there: Association) -> None:
        assert await there.receive() == Message(PPID_DU, b"before")
        await echoed(here, there, b"after")

    run(play())
