"""Whose counts there are, and at which byte they no longer agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from edge_server.messages import Sampling, Start
from testbed.modes.agreement import START_BYTES, counts_of, frames_agree, head_of
from testbed.modes.capture import Captured
from testbed.modes.figures import Far, Measured, Turn
from testbed.modes.metering import Step

ROW, HEADER, START = 1024, 32, 86  # bytes; a START with its head
COUNTED = Measured([], 0.5, 1200, 130)
SOCKETS, SEEN = Far(1200, 130), Captured(1200, 130)


@pytest.mark.parametrize(("far", "captured", "agree", "who"), [
    (SOCKETS, SEEN, True, "both sides and capture"),
    (SOCKETS, None, None, "both sides"),
    (SOCKETS, Captured(None, None), None, "both sides"),  # frames were lost
    (Far(), SEEN, None, "client and capture"), (Far(), None, None, "client"),
    (Far(1199, 130), None, False, "both sides"), (Far(1200, 131), None, False, "both sides"),
    (Far(1199, 130), SEEN, False, "both sides and capture"),
    (SOCKETS, Captured(1200, 131), False, "both sides and capture"),
    (Far(), Captured(1199, 130), False, "client and capture")])
def test_a_yes_needs_both_sides_and_a_capture(
    far: Far, captured: Captured | None, agree: bool | None, who: str
) -> None:
    found = counts_of(replace(COUNTED, far=far, captured=captured))
    assert (found["bytes_agree"], found["counted_by"]) == (agree, who)


def test_each_count_is_there_to_be_read() -> None:
    found = counts_of(replace(COUNTED, far=Far(1199, 129), captured=Captured(1198, 128)))
    assert [found[name] for name in ("server_up", "server_down", "captured_up", "captured_down")
            ] == [1199, 129, 1198, 128]
    frames = counts_of(replace(COUNTED, far=Far(frames_received=1190, frames_sent=126)))
    assert (frames["server_up"], frames["server_down"]) == (1190, 126)


def test_where_nothing_is_sent_nobody_counts() -> None:
    assert set(counts_of(Measured([], 0.5, None, None)).values()) == {None}


def step(rows: int, sent: int, received: int, seconds: float = 0.03) -> Step:
    return Step(rows, sent, received, seconds, seconds, 0.0, None, None, None, 0.0, None)


def answer(sequence: int = 0, prompt: int = 33, tokens: int = 10, seconds: float = 0.03) -> Turn:
    """As `split` sends it: a START, the prompt in frames of 32 rows, then a row a token."""
    frames = -(-prompt // 32)
    first = step(prompt, START + prompt * ROW + frames * (HEADER + 8), 38, seconds)
    later = step(1, ROW + HEADER + 8, 38, seconds)
    return Turn(sequence, 0, tuple(range(tokens)), (first, *[later] * (tokens - 1)))


def heads_of(turns: Sequence[Turn]) -> tuple[int, int]:
    """What a true edge leaves out: 6 of a START, 8 of each frame of rows, 2 of each token."""
    up = sum(6 + 8 * sum(-(-one.rows // 32) for one in turn.steps) for turn in turns)
    return up, sum(2 * len(turn.steps) for turn in turns)


@pytest.mark.parametrize(("pings", "pongs", "agree"), [
    (0, 0, True), (7, 3, True), (8, 4, True), (7, 0, True),  # its answer is on the way
    (-20, 0, False), (0, -1, False),  # frames that the client's socket never carried
    (36, 0, False), (0, 36, False), (7, 38, False), (1064, 38, False), (-1064, -38, False)])
def test_an_edges_frames_leave_room_for_heads_and_pings_alone(
    pings: int, pongs: int, agree: bool
) -> None:
    turns = [answer()]
    up, down = heads_of(turns)
    assert frames_agree(turns, 0.3, up + pings, down + pongs) is agree


def test_the_border_is_a_byte() -> None:
    """A prompt of one frame leaves nothing open: each head is known."""
    turns = [answer(prompt=8, tokens=30)]
    exact, down = heads_of(turns)
    assert frames_agree(turns, 0.9, exact, down)
    assert not frames_agree(turns, 0.9, exact - 1, down)
    most = 2 + 4 + 2  # a ping's head, its mask and its number
    assert frames_agree(turns, 0.9, exact + most, down)
    assert not frames_agree(turns, 0.9, exact + most + 1, down)
    assert not frames_agree(turns, 0.9, exact + most, down + 2 * 4 + 1)  # two answers at most


def test_pings_go_by_seconds_and_connections() -> None:
    turns = [answer(sequence=one, seconds=0.4) for one in range(3)]
    up, down = heads_of(turns)
    assert frames_agree(turns, 4.0, up + 15 * 7, down + 15 * 3)  # five of each of three
    assert not frames_agree(turns, 4.0, up + 30 * 7, down + 30 * 3)
    assert not frames_agree(turns, 4.0, up + 15 * 7, down)  # nobody answered one of them


def test_a_lost_token_is_found_in_a_long_answer() -> None:
    turns = [answer(tokens=200, seconds=0.15)]
    up, down = heads_of(turns)
    assert frames_agree(turns, 30.0, up + 29 * 7, down + 29 * 3)
    assert not frames_agree(turns, 30.0, up + 29 * 7, down + 29 * 3 + 38)


@pytest.mark.parametrize(("payload", "plain"), [
    (1, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)])
@pytest.mark.parametrize("mask", [0, 4])
def test_a_heads_size_is_websockets(payload: int, plain: int, mask: int) -> None:
    from websockets.frames import Frame, Opcode

    whole = Frame(Opcode.BINARY, b"x" * payload).serialize(mask=bool(mask))
    assert len(whole) == payload + plain + mask
    assert head_of(len(whole), mask) == plain + mask


def test_what_is_known_of_a_start_holds() -> None:
    assert HEADER + len(Start(Sampling(), 0).pack()) + 6 == START < START_BYTES
