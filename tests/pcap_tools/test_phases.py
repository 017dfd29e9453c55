"""Prefill, decode and pauses are found in sizes and times alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pcap_tools.phases import Phase, Session, session_of
from tests.pcap_tools.sessions import PERIOD, ROW, TOKEN, Exchange, session


def arrays(packets: list[Exchange]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    table = np.array(packets, np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def found(packets: list[Exchange]) -> Session:
    result = session_of(*arrays(packets))
    assert result is not None
    return result


def test_two_turns_are_taken_apart() -> None:
    result = found(session(turns=2, tokens=12, prompt=9_000))
    assert [(span.phase, span.turn, span.tokens) for span in result.spans] == [
        (Phase.SETUP, 0, 0), (Phase.PREFILL, 1, 1), (Phase.DECODE, 1, 11), (Phase.PAUSE, 1, 0),
        (Phase.PREFILL, 2, 1), (Phase.DECODE, 2, 11)]
    assert (result.row, result.answer, result.tokens, result.turns) == (ROW, TOKEN, 24, 2)
    assert result.period == pytest.approx(PERIOD / 1e9)
    assert result.rate == pytest.approx(1e9 / PERIOD)
    assert [span.up for span in result.spans if span.phase == Phase.PREFILL] == [9_000, 9_000]


def test_spans_follow_each_other_and_hold_every_byte() -> None:
    packets = session(turns=3)
    result = found(packets)
    for before, after in zip(result.spans[:-1], result.spans[1:], strict=True):
        assert before.end == after.start
    assert result.spans[0].start == packets[0][0]
    assert result.spans[-1].end == packets[-1][0]
    assert sum(span.up for span in result.spans) == sum(size for _, size in packets if size > 0)
    assert sum(span.down for span in result.spans) == -sum(size for _, size in packets if size < 0)


def test_a_turn_right_after_the_other_is_another_turn() -> None:
    assert found(session(turns=3, thinking=0)).turns == 3


def test_encrypted_rows_of_several_packets_keep_the_beat() -> None:
    packets: list[Exchange] = []
    for time, size in session(row=4_150, token=60):
        # A record is cut into segments, and ends in one that is not full.
        if size == 4_150:
            packets += [(time, 1448), (time + 1000, 1448), (time + 2000, 1254)]
        else:
            packets.append((time, size))
    result = found(packets)
    assert (result.row, result.answer, result.tokens) == (4_150, 60, 24)


def test_pings_do_not_break_the_beat() -> None:
    packets = session(turns=1, tokens=30)
    pings = [(packets[-20][0] + 1, 6), (packets[-20][0] + 2, -10)]
    result = found(sorted(packets + pings))
    assert (result.tokens, result.turns) == (30, 1)


def test_rows_that_come_back_are_private_mode() -> None:
    result = found(session(token=556))
    assert (result.row, result.answer, result.tokens) == (552, 556, 24)


def test_a_capture_that_begins_with_the_edge_is_turned() -> None:
    time, size = arrays(session())
    result = session_of(time, -size)
    assert result is not None
    assert result.turned
    assert result.tokens == 24


def test_without_a_prompt_it_is_another_loop_unless_asked_for() -> None:
    loop = [packet for number in range(40)
            for packet in ((number * PERIOD, 500), (number * PERIOD + 1_000_000, -80))]
    assert session_of(*arrays(loop)) is None
    asked = session_of(*arrays(loop), need_prompt=False)
    assert asked is not None
    assert asked.turns == 1


@pytest.mark.parametrize("packets", [
    [], [(0, 500)], [(number * 1000, -1400) for number in range(500)],
    [(number * 1000, 1400 if number % 40 else -60) for number in range(500)]],
    ids=["nothing", "one", "download", "upload"])
def test_other_traffic_has_no_metronome(packets: list[Exchange]) -> None:
    assert session_of(*arrays(packets)) is None


@given(st.lists(st.tuples(st.integers(0, 1 << 62), st.integers(-70_000, 70_000)), max_size=80))
@settings(max_examples=80, deadline=None)
def test_any_packets_are_taken(packets: list[Exchange]) -> None:
    result = session_of(*arrays(packets), need_prompt=False)
    if result is not None:
        assert result.tokens >= 0
        assert all(span.start <= span.end for span in result.spans)
