"""What every transport does where a peer wants too much: messages, memory, callers and silence.

`test_kernel_sctp_in_uml` runs this file once more in a virtual machine whose kernel has SCTP.
"""

from __future__ import annotations

import asyncio
import struct

import pytest

from tests.xapp.ric import scene
from tests.xapp.ric.scene import ended, pair, run, site
from xapp.errors import MessageTooLarge, TransportError
from xapp.ric.transport import PPID_DU, Address, Association, Limits, Message, connect

CAP = Limits().message_bytes


# As in test_transport: the run in the virtual machine has no conftest to share it by.
@pytest.fixture(params=list(scene.ADDRESSES))
def address(request: pytest.FixtureRequest) -> str:
    reason = scene.missing(request.param)
    if reason is not None:
        pytest.skip(reason)
    return scene.ADDRESSES[request.param]


def test_a_message_that_is_too_large_is_refused_and_nothing_else(address: str) -> None:
    async def play() -> None:
        async with pair(address, Limits(message_bytes=1000), Limits(message_bytes=2000)) as (
                here, there):
            with pytest.raises(MessageTooLarge, match=r"2,001 bytes.*2,000"):
                there.send(bytes(2001), PPID_DU)
            for payload, ppid in ((b"", 72), (b"x", -1), (b"x", 1 << 32)):
                with pytest.raises(TransportError, match="cannot be sent"):
                    there.send(payload, ppid)
            there.send(bytes(1000), PPID_DU)
            assert await here.receive() == Message(PPID_DU, bytes(1000))
            there.send(bytes(1001), PPID_DU)
            assert await here.receive() is None
            assert here.ended is not None
            assert "1,000" in here.ended
            await ended(there)

    run(play())


def test_a_message_that_is_too_large_by_parts_ends_the_association(address: str) -> None:
    async def play() -> None:
        limits = Limits(message_bytes=100_000)
        async with pair(address, limits) as (here, there):
            there.send(bytes(CAP), PPID_DU)
            assert "100,000" in await ended(here)
            await ended(there)
            assert here._parts == []  # type: ignore[attr-defined]  # memory is what it is about

    run(play())


def test_a_slow_reader_costs_bounded_memory_and_loses_nothing(address: str) -> None:
    async def play() -> None:
        limits = Limits(unread_bytes=100_000, unsent_bytes=64 << 20)
        total = 600
        async with pair(address, limits, limits) as (here, there):
            for number in range(total):
                there.send(struct.pack("!I", number) * 2500, PPID_DU)
            await _settled(here)
            assert here._unread <= 100_000 + 10_128 + CAP  # type: ignore[attr-defined]
            for number in range(total):
                message = await here.receive()
                assert message == Message(PPID_DU, struct.pack("!I", number) * 2500)
                assert here._unread <= 100_000 + 10_128 + CAP  # type: ignore[attr-defined]
            there.send(b"alive", PPID_DU)
            assert await here.receive() == Message(PPID_DU, b"alive")

    run(play())


def _send_without_end(association: Association) -> None:
    while True:
        association.send(bytes(10_000), PPID_DU)


async def _settled(association: Association) -> None:
    """Until nothing more is read ahead."""
    seen = -1
    while seen != (seen := association._unread):  # type: ignore[attr-defined]
        await asyncio.sleep(0.05)


def test_a_peer_that_takes_nothing_is_cut_off(address: str) -> None:
    async def play() -> None:
        limits = Limits(unread_bytes=10_000, unsent_bytes=200_000)
        async with pair(address, limits, limits) as (here, there):
            with pytest.raises(TransportError, match="does not take"):
                _send_without_end(there)
            assert there.ended is not None
            assert "does not take" in there.ended
            assert there._unsent == 0  # type: ignore[attr-defined]
            assert await there.receive() is None
            assert await ended(here)

    run(play())


def test_a_close_does_not_wait_for_a_peer_that_takes_nothing(address: str) -> None:
    async def play() -> None:
        limits = Limits(unread_bytes=10_000, close_seconds=0.2)
        async with pair(address, limits, limits) as (here, there):
            for _ in range(300):
                there.send(bytes(10_000), PPID_DU)
            there.close()
            await there.wait_closed()
            assert await ended(here)

    run(play())


def test_callers_beyond_the_limits_are_turned_away(address: str) -> None:
    async def play() -> None:
        for limits, reason in ((Limits(associations=2), "associations"),
                               (Limits(of_address=2), "associations_of_address")):
            async with site(address, limits) as ours:
                place = ours.listener.address
                taken = [await connect(place) for _ in range(2)]
                await ours.number(2)
                assert not await _stays(place)
                assert ours.listener.refused == {reason: 1}
                taken[0].abort()
                await ended(ours.came[0])
                taken.append(await connect(place))
                taken[2].send(b"in", PPID_DU)
                assert await (await ours.number(3))[2].receive() == Message(PPID_DU, b"in")
                for association in taken:
                    association.abort()
                    await association.wait_closed()

    run(play())


async def _stays(place: Address) -> bool:
    """Whether who connects there is kept; an association may be up for a moment before it ends."""
    try:
        association = await connect(place)
    except TransportError:
        return False
    try:
        return await asyncio.wait_for(association.receive(), 5) is not None
    finally:
        association.abort()
        await association.wait_closed()


def test_a_node_that_says_nothing_is_not_waited_for(address: str) -> None:
    async def play() -> None:
        limits = Limits(first_message_seconds=0.3)
        async with pair(address, limits, limits) as (here, there):
            assert "said nothing for 0.3 s" in await ended(here)
            assert await ended(there)
        async with pair(address, limits, limits) as (here, there):
            there.send(b"hello", PPID_DU)
            assert await here.receive() == Message(PPID_DU, b"hello")
            with pytest.raises(TimeoutError):  # who has spoken may be silent, and so may a RIC
                await asyncio.wait_for(here.receive(), 0.6)
            assert there.ended is None

    run(play())
