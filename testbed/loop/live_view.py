"""The loop while it runs, on a terminal: phases, tokens, slices, labels, what the xApp does.

    draw(scene, width, height)      # never higher than the terminal, which would cut its end off

`Scene` is all that is shown; `draw` makes rich's tables and panels of it. Where there is little
room the chart is lower and the oldest events go; addresses stay, at the top. It asks nobody.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import shorten
from typing import Any

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from testbed.loop.chronicle import Event, What
from testbed.loop.settings import INTERNET, LLM, PHASES, LoopSettings
from testbed.loop.slices import SliceSample
from testbed.loop.spark import chart, columns, waits_of
from testbed.loop.story import Token, phase_figures

EDGE_COLUMNS = 12  # beside the chart
RECENT_SECONDS = 3.0  # that tokens a second are of
STYLES = ("green", "red", "blue", "green")  # of the phases
MARKS = {What.CONGESTION: "red", What.STALL: "red", What.LABEL: "magenta", What.MOVE: "blue",
         What.STEER: "blue", What.FLOW: "green", What.CONGESTION_ENDS: "green",
         What.RELEASE: "green"}
DECISION_COLUMNS = 64
NAMES = {INTERNET: "everybody's", LLM: "the split model's"}
FRAME = 2  # lines of a panel that are its border
CHART_FRAME = FRAME + 2  # and what is below the chart
WAITED_FOR = 12  # the latest that are shown, while all is set up
TIME_COLUMNS, WHAT_COLUMNS = 9, 1 + max(map(len, What))  # of an event, before its text
STACKED_BELOW = 140  # columns: slices and decision are one above the other
# Lines of the chart, characters of a decision's reason, lines that events want: what is shown with
# ever less room, until that many lines of events fit, or all that there are.
SPARING = ((5, 180, 9), (4, 180, 7), (3, 180, 5), (2, 180, 5), (2, 90, 3), (2, 40, 1))


@dataclass
class Scene:
    """What there is to see."""

    settings: LoopSettings
    now: float | None = None  # seconds since the first phase began; None: not yet
    said: list[str] = field(default_factory=list)  # what is waited for
    tokens: Sequence[Token] = ()
    samples: Sequence[SliceSample] = ()
    quotas: Mapping[str, Any] = field(default_factory=dict)  # in force in the cell
    flow: Mapping[str, Any] | None = None
    decisions: Sequence[Mapping[str, Any]] = ()  # the latest first
    dry_run: bool = True
    events: Sequence[Event] = ()
    addresses: Mapping[str, str] = field(default_factory=dict)


def draw(scene: Scene, width: int, height: int) -> RenderableType:
    """All of it, or what is worth most of it, for a terminal of that size."""
    if scene.now is None:
        said = scene.said[-max(1, min(WAITED_FOR, height - FRAME)):]
        lines = Text("\n".join(f"  {one}" for one in said), no_wrap=True)
        return Panel(lines, title="airsplit demo: it is being set up", border_style="cyan")
    top: list[RenderableType] = [_addresses(scene, width)] if scene.addresses else []
    events = [_event(one, width) for one in scene.events]
    before, below, taken = 0, top, 0
    for rows, reason, wanted in SPARING:
        if reason != before:
            before, below = reason, _cell(scene, width, reason)
            taken = _lines_of([*top, *below], width)
        room = height - taken - (rows + CHART_FRAME) - FRAME
        if room >= min(wanted, sum(map(len, events))):
            break
    blocks = [*top, _tokens(scene, max(20, min(width, 160) - EDGE_COLUMNS - 4), rows), *below]
    if room > 0:
        return Group(*blocks, _events(events, room))
    while len(blocks) > 1 and _lines_of(blocks, width) > height:
        blocks.pop()  # the dearest are first
    return Group(*blocks)


def _cell(scene: Scene, width: int, reason: int) -> list[RenderableType]:
    """What is between the chart and the events."""
    if width < STACKED_BELOW:
        return [_slices(scene), _steering(scene, reason, None)]
    return [Columns([_slices(scene), _steering(scene, reason, DECISION_COLUMNS)])]


def _lines_of(blocks: Sequence[RenderableType], width: int) -> int:
    console = Console(file=io.StringIO(), width=width)
    return len(console.render_lines(Group(*blocks), pad=False)) if blocks else 0


def _tokens(scene: Scene, width: int, rows: int) -> Panel:
    settings, now = scene.settings, scene.now or 0.0
    values = columns(waits_of(scene.tokens), 0.0, settings.seconds, width)
    lines = chart(values, rows)
    marks = [""] * rows
    marks[0], marks[-1] = "1 s", "10 ms"
    if rows % 2:
        marks[rows // 2] = "100 ms"
    text = Text(no_wrap=True)
    bounds = [round(end / settings.seconds * width) for end in settings.ends]
    for mark, line in zip(marks, lines, strict=True):
        text.append(f"{mark:>8} │", style="dim")
        begin = 0
        for end, style in zip(bounds, STYLES, strict=True):
            text.append(line[begin:end], style=style)
            begin = end
        text.append("\n")
    text.append(" " * 9 + "└", style="dim")
    begin, place = 0, min(width - 1, round(now / settings.seconds * width))
    for name, end, style in zip(PHASES, bounds, STYLES, strict=True):
        span = f"{name:─^{end - begin}}"[:end - begin]
        done = max(0, min(len(span), place - begin))
        text.append(span[:done], style=style)
        text.append(span[done:], style="dim")
        begin = end
    recent = phase_figures("", scene.tokens, now - RECENT_SECONDS, now)
    text.append(f"\n          {recent.tokens_per_second:.0f} tokens a second, "
                f"{_number(recent.p50_ms)} ms from one to the next (p95 "
                f"{_number(recent.p95_ms)})", style="bold")
    return Panel(text, title=f"wait for each token, {now:.0f} of {settings.seconds:.0f} s",
                 border_style=STYLES[min(3, sum(now >= end for end in settings.ends))])


def _slices(scene: Scene) -> Panel:
    table = Table(box=None, padding=(0, 1))
    for name in ("slice", "guarantee", "PRBs down", "PRBs up", "down", "waits"):
        table.add_column(name, justify="left" if name == "slice" else "right")
    cells = sorted({one.cell for one in scene.samples})
    for slice_ in scene.settings.slice_names:
        name, quota = NAMES.get(slice_, slice_), scene.quotas.get(slice_) or {}
        lasts = {one.cell: one for one in scene.samples if one.slice == slice_}
        for place, cell in enumerate(cells):
            if cell in lasts:
                where = f", cell {place}" if len(cells) > 1 else ""
                _add_slice(table, name + where, quota, lasts[cell])
        if not lasts:
            _add_slice(table, name, quota, None)
    return Panel(table, title="the cell", border_style="cyan")


def _add_slice(table: Table, name: str, quota: Mapping[str, Any],
               last: SliceSample | None) -> None:
    """A slice in a cell by its last report."""
    table.add_row(
        name, f"{quota.get('minimum', 0)} %",
        _percent(last.down_prbs if last else None), _percent(last.up_prbs if last else None),
        f"{_number(last.down_kbps / 1000 if last and last.down_kbps is not None else None, 1)}"
        " Mbit/s", f"{_number(last.down_delay_ms if last else None)} ms")


def _steering(scene: Scene, reason: int, width: int | None) -> Panel:
    """As high as it must be: in the whole width the label and the xApp's state are one line."""
    flow = scene.flow
    text = Text()
    if flow is None:
        text.append("no flow of a split model is known")
    else:
        text.append(f"{flow['label']}", style="bold magenta")
        text.append(f"  {100 * flow['confidence']:.0f} % sure, {flow.get('address')}")
    text.append("   " if width is None else "\n")
    text.append("xApp: ", style="bold")
    text.append("only watches (dry run)" if scene.dry_run else "may act", style="bold blue")
    if scene.decisions:
        last = scene.decisions[0]
        text.append(f"\n{last['state']}: " + shorten(last["reason"], reason, placeholder=" …"))
    return Panel(text, title="label and decision", border_style="cyan", width=width)


