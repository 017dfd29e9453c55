"""Pictures of a report on execution modes: times against bytes, bytes by step, where time goes.

    drawn = pictures(scenario, rows, folder)      # titles, with what draws them

A picture of several combinations of levels has a pair of axes for each (`panels`): nothing is a
mean over link rates, batches or lengths. It draws what rows and `steps.parquet` hold, and measures
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcap_tools.look import SERIES, Draw, Look
from testbed.experiments.picking import numbers, of_levels
from testbed.experiments.results import TRIALS, Row
from testbed.experiments.scenario import Scenario
from testbed.modes.growing import batching_of, batchings, by_value, values_of
from testbed.modes.panels import Panel, panels, varying

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FACTOR = "mode"
STEPS = "steps.parquet"
FAR = 50.0  # times: lines further apart need an axis of magnitudes
PARTS = (("client_ms", "client"), ("serialise_ms", "messages"), ("wire_ms", "wire"),
         ("server_ms", "server"))
SIDE_BY_SIDE = 2  # panels, on a page for a desk
PLAIN, BAR = 2.6, 0.2  # inches of height: a panel with lines, and each bar of one with bars
LEGEND_INCHES = 0.8  # with the title's line
Fill = Callable[["Axes", Look, Sequence[Row]], None]


def arm_of(scenario: Scenario) -> str | None:
    """The factor whose levels are told apart by colour: the mode, else the first there is."""
    return FACTOR if FACTOR in scenario.factors else next(iter(scenario.factors), None)


def pictures(scenario: Scenario, rows: Sequence[Row], folder: Path) -> list[tuple[str, Draw]]:
    """All of them."""
    arm = arm_of(scenario)
    if arm is None or not rows:
        return []
    there = {row.levels.get(arm) for row in rows}
    arms = [one for one in scenario.factors[arm] if one in there]
    drawing = _Drawing(scenario, rows, arm, arms, folder)
    return [drawing.scatter(), drawing.breakdown(), *drawing.by_step(), *drawing.growth()]


class _Drawing:
    """One report's."""

    def __init__(self, scenario: Scenario, rows: Sequence[Row], arm: str, arms: Sequence[str],
                 folder: Path) -> None:
        self._scenario, self._rows, self._folder = scenario, rows, folder
        self._arm, self._arms = arm, arms
        self._colours = {one: SERIES[place % len(SERIES)] for place, one in enumerate(arms)}

    def scatter(self) -> tuple[str, Draw]:
        """A point a trial: nothing is pooled, so one pair of axes is enough."""
        def fill(axes: Axes, look: Look, rows: Sequence[Row]) -> None:
            for arm, colour in self._colours.items():
                points = [(row.figures.get("bytes_total"), row.figures.get("answer_ms"))
                          for row in of_levels(rows, {self._arm: arm})]
                known = [(x, y) for x, y in points if isinstance(x, int | float) and x > 0
                         and isinstance(y, int | float)]
                if known:
                    axes.scatter([x for x, _ in known], [y for _, y in known], s=14,
                                 color=look[colour], label=arm)
            axes.set_xscale("log")
            axes.set_yscale("log")
            axes.set_xlabel("bytes of an answer, both ways")
            axes.set_ylabel("ms")

        return "An answer's time against its bytes", _drawing([Panel("", tuple(self._rows))], fill)

    def breakdown(self) -> tuple[str, Draw]:
        """Bars of a token's parts; the number at a bar's end is their sum."""
        def fill(axes: Axes, look: Look, rows: Sequence[Row]) -> None:
            left = [0.0] * len(self._arms)
            for place, (column, text) in enumerate(PARTS):
                widths = [_mean(numbers(of_levels(rows, {self._arm: arm}), column)) or 0.0
                          for arm in self._arms]
                axes.barh(range(len(self._arms)), widths, left=left, label=text,
                          color=look[SERIES[place % len(SERIES)]])
                left = [one + more for one, more in zip(left, widths, strict=True)]
            for place, end in enumerate(left):
                axes.text(end, place, f" {end:.3g}" if end else " -", va="center", fontsize=7.5)
            axes.set_xlim(0, 1.12 * max(left) or 1.0)
            axes.set_yticks(range(len(self._arms)), list(self._arms))
            axes.invert_yaxis()
            axes.set_xlabel("ms; what was not measured has no bar")

        found, left_out = panels(self._scenario, self._rows, {self._arm})
        return _title("Where a token's time goes, ms", left_out), _drawing(
            found, fill, 0.75 + BAR * len(self._arms))

    def by_step(self) -> list[tuple[str, Draw]]:
        """Lines, of a first turn's steps."""
        found, left_out = panels(self._scenario, self._rows, {self._arm})
        lines = {panel.title: {arm: _mean_by_step(of_levels(panel.rows, {self._arm: arm}),
                                                  self._folder) for arm in self._arms}
                 for panel in found}
        drawn = [panel for panel in found if any(lines[panel.title].values())]

        def fill_of(panel: Panel) -> Fill:
            return lambda axes, look, _: _plot(axes, look, self._colours, {
                arm: (range(len(values)), values)
                for arm, values in lines[panel.title].items() if values},
                "step; 0 is the prompt", "B", "")

        fills = [fill_of(panel) for panel in drawn]
        return [(_title("Bytes of each step, both ways", left_out),
                 _drawing(drawn, fills))] if drawn else []

    def growth(self) -> list[tuple[str, Draw]]:
        """By steps, by a prompt's tokens and by batch, where there are several."""
        found = []
        for setting, column, title, across, up in (
                ("steps", "answer_ms", "An answer's time by its steps", "steps of an answer", "ms"),
                ("prompt_tokens", "first_token_ms", "Time to first token by the prompt",
                 "tokens of the prompt", "ms")):
            if len(values_of(self._rows, setting)) > 1:
                found.append(self._over(self._rows, setting, column, (title, across, up),
                                        varying(self._scenario, setting)))
        for name in batchings(self._rows):
            mine = [row for row in self._rows if batching_of(row) == name]
            if len(values_of(mine, "batch")) > 1:
                found.append(self._over(
                    mine, "batch", "tokens_per_second",
                    (f"Tokens a second by batch, {name}", "sequences", "tokens/s, all of them"),
                    varying(self._scenario, "batch", "batching")))
        return found

    def _over(self, rows: Sequence[Row], setting: str, column: str, texts: tuple[str, str, str],
              besides: Collection[str]) -> tuple[str, Draw]:
        """A line for each arm: means of a column over a setting's values."""
        title, across, up = texts

        def fill(axes: Axes, look: Look, rows: Sequence[Row]) -> None:
            lines = {}
            for arm in self._arms:
                if values := by_value(rows, arm, setting, column, self._arm):
                    lines[arm] = (list(values), [_mean(one) or 0.0 for one in values.values()])
            _plot(axes, look, self._colours, lines, across, up, "o")

        found, left_out = panels(self._scenario, rows, {self._arm, *besides})
        return _title(title, left_out), _drawing(found, fill)


