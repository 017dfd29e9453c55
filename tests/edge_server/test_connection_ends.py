"""How one connection ends, and what becomes of its session: silence, loss, damage, a return."""

from __future__ import annotations

import asyncio

import pytest

from edge_server.frame import Frame, FrameType, encode
from edge_server.messages import ErrorCode, ErrorNotice
from edge_server.session import State
from tests.edge_server.connection_scene import (
    Clock,
    HeldWorker,
    MakeEdge,
    Peer,
    ended_with,
    perform,
    settle,
)
from tests.edge_server.frames import hello_frame, hello_of, rows_frame


def test_a_slot_is_cleared_before_another_gets_it(
    make_edge: MakeEdge, worker: HeldWorker
) -> None:
    """Also when a phone says goodbye and takes no more data, so that closing it takes long."""
    async def scene() -> None:
        edge = make_edge(slots=1)
        leaving, next_one = Peer(edge), Peer(edge)
        number = await leaving.open()
        leaving.may_close.clear()
        leaving.write(encode(Frame(FrameType.GOODBYE, number)))
        await settle()
        assert leaving.close_code == 1000
        await next_one.call()
        next_one.write(hello_frame(hello_of(edge)))
        await settle()
        admitted = next_one.sent[-1].type is FrameType.WELCOME
        assert not admitted or worker.released
        leaving.may_close.set()
        await settle()
        assert len(worker.released) == 1
        await next_one.leave()

    perform(scene)


def test_silence_before_hello(make_edge: MakeEdge, worker: HeldWorker) -> None:
    async def scene() -> None:
        edge = make_edge(hello_timeout=0.0)
        peer = await Peer(edge).call()
        assert peer.task is not None
        await peer.task
        notice = ended_with(peer)
        assert notice.code == ErrorCode.IDLE
        assert "Open the session again" in notice.remedy
        assert worker.released == []

    perform(scene)


def test_silence_in_a_session(make_edge: MakeEdge, worker: HeldWorker, clock: Clock) -> None:
    async def scene() -> None:
        edge = make_edge()
        peer = Peer(edge)
        await peer.open()
        clock.now += edge.config.idle_timeout
        edge.desk.sweep()
        await settle()
        assert len(edge.sessions) == 1
        clock.now += 1
        edge.desk.sweep()
        await settle()
        notice = ended_with(peer)
        assert notice.code == ErrorCode.IDLE
        assert "Open the session again" in notice.remedy
        assert len(worker.released) == 1
        assert len(edge.sessions) == 0

    perform(scene)


def test_an_answer_for_a_phone_that_has_gone(make_edge: MakeEdge, worker: HeldWorker) -> None:
    async def scene() -> None:
        edge = make_edge()
        peer = Peer(edge)
        number = await peer.open()
        peer.write(rows_frame(number))
        await settle()
        await peer.leave()
        peer.gone = True
        worker.answer(0)
        await settle()
        assert peer.sent == []
        (session,) = edge.sessions
        assert (session.number, session.state, session.length) == (number, State.PARKED, 1)
        assert worker.released == []

    perform(scene)


def test_a_phone_that_goes_while_it_is_answered(make_edge: MakeEdge, worker: HeldWorker) -> None:
    """Its last frames are still in line when the answer finds nobody: an end like any other."""
    async def scene() -> None:
        edge = make_edge(pending_chunks=1)
        peer = Peer(edge)
        number = await peer.open()
        for position in range(3):
            peer.write(rows_frame(number, position))
        await settle()
        peer.gone = True
        worker.answer(0)
        await settle()
        assert peer.task is not None
        assert peer.task.done()
        assert peer.task.exception() is None
        (session,) = edge.sessions
        assert session.state is State.PARKED
        assert worker.released == []

    perform(scene)


def test_a_phone_that_comes_back_is_answered_on_its_new_connection(
    make_edge: MakeEdge, worker: HeldWorker
) -> None:
    """What the old connection asked for is computed, and told to nobody."""
    async def scene() -> None:
        edge = make_edge()
        lost, back = Peer(edge), await Peer(edge).call()
        await lost.call()
        welcome = await lost.greet()
        lost.write(rows_frame(welcome.session, 0, 3))
        await settle()
        again = await back.greet(session=welcome.session, secret=welcome.secret)
        assert (again.session, again.length) == (welcome.session, 3)
        await settle()
        assert ended_with(lost).code == ErrorCode.TAKEN_OVER
        worker.answer(0)
        await settle()
        assert back.sent == []
        back.write(rows_frame(welcome.session, 2, epoch=1))
        await settle()
        worker.answer(1)
        await settle()
        assert [(frame.type, frame.epoch) for frame in back.sent] == [(FrameType.TOKEN, 1)]
        assert len(edge.sessions) == 1
        assert worker.released == []
        await back.leave()

    perform(scene)


@pytest.mark.parametrize("bad", [
    b"garbage", rows_frame(1), rows_frame(1)[:-1], encode(Frame(FrameType.HELLO))], ids=range(4))
def test_damaged_bytes_cost_the_connection_and_not_the_session(
    bad: bytes, make_edge: MakeEdge, worker: HeldWorker
) -> None:
    async def scene() -> None:
        edge = make_edge()
        peer, back = Peer(edge), Peer(edge)
        await peer.call()
        welcome = await peer.greet()
        peer.write(rows_frame(welcome.session, 0, 3))
        peer.write(bad)
        await settle()
        assert ended_with(peer).code == ErrorCode.BAD_FRAME
        (session,) = edge.sessions
        assert session.state is State.PARKED
        await back.call()
        again = await back.greet(session=welcome.session, secret=welcome.secret)
        assert (again.session, again.length) == (welcome.session, 3)
        await back.leave()

    perform(scene)


def test_rows_that_cannot_be_run_end_the_session(
    make_edge: MakeEdge, worker: HeldWorker
) -> None:
    async def scene() -> None:
        edge = make_edge()
        peer = Peer(edge)
        number = await peer.open()
        peer.write(rows_frame(number, 0, 65))
        await settle()
        assert ended_with(peer).code == ErrorCode.TOO_LONG
        assert len(edge.sessions) == 0
        assert [session.number for session in worker.released] == [number]

    perform(scene)


def test_an_evicted_phone_is_told(make_edge: MakeEdge, worker: HeldWorker, clock: Clock) -> None:
    """The cache is cleared before the newcomer's rows, and a slow farewell keeps nobody waiting."""
    async def scene() -> None:
        edge = make_edge(slots=1)
        silent, newcomer = Peer(edge), Peer(edge)
        await silent.open()
        silent.may_close.clear()
        clock.now += edge.config.yield_after + 1
        number = await newcomer.open()
        await settle()
        assert ErrorNotice.unpack(silent.sent[-1].payload).code == ErrorCode.IDLE
        assert len(worker.released) == 1
        newcomer.write(rows_frame(number))
        await settle()
        worker.answer(0)
        await settle()
        assert [frame.type for frame in newcomer.sent] == [FrameType.TOKEN]
        silent.may_close.set()
        await settle()
        assert ended_with(silent).code == ErrorCode.IDLE
        await newcomer.leave()

    perform(scene)


def test_a_connection_that_is_torn_down_from_outside(make_edge: MakeEdge) -> None:
    """Its own stopping is an end in order; a cancellation by somebody else passes on."""
    async def scene() -> None:
        edge = make_edge()
        peer = Peer(edge)
        await peer.open()
        assert peer.task is not None
        peer.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await peer.task
        (session,) = edge.sessions
        assert session.state is State.PARKED

    perform(scene)
