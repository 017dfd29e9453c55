"""Pictures of a report: each level of the first factor beside the others, with intervals.

One panel a column; where the first factor's levels differ by more than a decade, the axis is
logarithmic. It draws what a report holds, and measures nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pcap_tools.look import SERIES, Draw, Look
from testbed.experiments.kind import Column
from testbed.experiments.report import Report, Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_PANELS = 6
DECADE = 10.0
INCHES_A_LEVEL = 1.5  # in the legend


def pictures(report: Report) -> list[tuple[str, Draw]]:
    """Titles with what draws them."""
    shown = [one for one in report.summaries if one.done]
    return [(f"{one.text}, {one.unit}" if one.unit else one.text, _panel(report, shown, one))
            for one in report.main[:MOST_PANELS]]


def _panel(report: Report, shown: Sequence[Summary], column: Column) -> Draw:
    def draw(look: Look) -> Figure:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(look.width, 2.9), layout="constrained")
        axes = figure.subplots()
        _bars(axes, look, report, shown, column)
        return figure

    return draw


def _bars(axes: Axes, look: Look, report: Report, shown: Sequence[Summary],
          column: Column) -> None:
    factors = list(report.scenario.factors)
    first = factors[0] if factors else None
    groups = list(dict.fromkeys(_rest(one, first) for one in shown))
    levels = list(report.scenario.factors[first]) if first else [""]
    width, values = 0.8 / len(levels), []
    for place, level in enumerate(levels):
        for one in shown:
            mean = one.figures[column.name].mean
            if (first and one.levels[first] != level) or mean is None:
                continue
            at = groups.index(_rest(one, first)) + (place - (len(levels) - 1) / 2) * width
            axes.bar(at, mean.value, width * 0.9, color=look[SERIES[place % len(SERIES)]])
            if mean.low is not None and mean.high is not None:
                axes.errorbar(at, mean.value, [[mean.value - mean.low], [mean.high - mean.value]],
                              color=look["text"], capsize=2, linewidth=1)
            values.append(mean.value)
        axes.bar(0, 0, color=look[SERIES[place % len(SERIES)]], label=level)
    if values and min(values) > 0 and max(values) / min(values) > DECADE:
        axes.set_yscale("log")
    axes.set_xticks(range(len(groups)), [", ".join(one) or "all" for one in groups])
    axes.set_ylabel(column.unit)
    if first:
        figure = axes.get_figure()
        assert figure is not None  # the axes were made in one
        # Beside the axes: in them it would lie on bars and intervals.
        figure.legend(*axes.get_legend_handles_labels(), title=first, loc="outside upper left",
                      ncols=max(1, min(len(levels), int(look.width / INCHES_A_LEVEL))))


def _rest(summary: Summary, first: str | None) -> tuple[str, ...]:
    return tuple(level for factor, level in summary.levels.items() if factor != first)
