"""The termination over TCP frames: setups, garbage, peers that die, timers, captures, its end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from scapy.utils import RawPcapReader

from tests.xapp.e2.e2ap_examples import DU, F1, KPM, NG, RC, RIC
from tests.xapp.e2.pairs import ACTION
from tests.xapp.ric.scene import LEFT_SECONDS, ended, run
from xapp.e2 import nodes as nodes_module
from xapp.e2.capture import Capture
from xapp.e2.capture_reading import PduFinder
from xapp.e2.common import KPM_OIDS
from xapp.e2.connection_events import Event, Garbage, Send, Subscribed, SubscriptionAsked
from xapp.e2.connection_node import NodeConnection
from xapp.e2.e2ap import decode
from xapp.e2.e2ap_messages import E2SetupRequest, E2SetupResponse
from xapp.e2.node import key_of
from xapp.e2.nodes import Drop, Happened, NodeAppeared, NodeEvent, NodeLost, Nodes, UnitUp
from xapp.errors import TransportError
from xapp.ric.termination import Termination
from xapp.ric.transport import PPID_DU, Address, Association, Limits, connect

LOOPBACK = Address.parse("tcp://127.0.0.1:0")


@dataclass
class Ric:
    """A termination, and what it told."""

    capture: Capture | None = None
    limits: Limits | None = None
    told: list[NodeEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.nodes = Nodes(RIC, 1)
        self.termination = Termination(self.nodes, self.hear, time.monotonic, self.capture)

    def hear(self, events: Sequence[NodeEvent]) -> None:
        self.told += events

    def of(self, kind: type[object]) -> list[object]:
        return [one for one in self.told if isinstance(one, kind)]

    def happened(self, kind: type[Event]) -> list[Event]:
        return [one.event for one in self.told
                if isinstance(one, Happened) and isinstance(one.event, kind)]


async def until(done: Callable[[], object]) -> None:
    deadline = time.monotonic() + LEFT_SECONDS * 4
    while not done():
        assert time.monotonic() < deadline, "it never came"
        await asyncio.sleep(0.005)


@asynccontextmanager
async def ric(capture: Capture | None = None, limits: Limits | None = None) -> AsyncIterator[Ric]:
    made = Ric(capture)
    await made.termination.listen(LOOPBACK, limits)
    try:
        yield made
    finally:
        await made.termination.close()


async def caller(made: Ric) -> Association:
    return await connect(made.termination.listeners[0].address)


@asynccontextmanager
async def node(made: Ric) -> AsyncIterator[Association]:
    """A node that sets up and accepts what is asked of it, until the block ends."""
    association = await caller(made)
    end = NodeConnection(DU, (KPM, RC), (F1, NG), PPID_DU)
    association.send(end.set_up(time.monotonic()).data, PPID_DU)

    async def live() -> None:
        while (message := await association.receive()) is not None:
            for event in end.receive(message.payload, message.ppid, time.monotonic()):
                if isinstance(event, Send):
                    association.send(event.data, PPID_DU)
                elif isinstance(event, SubscriptionAsked):
                    association.send(end.accept_subscription(event.message.request), PPID_DU)

    task = asyncio.create_task(live())
    try:
        yield association
    finally:
        association.abort()
        await association.wait_closed()
        await task


def test_a_node_sets_up_is_subscribed_to_and_is_missed() -> None:
    async def play() -> None:
        async with ric() as made:
            async with node(made) as association:
                await until(lambda: made.of(UnitUp))
                assert made.of(NodeAppeared)
                number = next(iter(made.nodes.connections))
                assert made.termination.peer(number).startswith("tcp://127.0.0.1:")
                assert association.ended is None
                _, events = made.nodes.subscribe(key_of(DU), KPM_OIDS, b"t", ACTION,
                                                 time.monotonic())
                made.termination.apply(events)
                await until(lambda: made.happened(Subscribed))
            await until(lambda: made.of(NodeLost))
            assert made.termination.peer(number) == ""
            assert made.nodes.connections == {}

    run(play())


def test_garbage_is_told_and_does_not_end_the_others() -> None:
    async def play() -> None:
        async with ric() as made, node(made) as association:
            stranger = await caller(made)
            for _ in range(3):
                stranger.send(b"\xff" * 300, 7)
            await until(lambda: len(made.happened(Garbage)) == 3)
            await until(lambda: made.of(UnitUp))
            assert association.ended is None
            stranger.abort()
            await stranger.wait_closed()
            await until(lambda: len(made.nodes.connections) == 1)

    run(play())


def test_bytes_that_are_no_frames_end_their_association_alone() -> None:
    async def play() -> None:
        async with ric() as made, node(made) as association:
            await until(lambda: made.of(UnitUp))
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", made.termination.listeners[0].port)
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
            await until(lambda: len(made.nodes.connections) == 1)
            assert association.ended is None

    run(play())


def test_who_never_sets_up_is_dropped_by_the_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes_module, "SILENT_SECONDS", 0.05)

    async def play() -> None:
        async with ric() as made:
            stranger = await caller(made)
            await ended(stranger)
            await until(lambda: made.of(Drop))
            assert made.nodes.connections == {}
            await stranger.wait_closed()

    run(play())


def test_one_association_too_many_is_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes_module, "MOST_ASSOCIATIONS", 1)

    async def play() -> None:
        async with ric() as made, node(made) as association:
            await until(lambda: made.of(UnitUp))
            late = await caller(made)
            await ended(late)
            await late.wait_closed()
            assert association.ended is None
            assert len(made.nodes.connections) == 1

    run(play())


def test_the_end_closes_every_association_and_takes_no_more() -> None:
    async def play() -> None:
        made = Ric()
        listener = await made.termination.listen(LOOPBACK)
        callers = [await caller(made) for _ in range(3)]
        await until(lambda: len(made.nodes.connections) == 3)
        await made.termination.close()
        for one in callers:
            await ended(one)
            await one.wait_closed()
        with pytest.raises(TransportError):
            await connect(listener.address, replace(Limits(), connect_seconds=1.0))
        assert made.nodes.connections == {}

    run(play())


def test_it_closes_although_a_peer_does_not_read() -> None:
    async def play() -> None:
        limits = replace(Limits(), close_seconds=0.2)
        async with ric(limits=limits) as made:
            deaf = await caller(made)
            await until(lambda: made.nodes.connections)
            number = next(iter(made.nodes.connections))
            flood = nodes_module.ToPeer(number, b"x" * 200_000, PPID_DU)
            made.termination.apply([flood] * 10)
        deaf.abort()
        await deaf.wait_closed()

    run(play())


def test_what_is_for_nobody_is_not_sent() -> None:
    async def play() -> None:
        async with ric() as made:
            made.termination.apply([nodes_module.ToPeer(99, b"x", PPID_DU), Drop(99, "why")])
            assert made.told == [Drop(99, "why")]

    run(play())


def test_an_address_that_is_taken_is_told() -> None:
    async def play() -> None:
        async with ric() as made:
            with pytest.raises(TransportError, match="cannot be listened on"):
                await made.termination.listen(made.termination.listeners[0].address)

    run(play())


def test_a_fault_of_ours_ends_no_loop_and_is_told_to_it() -> None:
    async def play() -> None:
        faults: list[str] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda loop, context: faults.append(context["message"]))
        async with ric() as made:
            def broken(events: Sequence[NodeEvent]) -> None:
                raise RuntimeError("a fault")

            made.termination._hear = broken
            stranger = await caller(made)
            stranger.send(b"\xff" * 30, PPID_DU)
            await until(lambda: faults)
            assert faults == ["an association's messages were not taken"]
            stranger.abort()
            await stranger.wait_closed()

    run(play())


def test_a_capture_notes_both_ways(tmp_path: Path) -> None:
    file = tmp_path / "e2.pcap"

    async def play() -> None:
        capture = Capture(file, lambda why: None)
        async with ric(capture) as made, node(made):
            await until(lambda: made.of(UnitUp))
        capture.close()

    run(play())
    finder = PduFinder()
    with RawPcapReader(str(file)) as packets:
        found = [pdu for data, _ in packets for pdu in finder.take(0, data, packets.linktype)]
    kinds = [type(decode(pdu.data)) for pdu in found]
    assert kinds == [E2SetupRequest, E2SetupResponse]
    assert [pdu.ppid for pdu in found] == [PPID_DU, PPID_DU]
    assert found[0].source == found[1].destination
    assert found[0].destination == found[1].source
