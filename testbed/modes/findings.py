"""What a report on execution modes answers and draws, beyond its tables.

Two questions, in words: does it save bytes that the server knows that it generates (`semantic`),
and does that make answers faster; and over which link rate the second answer turns. Each is asked
against every mode whose server is blind to that. Pictures: latency against bytes, bytes by step,
where a token's time goes, how time grows with the steps of an answer, and what a batch brings.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcap_tools.look import SERIES, Draw, Look
from testbed.experiments.findings import Findings
from testbed.experiments.picking import numbers, of_levels, pairs_of
from testbed.experiments.report import Report
from testbed.experiments.results import TRIALS, Row
from testbed.experiments.scenario import Levels
from testbed.experiments.statistics import Contrast, paired
from testbed.experiments.verdicts import Outcome, Verdict, places_of_ratio, said_ratio
from testbed.modes.growing import batching_of, batchings, by_value, growing, values_of
from testbed.modes.policies import Mode

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FACTOR = "mode"
SEMANTIC = str(Mode.SEMANTIC)
BLIND = (str(Mode.HANDLE), str(Mode.REMOTE_CACHE), str(Mode.NAIVE))
LEAST_BYTES, LEAST_TIME = 0.30, 0.15  # shares that have to be saved for a yes
STEPS = "steps.parquet"
FAR = 50.0  # times: lines further apart need an axis of magnitudes
PARTS = (("client_ms", "client"), ("serialise_ms", "messages"), ("wire_ms", "wire"),
         ("server_ms", "server"))


def findings(report: Report, folder: Path) -> Findings:
    """All of it; nothing where the scenario does not compare modes."""
    rows = [row for row in report.rows if row.done and FACTOR in row.levels]
    if not rows:
        return Findings()
    levels = list(report.scenario.factors[FACTOR])
    return Findings([*answers(report, rows), *growing(rows, levels)],
                    pictures(rows, levels, folder))


def answers(report: Report, rows: Sequence[Row]) -> list[Verdict]:
    """Both questions, each against every blind mode there is."""
    there = {row.levels[FACTOR] for row in rows}
    blind = [mode for mode in BLIND if mode in there]
    if SEMANTIC not in there or not blind:
        return []
    rest = _rest(report, rows)
    found = []
    for mode in blind:
        found.append(_saves(rows, rest, mode, "bytes_total", LEAST_BYTES, "bytes"))
        found.append(_saves(rows, rest, mode, "answer_ms", LEAST_TIME, "time of an answer"))
    return [*found, *([turning(rows, blind[0])] if len(rates(rows)) > 1 else [])]


def _rest(report: Report, rows: Sequence[Row]) -> list[str]:
    return [name for name in report.scenario.factors if name != FACTOR and name in rows[0].levels]


def _saves(rows: Sequence[Row], rest: Sequence[str], base: str, column: str, least: float,
           what: str) -> Verdict:
    says = f"{SEMANTIC} saves at least {least:.0%} of the {what}, against {base}"
    return _verdict(says, _contrast(rows, base, column, rest), least)


def _contrast(rows: Sequence[Row], base: str, column: str, by: Sequence[str]) -> Contrast | None:
    return paired(*pairs_of(rows, {FACTOR: base}, {FACTOR: SEMANTIC}, column, by))


def _verdict(says: str, contrast: Contrast | None, least: float) -> Verdict:
    if contrast is None or not contrast.ratio:
        return Verdict(says, Outcome.OPEN, "no pair of trials measured it")
    one, bound = contrast.change, 1 - least
    why = f"{said_ratio(one)} x, of {one.count} pairs; a yes is {bound:.2f} x or less"
    if one.low is not None and one.high is not None and one.low <= bound <= one.high:
        return Verdict(says, Outcome.UNSURE, why)
    return Verdict(says, Outcome.MEETS if one.value <= bound else Outcome.MISSES, why)


def rates(rows: Iterable[Row]) -> list[float]:
    """Link rates that there are trials of, Mbit/s."""
    found = {row.settings.get("rate_mbps") for row in rows if row.settings.get("link") == "shaped"}
    return sorted(float(one) for one in found if isinstance(one, int | float))


def turning(rows: Sequence[Row], base: str) -> Verdict:
    """Over which link rate an answer is no longer so much faster."""
    says = (f"link rate over which {SEMANTIC} no longer saves {LEAST_TIME:.0%} of the time, "
            f"against {base}")
    points = []
    for rate in rates(rows):
        mine = [row for row in rows if row.settings.get("rate_mbps") == rate]
        contrast = _contrast(mine, base, "answer_ms", ())
        if contrast is not None and contrast.ratio:
            points.append((rate, contrast.change.value))
    if len(points) < 2:
        return Verdict(says, Outcome.OPEN, "fewer than two link rates were measured")
    listed = ", ".join(f"{value:.{places_of_ratio(value)}f} x at {rate:g}"
                       for rate, value in points) + " Mbit/s"
    return Verdict(says, Outcome.SAID, f"{where_it_turns(points, 1 - LEAST_TIME)}; {listed}")


def where_it_turns(points: Sequence[tuple[float, float]], bound: float) -> str:
    """Between which rates the ratio crosses the bound, and where on a straight line between them.

    `points` are rates in ascending order with the ratio at each; the line is over their logarithm.
    """
    yes = [value <= bound for _, value in points]
    turns = [place for place in range(1, len(points)) if yes[place] != yes[place - 1]]
    if not turns:
        return "at no rate that was measured does it" if not yes[0] else (
            "it does at every rate that was measured")
    if len(turns) > 1:
        return "it turns more than once: the trials scatter too much to say"
    (low, before), (high, after) = points[turns[0] - 1], points[turns[0]]
    share = (bound - before) / (after - before)
    at = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
    return f"between {low:g} and {high:g}, at about {at:.2g} Mbit/s"


def pictures(rows: Sequence[Row], levels: Sequence[str], folder: Path
             ) -> list[tuple[str, Draw]]:
    """Titles with what draws them."""
    there = {row.levels[FACTOR] for row in rows}
    modes = [one for one in levels if one in there]
    colours = {mode: SERIES[place % len(SERIES)] for place, mode in enumerate(modes)}
    found = [("An answer's time against its bytes", _scatter(rows, colours)),
             ("Where a token's time goes, ms", _breakdown(rows, modes))]
    steps = {mode: _mean_by_step(rows, mode, folder) for mode in modes}
    if any(steps.values()):
        found.append(("Bytes of each step, both ways", _by_step(steps, colours)))
    if len(values_of(rows, "steps")) > 1:
        found.append(("An answer's time by its steps", _over(
            rows, colours, "steps", "answer_ms", "steps of an answer", "ms")))
    return found + _batches(rows, colours)


def _batches(rows: Sequence[Row], colours: Mapping[str, str]) -> list[tuple[str, Draw]]:
    """One for each way in which batches were answered."""
    found = []
    for name in batchings(rows):
        mine = [row for row in rows if batching_of(row) == name]
        if len(values_of(mine, "batch")) > 1:
            found.append((f"Tokens a second by batch, {name}", _over(
                mine, colours, "batch", "tokens_per_second", "sequences", "tokens/s, all of them")))
    return found


def _drawing(fill: Callable[[Axes, Look], None]) -> Draw:
    """A figure with one pair of axes, and its legend above, under the line that its title takes."""
    def draw(look: Look) -> Figure:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(look.width, 3.2), layout="constrained")
        fill(figure.subplots(), look)
        figure.legend(title=" ", loc="outside upper left", ncols=4)
        return figure

    return draw


def _scatter(rows: Sequence[Row], colours: Mapping[str, str]) -> Draw:
    def fill(axes: Axes, look: Look) -> None:
        for mode, colour in colours.items():
            points = [(row.figures.get("bytes_total"), row.figures.get("answer_ms"))
                      for row in rows if row.levels[FACTOR] == mode]
            known = [(x, y) for x, y in points if isinstance(x, int | float) and x > 0
                     and isinstance(y, int | float)]
            if known:
                axes.scatter([x for x, _ in known], [y for _, y in known], s=14,
                             color=look[colour], label=mode)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("bytes of an answer, both ways")
        axes.set_ylabel("ms")

    return _drawing(fill)


def _breakdown(rows: Sequence[Row], modes: Sequence[str]) -> Draw:
    def fill(axes: Axes, look: Look) -> None:
        left = [0.0] * len(modes)
        for place, (column, text) in enumerate(PARTS):
            widths = [_mean(numbers(of_levels(rows, {FACTOR: mode}), column)) or 0.0
                      for mode in modes]
            axes.barh(range(len(modes)), widths, left=left, label=text,
                      color=look[SERIES[place % len(SERIES)]])
            left = [one + more for one, more in zip(left, widths, strict=True)]
        axes.set_yticks(range(len(modes)), list(modes))
        axes.invert_yaxis()
        axes.set_xlabel("ms; what was not measured has no bar")

    return _drawing(fill)


def _by_step(steps: Mapping[str, Sequence[float]], colours: Mapping[str, str]) -> Draw:
    lines = {mode: (range(len(values)), values) for mode, values in steps.items() if values}
    return _lines(lines, colours, "step; 0 is the prompt", "B", "")


def _over(rows: Sequence[Row], colours: Mapping[str, str], setting: str, column: str,
          across: str, up: str) -> Draw:
    """A line a mode: means of a column over a setting's values."""
    lines = {}
    for mode in colours:
        if found := by_value(rows, mode, setting, column):
            lines[mode] = (list(found), [_mean(values) or 0.0 for values in found.values()])
    return _lines(lines, colours, across, up, "o")


