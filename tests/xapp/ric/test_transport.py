"""What every transport promises, over each one that this machine has.

`test_kernel_sctp_in_uml` runs this file once more in a virtual machine whose kernel has SCTP.
"""

from __future__ import annotations

import asyncio
import errno
import os
import random
import signal
import struct
from dataclasses import replace

import pytest

from tests.xapp.ric import scene
from tests.xapp.ric.scene import HASTY, ended, pair, run, site
from xapp.errors import ConfigurationError, MessageTooLarge, NoTransport, TransportError
from xapp.ric import kernel_sctp, tcp_framing, usrsctp
from xapp.ric.transport import (
    PPID_CU_CP,
    PPID_CU_UP,
    PPID_DU,
    Address,
    Association,
    Limits,
    Message,
    available,
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


def test_names_of_hosts_are_looked_up() -> None:
    async def play() -> None:
        async with site("tcp://localhost:0") as ours:
            association = await connect(replace(ours.listener.address, host="localhost"))
            association.abort()
            await association.wait_closed()
        with pytest.raises(TransportError, match=r"'nowhere\.invalid' is not known"):
            await connect(Address.parse("tcp://nowhere.invalid:1"))

    asyncio.run(play())  # whose look-up is a thread of the loop until its end


def test_auto_is_the_kernel_or_else_the_library(caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> None:
        async with site("auto://127.0.0.1:0?udp=any") as ours:
            scheme = ours.listener.address.scheme
            assert scheme == ("sctp" if kernel_sctp.available() else "usrsctp")
            assert f"{scheme}://127.0.0.1:{ours.listener.port}" in caplog.text

    if not any(available()[scheme] for scheme in ("sctp", "usrsctp")):
        pytest.skip("this machine has no SCTP at all")
    caplog.set_level("INFO", logger="xapp.ric")
    run(play())


def test_tests_only_is_said_of_tcp(caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> None:
        async with site("tcp://127.0.0.1:0"):
            assert "for tests only" in caplog.text

    caplog.set_level("INFO", logger="xapp.ric")
    run(play())
    assert "TESTS ONLY" in (tcp_framing.__doc__ or "")


def test_a_free_port_cannot_be_connected_to() -> None:
    for text in ("sctp://127.0.0.1:0", "usrsctp://127.0.0.1:36421?udp=any"):
        with pytest.raises(ConfigurationError, match="cannot be connected to"):
            asyncio.run(connect(Address.parse(text)))


def test_what_is_not_there_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_library() -> None:
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))

    monkeypatch.setattr("xapp.ric.usrsctp_library.load", no_library)
    monkeypatch.setattr("xapp.ric.kernel_sctp.IPPROTO_SCTP", 255)  # which no kernel has
    assert not usrsctp.available()
    assert not kernel_sctp.available()
    for text, remedy in (("usrsctp://127.0.0.1:0", "apt-get install libusrsctp2"),
                         ("sctp://127.0.0.1:0", "modprobe sctp")):
        with pytest.raises(NoTransport, match=remedy):
            asyncio.run(listen(Address.parse(text), lambda _: None))