def _title(text: str, left_out: str) -> str:
    return f"{text} ({left_out})" if left_out else text


def _drawing(found: Sequence[Panel], fill: Fill | Sequence[Fill], height: float = PLAIN) -> Draw:
    """A figure with axes for each panel, and one legend above, under the title's line."""
    fills = [fill] * len(found) if callable(fill) else list(fill)

    def draw(look: Look) -> Figure:
        from matplotlib.figure import Figure

        across = 1 if look.narrow or len(found) == 1 else SIDE_BY_SIDE
        down = -(-len(found) // across)
        figure = Figure(figsize=(look.width, LEGEND_INCHES + down * height), layout="constrained")
        grid = figure.subplots(down, across, squeeze=False).ravel()
        for axes, panel, one in zip(grid, found, fills, strict=False):
            one(axes, look, panel.rows)
            axes.set_title(panel.title)
        for axes in grid[len(found):]:
            axes.remove()
        _legend(figure, look)
        return figure

    return draw


def _legend(figure: Figure, look: Look) -> None:
    """Each label once, whichever panels have it."""
    known: dict[str, Any] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            known.setdefault(label, handle)
    if known:
        figure.legend(list(known.values()), list(known), title=" ", loc="outside upper left",
                      ncols=2 if look.narrow else 4)


def _plot(axes: Axes, look: Look, colours: Mapping[str, str],
          lines: Mapping[str, tuple[Sequence[int], Sequence[float]]],
          across: str, up: str, marker: str) -> None:
    for arm, (at, values) in lines.items():
        axes.plot(at, values, color=look[colours[arm]], label=arm, marker=marker, markersize=3,
                  linewidth=1.2)
    known = [value for _, values in lines.values() for value in values if value > 0]
    if known and max(known) > FAR * min(known):
        axes.set_yscale("log")
    axes.set_xlabel(across)
    axes.set_ylabel(up)


def _mean_by_step(rows: Sequence[Row], folder: Path) -> list[float]:
    """Bytes of each step of a first turn, over the trials that counted them."""
    sums: dict[int, list[float]] = {}
    for row in rows:
        for step in _steps(folder / TRIALS / row.trial / STEPS):
            if step["turn"] == 0 and step["sent"] is not None and step["received"] is not None:
                sums.setdefault(int(step["step"]), []).append(step["sent"] + step["received"])
    return [_mean(sums[place]) or 0.0 for place in sorted(sums)]


def _steps(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    import pyarrow.parquet as pq

    found: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return found


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
