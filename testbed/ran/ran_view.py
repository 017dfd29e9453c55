"""A running cell as tables: cells, slices and UEs between two looks, drawn by rich.

    figures = between(before, after, ran, extras)
    Live(draw(figures, console.width, console.height))

It takes what every data plane has (`cell_model.Ran`), and queues, MCS and lateness from those that
have them: what is not known is a dash, never 0. It runs nothing and reads no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from textwrap import wrap
from typing import TYPE_CHECKING

from testbed.ran.cell_model import NOTHING, Counters, Ran, Share, Snapshot
from xapp.observations import Snssai

if TYPE_CHECKING:
    from rich.console import RenderableType

UNKNOWN = "–"  # noqa: RUF001  # a dash that is as wide as a figure
WIDE = 108  # columns of a terminal that bars and long headings fit into
TALL = 36  # lines of one that titles and rules fit into
TALL_LINES = 5  # of a table with those, besides its rows; without, its heading is the only one
LEAST_ROWS = 2  # lines of a table: a row, and how many more there are
LEAST_NAME = 8  # characters
BAR = 6  # characters
WAYS = ("↓ PRBs", "↓ Mbit/s", "↓ wait", "↑ PRBs", "↑ Mbit/s", "↑ wait")  # wait in ms
NARROW_WAYS = ("↓ PRB", "↓ Mb/s", "↓ ms", "↑ PRB", "↑ Mb/s", "↑ ms")
SPARED = (("↓ kB", "↑ kB"), ("MCS",), ("lost", "lost kbit/s"))  # in this order, for a long name
LEGEND = "wait: ms, mean of what was delivered; kB: in queues"
NARROW_LEGEND = "ms: mean wait of what was delivered; kB: in queues; lost: kbit/s"


@dataclass(frozen=True)
class Extras:
    """What only a cell of slots and packets knows. UEs by f1_id, pairs are down and up."""

    names: Mapping[int, str] = field(default_factory=dict)
    queued_bytes: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    mcs: Mapping[int, tuple[int, int]] = field(default_factory=dict)  # below 0: out of range
    late_us: Mapping[str, float | None] = field(default_factory=dict)  # of slots: p50, p99, most
    notes: tuple[str, ...] = ()  # lines below the tables


@dataclass(frozen=True)
class Row:
    """A slice, a UE or a cell between two looks."""

    name: str
    where: str  # place of the cell
    down_mbps: float
    up_mbps: float
    down_prbs: float  # percent of the cells' where it is
    up_prbs: float
    down_ms: float | None  # mean wait of what was delivered; None: nothing was
    up_ms: float | None
    down_dropped: float  # kbit/s
    up_dropped: float
    share: Share | None = None
    queued: tuple[int, int] | None = None  # bytes
    mcs: tuple[int, int] | None = None


@dataclass(frozen=True)
class Figures:
    """All of it."""

    at: float  # seconds, by the cell's clock
    seconds: float  # that the figures are of
    cells: tuple[Row, ...]
    slices: tuple[Row, ...]
    ues: tuple[Row, ...]
    extras: Extras


def between(before: Snapshot, after: Snapshot, ran: Ran, extras: Extras) -> Figures:
    """What happened between two looks at `ran`."""
    seconds = after.at - before.at
    prbs = {cell.nci: cell.prbs for cell in ran.cells}
    gone: dict[int, dict[Snssai, Counters]] = {
        ue: {snssai: counters.minus(before.ues.get(ue, {}).get(snssai, NOTHING))
             for snssai, counters in slices.items()} for ue, slices in after.ues.items()}
    cells = tuple(_cells(ran, gone, before, after, prbs))
    return Figures(after.at, seconds, cells, tuple(_slices(ran, gone, seconds, prbs)),
                   tuple(_ues(ran, gone, seconds, prbs, extras)), extras)


def _cells(ran: Ran, gone: Mapping[int, Mapping[Snssai, Counters]], before: Snapshot,
           after: Snapshot, prbs: Mapping[int, int]) -> Iterable[Row]:
    """A cell's own counters are of resource blocks; bits are those of the UEs that are there."""
    for place, nci in enumerate(prbs):
        used = after.cells.get(nci, NOTHING).minus(before.cells.get(nci, NOTHING))
        total = NOTHING
        for ue in ran.ues:
            if ue.cell == nci:
                for counters in gone.get(ue.f1_id, {}).values():
                    total = total.plus(counters)
        yield _row(f"{nci:09x}", str(place), replace(total, down_prbs=used.down_prbs,
                                             up_prbs=used.up_prbs),
                   after.at - before.at, prbs[nci])


