"""The plot of one flow: its packets over time, and where it has them the phases of a split model.

It draws what `phases` found; tokens' times from a phone's own log lie over it where given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pcap_tools.look import Draw, Look
from pcap_tools.naming import duration_text
from pcap_tools.phases import Phase, Session
from pcap_tools.plots import TIME_UNITS, new_figure, unit_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 900  # strokes each way; more packets than that are summed
POINTS = 1500  # dots in the lower panel; of more, every second, third...
COLOURS = {Phase.SETUP: "setup", Phase.PREFILL: "prefill", Phase.DECODE: "decode",
           Phase.PAUSE: "pause"}


@dataclass(frozen=True)
class FlowPicture:
    """What the plot of a flow shows."""

    time: NDArray[np.int64]  # nanoseconds since 1970, of data packets
    size: NDArray[np.int64]  # payload, below 0 downwards
    session: Session | None = None
    logged: NDArray[np.int64] | None = None  # tokens' times by the phone's log, nanoseconds


def flow_plot(picture: FlowPicture) -> Draw:
    """Packets above, phases behind them, and below how long each token took."""
    session = picture.session

    def draw(look: Look) -> Figure:
        origin = int(picture.time[0]) if len(picture.time) else 0
        seconds = (int(picture.time[-1]) - origin) / 1e9 if len(picture.time) else 0.0
        span, unit = unit_of(seconds, TIME_UNITS)
        panels = 1 if session is None and picture.logged is None else 2
        figure = new_figure(look, 3.0 if panels == 1 else 4.3)
        axes = figure.subplots(panels, 1, sharex=True, squeeze=False,
                               height_ratios=[3, 2][:panels])[:, 0]
        _packets(axes[0], look, picture, origin, span, max(seconds, 1e-9))
        if session is not None:
            for one in axes:
                _phases(one, look, session, origin, span)
            _names(axes[0], look, session, origin, span, seconds)
        if panels == 2:
            _periods(axes[1], look, picture, origin, span)
        axes[0].set_xlim(-0.004 * seconds / span, max(seconds, 1e-9) / span * 1.004)
        axes[-1].set_xlabel(f"time since the flow's first data, {unit}")
        return figure

    return draw


def _packets(axes: Axes, look: Look, picture: FlowPicture, origin: int, span: float,
             seconds: float) -> None:
    """Bytes of each slice of time on a symmetric logarithmic axis."""
    columns = COLUMNS // 3 if look.narrow else COLUMNS
    place = np.clip(((picture.time - origin) / 1e9 / seconds * columns).astype(int), 0, columns - 1)
    most = 1.0
    for sign, way in ((1, "up"), (-1, "down")):
        chosen = picture.size * sign > 0
        cells = np.bincount(place[chosen], np.abs(picture.size[chosen]), minlength=columns)
        filled = np.flatnonzero(cells)
        height = np.log10(1 + cells[filled])
        most = max(most, float(height.max(initial=0)))
        middle = (filled + 0.5) * seconds / columns / span
        nothing = np.full(len(filled), np.nan)
        axes.plot(np.stack([middle, middle, nothing], axis=1).ravel(),
                  np.stack([np.zeros(len(filled)), sign * height, nothing], axis=1).ravel(),
                  color=look[way], linewidth=0.8, solid_capstyle="butt")
    axes.axhline(0, color=look["soft"], linewidth=0.7)
    powers = [power for power in (2, 3, 4, 5, 6, 7, 8, 9) if power <= most + 0.3]
    names = {2: "100 B", 3: "1 kB", 4: "10 kB", 5: "100 kB", 6: "1 MB", 7: "10 MB", 8: "100 MB",
             9: "1 GB"}
    axes.set_yticks([-power for power in reversed(powers)] + powers,
                    [names[power] for power in reversed(powers)] + [names[p] for p in powers])
    axes.set_ylim(-most * 1.12, most * 1.12)
    axes.grid(axis="x", visible=False)
    axes.set_title(f"Payload in {duration_text(seconds / columns)}, up above and down below")


def _phases(axes: Axes, look: Look, session: Session, origin: int, span: float) -> None:
    for one in session.spans:
        if one.phase in (Phase.PREFILL, Phase.DECODE):
            axes.axvspan((one.start - origin) / 1e9 / span, (one.end - origin) / 1e9 / span,
                         color=look[COLOURS[one.phase]], alpha=0.16, linewidth=0, zorder=0)


def _names(axes: Axes, look: Look, session: Session, origin: int, span: float, seconds: float
           ) -> None:
    """A strip above the packets with a colour for each phase, and a legend of them."""
    from matplotlib.patches import Patch

    top = axes.get_ylim()[1]
    for one in session.spans:
        left = (one.start - origin) / 1e9 / span
        axes.barh(top * 0.965, max((one.end - one.start) / 1e9, seconds * 0.002) / span, left=left,
                  height=top * 0.07, color=look[COLOURS[one.phase]], linewidth=0)
    there = sorted({one.phase for one in session.spans})
    # Below everything: no corner of the panels is free for sure.
    axes.figure.legend(handles=[Patch(color=look[COLOURS[phase]], label=phase.name.lower())
                                for phase in there], loc="outside lower left", ncols=len(there),
                       handlelength=0.9, handleheight=0.9, columnspacing=1.2)


def _periods(axes: Axes, look: Look, picture: FlowPicture, origin: int, span: float) -> None:
    """Time between tokens, from the packets and from the log."""
    shown: list[tuple[NDArray[Any], str, str, str]] = []
    if picture.session is not None:
        shown.append((picture.session.token_times, "decode", "o", "from the packets"))
    if picture.logged is not None:
        shown.append((picture.logged, "down", "x", "from the phone's log"))
    for times, colour, marker, name in shown:
        gaps = np.diff(times) / 1e6
        step = max(1, -(-len(gaps) // POINTS))
        size, edge = (3, 0.0) if marker == "o" else (4, 0.8)
        axes.plot((times[1:][::step] - origin) / 1e9 / span, gaps[::step], marker, label=name,
                  color=look[colour], markersize=size, markeredgewidth=edge, linestyle="none",
                  alpha=0.8)
    _milliseconds(axes)
    axes.set_title("From token to token, ms")
    axes.grid(axis="x", visible=False)
    if len(shown) > 1:
        axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, borderaxespad=0.1,
                    handletextpad=0.3)


def _milliseconds(axes: Axes) -> None:
    """A logarithmic axis with a number on every line, however little of it is shown."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

    axes.set_yscale("log")
    low, high = axes.get_ylim()
    steps = (1.0,) if high > 1000 * low else (1.0, 3.0) if high > 30 * low else (
        1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
    axes.yaxis.set_major_locator(LogLocator(subs=steps))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())
