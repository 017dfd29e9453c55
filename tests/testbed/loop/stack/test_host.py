"""Two hosts with packets between them: connections come, carry bytes, and are refused."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.errors import LinkFailure
from testbed.loop.stack.host import MOST_STREAMS, Host
from testbed.loop.stack.segments import End
from testbed.loop.stack.stream import Over, Stream

EDGE = End("10.46.0.1", 8470)


def pair() -> tuple[Host, Host]:
    return Host("10.46.0.2", random.Random(1)), Host(EDGE.address, random.Random(2), (EDGE.port,))


def exchange(one: Host, other: Host, now: float) -> list[bytes]:
    """Until nothing more is said."""
    said: list[bytes] = []
    while True:
        there = list(one.outgoing(now))
        back = list(other.outgoing(now))
        if not there and not back:
            return said
        said += there + back
        for packet in there:
            other.take(packet, now)
        for packet in back:
            one.take(packet, now)


def test_who_connects_is_accepted_and_heard() -> None:
    phone, edge = pair()
    streams = [phone.connect(EDGE, 0.0) for _ in range(3)]
    exchange(phone, edge, 0.0)
    accepted, edge.accepted = edge.accepted, []
    assert len({one.theirs for one in accepted}) == 3
    for number, stream in enumerate(streams):
        stream.write(bytes([number]) * 5000, 0.1)
    packets = exchange(phone, edge, 0.1)
    assert max(map(len, packets)) <= 1400
    assert {(one.theirs.port, one.read(0.1)) for one in accepted} == {
        (stream.mine.port, bytes([number]) * 5000) for number, stream in enumerate(streams)}
    for one in (*streams, *accepted):
        one.close(0.2)
    exchange(phone, edge, 0.2)
    assert {one.over for one in (*streams, *accepted)} == {Over.CLOSED}
    assert phone.due() is None
    assert not phone._streams


def test_nobody_listens() -> None:
    phone, edge = pair()
    stream = phone.connect(End(EDGE.address, 80), 0.0)
    exchange(phone, edge, 0.0)
    assert stream.over is Over.RESET


def test_a_lost_beginning_is_tried_again() -> None:
    phone, edge = pair()
    stream = phone.connect(EDGE, 0.0)
    assert len(list(phone.outgoing(0.0))) == 1  # lost
    due = phone.due()
    assert due is not None
    phone.tick(due)
    exchange(phone, edge, due)
    assert stream.connected


def test_there_is_a_most() -> None:
    phone, _ = pair()
    for _ in range(MOST_STREAMS):
        phone.connect(EDGE, 0.0)
    with pytest.raises(LinkFailure):
        phone.connect(EDGE, 0.0)


@given(st.binary(max_size=100))
def test_what_is_no_segment_of_ours_is_counted(packet: bytes) -> None:
    phone, _ = pair()
    found: Stream | None = phone.take(packet, 0.0)
    assert found is None
    assert phone.foreign == 1
    assert not list(phone.outgoing(0.0))