def _lines(lines: Mapping[str, tuple[Sequence[int], Sequence[float]]],
           colours: Mapping[str, str], across: str, up: str, marker: str) -> Draw:
    def fill(axes: Axes, look: Look) -> None:
        for mode, (at, values) in lines.items():
            axes.plot(at, values, color=look[colours[mode]], label=mode, marker=marker,
                      markersize=3, linewidth=1.2)
        known = [value for _, values in lines.values() for value in values if value > 0]
        if known and max(known) > FAR * min(known):
            axes.set_yscale("log")
        axes.set_xlabel(across)
        axes.set_ylabel(up)

    return _drawing(fill)


def _mean_by_step(rows: Sequence[Row], mode: str, folder: Path) -> list[float]:
    """Bytes of each step of a first turn, over the trials that counted them."""
    sums: dict[int, list[float]] = {}
    for row in of_levels(rows, _level(mode)):
        for step in _steps(folder / TRIALS / row.trial / STEPS):
            if step["turn"] == 0 and step["sent"] is not None and step["received"] is not None:
                sums.setdefault(int(step["step"]), []).append(step["sent"] + step["received"])
    return [_mean(sums[place]) or 0.0 for place in sorted(sums)]


def _level(mode: str) -> Levels:
    return {FACTOR: mode}


def _steps(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    import pyarrow.parquet as pq

    found: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return found


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