def _event(event: Event, width: int) -> list[Text]:
    """Its lines."""
    before = TIME_COLUMNS + WHAT_COLUMNS
    console = Console(file=io.StringIO(), width=width)
    lines = list(Text(event.text).wrap(console, max(10, width - 4 - before)))
    first = Text(f"{event.at:6.1f} s".ljust(TIME_COLUMNS))
    first.append(event.what.value.ljust(WHAT_COLUMNS), style=MARKS.get(event.what, ""))
    return [(Text(" " * before) if number else first) + line
            for number, line in enumerate(lines)]


def _events(events: Sequence[list[Text]], room: int) -> Panel:
    """The latest, whole ones, in that many lines; the first lines of the last, if it is longer."""
    shown: list[Text] = []
    for one in reversed(events):
        if shown and len(shown) + len(one) > room:
            break
        shown = one[:room] + shown
    text = Text("\n", no_wrap=True, overflow="ellipsis").join(shown)
    return Panel(text, title="the story so far", border_style="cyan")


def _addresses(scene: Scene, width: int) -> Text:
    """Each on the first line that has room for it, so that none is cut in two without need."""
    lines: list[Text] = []
    for name, url in scene.addresses.items():
        one = Text.assemble((f"{name} ", "dim"), url)
        line = next((line for line in lines if len(line) + 2 + len(one) < width), None)
        if line is None:
            lines.append(Text(" ").append_text(one))
        else:
            line.append("  ").append_text(one)
    return Text("\n", overflow="fold").join(lines)


def _number(value: float | None, digits: int = 0) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} %"
