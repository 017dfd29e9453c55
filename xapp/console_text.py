"""What the console draws itself, as HTML, and figures as words. Pure functions.

Everything that came over the network is escaped: a node, a UE or an operator chose it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from xapp.api_views import (
    CellModel,
    EventModel,
    FlowModel,
    NodeModel,
    QuotaModel,
    StatusModel,
    UeModel,
)
from xapp.console_style import colour_of

NODE_TONES = {"connected": "good", "connecting": "wait", "lost": "bad"}
LEVEL_TONES = {"info": "good", "warning": "wait", "error": "bad"}
UNKNOWN = "\N{EN DASH}"  # stands where a figure is not known


def head(status: StatusModel) -> tuple[str, str]:
    """Tone and words for how the xApp stands."""
    if status.killed:
        return "bad", "Kill switch pulled"
    if not status.ready:
        return "wait", "Not ready"
    return ("wait", "Dry run") if status.dry_run else ("good", "Steering")


def strip_html(status: StatusModel, url: str) -> str:
    """The line and the figures on top of every page."""
    tone, words = head(status)
    ended = {name: status.decisions.get(name, 0)
             for name in ("confirmed", "unproven", "rolled_back", "failed")}
    heard = None if status.tap_heard is None else max(0.0, status.now - status.tap_heard)
    cells = (
        ("Nodes", str(status.nodes), ""), ("UEs", str(status.ues), ""),
        ("Split-LLM flows", str(status.flows.get("llm_split", 0)),
         f"of {sum(status.flows.values())}"),
        ("Effect confirmed", str(ended["confirmed"]), f"of {sum(ended.values())}"),
        ("Tap heard", *((UNKNOWN, "never") if heard is None else _ago(heard))),
        ("Running", *_ago(max(0.0, status.now - status.started))))
    return (f'<div class="as-strip" data-tone="{tone}"><div class="as-head"><em></em>'
            f'<strong>{words}</strong><span class="as-place">{escaped(_place(url))}</span></div>'
            '<div class="as-cells">' + "".join(
                f'<div class="as-cell"><b>{number}<i>{unit}</i></b><span>{name}</span></div>'
                for name, number, unit in cells) + "</div></div>")


def away_html(problem: str, remedy: str, url: str) -> str:
    """The strip, where no figure can be had."""
    return ('<div class="as-strip" data-tone="bad"><div class="as-head"><em></em>'
            f'<strong>xApp away</strong><span class="as-place">{escaped(_place(url))}</span></div>'
            "</div>" + error_html(problem, f"{remedy} This page looks again by itself."))


def error_html(problem: str, remedy: str) -> str:
    """What is wrong, and what to do."""
    return (f'<div class="as-error" role="alert"><b>{escaped(problem)}</b>'
            f"{escaped(remedy)}</div>")


def note_html(title: str, text: str = "") -> str:
    """Something to know."""
    return f'<div class="as-note" role="status"><b>{escaped(title)}</b>{escaped(text)}</div>'


def empty_html(text: str) -> str:
    return f'<div class="as-empty">{escaped(text)}</div>'


def hello_html(reasons: Sequence[str]) -> str:
    """The first start: no node yet, and what to do next."""
    told = " ".join(reasons) or "No base station has connected yet."
    return ('<div class="as-hello"><h1>Waiting for a base station</h1>'
            f"<p>{escaped(told)} The xApp listens for E2; once a node has set up, its cells, "
            "slices and UEs appear here by themselves.</p>"
            "<pre># srsRAN: in the gNB's configuration\n"
            "e2: {enable_du_e2: true, enable_cu_cp_e2: true,\n"
            "     addr: THIS-MACHINE, port: 36421}\n\n"
            "# No base station at hand: one that is emulated\n"
            "airsplit e2-node --profile oai --load overload \\\n"
            "    --map-port 8002 --tap-port 5556</pre>"
            "<p><code>airsplit xapp decode</code> prints E2 messages, <code>airsplit xapp audit"
            "</code> what was done; docs/osc.md is for an OSC RIC.</p></div>")


def brand_html() -> str:
    return '<div class="as-brand">air<span>split</span><small>xApp</small></div>'


def section_html(title: str, note: str = "") -> str:
    return f'<div class="as-section">{escaped(title)}<small>{escaped(note)}</small></div>'


def usage_html(cell: CellModel, up: bool = False) -> str:
    """What a cell's slices use now, beside each other and by name."""
    bars, names = [], []
    for place, one in enumerate(cell.slices):
        used = one.load.up_prbs if up else one.load.down_prbs
        colour = colour_of(place)
        if used is not None:
            bars.append(f'<u style="{colour}; width: {min(max(used, 0.0), 100.0):.1f}%"></u>')
        quota = ("no quota" if one.quota is None
                 else f"{span(one.quota)} allowed")
        names.append(f'<div class="as-slice" style="{colour}"><s></s>'
                     f"<b>slice {escaped(one.snssai)}</b>{percent(used)}<span>{quota}</span></div>")
    return (f'<div class="as-usage"><div class="as-bar">{"".join(bars)}</div>'
            f'<div class="as-slices">{"".join(names)}</div></div>')


