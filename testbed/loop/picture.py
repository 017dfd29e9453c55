"""The loop's story as a picture: waits between tokens over time, phases, and the slice's quota.

It draws what a run's result holds, and measures nothing.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.loop.settings import LLM, PHASES

if TYPE_CHECKING:
    from testbed.loop.outcome import LoopResult

SHADES = ("#eef4ee", "#f6e3e0", "#e3ecf6", "#eef4ee")  # of the phases
SMALLEST_MS = 10.0  # of the axis, which is logarithmic


def draw(result: LoopResult, file: Path) -> None:
    """Write a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 5.6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    tokens = [one for one in result.tokens if 0 <= one.at <= result.settings.seconds]
    found = [(after.at, 1000 * (after.at - before.at)) for before, after in pairwise(tokens)
             if before.answer == after.answer]
    begin = 0.0
    for name, end, shade, phase in zip(PHASES, result.settings.ends, SHADES, result.phases,
                                       strict=True):
        for axes in (above, below):
            axes.axvspan(begin, end, color=shade, zorder=0)
        p95 = "–" if phase.p95_ms is None else f"{phase.p95_ms:.0f} ms"  # noqa: RUF001  # a dash
        above.text((begin + end) / 2, 0.97, f"{name}\np95 {p95}, {phase.tokens_per_second:.0f} "
                   "tokens/s", ha="center", va="top", transform=above.get_xaxis_transform())
        begin = end
    above.scatter([at for at, _ in found], [max(SMALLEST_MS, wait) for _, wait in found], s=6,
                  color="#1f4e79")
    above.set_yscale("log")
    above.set_ylim(SMALLEST_MS, 3 * max([wait for _, wait in found], default=100))
    above.set_ylabel("wait for a token, ms")
    above.set_title("Tokens of a split model on a cell that fills up, and what the xApp did")
    quotas = [(at, (shares.get(LLM) or {}).get("minimum", 0)) for at, shares in result.quotas]
    times = [max(0.0, at) for at, _ in quotas] + [result.settings.seconds]
    shares = [share for _, share in quotas]
    below.step(times, [*shares, shares[-1] if shares else 0], where="post", color="#b04a2f")
    below.set_ylabel(f"guarantee of\nslice {LLM}, %")
    below.set_xlabel("seconds")
    below.set_xlim(0, result.settings.seconds)
    below.set_ylim(0, 5 + 1.2 * max([10, *shares]))
    figure.savefig(file, dpi=130)
