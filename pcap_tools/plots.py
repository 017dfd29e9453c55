"""Plots of a whole capture: over time, distributions, flows side by side.

Each function makes what a picture needs once, and returns how to draw it in some look. It does not
know files, packets or reports.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pcap_tools.look import Draw, Look
from pcap_tools.survey import Timeline, gap_edges

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

TIME_UNITS = ((1e-3, "ms"), (1.0, "s"), (60.0, "min"), (3600.0, "h"), (86400.0, "d"))
RATE_UNITS = ((1.0, "bit/s"), (1e3, "kbit/s"), (1e6, "Mbit/s"), (1e9, "Gbit/s"))
COUNT_UNITS = ((1.0, "packets/s"), (1e3, "thousand packets/s"), (1e6, "million packets/s"))
ROW_HEIGHT = 0.21  # inches of one flow in a plot of many
COLUMNS, NARROWER = 480, 3  # slices of time of a raster; on a phone so many of them are one
USUAL_PACKET = 1600  # bytes: up to here a linear axis shows every size
LABEL_LETTERS, SHORT_LETTERS = 46, 22  # of a flow's name beside its bar


@dataclass(frozen=True)
class Bar:
    """A flow in a plot of many."""

    label: str
    start: float  # seconds since the capture began
    end: float
    colour: str  # a name of the look's
    note: str = ""
    short: str = ""  # instead of the label where there is little room


@dataclass(frozen=True)
class Marks:
    """When how much went, of one flow."""

    label: str
    cells: NDArray[np.float64]  # [2, COLUMNS] bytes up and down in slices of the whole time
    short: str = ""


def new_figure(look: Look, height: float) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(look.width, height), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.06, h_pad=0.05)  # type: ignore[union-attr, call-arg]
    return figure


def unit_of(most: float, units: Sequence[tuple[float, str]], least: float = 2.0
            ) -> tuple[float, str]:
    """The largest unit of which there are at least `least`; the first where there are fewer."""
    fitting = [unit for unit in units if most >= least * unit[0]]
    return fitting[-1] if fitting else units[0]


def _rebinned(timeline: Timeline, slices: int) -> tuple[NDArray[Any], NDArray[Any], float]:
    """Packets and bytes in at most `slices` slices, and how many seconds each lasts."""
    used = np.flatnonzero(timeline.packets.any(axis=0))
    if not len(used):
        return np.zeros((2, 1)), np.zeros((2, 1)), 1.0
    first, last = int(used[0]), int(used[-1]) + 1
    factor = max(1, -(-(last - first) // slices))
    pad = -(last - first) % factor
    tables = [np.pad(table[:, first:last], ((0, 0), (0, pad))).reshape(2, -1, factor).sum(axis=2)
              for table in (timeline.packets, timeline.bytes)]
    return tables[0], tables[1], timeline.width * factor / 1e9


def over_time(timeline: Timeline, what: str) -> Draw:
    """`bytes` or `packets` by second, up and down each in a panel of its own."""

    def draw(look: Look) -> Figure:
        packets, volume, width = _rebinned(timeline, 120 if look.narrow else 300)
        rates = (volume * 8 if what == "bytes" else packets) / width
        units = RATE_UNITS if what == "bytes" else COUNT_UNITS
        scale, unit = unit_of(float(rates.max()), units, 1.5)
        span, time_unit = unit_of(width * rates.shape[1], TIME_UNITS)
        figure = new_figure(look, 3.1)
        axes = figure.subplots(2, 1, sharex=True)
        edges = np.arange(rates.shape[1] + 1) * width / span
        for one, way, rate in zip(axes, ("up", "down"), rates, strict=True):
            one.stairs(rate / scale, edges, fill=True, color=look[way], alpha=0.85, linewidth=0)
            one.set_title(f"{way.capitalize()}, {unit}")
            one.set_xlim(0, edges[-1])
            one.set_ylim(0, max(float(rate.max()) / scale * 1.08, 1e-9))
            one.yaxis.set_major_locator(_ticks(4))
            one.grid(axis="x", visible=False)
            plain_numbers(one.yaxis)
        plain_numbers(axes[1].xaxis)
        axes[1].set_xlabel(f"time since the first packet, {time_unit}")
        return figure

    return draw


def sizes(counts: NDArray[np.int64]) -> Draw:
    """How long packets are, up and down: the share of each direction's packets."""

    def draw(look: Look) -> Figure:
        present = np.flatnonzero(counts.any(axis=0))
        longest = int(present[-1]) if len(present) else 0
        figure = new_figure(look, 2.5)
        axes = figure.subplots()
        if longest <= USUAL_PACKET:
            edges = np.arange(0, USUAL_PACKET + 41, 40)
        else:
            edges = np.unique(np.geomspace(20, 65536, 72).astype(int))
            axes.set_xscale("log")
            ticks = [32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536]
            axes.set_xticks(ticks[::2] if look.narrow else ticks,
                            [f"{tick:,}" for tick in (ticks[::2] if look.narrow else ticks)])
            axes.minorticks_off()
        _distribution(axes, look, edges, [
            np.histogram(np.arange(counts.shape[1]), edges, weights=row)[0] for row in counts])
        axes.set_xlim(edges[0] if longest <= USUAL_PACKET else max(20, int(present[0]) * 0.8),
                      edges[-1] if longest <= USUAL_PACKET else min(65536, longest * 1.2))
        axes.set_title("Share of packets, %")
        axes.set_xlabel("bytes of the IP packet")
        return figure

    return draw


