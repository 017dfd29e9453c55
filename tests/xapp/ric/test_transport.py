"""What every transport promises, over each one that this machine has.

`test_kernel_sctp_in_uml` runs this file once more in a virtual machine whose kernel has SCTP.
"""

from __future__ import annotations

import asyncio
import random
import signal
import struct

import pytest

from tests.xapp.ric import scene
from tests.xapp.ric.scene import HASTY, ended, pair, run, site
from xapp.errors import TransportError
from xapp.ric.transport import (
    PPID_CU_CP,
    PPID_CU_UP,
    PPID_DU,
    Address,
    Association,
    Limits,
    Message,
    connect,
    listen,
)

CAP = Limits().message_bytes


@pytest.fixture(params=list(scene.ADDRESSES))
def address(request: pytest.FixtureRequest) -> str:
    reason = scene.missing(request.param)
    if reason is not None:
        pytest.skip(reason)
    return scene.ADDRESSES[request.param]


def test_messages_come_with_their_identifiers_both_ways(address: str) -> None:
    async def play() -> None:
        async with pair(address) as (here, there):
            for ppid in (PPID_CU_CP, PPID_CU_UP, PPID_DU, 0, 0xffffffff):
                there.send(b"setup %d" % ppid, ppid)
                assert await here.receive() == Message(ppid, b"setup %d" % ppid)
                here.send(b"answer", ppid)
                assert await there.receive() == Message(ppid, b"answer")

    run(play())


def test_peers_are_named_with_their_transport(address: str) -> None:
    async def play() -> None:
        async with pair(address) as (here, there):
            scheme = Address.parse(address).scheme
            for one in (here, there):
                known = Address.parse(one.peer)
                assert (known.scheme, known.host) == (scheme, one.host)
                assert known.port
            assert here.ended is None
            assert there.ended is None

    run(play())


@pytest.mark.parametrize("size", [1, 1400, 9001, 65_536, 65_537, 200_000, CAP])
def test_messages_of_every_size_come_whole(address: str, size: int) -> None:
    async def play() -> None:
        payload = random.Random(size).randbytes(size)
        async with pair(address) as (here, there):
            for sender, receiver in ((there, here), (here, there)):
                sender.send(payload, PPID_DU)
                sender.send(b"next", PPID_CU_CP)
                assert await receiver.receive() == Message(PPID_DU, payload)
                assert await receiver.receive() == Message(PPID_CU_CP, b"next")

    run(play())


