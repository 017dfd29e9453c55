"""The loop's story as a picture: waits between tokens over time, phases, what happened, quotas.

It draws what a run's result holds, and measures nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed.loop.chronicle import What
from testbed.loop.outcome import minimum
from testbed.loop.settings import LLM, PHASES
from testbed.loop.spark import waits_of

if TYPE_CHECKING:
    from testbed.loop.outcome import LoopResult

SHADES = ("#eef4ee", "#f6e3e0", "#e3ecf6", "#eef4ee")  # of the phases
SMALLEST_MS = 10.0  # of the axis, which is logarithmic
TOLD = {What.CONGESTION: "the crowd comes", What.LABEL: "recognised",
        What.STEER: "the xApp acts", What.CONGESTION_ENDS: "the crowd goes",
        What.RELEASE: "given back"}
LINES = 3  # in which events are told above each other, so that neighbours can be read
LATE = 0.9  # of the time


def draw(result: LoopResult, file: Path) -> None:
    """Write a PNG."""
    figure_of(result).savefig(file, dpi=130)


def figure_of(result: LoopResult) -> Any:
    """A matplotlib figure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 6.2), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    _phases(result, above, below)
    _waits(result, above)
    _events(result, above)
    _quotas(result, below)
    return figure


def _phases(result: LoopResult, above: Any, below: Any) -> None:
    begin = 0.0
    for name, end, shade, phase in zip(PHASES, result.settings.ends, SHADES, result.phases,
                                       strict=True):
        for axes in (above, below):
            axes.axvspan(begin, end, color=shade, zorder=0)
        p95 = "–" if phase.p95_ms is None else f"{phase.p95_ms:.0f} ms"  # noqa: RUF001  # a dash
        above.text((begin + end) / 2, 0.97, f"{name}\np95 {p95}, {phase.tokens_per_second:.0f} "
                   "tokens/s", ha="center", va="top", transform=above.get_xaxis_transform())
        begin = end


def _waits(result: LoopResult, axes: Any) -> None:
    found = [(at, wait) for at, wait in waits_of(result.tokens)
             if 0 <= at <= result.settings.seconds]
    axes.scatter([at for at, _ in found], [max(SMALLEST_MS, wait) for _, wait in found], s=6,
                 color="#1f4e79")
    axes.set_yscale("log")
    axes.set_ylim(SMALLEST_MS, 6 * max([wait for _, wait in found], default=100))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_ylabel("wait for a token, ms")
    axes.set_title("Tokens of a split model on a cell that fills up, and what the xApp did")


def _events(result: LoopResult, axes: Any) -> None:
    firsts = {one.what: one for one in reversed(result.events) if one.at >= 0}
    # What is given back in between is asked for again: the last time is what the story is about.
    firsts |= {one.what: one for one in result.events if one.what is What.RELEASE}
    shown = [one for one in result.events if one.what in TOLD
             and ((one.what is What.LABEL and one.at >= 0) or one is firsts.get(one.what))]
    for number, one in enumerate(shown):
        axes.axvline(one.at, color="#555", linewidth=0.8, linestyle=":")
        late = one.at > LATE * result.settings.seconds  # to its right it would leave the picture
        axes.text(one.at, 0.02 + 0.05 * (number % LINES), f" {TOLD[one.what]} ", fontsize=8,
                  color="#333", ha="right" if late else "left",
                  transform=axes.get_xaxis_transform())


def _quotas(result: LoopResult, axes: Any) -> None:
    """As they were in force in the cell, and what the slice used of it."""
    times = [max(0.0, at) for at, _ in result.cell_quotas] + [result.settings.seconds]
    shares = [minimum(found) for _, found in result.cell_quotas]
    axes.step(times, [*shares, shares[-1] if shares else 0], where="post", color="#b04a2f",
              label="guarantee")
    used = [(one.at, one.up_prbs) for one in result.samples
            if one.slice == LLM and one.up_prbs is not None and one.at >= 0]
    axes.plot([at for at, _ in used], [share for _, share in used], color="#1f4e79", linewidth=1,
              label="used, up")
    axes.set_ylabel("split model's\nslice, % of PRBs")
    axes.set_xlabel("seconds")
    axes.set_xlim(0, result.settings.seconds)
    axes.set_ylim(0, 5 + 1.2 * max([10, *shares, *(share for _, share in used)]))
    axes.legend(loc="upper left", fontsize=8)
