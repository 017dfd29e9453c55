"""The last minute of tokens: slices that stand still, gaps of one answer only, bounded memory."""

from __future__ import annotations

from ue_app.meter import MAX_TICKS, WINDOW, Bar, Meter, rate_now
from ue_app.runner import Token


def token(time: float, gap: float | None) -> Token:
    return Token(1, 0, time, gap, None, None, None)


def test_a_minute_without_tokens_is_known_to_be_empty() -> None:
    minute = Meter().minute(1000.0, 60)
    assert minute.bars == (None,) * 60
    assert (minute.typical, minute.worst) == (None, None)


def test_gaps_fall_into_the_slice_of_their_time() -> None:
    meter = Meter()
    for time, gap in ((1000.2, 0.1), (1000.4, 0.2), (1000.6, 0.9), (1002.5, 0.3)):
        meter.token(token(time, gap))
    minute = meter.minute(1003.0, 60)
    assert minute.bars[-1] is None
    assert minute.bars[-2] == Bar(0.3, 0.3)
    assert minute.bars[-3] is None
    assert minute.bars[-4] == Bar(0.2, 0.9)
    assert (minute.typical, minute.worst) == (0.25, 0.9)


def test_tokens_that_came_in_one_round_trip_share_its_wait() -> None:
    """Their median is no tenth of a millisecond, though most followed another at once."""
    meter = Meter()
    for trip in range(10):
        for place in range(4):
            meter.token(token(1000.0 + 0.06 * trip + 0.0001 * place,
                              0.0001 if place else 0.0597))
    minute = meter.minute(1000.9, 60)
    assert minute.bars[-1] is not None
    assert round(minute.bars[-1].typical, 6) == 0.015
    assert minute.typical is not None
    assert round(minute.typical, 6) == 0.015
    assert (minute.bars[-1].worst, minute.worst) == (0.0597, 0.0597)


def test_bars_move_as_wholes() -> None:
    meter = Meter()
    for step in range(100):
        meter.token(token(1000.0 + step * 0.37, 0.01 * step))
    before = meter.minute(1040.2, 60).bars
    assert meter.minute(1040.9, 60).bars == before
    assert meter.minute(1041.1, 60).bars[:-1] == before[1:]


def test_the_first_token_of_an_answer_is_no_gap() -> None:
    meter = Meter()
    meter.token(token(1000.0, None))
    assert meter.minute(1000.0, 60).typical is None


def test_what_is_older_than_a_minute_is_gone() -> None:
    meter = Meter()
    meter.token(token(1000.0, 0.5))
    assert meter.minute(1000.0 + WINDOW - 1, 60).worst == 0.5
    assert meter.minute(1000.0 + WINDOW + 1, 60).worst is None


def test_memory_is_bounded() -> None:
    meter = Meter()
    for step in range(MAX_TICKS + 10):
        meter.token(token(step * 1e-6, 1e-6))
    assert len(meter._gaps) == MAX_TICKS


def test_the_speed_now_looks_at_the_last_moments() -> None:
    assert rate_now([]) is None
    assert rate_now([5.0]) is None
    assert rate_now([5.0, 5.0]) is None
    slow_then_fast = [0.0, 10.0, 20.0, *(20.0 + step / 10 for step in range(1, 21))]
    speed = rate_now(slow_then_fast)
    assert speed is not None
    assert round(speed, 6) == 10.0
    slow = rate_now([0.0, 4.0])
    assert slow == 0.25
