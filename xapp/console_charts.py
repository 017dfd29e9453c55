"""Charts over time: what slices use within their quotas, what waits, decisions on the same axis.

A chart's specification depends on the slices and the colours alone, and all that moves is in its
rows: so the browser updates the picture in place. Times are seconds before now, below 0. Rows and
specifications only; it knows no widgets and no API calls.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import altair

from xapp.api_decisions import DecisionModel
from xapp.api_views import HistoryModel, SeriesModel
from xapp.console_decisions import STATE_WORDS, effect_text, title_text
from xapp.console_style import (
    SLICES_DARK,
    SLICES_LIGHT,
    STATE_TONES,
    TONES_DARK,
    TONES_LIGHT,
)

PITCH = 140  # from one slice's 0 % to the next one's, in percent
NAME = 116.0  # a slice's name stands above its 100 %
LANE = 6  # above the uppermost slice's 100 %: where decisions stand
SAME_SECONDS = 0.05  # apart, two times are one: clocks are read anew for every answer
EXTENT = 54  # pixels of every chart's left axis, so that their times stand below each other
ROW_HEIGHT, LANE_HEIGHT, WAIT_HEIGHT = 104, 30, 160  # pixels
Row = dict[str, Any]


@dataclass(frozen=True)
class Look:
    """What a chart's specification depends on."""

    slices: tuple[str, ...]  # S-NSSAIs, in the cell's order
    window: float  # seconds
    dark: bool

    @property
    def colours(self) -> list[str]:
        palette = SLICES_DARK if self.dark else SLICES_LIGHT
        return [palette[place % len(palette)] for place in range(len(self.slices))]


def usage_rows(
    look: Look, cell: str, used: HistoryModel, minimum: HistoryModel, maximum: HistoryModel,
    decisions: Iterable[DecisionModel],
) -> list[Row]:
    """What the chart of slices shows."""
    rows: list[Row] = []
    for place, name in enumerate(look.slices):
        base = (len(look.slices) - 1 - place) * PITCH
        common = {"slice": name, "base": float(base)}
        subject = f"{cell}/{name}"
        for time, value in _points(used, subject, look.window):
            rows.append({"kind": "use", "x": time - used.now, "clock": _clock(time), "used": value,
                         "y": None if value is None else base + value, **common})
        for time, low, high in _quotas(minimum, maximum, subject, look.window):
            rows.append({"kind": "quota", "x": time - minimum.now, "clock": _clock(time),
                         "low": base + low, "high": base + high, "minimum": low, "maximum": high,
                         **common})
        rows.append({"kind": "name", "x": -look.window, "y": base + NAME,
                     "title": f"slice {name}", **common})
    top = len(look.slices) * PITCH + LANE
    rows += _decisions(look, cell, used.now, decisions, float(top))
    return rows


def delay_rows(
    look: Look, cell: str, delay: HistoryModel, decisions: Iterable[DecisionModel]
) -> list[Row]:
    """What the chart of waiting shows."""
    rows: list[Row] = []
    for name in look.slices:
        for time, value in _points(delay, f"{cell}/{name}", look.window):
            # A logarithmic axis has no place for 0, which is a good value.
            shown = None if value is None else max(value, 0.1)
            rows.append({"kind": "delay", "x": time - delay.now, "clock": _clock(time),
                         "slice": name, "y": shown})
    return rows + _decisions(look, cell, delay.now, decisions, None)


def usage_spec(look: Look) -> Row:
    """The chart of slices: bands above each other, each from 0 to 100 % of the cell."""
    count = len(look.slices)
    y = altair.Y("y:Q", title=None, scale=altair.Scale(
        domain=[0, count * PITCH + LANE + 8], nice=False), axis=altair.Axis(
            values=[place * PITCH + value for place in range(count) for value in (0, 100)],
            labelOverlap=False,
            labelExpr=f"(datum.value % {PITCH}) + ' %'", grid=True, gridOpacity=0.5,
            domain=False, minExtent=EXTENT, maxExtent=EXTENT))
    colour = _slice_colour(look)
    x = _x(look)
    use, quota = _only("use"), _only("quota")
    band = quota.mark_area(interpolate="step-after", opacity=0.13, clip=True).encode(
        x=x, y=altair.Y("low:Q", title=None), y2="high:Q", color=colour)
    least = quota.mark_line(
        interpolate="step-after", strokeDash=[5, 4], strokeWidth=1.5, opacity=0.9, clip=True
    ).encode(x=x, y=altair.Y("low:Q", title=None), color=colour, tooltip=[
        altair.Tooltip("slice:N", title="slice"), altair.Tooltip("clock:N", title="time"),
        altair.Tooltip("minimum:Q", title="minimum %"),
        altair.Tooltip("maximum:Q", title="maximum %")])
    filled = use.mark_area(opacity=0.35, clip=True).encode(
        x=x, y=y, y2="base:Q", color=colour, tooltip=[
            altair.Tooltip("slice:N", title="slice"), altair.Tooltip("clock:N", title="time"),
            altair.Tooltip("used:Q", title="used %", format=".1f")])
    line = use.mark_line(strokeWidth=1.8, clip=True).encode(x=x, y=y, color=colour)
    name = _only("name").mark_text(align="left", baseline="middle", dx=4, fontWeight=600).encode(
        x=x, y=y, text="title:N", color=colour)
    marks = _only("decision").mark_point(shape="diamond", size=110, filled=True, opacity=1).encode(
        x=x, y=y, color=_tone_colour(look), tooltip=_DECISION_TOOLTIP)
    return _finished([band, _rules(look, x), filled, line, least, name, marks])


