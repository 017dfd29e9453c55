"""The report as one page that opens offline: picture, table, story, decisions, settings.

Everything is inside the file; all text from elsewhere is escaped.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from html import escape
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.loop.outcome import LoopResult

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem; margin-bottom: .2rem } h2 { font-size: 1.15rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: right }
th:first-child, td:first-child { text-align: left } .words td, .words th { text-align: left }
.picture { background: white; border-radius: .5rem; overflow-x: auto }
.picture svg { width: 100%; height: auto } .soft { opacity: .7 }
details { margin-top: 1rem } summary { cursor: pointer } .scroll { overflow-x: auto }
"""
MOST_DECISIONS = 40


def page(result: LoopResult) -> str:
    """The whole document."""
    from testbed.loop.report import CAPTION, COLUMNS, rows, sentences

    settings = result.settings
    when = "" if result.origin is None else time.strftime(
        "%Y-%m-%d %H:%M UTC", time.gmtime(result.origin))
    story = [(f"{one.at:.1f} s", one.what.value, one.text) for one in result.events]
    decisions = [(_state(one), one["reason"]) for one in reversed(result.decisions)
                 if one.get("state") != "recorded"][:MOST_DECISIONS]
    slices = [(one.slice, one.cell, one.phase, _number(one.down_mbps, 2), _number(one.up_mbps, 2),
               _number(one.down_prbs), _number(one.up_prbs), _number(one.down_delay_ms),
               "" if one.floor is None else f"{one.floor} %",
               {None: "", True: "broken", False: "kept"}[one.floor_violated])
              for one in result.slices]
    values = [(name, str(value)) for name, value in asdict(settings).items()]
    return "".join((
        "<!doctype html><html lang='en'><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>airsplit demo</title><style>{STYLE}</style>",
        "<h1>A split model on a cell that fills up</h1>",
        f"<p class='soft'>{escape(when)} · airsplit {escape(version('airsplit'))} · "
        f"load: {escape(settings.load)} · steering: {escape(settings.steering)} · "
        f"sessions: {escape(settings.sessions)} · arm: {escape(settings.arm)} · "
        f"mode: {escape(settings.mode)} · layers on the phone: {settings.split}</p>",
        f"<div class='picture'>{_picture(result)}</div>",
        _table(COLUMNS, rows(result)), f"<p class='soft'>{escape(CAPTION)}.</p>",
        "".join(f"<p>{escape(one)}</p>" for one in sentences(result)),
        "<h2>What happened</h2>", _table(("when", "what", ""), story, "words"),
        "<h2>Decisions of the xApp that were sent</h2>",
        _table(("how it ended", "why"), decisions, "words") if decisions else "<p>None.</p>",
        "<h2>Slices</h2>", _table(
            ("slice", "cell", "phase", "Mbit/s down", "up", "PRBs down, %", "up", "wait down, ms",
             "floor", "floor was"), slices),
        "<details><summary>Settings</summary>", _table(("", ""), values, "words"), "</details>",
        "</html>\n"))


def _state(decision: dict[str, object]) -> str:
    return f"{decision.get('state')} ({decision.get('actuator') or 'no actuator'})"


def _picture(result: LoopResult) -> str:
    """As SVG, without what is before its root."""
    from testbed.loop.picture import figure_of

    file = io.StringIO()
    figure_of(result).savefig(file, format="svg")
    text = file.getvalue()
    return text[text.index("<svg"):]


def _table(names: Sequence[str], found: Iterable[Sequence[str]], kind: str = "") -> str:
    head = "".join(f"<th>{escape(one)}</th>" for one in names)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
                   for row in found)
    return (f"<div class='scroll'><table class='{kind}'><thead><tr>{head}</tr></thead>"
            f"<tbody>{body}</tbody></table></div>")


def _number(value: float | None, digits: int = 0) -> str:
    return "–" if value is None else f"{value:.{digits}f}"  # noqa: RUF001  # a dash