def gaps(counts: NDArray[np.int64]) -> Draw:
    """How long it takes until the next packet of the same flow and direction."""

    def draw(look: Look) -> Figure:
        figure = new_figure(look, 2.5)
        axes = figure.subplots()
        axes.set_xscale("log")
        edges = gap_edges()
        _distribution(axes, look, edges, list(counts))
        present = np.flatnonzero(counts.any(axis=0))
        first, last = (int(present[0]), int(present[-1])) if len(present) else (0, len(edges) - 2)
        axes.set_xlim(edges[max(0, first - 3)], edges[min(len(edges) - 1, last + 4)])
        names = ("1 µs", "10 µs", "100 µs", "1 ms", "10 ms", "100 ms", "1 s", "10 s", "100 s",
                 "1,000 s", "10,000 s")
        axes.set_xticks([10.0 ** power for power in range(-6, 5)], names)
        axes.minorticks_off()
        axes.set_xlim(edges[max(0, first - 3)], edges[min(len(edges) - 1, last + 4)])
        axes.set_title("Share of gaps, %")
        axes.set_xlabel("time to the next packet of the flow in the same direction")
        return figure

    return draw


def _distribution(axes: Axes, look: Look, edges: NDArray[Any], rows: list[NDArray[Any]]) -> None:
    for row, way in zip(rows, ("up", "down"), strict=True):
        total = float(row.sum())
        share = row / total * 100 if total else row.astype(float)
        axes.stairs(share, edges, color=look[way], linewidth=1.3,
                    label=f"{way} ({size_count(total)})")
        axes.stairs(share, edges, fill=True, color=look[way], alpha=0.18, linewidth=0)
    axes.yaxis.set_major_locator(_ticks(4))
    axes.set_ylim(bottom=0)
    axes.grid(axis="x", visible=False)
    axes.legend(loc="upper right", bbox_to_anchor=(1, 1.17), ncols=2, handlelength=1.2)


def size_count(count: float) -> str:
    """A number of packets in a legend: 1,234 or 1.2 M."""
    return f"{count:,.0f}" if count < 1e6 else f"{count / 1e6:.3g} M"


def bars(rows: Sequence[Bar], seconds: float, legend: Sequence[tuple[str, str]]) -> Draw:
    """From when to when each flow lasted; `legend` is names with the look's colours."""

    def draw(look: Look) -> Figure:
        shown = rows[:24] if look.narrow else rows
        figure = new_figure(look, 0.95 + ROW_HEIGHT * len(shown))
        axes = figure.subplots()
        span, unit = unit_of(seconds, TIME_UNITS)
        least = seconds / span * 0.004  # a flow of one packet is seen too
        for place, row in enumerate(shown):
            long = max((row.end - row.start) / span, least)
            axes.barh(place, long, left=row.start / span, height=0.62, color=look[row.colour],
                      linewidth=0)
        _names(axes, look, shown)
        if not look.narrow:
            _notes(axes, look, [row.note for row in shown])
        axes.set_xlim(0, max(seconds / span, 1e-9))
        axes.set_xlabel(f"time since the first packet, {unit}")
        plain_numbers(axes.xaxis)
        _legend(axes, look, legend)
        return figure

    return draw