def _slices(ran: Ran, gone: Mapping[int, Mapping[Snssai, Counters]], seconds: float,
            prbs: Mapping[int, int]) -> Iterable[Row]:
    serving = {ue.f1_id: ue.cell for ue in ran.ues}
    places = {nci: str(place) for place, nci in enumerate(prbs)}
    for (nci, snssai), share in ran.shares.items():
        total = NOTHING
        for ue, slices in gone.items():
            if serving.get(ue) == nci:
                total = total.plus(slices.get(snssai, NOTHING))
        yield _row(str(snssai), places[nci], total, seconds, prbs[nci], share=share)


def _ues(ran: Ran, gone: Mapping[int, Mapping[Snssai, Counters]], seconds: float,
         prbs: Mapping[int, int], extras: Extras) -> Iterable[Row]:
    places = {nci: str(place) for place, nci in enumerate(prbs)}
    for ue in ran.ues:
        total = NOTHING
        for counters in gone.get(ue.f1_id, {}).values():
            total = total.plus(counters)
        yield _row(extras.names.get(ue.f1_id, f"UE {ue.f1_id}"), places[ue.cell], total, seconds,
                   prbs[ue.cell], queued=extras.queued_bytes.get(ue.f1_id),
                   mcs=extras.mcs.get(ue.f1_id))


def _row(name: str, where: str, one: Counters, seconds: float, prbs: int,
         share: Share | None = None, queued: tuple[int, int] | None = None,
         mcs: tuple[int, int] | None = None) -> Row:
    span = seconds or 1.0
    return Row(
        name, where, one.down_bits / span / 1e6, one.up_bits / span / 1e6,
        100 * one.down_prbs / span / prbs, 100 * one.up_prbs / span / prbs,
        1000 * one.down_waited / one.down_bits if one.down_bits > 0 else None,
        1000 * one.up_waited / one.up_bits if one.up_bits > 0 else None,
        one.down_dropped / span / 1000, one.up_dropped / span / 1000, share, queued, mcs)


