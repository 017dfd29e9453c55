"""What is left of a run: the table on the terminal, summary.json, loop.png, report.html."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from testbed.bed.modes import HONEST
from testbed.loop.outcome import LoopResult, minimum
from testbed.loop.slices import together

COLUMNS = ("phase", "tokens/s", "first", "p50", "p95", "p99", "stalls", "p95/calm", "others")
CAPTION = ("first: to an answer's first token; p50 to p99: from one token to the next; all in ms. "
           "Stalls are waits over half a second. others: Mbit/s down of all other slices")


def write(result: LoopResult, folder: Path) -> None:
    """Figures, picture and page."""
    from testbed.loop.html_report import page
    from testbed.loop.picture import draw

    write_summary(result, folder)
    draw(result, folder / "loop.png")
    (folder / "report.html").write_text(page(result), encoding="utf-8")


def write_summary(result: LoopResult, folder: Path) -> None:
    """The figures alone; what was there before stays until these are whole."""
    from pcap_tools.look import write_whole

    text = json.dumps(result.document(), indent=2) + "\n"
    write_whole(folder / "summary.json", text.encode())


def rows(result: LoopResult) -> list[tuple[str, ...]]:
    """The table's, phase by phase; a dash is what was not measured."""
    base = result.phases[0].p95_ms
    return [(one.name, f"{one.tokens_per_second:.1f}", shown(one.first_token_ms), shown(one.p50_ms),
             shown(one.p95_ms), shown(one.p99_ms), str(one.stalls),
             shown(one.p95_ms / base if one.p95_ms is not None and base else None, 2),
             shown(together(result.slices, result.settings.floors, one.name, "down_mbps"), 1))
            for one in result.phases]


def show(result: LoopResult, console: Console) -> None:
    """The table, and what came of the classifier and the xApp."""
    table = Table(title="the phone's tokens, phase by phase",
                  caption=CAPTION)
    for name in COLUMNS:
        table.add_column(name, justify="left" if name == "phase" else "right")
    for row in rows(result):
        table.add_row(*row)
    console.print(table)
    for line in sentences(result):
        console.print(line, soft_wrap=True)


def sentences(result: LoopResult) -> list[str]:
    """What else is to be said, each in a sentence."""
    found, mode = result.verdict(), result.settings.mode
    labels, lines = result.labels, [f"Packets were carried by mode {mode}: {HONEST[mode]}."]
    if labels is None or not labels.flows:
        lines.append("Whether the flow was recognised is not known: it was not captured.")
    elif labels.first_right_seconds is None:
        lines.append("The classifier did not recognise the flow, or half of them at most "
                     f"({labels.right} of {len(labels.flows)} flows right at the end).")
    else:
        lines.append("The classifier recognised the flow "
                     f"{labels.first_right_seconds:.2f} s after its first packet "
                     f"({labels.right} of {len(labels.flows)} flows right at the end).")
    lines += _moved(result)
    if result.quota_at is None:
        lines.append("Nobody guaranteed the slice of the split model anything.")
    else:
        most = max(minimum(shares) for _, shares in result.cell_quotas)
        lines.append(
            f"The cell guaranteed the split model's slice up to {most} %. What served it came "
            f"{shown(found['allowed_to_quota_seconds'], 1)} s after the xApp might act and "
            f"{shown(found['congestion_to_quota_seconds'], 1)} s after the crowd came.")
        lines.append(_release(result))
    return [*lines, _floors(result)]


def _floors(result: LoopResult) -> str:
    floors = {name: f"{floor} %" for name, floor in result.settings.floors.items()}
    broken = sorted({one.slice for one in result.slices if one.floor_violated})
    if broken:
        named = ", ".join(f"{one} ({floors[one]})" for one in broken)
        return f"The floor was BROKEN of slice {named}."
    if result.verdict()["floor_violated"] is None:
        return "Whether a floor was broken is not known."
    if len(floors) == 1:
        return f"The others kept their floor of {next(iter(floors.values()))}."
    each = ", ".join(f"{name}: {floor}" for name, floor in floors.items())
    return f"All other slices kept their floors ({each})."


def _moved(result: LoopResult) -> list[str]:
    """What no real network does is said."""
    if not result.settings.remaps:
        return []
    asked = [one for one in result.decisions if one.get("kind") == "map_flows"
             and one.get("state") != "recorded"]  # the watch's are asked of nobody
    done = [one for one in asked if one.get("state") == "confirmed"]
    what = ("nobody asked for that" if not asked else f"asked for {len(asked)} x, there and back; "
            f"{len(done)} x reports showed it")
    return ["The phone has one session, in everybody's slice. That its model's flow moves into "
            f"another one is the emulator's own, as no real network does it: {what}."]


def _release(result: LoopResult) -> str:
    released, away = result.released_at, result.put_away_at
    if released is None:
        return "The guarantee was still there at the end."
    since, what = ((result.congestion_end, "the crowd had gone") if away is None or released < away
                   else (away, "the phone's flow had ended"))
    return f"It was taken back {released - (since or 0.0):.1f} s after {what}."


def shown(value: float | None, digits: int = 0) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
