"""A running cell as tables: cells, slices and UEs between two looks, drawn by rich.

    figures = between(before, after, ran, extras)
    Live(draw(figures))

It takes what every data plane has (`cell_model.Ran`), and queues, MCS and lateness from those that
have them: what is not known is a dash, never 0. It runs nothing and reads no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from testbed.ran.cell_model import NOTHING, Counters, Ran, Share, Snapshot
from xapp.observations import Snssai

if TYPE_CHECKING:
    from rich.console import RenderableType

UNKNOWN = "–"  # noqa: RUF001  # a dash that is as wide as a figure
MOST_ROWS = 24  # of UEs that a terminal shows; the rest is counted
BAR = 6  # characters
WAYS = ("↓ PRBs", "↓ Mbit/s", "↓ wait", "↑ PRBs", "↑ Mbit/s", "↑ wait")  # wait in ms


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


def draw(figures: Figures) -> RenderableType:
    """Tables for a terminal."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = [
        Text(_head(figures), style="bold"),
        _table("Cells", ("", "identity", *WAYS, "lost kbit/s"),
               [(one.where, one.name, *_ways(one), _dropped(one)) for one in figures.cells]),
        _table("Slices", ("slice", "cell", "min-max (ded.)", *WAYS, "lost kbit/s"),
               [(one.name, one.where, _bounds(one.share), *_ways(one), _dropped(one))
                for one in figures.slices]),
        _table("UEs", ("UE", "cell", "MCS", *WAYS[:3], "↓ kB", *WAYS[3:],
                       "↑ kB", "lost kbit/s"),
               [_ue(one) for one in figures.ues[:MOST_ROWS]])]
    if len(figures.ues) > MOST_ROWS:
        parts.append(Text(f"and {len(figures.ues) - MOST_ROWS} more UEs", style="dim"))
    parts += [Text(one, style="dim") for one in figures.extras.notes]
    parts.append(Text("wait: ms, mean of what was delivered; kB: in queues", style="dim"))
    return Group(*parts)


def _head(figures: Figures) -> str:
    late = figures.extras.late_us
    if not late:
        return f"{figures.at:,.1f} s"
    return f"{figures.at:,.1f} s   slots late by " + ", ".join(
        f"{name} {UNKNOWN if value is None else f'{value / 1000:.2f} ms'}"
        for name, value in late.items())


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> RenderableType:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False,
                  padding=(0, 0))
    for place, name in enumerate(columns):
        table.add_column(name, justify="left" if place == 0 else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def _bounds(share: Share | None) -> str:
    return UNKNOWN if share is None else f"{share.minimum}-{share.maximum} % ({share.dedicated})"


def _ways(one: Row) -> tuple[str, ...]:
    """Downlink, then uplink."""
    return (_bar(one.down_prbs), f"{one.down_mbps:,.2f}", _wait(one.down_ms),
            _bar(one.up_prbs), f"{one.up_mbps:,.2f}", _wait(one.up_ms))


def _ue(one: Row) -> tuple[str, ...]:
    mcs = UNKNOWN if one.mcs is None else "/".join(
        "out" if value < 0 else str(value) for value in one.mcs)
    queues = (UNKNOWN, UNKNOWN) if one.queued is None else tuple(
        f"{octets / 1000:,.1f}" for octets in one.queued)
    return (one.name, one.where, mcs, f"{one.down_prbs:.0f} %", f"{one.down_mbps:,.2f}",
            _wait(one.down_ms), queues[0], f"{one.up_prbs:.0f} %", f"{one.up_mbps:,.2f}",
            _wait(one.up_ms), queues[1], _dropped(one))


def _wait(milliseconds: float | None) -> str:
    return UNKNOWN if milliseconds is None else f"{milliseconds:,.1f}"


def _dropped(one: Row) -> str:
    total = one.down_dropped + one.up_dropped
    return f"{total:,.0f}" if total else "0"


def _bar(percent: float) -> str:
    filled = round(min(100.0, percent) / 100 * BAR)
    return f"{'█' * filled}{'░' * (BAR - filled)} {percent:3.0f} %"