def draw(figures: Figures, width: int, height: int) -> RenderableType:
    """Tables for a terminal of so many columns and lines."""
    from rich.console import Group
    from rich.text import Text

    wide, tall = width >= WIDE, height >= TALL
    notes = [line for one in figures.extras.notes for line in wrap(one, width)]
    notes = notes[-max(2, height // 4):]
    ways, lost = (WAYS, "lost kbit/s") if wide else (NARROW_WAYS, "lost")
    tables = (
        ("Cells", ("cell", "identity", *ways, lost),
         [(one.where, one.name, *_ways(one, wide), _dropped(one)) for one in figures.cells]),
        ("Slices", ("slice", "cell", "min-max (ded.)" if wide else "min-max", *ways, lost),
         [(one.name, one.where, _bounds(one.share), *_ways(one, wide), _dropped(one))
          for one in figures.slices]),
        ("UEs", ("UE", "cell", "MCS", *ways[:3], "↓ kB", *ways[3:], "↑ kB", lost),
         [_ue(one, wide) for one in figures.ues]))
    around = 2 + len(notes) + len(tables) * (TALL_LINES if tall else 1)
    rooms = _rooms(height - around, [len(rows) for _, _, rows in tables])
    parts: list[RenderableType] = [Text(_head(figures), style="bold", no_wrap=True)]
    for (title, columns, rows), room in zip(tables, rooms, strict=True):
        shown = rows if len(rows) <= room else rows[:room - 1]
        parts.append(_table(title if tall else None, *_fitting(columns, shown, width)))
        if len(rows) > len(shown):
            parts.append(Text(f"and {len(rows) - len(shown)} more {title}", style="dim"))
    parts += [Text(one, style="dim", no_wrap=True) for one in notes]
    parts.append(Text(LEGEND if wide else NARROW_LEGEND, style="dim", no_wrap=True))
    return Group(*parts)


def _rooms(lines: int, wanted: Sequence[int]) -> list[int]:
    """Lines of each table: the last has what the others leave, and they leave it a half."""
    found = []
    left = lines
    for place, rows in enumerate(wanted):
        after = len(wanted) - 1 - place
        found.append(max(LEAST_ROWS, min(rows, left if not after else left // 2)))
        left -= found[-1]
    return found


def _fitting(columns: Sequence[str], rows: Sequence[Sequence[str]],
             width: int) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """Without the columns that can be spared; a name is cut where that was not enough."""
    lines = [columns, *rows]
    for spared in SPARED:
        if _over(lines, width) <= 0:
            break
        keep = [place for place, name in enumerate(lines[0]) if name not in spared]
        lines = [[line[place] for place in keep] for line in lines]
    over = _over(lines, width)
    if over > 0:
        most = max(LEAST_NAME, max(len(line[0]) for line in lines) - over)
        lines = [[line[0] if len(line[0]) <= most else f"{line[0][:most - 1]}…", *line[1:]]
                 for line in lines]
    return lines[0], lines[1:]


def _over(lines: Sequence[Sequence[str]], width: int) -> int:
    """Characters that a table has too many; there is one on either side of each column."""
    return sum(1 + max(map(len, cells)) for cells in zip(*lines, strict=True)) + 1 - width


def _head(figures: Figures) -> str:
    late = figures.extras.late_us
    if not late:
        return f"{figures.at:,.1f} s"
    return f"{figures.at:,.1f} s   slots late by " + ", ".join(
        f"{name} {UNKNOWN if value is None else f'{value / 1000:.2f} ms'}"
        for name, value in late.items())


def _table(title: str | None, columns: Sequence[str],
           rows: Sequence[Sequence[str]]) -> RenderableType:
    """With a title and a rule, or without both where lines are few."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=title, title_justify="left", pad_edge=False,
                  box=None if title is None else SIMPLE_HEAD,
                  padding=(0, 1, 0, 0) if title is None else (0, 0))
    for place, name in enumerate(columns):
        table.add_column(name, justify="left" if place == 0 else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def _bounds(share: Share | None) -> str:
    return UNKNOWN if share is None else f"{share.minimum}-{share.maximum} % ({share.dedicated})"


def _ways(one: Row, wide: bool) -> tuple[str, ...]:
    """Downlink, then uplink."""
    blocks = _bar if wide else _percent
    return (blocks(one.down_prbs), _figure(one.down_mbps, 2, wide), _wait(one.down_ms, wide),
            blocks(one.up_prbs), _figure(one.up_mbps, 2, wide), _wait(one.up_ms, wide))


def _ue(one: Row, wide: bool) -> tuple[str, ...]:
    mcs = UNKNOWN if one.mcs is None else "/".join(
        "out" if value < 0 else str(value) for value in one.mcs)
    queues = (UNKNOWN, UNKNOWN) if one.queued is None else tuple(
        _figure(octets / 1000, 1, wide) for octets in one.queued)
    return (one.name, one.where, mcs, _percent(one.down_prbs), _figure(one.down_mbps, 2, wide),
            _wait(one.down_ms, wide), queues[0], _percent(one.up_prbs),
            _figure(one.up_mbps, 2, wide), _wait(one.up_ms, wide), queues[1], _dropped(one))


def _figure(value: float, digits: int, wide: bool) -> str:
    """A narrow terminal has no room for what is behind the point of a large one."""
    return f"{value:,.{digits if wide or value < 99.95 else 0}f}"


def _wait(milliseconds: float | None, wide: bool) -> str:
    return UNKNOWN if milliseconds is None else _figure(milliseconds, 1, wide)


def _dropped(one: Row) -> str:
    total = one.down_dropped + one.up_dropped
    return f"{total:,.0f}" if total else "0"


def _percent(percent: float) -> str:
    return f"{percent:.0f} %"


def _bar(percent: float) -> str:
    filled = round(min(100.0, percent) / 100 * BAR)
    return f"{'█' * filled}{'░' * (BAR - filled)} {percent:3.0f} %"
