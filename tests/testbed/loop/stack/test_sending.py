"""The waits for an answer, by the standard's own example of how they grow."""

from __future__ import annotations

from testbed.loop.stack.sending import LEAST_TIMEOUT, MOST_TIMEOUT, Sending, Timeout


def test_a_steady_way_is_waited_for_a_little_longer_than_it_takes() -> None:
    timeout = Timeout()
    for _ in range(200):
        timeout.measured(0.3)
    assert 0.3 < timeout.seconds < 0.32
    for _ in range(200):
        timeout.measured(0.001)
    assert timeout.seconds == LEAST_TIMEOUT


def test_one_slow_answer_makes_it_patient_and_silence_twice_as_much() -> None:
    timeout = Timeout()
    timeout.measured(1.0)
    assert timeout.seconds == 3.0  # RFC 6298, 2.2
    timeout.doubled()
    assert timeout.seconds == 6.0
    for _ in range(20):
        timeout.doubled()
    assert timeout.seconds == MOST_TIMEOUT


def test_pieces_are_counted_from_what_is_acknowledged() -> None:
    out = Sending(bytearray(b"abcdef"), acknowledged=0, end=7)
    assert out.piece(1, 3) == b"abc"
    del out.data[:2]
    out.acknowledged = 3
    assert out.piece(3, 9) == b"cdef"
    out.closing, out.acknowledged = True, 8
    assert out.all_acknowledged