def legend_html() -> str:
    return ('<div class="as-legend"><span><i></i>used</span>'
            '<span><i class="as-range"></i>quota, from minimum to maximum</span>'
            '<span><i class="as-least"></i>guaranteed minimum</span>'
            '<span data-tone="good"><i class="as-mark"></i>decision, confirmed</span>'
            '<span data-tone="bad"><i class="as-mark"></i>rolled back</span>'
            '<span data-tone="wait"><i class="as-mark"></i>under way, or not proven</span>'
            '<span data-tone="quiet"><i class="as-mark"></i>not sent</span></div>')


def flows_html(flows: Sequence[FlowModel]) -> str:
    """A row for each flow, with its label and how sure that is."""
    titles = ('<div class="as-row as-flow as-titles"><span>Label</span><span>Confidence</span>'
              "<span>UE</span><span>Slice</span><span>Speed</span><span>Traffic</span></div>")
    return '<div class="as-rows">' + titles + "".join(
        '<div class="as-row as-flow">'
        f'<span><span class="as-chip" data-tone="{"good" if one.label == "llm_split" else "quiet"}"'
        f">{escaped(one.label)}</span></span>"
        f"<span>{_sure(one.confidence)}</span>"
        f"<span>{escaped(one.address or short(one.ue) or 'not known')}"
        f"{' <small>by counters</small>' if one.from_counters else ''}</span>"
        f"<span>{escaped(one.slice or UNKNOWN)}</span>"
        f"{_per_second(one.steps_per_second)}"
        f"<span><small>up</small> {rate(_bits(one.up_bytes_per_second))} "
        f"<small>down</small> {rate(_bits(one.down_bytes_per_second))}</span></div>"
        for one in flows) + "</div>"


def ues_html(ues: Sequence[UeModel]) -> str:
    """A row for each UE."""
    titles = ('<div class="as-row as-ue as-titles"><span>UE</span><span>Address</span>'
              "<span>Cell</span><span>Slice</span><span>Traffic</span><span>Waiting</span></div>")
    return '<div class="as-rows">' + titles + "".join(
        f'<div class="as-row as-ue"><span>{escaped(short(one.id))}</span>'
        f"<span>{escaped(one.address or 'not known')}</span>"
        f"<span>{escaped(short(one.cell) or UNKNOWN)}</span>"
        f"<span>{escaped(one.slice or UNKNOWN)}</span>"
        f"<span><small>up</small> {rate(one.load.up_kbps, 1000)} "
        f"<small>down</small> {rate(one.load.down_kbps, 1000)}</span>"
        f"<span><small>up</small> {milliseconds(one.load.up_delay_ms)} "
        f"<small>down</small> {milliseconds(one.load.down_delay_ms)}</span></div>"
        for one in ues) + "</div>"


