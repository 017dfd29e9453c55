"""What the strip says: a dash for what is not known, few digits, and nothing that acts."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from ue_app.meter import Bar, Minute
from ue_app.strip import (
    UNKNOWN,
    Guesses,
    StripView,
    Tone,
    duration,
    height,
    rate,
    size,
    strip_html,
)

EMPTY = StripView(Tone.IDLE, "Not connected", "", None, None, None, None, None, None,
                  Minute((None,) * 4, None, None))


@pytest.mark.parametrize(("seconds", "said"), [
    (None, (UNKNOWN, "")), (0.0012, ("1.2", "ms")), (0.0099, ("9.9", "ms")),
    (0.00999, ("10", "ms")), (0.4805, ("480", "ms")), (0.9996, ("1.0", "s")), (2.34, ("2.3", "s")),
    (99.96, ("100", "s"))])
def test_times(seconds: float | None, said: tuple[str, str]) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(("count", "said"), [
    (None, (UNKNOWN, "")), (0, ("0", "B")), (999, ("999", "B")), (1000, ("1.0", "kB")),
    (12_345, ("12.3", "kB")), (123_456, ("123", "kB")), (999_600, ("1.0", "MB")),
    (5_000_000_000, ("5.0", "GB"))])
def test_sizes(count: float | None, said: tuple[str, str]) -> None:
    assert size(count) == said


def test_speeds() -> None:
    assert rate(None) == (UNKNOWN, "")
    assert rate(7.94) == ("7.9", "/s")
    assert rate(774.2) == ("774", "/s")


def test_the_plot_is_logarithmic_and_bounded() -> None:
    assert height(0.0) == 0.0
    assert height(100.0) == 1.0
    assert height(0.02) - height(0.01) == pytest.approx(height(0.4) - height(0.2))


def test_nothing_known_is_all_dashes() -> None:
    text = strip_html(EMPTY)
    assert re.findall(r"<b>(.*?)<i>", text) == [UNKNOWN] * 6
    assert text.count("<u></u>") == 4
    assert 'data-tone="idle"' in text


def test_what_guessing_brings_is_shown_where_it_is_on() -> None:
    assert "as-guesses" not in strip_html(EMPTY)
    for guesses, said in (
            (Guesses(None, None, None), [UNKNOWN] * 3),
            (Guesses(4, 1.0, None), ["4", "1.0", UNKNOWN]),
            (Guesses(1234, 3.26, 0.4567), ["1,234", "3.3", "46%"])):
        text = strip_html(replace(EMPTY, guesses=guesses))
        assert re.findall(r"<span><b>(.*?)</b> (?:round|tokens|of)", text) == said


def test_everything_known_is_shown() -> None:
    view = replace(
        EMPTY, tone=Tone.GOOD, state="Connected", place="edge.example", time_to_first_token=0.2,
        tokens_per_second=50.0, bytes_up=77_506, bytes_down=0, round_trip=0.031, slice="gold",
        minute=Minute((Bar(0.02, 0.03), Bar(0.02, 0.9)), 0.02, 0.9))
    text = strip_html(view)
    assert re.findall(r"<b>(.*?)<i>(.*?)</i>", text) == [
        ("200", "ms"), ("50.0", "/s"), ("77.5", "kB"), ("0", "B"), ("31", "ms"), ("gold", "")]
    assert text.count("as-slow") == 1  # the second alone
    assert "20 ms between tokens" in text


def test_a_quick_gap_is_never_called_slow() -> None:
    view = replace(EMPTY, minute=Minute((Bar(0.001, 0.02),), 0.001, 0.02))
    assert "as-slow" not in strip_html(view)


def test_names_from_outside_do_not_act() -> None:
    text = strip_html(replace(EMPTY, slice="<img src=x>", place="<b>", state="<script>"))
    assert "<img" not in text
    assert "<script" not in text
