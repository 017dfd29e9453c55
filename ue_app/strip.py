"""The live strip: what it says, in what words, and its HTML. It measures nothing.

A figure that is not known is a dash, never 0.
"""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from enum import StrEnum

from ue_app.meter import Bar, Minute

UNKNOWN = "\N{EN DASH}"
LOWEST, HIGHEST = 0.002, 2.0  # seconds; gaps outside are drawn at the plot's edges
# A gap that a reader notices: so many times the minute's median, and long in itself.
SLOW, SLOW_SECONDS = 4.0, 0.25


class Tone(StrEnum):
    """How good the connection's state is."""

    GOOD = "good"
    WAIT = "wait"
    BAD = "bad"
    IDLE = "idle"


@dataclass(frozen=True)
class Guesses:
    """What guessing ahead brings an answer; None is not known yet."""

    round_trips: int | None  # after the first token
    per_trip: float | None  # tokens
    accepted: float | None  # share of guesses that came true; None also where none was made


@dataclass(frozen=True)
class StripView:
    """What the strip shows. Times in seconds."""

    tone: Tone
    state: str
    place: str
    time_to_first_token: float | None
    tokens_per_second: float | None
    bytes_up: int | None
    bytes_down: int | None
    round_trip: float | None
    slice: str | None
    minute: Minute
    guesses: Guesses | None = None  # None: nothing is guessed


def duration(seconds: float | None) -> tuple[str, str]:
    """A time as a number and its unit."""
    if seconds is None:
        return UNKNOWN, ""
    if seconds < 0.00995:
        return f"{seconds * 1000:.1f}", "ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f}", "ms"
    return (f"{seconds:.1f}", "s") if seconds < 99.95 else (f"{seconds:.0f}", "s")


def size(count: float | None) -> tuple[str, str]:
    """Bytes as a number and its unit."""
    if count is None:
        return UNKNOWN, ""
    for unit in ("B", "kB", "MB"):
        if count < 999.5:
            return (f"{count:.0f}" if unit == "B" or count >= 99.95 else f"{count:.1f}"), unit
        count /= 1000
    return f"{count:.1f}", "GB"


def rate(per_second: float | None) -> tuple[str, str]:
    """A speed as a number and its unit."""
    if per_second is None:
        return UNKNOWN, ""
    return (f"{per_second:.0f}" if per_second >= 99.5 else f"{per_second:.1f}"), "/s"


def height(gap: float) -> float:
    """Where a gap ends in the plot, 0 to 1: doubling it adds the same amount everywhere."""
    inside = min(max(gap, LOWEST), HIGHEST)
    return math.log(inside / LOWEST) / math.log(HIGHEST / LOWEST)


def strip_html(view: StripView) -> str:
    """The strip, ready to be put into the page; its style is in `page_style`."""
    figures = (
        ("First token", duration(view.time_to_first_token)),
        ("Tokens", rate(view.tokens_per_second)),
        ("Up", size(view.bytes_up)),
        ("Down", size(view.bytes_down)),
        ("Round trip", duration(view.round_trip)),
        ("Slice", (view.slice or UNKNOWN, "")),
    )
    cells = "".join(
        f'<div class="as-cell"><b>{html.escape(number)}<i>{unit}</i></b>'
        f"<span>{name}</span></div>" for name, (number, unit) in figures)
    return (f'<div class="as-strip" data-tone="{view.tone}" role="status" aria-live="off">'
            f'<div class="as-head"><em></em><strong>{html.escape(view.state)}</strong>'
            f'<span class="as-place">{html.escape(view.place)}</span></div>'
            f'<div class="as-cells">{cells}</div>{_guessed(view.guesses)}'
            f"{_plot(view.minute)}</div>")


def _guessed(guesses: Guesses | None) -> str:
    if guesses is None:
        return ""
    trips = UNKNOWN if guesses.round_trips is None else f"{guesses.round_trips:,}"
    each = UNKNOWN if guesses.per_trip is None else f"{guesses.per_trip:.1f}"
    true = UNKNOWN if guesses.accepted is None else f"{guesses.accepted:.0%}"
    parts = ((trips, "round trips"), (each, "tokens each"), (true, "of guesses came true"))
    return '<div class="as-guesses">' + "".join(
        f"<span><b>{number}</b> {words}</span>" for number, words in parts) + "</div>"


def _plot(minute: Minute) -> str:
    bars = "".join(_bar(bar, minute.typical) for bar in minute.bars)
    if minute.typical is None or minute.worst is None:
        legend = "time between tokens"
    else:
        legend = (f"{' '.join(duration(minute.typical))} between tokens · longest "
                  f"{' '.join(duration(minute.worst))}")
    return (f'<div class="as-plot" title="Time between tokens over the last minute; taller is '
            f'slower">{bars}</div><div class="as-legend"><span>{legend}</span>'
            f"<span>last minute</span></div>")


def _bar(bar: Bar | None, typical: float | None) -> str:
    if bar is None:
        return "<u></u>"
    slow = typical is not None and bar.worst > max(SLOW * typical, SLOW_SECONDS)
    return (f'<u style="--h:{height(bar.typical):.2f};--w:{height(bar.worst):.2f}"'
            f'{" class=as-slow" if slow else ""}></u>')