def nodes_html(nodes: Sequence[NodeModel]) -> str:
    """A row for each node: how it stands, what it announced, what can act on it."""
    return '<div class="as-rows">' + "".join(
        f'<div class="as-row as-node" data-tone="{NODE_TONES.get(one.state, "quiet")}">'
        f'<i class="as-dot"></i><div><b>{escaped(one.name)}</b> <small>{escaped(one.state)} since '
        f"{moment(one.since)} · profile {escaped(one.profile)}</small></div>"
        f"<div>{_chips(unit.unit or 'unit' for unit in one.associations)} <small>announced</small> "
        f"{_chips(found.name for found in one.functions)} <small>acted on by</small> "
        f"{_chips(one.actuators) or '<small>nothing</small>'}</div></div>"
        for one in nodes) + "</div>"


def limits_html(limits: Mapping[str, Any]) -> str:
    """Names and values, section by section."""
    return '<div class="as-rows">' + "".join(
        f'<div class="as-row as-limit"><span>{escaped(name)}</span>'
        f"<span>{escaped(value)}</span></div>" for name, value in _flat(limits)) + "</div>"


def _flat(part: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, value in part.items():
        label = f"{before}{name}".replace("_", " ")
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{label}: ")
        elif isinstance(value, list):
            yield label, ", ".join(map(str, value)) or "none"
        else:
            yield label, "not set" if value in (None, {}, "") else str(value)


def _chips(words: Iterable[str]) -> str:
    return " ".join(f'<span class="as-chip">{escaped(word)}</span>' for word in words)


def events_html(events: Sequence[EventModel]) -> str:
    """A row for each event."""
    return '<div class="as-rows">' + "".join(
        f'<div class="as-row as-event" data-tone="{LEVEL_TONES.get(one.level, "quiet")}">'
        f'<i class="as-dot"></i><small>{moment(one.at)}</small>'
        f"<div>{escaped(one.sentence)} <small>{escaped(short(one.subject))}</small></div></div>"
        for one in events) + "</div>"







def percent(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.0f} %" if value >= 10 else f"{value:.1f} %"


def milliseconds(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"


def rate(value: float | None, scale: float = 1.0) -> str:
    """Bits per second."""
    if value is None:
        return UNKNOWN
    number = value * scale
    for unit in ("bit/s", "kbit/s", "Mbit/s"):
        if number < 1000:
            return f"{number:.0f} {unit}" if number >= 10 or unit == "bit/s" else (
                f"{number:.1f} {unit}")
        number /= 1000
    return f"{number:.1f} Gbit/s"


def moment(at: float) -> str:
    """A time of day; with its day where that is another."""
    time = datetime.fromtimestamp(at)
    return f"{time:%H:%M:%S}" if time.date() == datetime.now().date() else f"{time:%d %b %H:%M:%S}"


def short(name: str | None) -> str:
    """The last part of NODE/CELL, NODE/UE: what tells it from its neighbours."""
    return "" if name is None else name.rsplit("/", 1)[-1] or name.rstrip("/")




def span(quota: QuotaModel) -> str:
    return f"{quota.minimum}{UNKNOWN}{quota.maximum} %"


def _sure(confidence: float) -> str:
    tone = "good" if confidence >= 0.8 else "wait" if confidence >= 0.5 else "quiet"
    return (f'<span class="as-sure" data-tone="{tone}"><u style="--w: {confidence * 100:.0f}%">'
            f"</u>{confidence * 100:.0f} %</span>")


def _per_second(value: float | None) -> str:
    """A cell, which a narrow screen leaves out where it is empty."""
    return (f'<span class="as-none">{UNKNOWN}</span>' if value is None
            else f"<span>{value:.1f} <small>tokens/s</small></span>")


def _bits(value: float | None) -> float | None:
    return None if value is None else value * 8


def _ago(seconds: float) -> tuple[str, str]:
    """A span of time in its largest unit, and that unit."""
    if seconds < 10:
        return f"{seconds:.1f}", "s"
    for unit, size, upper in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172800)):
        if seconds < upper:
            return f"{seconds / size:.0f}", unit
    return f"{seconds / 86400:.0f}", "days"


def _place(url: str) -> str:
    return url.split("://", 1)[-1]


def escaped(sentence: str) -> str:
    """A sentence as HTML; commands in it stand between backticks."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(sentence))
