"""The loop while it runs, on a terminal: phases, tokens, slices, labels, what the xApp does.

`Scene` is all that is shown; `draw` makes rich's tables and panels of it. It asks nobody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import shorten
from typing import Any

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from testbed.loop.chronicle import Event, What
from testbed.loop.settings import INTERNET, LLM, PHASES, LoopSettings
from testbed.loop.slices import SliceSample
from testbed.loop.spark import chart, columns, waits_of
from testbed.loop.story import Token, phase_figures

HEIGHT = 5  # lines of the chart
EDGE_COLUMNS = 12  # beside the chart
RECENT_SECONDS = 3.0  # that tokens a second are of
STYLES = ("green", "red", "blue", "green")  # of the phases
MARKS = {What.CONGESTION: "red", What.STALL: "red", What.LABEL: "magenta", What.MOVE: "blue",
         What.STEER: "blue", What.FLOW: "green", What.CONGESTION_ENDS: "green",
         What.RELEASE: "green"}
NAMES = {INTERNET: "everybody's", LLM: "the split model's"}
MOST_EVENTS = 9


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


def draw(scene: Scene, width: int) -> RenderableType:
    """All of it, for a terminal of that width."""
    if scene.now is None:
        lines = Text("\n".join(f"  {one}" for one in scene.said[-12:]))
        return Panel(lines, title="airsplit demo: it is being set up", border_style="cyan")
    inside = max(20, min(width, 160) - EDGE_COLUMNS - 4)
    return Group(_tokens(scene, inside), Columns([_slices(scene), _steering(scene)]),
                 _events(scene), _addresses(scene))


def _tokens(scene: Scene, width: int) -> Panel:
    settings, now = scene.settings, scene.now or 0.0
    values = columns(waits_of(scene.tokens), 0.0, settings.seconds, width)
    lines = chart(values, HEIGHT)
    marks = ("1 s", "", "100 ms", "", "10 ms")
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
    for slice_ in (INTERNET, LLM):
        last = next((one for one in reversed(scene.samples) if one.slice == slice_), None)
        quota = scene.quotas.get(slice_) or {}
        table.add_row(
            NAMES[slice_], f"{quota.get('minimum', 0)} %",
            _percent(last.down_prbs if last else None), _percent(last.up_prbs if last else None),
            f"{_number(last.down_kbps / 1000 if last and last.down_kbps is not None else None, 1)}"
            " Mbit/s", f"{_number(last.down_delay_ms if last else None)} ms")
    return Panel(table, title="the cell", border_style="cyan")


def _steering(scene: Scene) -> Panel:
    flow = scene.flow
    text = Text()
    if flow is None:
        text.append("no flow of a split model is known\n")
    else:
        text.append(f"{flow['label']}", style="bold magenta")
        text.append(f"  {100 * flow['confidence']:.0f} % sure, {flow.get('address')}\n")
    text.append("xApp: ", style="bold")
    text.append("only watches (dry run)" if scene.dry_run else "may act", style="bold blue")
    if scene.decisions:
        last = scene.decisions[0]
        text.append(f"\n{last['state']}: " + shorten(last["reason"], 180, placeholder=" …"))
    return Panel(text, title="label and decision", border_style="cyan", width=64)


def _events(scene: Scene) -> Panel:
    table = Table.grid(padding=(0, 1))
    for one in scene.events[-MOST_EVENTS:]:
        table.add_row(f"{one.at:6.1f} s", Text(one.what.value, style=MARKS.get(one.what, "")),
                      one.text)
    return Panel(table, title="the story so far", border_style="cyan")


def _addresses(scene: Scene) -> Text:
    text = Text()
    for name, url in scene.addresses.items():
        text.append(f" {name} ", style="dim")
        text.append(url)
    return text


def _number(value: float | None, digits: int = 0) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} %"