def raster(rows: Sequence[Marks], seconds: float) -> Draw:
    """Bursts of each flow: upwards for what goes up, downwards for what comes down."""

    def draw(look: Look) -> Figure:
        shown = rows[:16] if look.narrow else rows
        figure = new_figure(look, 0.95 + 1.6 * ROW_HEIGHT * len(shown))
        axes = figure.subplots()
        span, unit = unit_of(seconds, TIME_UNITS)
        tables = [row.cells.reshape(2, -1, NARROWER if look.narrow else 1).sum(axis=2)
                  for row in shown]
        most = max(1.0, *(float(np.log10(1 + table.max())) for table in tables), 1.0)
        for sign, way in ((1, "up"), (-1, "down")):
            x, y = _strokes([table[0 if sign > 0 else 1] for table in tables], seconds, sign, most)
            axes.plot(x / span, y, color=look[way], linewidth=0.9, label=way,
                      solid_capstyle="butt")
        for place in range(len(shown)):
            axes.axhline(place, color=look["line"], linewidth=0.6, zorder=0)
        _names(axes, look, shown)
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.set_xlim(0, max(seconds / span, 1e-9))
        axes.set_xlabel(f"time since the first packet, {unit}")
        plain_numbers(axes.xaxis)
        _legend(axes, look, (("up: above the line", "up"), ("down: below", "down")))
        return figure

    return draw


def marks_of(time: NDArray[np.float64], size: NDArray[np.int64], seconds: float
             ) -> NDArray[np.float64]:
    """Bytes of each direction in each slice of time; `size` is below 0 for what goes down."""
    place = np.clip((time / max(seconds, 1e-9) * COLUMNS).astype(int), 0, COLUMNS - 1)
    sums = np.bincount(place + np.where(size > 0, 0, COLUMNS), np.abs(size),
                       minlength=2 * COLUMNS)
    return np.asarray(sums.reshape(2, COLUMNS), np.float64)


def _strokes(rows: Sequence[NDArray[np.float64]], seconds: float, sign: int, most: float
             ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """One line for all strokes, broken between them; heights are logarithms of bytes."""
    xs, ys = [np.empty(0)], [np.empty(0)]
    for place, cells in enumerate(rows):
        filled = np.flatnonzero(cells)
        height = 0.05 + 0.4 * np.log10(1 + cells[filled]) / most
        middle = (filled + 0.5) * seconds / len(cells)
        nothing = np.full(len(filled), np.nan)
        line = np.full(len(filled), float(place))
        xs.append(np.stack([middle, middle, nothing], axis=1).ravel())
        ys.append(np.stack([line, line - sign * height, nothing], axis=1).ravel())
    return np.concatenate(xs), np.concatenate(ys)


def _names(axes: Axes, look: Look, rows: Sequence[Bar] | Sequence[Marks]) -> None:
    most = SHORT_LETTERS if look.narrow else LABEL_LETTERS
    labels = [shortened((look.narrow and row.short) or row.label, most) for row in rows]
    axes.set_yticks(range(len(labels)), labels,
                    fontsize=7.5, color=look["text"])
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)


def _notes(axes: Axes, look: Look, notes: Sequence[str]) -> None:
    for place, note in enumerate(notes):
        axes.annotate(note, (1.0, place), xycoords=("axes fraction", "data"), xytext=(5, 0),
                      textcoords="offset points", va="center", fontsize=7.5, color=look["soft"],
                      annotation_clip=False)


def _legend(axes: Axes, look: Look, entries: Sequence[tuple[str, str]]) -> None:
    from matplotlib.patches import Patch

    axes.legend(handles=[Patch(color=look[colour], label=name) for name, colour in entries],
                loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3 if look.narrow else 8,
                handlelength=0.9, handleheight=0.9, columnspacing=1.2, borderaxespad=0.2)


def shortened(text: str, most: int) -> str:
    """`text` with its middle left out where it is longer than `most`."""
    if len(text) <= most:
        return text
    tail = (most - 1) * 2 // 3
    return f"{text[:most - 1 - tail]}…{text[-tail:]}"


def plain_numbers(axis: Axis) -> None:
    """20,000 instead of 20000 or 2e4."""
    axis.set_major_formatter(lambda value, _: f"{value:,.10g}")


def _ticks(count: int) -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(count)
