"""Rows as frames carry them, and what an edge's session does with them, hostile ones too."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edge_server.config import EdgeConfig
from edge_server.encodings.registry import NAMES, by_name
from edge_server.encodings.wire import Chain, pack, pack_again, unpack
from edge_server.engine.load import EngineOptions
from edge_server.errors import FrameError, SessionError
from edge_server.frame import MAX_PAYLOAD_BYTES, Dtype, Flags, Frame, FrameType, decode, encode
from edge_server.messages import ErrorCode, Hello, Mode, Sampling, Start
from edge_server.session import Job, Owner, Serving, Session
from edge_server.sessions import Sessions
from edge_server.split import LayerRange

IDENTITY, HIDDEN = "0a" * 32, 96
SERVING = Serving(IDENTITY, LayerRange(0, 4), 4, HIDDEN, torch.bfloat16, True, 100)
ROWS = torch.randn(3, HIDDEN, generator=torch.Generator().manual_seed(0)).to(torch.bfloat16)


@pytest.fixture
def sessions() -> Sessions:
    return Sessions(EdgeConfig(EngineOptions(slots=2, capacity=64), max_rows=16), SERVING)


def opened(sessions: Sessions, mode: Mode = Mode.TOKENS, back: int = 0) -> Session:
    return sessions.admit(Hello(IDENTITY, LayerRange(1, 4), Dtype.BF16, mode, back=back), Owner(),
                          0.0).session


def frame_of(session: Session, position: int, name: str, rows: torch.Tensor = ROWS,
             before: torch.Tensor | None = None) -> Frame:
    packed = pack(rows, by_name(name), before)
    return decode(encode(Frame(
        FrameType.ROWS, session.number, session.epoch, position, packed.dtype, rows.shape[0],
        rows.shape[1], Flags.RESULT_WANTED, packed.payload)))


def accepted(sessions: Sessions, session: Session, frame: Frame) -> Job:
    job = sessions.accept(session, session.connection, frame, 0.0)
    assert isinstance(job, Job)
    return job


@pytest.mark.parametrize("name", NAMES)
def test_a_job_has_rows_however_they_came(name: str, sessions: Sessions) -> None:
    session = opened(sessions)
    job = accepted(sessions, session, frame_of(session, 0, name))
    encoding = by_name(name)
    expected = encoding.decode(memoryview(encoding.encode(ROWS)), 3, HIDDEN, torch.bfloat16)
    assert torch.equal(job.rows, expected)
    assert (job.rows.dtype, session.length) == (torch.bfloat16, 3)


def test_each_frame_says_how_it_is_written(sessions: Sessions) -> None:
    session = opened(sessions)
    for number, name in enumerate(("int8", "raw", "int4", "lossless", "topk", "int8")):
        job = accepted(sessions, session, frame_of(session, 3 * number, name))
        assert job.rows.shape == (3, HIDDEN)


def test_differences_hold_for_the_row_that_follows_at_once(sessions: Sessions) -> None:
    session = opened(sessions)
    first = accepted(sessions, session, frame_of(session, 0, "delta"))
    last = first.rows[-1:].clone()
    first.rows.zero_()  # as layers may that write over what they are given
    second = accepted(sessions, session, frame_of(session, 3, "delta", before=last))
    assert float((second.rows - ROWS).float().norm() / ROWS.float().norm()) < 0.03
    for position in (3, 0):  # the rows before that are no longer those that came last
        with pytest.raises(FrameError, match="not here"):
            accepted(sessions, session, frame_of(session, position, "delta", before=last))
    assert session.length == 6
    again = Frame(FrameType.START, session.number, session.epoch + 1, 6,
                  payload=Start(Sampling(), 6).pack())
    assert sessions.accept(session, session.connection, again, 0.0) is None
    with pytest.raises(FrameError, match="not here"):  # a new answer knows no row before
        accepted(sessions, session, frame_of(session, 6, "delta", before=last))


@pytest.mark.parametrize("payload", [
    b"\x63garbage", b"\x01" + bytes(3), b"\x01" + b"\xff" * (3 * (2 + HIDDEN)),
    b"\x05\x01\x00" + bytes(3 * (2 + HIDDEN)), b"\x06\x01" + bytes(400), b"\x04\x00\x00",
    b"\x04\xff\xff", b"\x00" + bytes(7)])
def test_hostile_rows_leave_a_session_as_it_was(payload: bytes, sessions: Sessions) -> None:
    session = opened(sessions)
    accepted(sessions, session, frame_of(session, 0, "int8"))
    bad = decode(encode(Frame(FrameType.ROWS, session.number, session.epoch, 3, Dtype.CODED, 3,
                              HIDDEN, payload=payload)))
    with pytest.raises(FrameError):
        sessions.accept(session, session.connection, bad, 0.0)
    assert session.length == 3
    accepted(sessions, session, frame_of(session, 3, "int8"))


@given(st.binary(min_size=2, max_size=400))
def test_random_rows(payload: bytes) -> None:
    try:
        rows = unpack(memoryview(payload), Dtype.CODED, torch.bfloat16, 2, HIDDEN,
                      torch.zeros(1, HIDDEN, dtype=torch.bfloat16))
    except FrameError:
        return
    assert rows.shape == (2, HIDDEN)


def test_rows_of_another_type_or_width_are_refused(sessions: Sessions) -> None:
    session = opened(sessions)
    for rows in (torch.ones(1, HIDDEN), torch.ones(1, HIDDEN + 1, dtype=torch.bfloat16)):
        with pytest.raises(SessionError) as caught:
            sessions.accept(session, session.connection, frame_of(session, 0, "raw", rows), 0.0)
        assert caught.value.code == ErrorCode.WRONG_DTYPE
    with pytest.raises(FrameError, match="F16"):
        unpack(memoryview(bytes(4)), Dtype.F16, torch.bfloat16, 1, 2)


def test_a_session_is_taken_up_only_with_the_same_way_back(sessions: Sessions) -> None:
    session = opened(sessions, Mode.PRIVATE, back=1)
    assert session.back.name == "int8"
    asked = Hello(IDENTITY, LayerRange(1, 4), Dtype.BF16, Mode.PRIVATE, session=session.number,
                  secret=session.secret, back=1)
    assert sessions.admit(asked, Owner(), 0.0).session is session
    changed = Hello(IDENTITY, LayerRange(1, 4), Dtype.BF16, Mode.PRIVATE, session=session.number,
                    secret=session.secret, back=3)
    assert sessions.admit(changed, Owner(), 0.0).session is not session


def test_rows_that_no_plain_frame_could_carry_are_none_encoded() -> None:
    """What an encoding expands to is bounded by the frame, before anything is expanded."""
    columns = 8192
    rows = MAX_PAYLOAD_BYTES // (4 * columns)
    encode(Frame(FrameType.ROWS, 1, 0, 0, Dtype.CODED, rows, columns, payload=b"\x04\x01\x00"))
    with pytest.raises(FrameError, match="over the limit"):
        encode(Frame(FrameType.ROWS, 1, 0, 0, Dtype.CODED, rows + 1, columns, payload=b"\x04\x01"))


def test_what_wins_nothing_goes_as_it_is() -> None:
    noise = torch.frombuffer(bytearray((index * 73 + 11) % 256 for index in range(64)),
                             dtype=torch.bfloat16).view(1, 32)
    assert pack(noise, by_name("lossless")).dtype is Dtype.BF16
    assert pack(ROWS, by_name("lossless")).coded


def test_sent_again_a_chain_comes_as_rows_of_their_own() -> None:
    packed = pack(ROWS, by_name("delta"))
    again = pack_again(packed.rows[1:], packed.again)
    arrived = unpack(memoryview(again.payload), again.dtype, torch.bfloat16, 2, HIDDEN)
    assert torch.equal(arrived, packed.rows[1:])


def test_a_chain_is_bound_to_its_place() -> None:
    chain = Chain()
    row = ROWS[:1]
    assert chain.before(0) is None
    chain.keep(5, row, epoch=2)
    before = chain.before(5, epoch=2)
    assert before is not None
    assert torch.equal(before, row)
    assert chain.before(5, epoch=3) is chain.before(4, epoch=2) is None