def test_the_order_is_kept_also_between_large_and_small(address: str) -> None:
    async def play() -> None:
        draw = random.Random(7)
        sizes = [draw.choice((4, 40, 400, 4000, 30_000)) for _ in range(300)]
        async with pair(address) as (here, there):
            async def send_all() -> None:
                for number, size in enumerate(sizes):
                    there.send(struct.pack("!I", number) * (size // 4), PPID_DU)
                    if number % 20 == 0:
                        await asyncio.sleep(0)

            sending = asyncio.create_task(send_all())
            for number, size in enumerate(sizes):
                message = await here.receive()
                assert message == Message(PPID_DU, struct.pack("!I", number) * (size // 4))
            await sending

    run(play())


def test_many_associations_do_not_mix(address: str) -> None:
    async def play() -> None:
        async with site(address) as ours:
            theirs = await asyncio.gather(
                *(connect(ours.listener.address) for _ in range(24)))
            for number, association in enumerate(theirs):
                association.send(b"from %d" % number, number)
            for association in await ours.number(len(theirs)):
                message = await association.receive()
                assert message is not None
                association.send(message.payload.replace(b"from", b"to"), message.ppid)
            for number, association in enumerate(theirs):
                assert await association.receive() == Message(number, b"to %d" % number)
                association.abort()
                await association.wait_closed()
            for association in ours.came:
                assert await ended(association)

    run(play())


def test_a_peer_that_closes_is_noticed_behind_its_last_message(address: str) -> None:
    async def play() -> None:
        async with pair(address) as (here, there):
            for number in range(10):
                there.send(b"%d" % number, PPID_DU)
            there.close()
            assert await there.receive() is None
            await there.wait_closed()
            assert [await here.receive() for _ in range(10)] == [
                Message(PPID_DU, b"%d" % number) for number in range(10)]
            assert await here.receive() is None
            assert here.ended == "closed by its peer"
            assert there.ended == "closed here"
            with pytest.raises(TransportError, match="closed by its peer"):
                here.send(b"too late", PPID_DU)

    run(play())


def test_everything_is_delivered_that_was_sent_before_a_close(address: str) -> None:
    async def play() -> None:
        async with pair(address) as (here, there):
            for number in range(40):
                there.send(struct.pack("!I", number) * 10_000, PPID_DU)
            there.close()
            for number in range(40):
                message = await here.receive()
                assert message == Message(PPID_DU, struct.pack("!I", number) * 10_000)
            assert await here.receive() is None
            await there.wait_closed()

    run(play())


def test_an_abort_is_noticed_at_the_other_end(address: str) -> None:
    async def play() -> None:
        async with pair(address) as (here, there):
            there.send(b"hello", PPID_DU)
            assert await here.receive() == Message(PPID_DU, b"hello")
            there.abort("enough")
            there.abort("twice is once")
            assert there.ended == "enough"
            assert await ended(here) == "aborted by its peer" or "tcp" in address
            assert await there.receive() is None
            here.abort()
            here.close()

    run(play())


def test_who_waits_for_a_message_is_woken_by_an_end_here(address: str) -> None:
    async def play() -> None:
        async with pair(address) as (here, there):
            for one, end in ((here, here.close), (there, there.abort)):
                waiting = asyncio.create_task(one.receive())
                await asyncio.sleep(0)
                end()
                assert await waiting is None

    run(play())


def test_a_wait_for_a_message_can_be_given_up(address: str) -> None:
    async def play() -> None:
        async with pair(address) as (here, there):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(here.receive(), 0.01)
            there.send(b"later", PPID_DU)
            assert await here.receive() == Message(PPID_DU, b"later")

    run(play())


def test_a_node_that_is_killed_is_noticed(address: str) -> None:
    async def play() -> None:
        async with site(address, HASTY) as ours, scene.process(
                "stay", ours.listener.address, 3) as (node, _):
            for association in await ours.number(3):
                assert await association.receive() == Message(PPID_DU, b"hello")
            node.send_signal(signal.SIGKILL)
            for association in ours.came:
                assert await association.receive() is None
                assert association.ended is not None

    run(play())


def test_a_ric_that_is_killed_is_noticed(address: str) -> None:
    async def play() -> None:
        async with scene.process("echo", address) as (ric, there):
            association = await connect(Address.parse(there), HASTY)
            association.send(b"hello", PPID_DU)
            assert await association.receive() == Message(PPID_DU, b"hello")
            ric.send_signal(signal.SIGKILL)
            assert await ended(association)
            await association.wait_closed()

    run(play())


def test_a_port_that_is_taken_is_named_with_what_to_do(address: str) -> None:
    async def play() -> None:
        async with site(address) as ours:
            with pytest.raises(TransportError, match="already in use") as caught:
                await listen(ours.listener.address, lambda _: None)
            assert str(ours.listener.address) in caught.value.problem
            assert str(ours.listener.port) in caught.value.remedy

    run(play())


def test_a_port_is_free_again_after_a_close(address: str) -> None:
    async def play() -> None:
        async with site(address) as ours:
            place = ours.listener.address
            association = await connect(place)
            await ours.number(1)
            association.abort()
            await association.wait_closed()
            await ended(ours.came[0])
            ours.listener.close()
            async with site(str(place)) as again:
                assert again.listener.address == place
                other = await connect(place)
                await again.number(1)
                other.abort()
                await other.wait_closed()

    run(play())


def test_nobody_there_is_an_error_that_says_so(address: str) -> None:
    async def play() -> None:
        async with site(address) as ours:
            place = ours.listener.address
        with pytest.raises(TransportError, match=r"cannot be reached|did not answer") as caught:
            await connect(place, Limits(connect_seconds=0.5))
        assert str(place) in caught.value.problem
        assert "listens" in caught.value.remedy

    run(play())


def test_a_listener_can_be_closed_by_what_it_calls(address: str) -> None:
    async def play() -> None:
        came: list[Association] = []

        def take(association: Association) -> None:
            came.append(association)
            listener.close()

        listener = await listen(Address.parse(address), take)
        association = await connect(listener.address)
        association.send(b"hello", PPID_DU)
        while not came:
            await asyncio.sleep(0.01)
        assert await came[0].receive() == Message(PPID_DU, b"hello")
        came[0].send(b"stays", PPID_DU)
        assert await association.receive() == Message(PPID_DU, b"stays")
        for one in (association, came[0]):
            one.close()
            await one.wait_closed()

    run(play())


def test_both_ends_may_close_at_the_same_time(address: str) -> None:
    async def play() -> None:
        async with pair(address) as (here, there):
            here.close()
            there.close()
            here.close()
            await here.wait_closed()
            await there.wait_closed()

    run(play())


def test_a_connect_can_be_given_up(address: str) -> None:
    async def play() -> None:
        async with site(address) as ours:
            task = asyncio.create_task(connect(ours.listener.address))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            association = await connect(ours.listener.address)
            association.send(b"hello", PPID_DU)
            message = None
            while message is None:  # the one given up may have come, too
                await asyncio.sleep(0.01)
                message = await ours.came[-1].receive() if ours.came else None
            assert message == Message(PPID_DU, b"hello")
            association.abort()
            await association.wait_closed()

    run(play())