def delay_spec(look: Look) -> Row:
    """The chart of waiting: a line for each slice, on a logarithmic axis."""
    x = _x(look)
    axis = altair.Axis(
        values=[.1, 1, 10, 100, 1000, 10_000], domain=False, gridOpacity=0.5, minExtent=EXTENT,
        maxExtent=EXTENT, labelExpr="datum.value < 1000 ? format(datum.value, '~r') + ' ms'"
                                    " : format(datum.value / 1000, '~r') + ' s'")
    line = _only("delay").mark_line(strokeWidth=1.8, clip=True).encode(
        x=x, y=altair.Y("y:Q", title=None, scale=altair.Scale(type="log", nice=True), axis=axis),
        color=_slice_colour(look), tooltip=[
            altair.Tooltip("slice:N", title="slice"), altair.Tooltip("clock:N", title="time"),
            altair.Tooltip("y:Q", title="ms", format=".1f")])
    return _finished([_rules(look, x), line])


def usage_height(look: Look) -> int:
    return len(look.slices) * ROW_HEIGHT + LANE_HEIGHT


_DECISION_TOOLTIP = [
    altair.Tooltip("title:N", title="decision"), altair.Tooltip("clock:N", title="time"),
    altair.Tooltip("state:N", title="state"), altair.Tooltip("effect:N", title="effect")]


def _only(kind: str) -> Any:
    return altair.Chart().transform_filter(f"datum.kind == '{kind}'")


def _rules(look: Look, x: altair.X) -> Any:
    return _only("decision").mark_rule(strokeWidth=1.2, opacity=0.55).encode(
        x=x, color=_tone_colour(look), tooltip=_DECISION_TOOLTIP)


def _x(look: Look) -> altair.X:
    step = {60.0: 15, 300.0: 60, 900.0: 180, 3600.0: 600}.get(look.window, look.window / 5)
    ticks = [-step * place for place in range(int(look.window / step) + 1)]
    words = ("datum.value == 0 ? 'now' : " + (
        "format(datum.value, 'd') + ' s'" if look.window <= 60 else
        "format(datum.value / 60, '~r') + ' min'"))
    return altair.X("x:Q", title=None, scale=altair.Scale(domain=[-look.window, 0], nice=False),
                    axis=altair.Axis(values=ticks, labelExpr=words, grid=False, labelFlush=True))


def _slice_colour(look: Look) -> altair.Color:
    return altair.Color("slice:N", legend=None, scale=altair.Scale(
        domain=list(look.slices), range=look.colours))


def _tone_colour(look: Look) -> altair.Color:
    tones = TONES_DARK if look.dark else TONES_LIGHT
    return altair.Color("tone:N", legend=None, scale=altair.Scale(
        domain=list(tones), range=list(tones.values())))


def _finished(layers: list[Any]) -> Row:
    chart = altair.layer(*layers).resolve_scale(color="independent").configure_view(stroke=None)
    found: Row = chart.to_dict()
    # Altair writes an empty table into a chart without one; rows come with the page.
    found.pop("datasets", None)
    for layer in found["layer"]:
        layer.pop("data", None)
    return found


def _decisions(
    look: Look, cell: str, now: float, decisions: Iterable[DecisionModel], y: float | None
) -> list[Row]:
    return [{"kind": "decision", "x": one.at - now, "y": y, "clock": _clock(one.at),
             "tone": STATE_TONES.get(one.state, "quiet"),
             "state": STATE_WORDS.get(one.state, one.state),
             "title": f"{one.number}: {title_text(one)}", "effect": effect_text(one)}
            for one in decisions
            if cell in (one.cell, one.target) and -look.window <= one.at - now <= 0]


def _points(
    history: HistoryModel, subject: str, window: float
) -> list[tuple[float, float | None]]:
    series = _of(history.series, subject)
    if series is None:
        return []
    return [(time, value) for time, value in zip(series.times, series.values, strict=True)
            if -window <= time - history.now <= 0]


def _quotas(
    minimum: HistoryModel, maximum: HistoryModel, subject: str, window: float
) -> list[tuple[float, float, float]]:
    """Both bounds wherever a minimum is known; the last ones hold until now.

    The two were read one after the other, so their times differ a little, or by a point.
    """
    highs = [(time, value) for time, value in _points(maximum, subject, window)
             if value is not None]
    both: list[tuple[float, float, float]] = []
    for time, low in _points(minimum, subject, window):
        if low is not None and highs:
            place = bisect_right(highs, time + SAME_SECONDS, key=lambda point: point[0])
            # A minimum above what was a maximum before: that one is of a moment later.
            both.append((time, low, max(low, highs[max(place - 1, 0)][1])))
    if both:
        both.append((minimum.now, both[-1][1], both[-1][2]))
    return both


def _of(series: Sequence[SeriesModel], subject: str) -> SeriesModel | None:
    return next((one for one in series if one.subject == subject), None)


def _clock(time: float) -> str:
    return f"{datetime.fromtimestamp(time):%H:%M:%S}"


def columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Rows as columns that are all there in every chart, known or not."""
    numbers = ("x", "y", "base", "low", "high", "used", "minimum", "maximum")
    words = ("kind", "slice", "clock", "tone", "state", "title", "effect")
    return {name: [row.get(name) for row in rows] for name in (*numbers, *words)}
