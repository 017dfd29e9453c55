"""One phone's connection without a socket, over queues: what is read, answered and put off.

The WebSocket class is the real one, the order of events the test's, the clock a number it sets.
"""

from __future__ import annotations

import asyncio

import pytest

from edge_server.connection import notice_of
from edge_server.errors import (
    ConfigurationError,
    EdgeError,
    FrameError,
    FrameTooLarge,
    ModelError,
    SessionError,
    StageError,
)
from edge_server.frame import Frame, FrameType, encode
from edge_server.messages import ErrorCode, ErrorNotice, Sampling, Start
from edge_server.session import State
from tests.edge_server.connection_scene import (
    HeldWorker,
    MakeEdge,
    Peer,
    ended_with,
    perform,
    settle,
    token_after,
)
from tests.edge_server.frames import rows_frame


@pytest.mark.parametrize(("error", "code"), [
    (SessionError(ErrorCode.TOO_LONG, "No.", "Do."), ErrorCode.TOO_LONG),
    (FrameError("No.", "Do."), ErrorCode.BAD_FRAME),
    (FrameTooLarge("No.", "Do."), ErrorCode.TOO_LARGE), (StageError("No.", "Do."),
                                                      ErrorCode.BAD_POSITION),
    (ConfigurationError("No.", "Do."), ErrorCode.INTERNAL),
    (ModelError("No.", "Do."), ErrorCode.INTERNAL), (EdgeError("No.", "Do."), ErrorCode.INTERNAL)])
def test_errors_become_codes(error: EdgeError, code: ErrorCode) -> None:
    assert notice_of(error) == ErrorNotice(code, "No.", "Do.")


@pytest.mark.parametrize("offset", range(8))
@pytest.mark.parametrize("first", ["cancel", "token"])
def test_nothing_of_an_answer_comes_after_its_cancel(
    offset: int, first: str, make_edge: MakeEdge, worker: HeldWorker
) -> None:
    """Whichever of token and CANCEL is how many turns of the loop ahead of the other."""
    async def scene() -> None:
        peer = Peer(make_edge())
        number = await peer.open()
        peer.write(rows_frame(number))
        await settle()
        cancel = encode(Frame(FrameType.CANCEL, number))
        events = [lambda: peer.write(cancel), lambda: worker.answer(0)]
        events[first == "token"]()
        for _ in range(offset):
            await asyncio.sleep(0)
        events[first == "cancel"]()
        await settle()
        kinds = [frame.type for frame in peer.sent]
        assert kinds in ([FrameType.CANCEL], [FrameType.TOKEN, FrameType.CANCEL])
        await peer.leave()

    perform(scene)


def test_a_phone_that_sends_faster_than_the_edge_computes_is_not_read(
    make_edge: MakeEdge, worker: HeldWorker
) -> None:
    async def scene() -> None:
        peer = Peer(make_edge(pending_chunks=2))
        number = await peer.open()
        for position in range(6):
            peer.write(rows_frame(number, position))
        await settle()
        assert len(worker.jobs) == 3  # what was read is submitted, and the reader waits for room
        assert peer.inbox.qsize() == 3
        worker.answer(0)
        await settle()
        assert len(worker.jobs) == 4
        assert peer.inbox.qsize() == 2
        for index in (1, 2, 3, 4, 5):
            worker.answer(index)
            await settle()
        assert [frame.position for frame in peer.sent] == [1, 2, 3, 4, 5, 6]
        await peer.leave()

    perform(scene)


def test_what_is_answered_at_once_is_sent_by_the_reader(
    make_edge: MakeEdge, worker: HeldWorker
) -> None:
    """Never before what the worker's thread answered earlier, and with no place left taken."""
    async def scene() -> None:
        edge = make_edge(pending_chunks=2)
        peer = Peer(edge)
        number = await peer.open()
        peer.write(rows_frame(number))
        await settle()
        worker.at_once = token_after
        peer.write(rows_frame(number, 1))
        await settle()
        assert peer.sent == []
        worker.answer(0)
        worker.answer(1)
        for position in range(2, 6):
            peer.write(rows_frame(number, position))
        await settle()
        for index in range(2, len(worker.jobs)):
            worker.answer(index)
        await settle()
        assert [frame.position for frame in peer.sent] == [1, 2, 3, 4, 5, 6]
        (session,) = edge.sessions
        assert session.pending == 0
        worker.at_once = lambda job: SessionError(ErrorCode.UNUSABLE_ROWS, "No.")
        peer.write(rows_frame(number, 6))
        await settle()
        assert ended_with(peer).code == ErrorCode.UNUSABLE_ROWS
        assert session.state is State.CLOSED

    perform(scene)


def test_a_refusal_while_the_reader_waits_for_room(
    make_edge: MakeEdge, worker: HeldWorker
) -> None:
    """The connection ends in order, and nothing more of it is computed."""
    async def scene() -> None:
        edge = make_edge(pending_chunks=1)
        peer = Peer(edge)
        number = await peer.open()
        for position in range(3):
            peer.write(rows_frame(number, position))
        await settle()
        job, reply = worker.jobs[0]
        reply(job, SessionError(ErrorCode.UNUSABLE_ROWS, "No."))
        await settle()
        assert peer.task is not None
        assert peer.task.done()
        assert peer.task.exception() is None
        assert [frame.type for frame in peer.sent] == [FrameType.ERROR]
        assert [job.cancelled for job, _ in worker.jobs] == [True, True]
        assert len(edge.sessions) == 0
        assert len(worker.released) == 1

    perform(scene)


def test_an_answer_that_goes_on_here(make_edge: MakeEdge, worker: HeldWorker) -> None:
    """Its rows are run with the choice, and the tokens, that START named."""
    async def scene() -> None:
        peer = Peer(make_edge())
        number = await peer.open()
        start = Start(Sampling(temperature=1.0, seed=3), 1, (1, 2, 3))
        peer.write(encode(Frame(FrameType.START, number, 1, 0, payload=start.pack())))
        peer.write(rows_frame(number, epoch=1))
        await settle()
        job, _ = worker.jobs[0]
        assert job.epoch == 1
        assert job.sampler.continues(start.sampling, start.first, start.chosen)
        await peer.leave()

    perform(scene)


def test_a_gap_is_answered_at_once(make_edge: MakeEdge, worker: HeldWorker) -> None:
    async def scene() -> None:
        peer = Peer(make_edge())
        number = await peer.open()
        for position in (4, 5, 6):
            peer.write(rows_frame(number, position))
        await settle()
        assert peer.sent == [Frame(FrameType.RESEND, number, 0, 0)]
        assert worker.jobs == []
        await peer.leave()

    perform(scene)
