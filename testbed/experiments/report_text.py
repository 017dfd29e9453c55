"""A report on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from testbed.experiments.findings import Findings, Means
from testbed.experiments.report import Compared, Figure, Report, Summary
from testbed.experiments.statistics import Estimate
from testbed.experiments.verdicts import (
    Outcome,
    Verdict,
    change_text,
    p_text,
    places_of,
    said,
)

COLOURS = {Outcome.MEETS: "green", Outcome.GAINS: "green", Outcome.APART: "green",
           Outcome.MISSES: "red", Outcome.NOT_APART: "red", Outcome.UNSURE: "yellow",
           Outcome.OPEN: "yellow", Outcome.ONE_PAIR: "yellow"}
NOTHING = Findings()
MOST_FAILURES = 10  # shown; all are in the HTML and the rows
NAME_WIDTH = 16  # characters of a column's name before it goes on in another line
UNLIMITED = 10_000  # characters: wider than any table


def show(report: Report, console: Console, findings: Findings = NOTHING) -> None:
    """All of it."""
    scenario = report.scenario
    console.rule(scenario.title or scenario.name)
    _summaries(report, console)
    for table in findings.tables:
        _short(report, table, console)
    _compared(report, console)
    _verdicts("answers", findings.answers, console)
    _verdicts("targets", report.targets, console)
    _verdicts("controls", report.controls, console)
    if report.violations:
        console.print(f"[red]A floor was violated in:[/] {', '.join(report.violations)}")
    for row in report.failures[:MOST_FAILURES]:
        console.print(f"{row.trial} failed: {row.error}", markup=False, highlight=False)
    for note in (*report.notes, *findings.notes):
        console.print(note, markup=False, highlight=False)


def _summaries(report: Report, console: Console) -> None:
    """A line for each column and combination, with the first factor's levels side by side."""
    shown = [one for one in report.summaries if one.done or one.failed]
    if not shown:
        console.print("No trial is over yet.")
        return
    factors = list(report.scenario.factors)
    levels = list(report.scenario.factors[factors[0]]) if factors else ["all"]
    cells = {(rest_of(one), one.levels[factors[0]] if factors else "all"): one for one in shown}
    rests = list(dict.fromkeys(rest for rest, _ in cells))

    def table_of(levels: Sequence[str]) -> Table:
        table = Table(title=f"mean ± 95 % interval (Student's t); {factors[0] if factors else ''}",
                      title_justify="left")
        table.add_column("", max_width=NAME_WIDTH)
        table.add_column("at")
        for level in levels:
            table.add_column(level, justify="right", overflow="fold")
        for rest in rests:
            table.add_row("trials", rest, *(count_text(cells[rest, level])
                                            if (rest, level) in cells else "-" for level in levels))
        for column in report.main:
            table.add_section()
            for place, rest in enumerate(rests):
                table.add_row("" if place else heading(column.text, column.unit), rest, *(
                    _mean_text(cells[rest, level].figures[column.name]) if (rest, level) in cells
                    else "-" for level in levels))
        return table

    for table in _as_wide_as_fits(levels, table_of, console):
        console.print(table)


def _short(report: Report, asked: Means, console: Console) -> None:
    """Means alone, at the first and the last combination of all factors but the first."""
    done = [one for one in report.summaries if one.done]
    rests = list(dict.fromkeys(rest_of(one) for one in done))
    columns = report.measured(asked.short)
    if not columns or not rests:
        return

    def table_of(names: Sequence[str]) -> Table:
        table = Table(title=f"{asked.title}; means", title_justify="left", box=SIMPLE_HEAD)
        table.add_column(next(iter(report.scenario.factors), ""), overflow="fold")
        table.add_column("at", overflow="fold")
        for name in names:
            words = asked.headings.get(name, name).rsplit(" ", 1)  # the unit below
            table.add_column("\n".join(words), justify="right", overflow="fold")
        for one in done:
            if (rest := rest_of(one)) in (rests[0], rests[-1]):
                table.add_row(next(iter(one.levels.values()), "all"), rest, *(
                    _plain(one.figures[name]) for name in names))
        return table

    for table in _as_wide_as_fits([one.name for one in columns], table_of, console):
        console.print(table)
    said = (f"Of {len(rests)} combinations the first and the last; report.html has all of them "
            "and more columns." if len(rests) > 2 else "report.html has more columns.")
    console.print(said, markup=False, highlight=False)


def _plain(figure: Figure) -> str:
    if figure.mean is None:
        return "-"
    value = figure.mean.value
    return f"{value:,.{places_of(value, figure.column.digits)}f}"


def _as_wide_as_fits(
    levels: Sequence[str], table_of: Callable[[Sequence[str]], Table], console: Console
) -> list[Table]:
    """As many levels or columns side by side as the terminal has room for, the others below."""
    without_end = console.options.update(max_width=UNLIMITED)
    for size in range(len(levels), 0, -1):
        tables = [table_of(levels[begin:begin + size]) for begin in range(0, len(levels), size)]
        if all(Measurement.get(console, without_end, one).maximum <= console.width
               for one in tables):
            break
    return tables


def _mean_text(figure: Figure) -> str:
    """`842.7 ± 30.7`: an interval by Student's t lies evenly about its mean."""
    mean = figure.mean
    if mean is None or mean.high is None or figure.yes is not None:
        return figure_text(figure, mean)
    places = places_of(mean.value, figure.column.digits)
    return f"{mean.value:,.{places}f} ± {mean.high - mean.value:,.{places}f}"


def rest_of(summary: Summary) -> str:
    """Its levels, but for the first factor's."""
    return ", ".join(list(summary.levels.values())[1:]) or "-"


def heading(text: str, unit: str) -> str:
    return f"{text}, {unit}" if unit else text


def count_text(summary: Summary) -> str:
    return f"{summary.done}" + (f" (+{summary.failed} failed)" if summary.failed else "")


def figure_text(figure: Figure, estimate: Estimate | None) -> str:
    """An estimate with its interval, or how often it was a yes."""
    if estimate is None:
        return "-"
    if figure.yes is not None:
        return f"{figure.yes} of {estimate.count}"
    return said(estimate, figure.column.digits)


def _compared(report: Report, console: Console) -> None:
    """A table for each column and base: levels are read against each other."""
    if report.compared:
        console.print("Changes, by pairs of one seed; p by Holm over all of them together:")
    groups: dict[tuple[str, str, str], list[Compared]] = {}
    for one in report.compared:
        groups.setdefault((one.column.text, one.factor, one.base), []).append(one)
    for (column, factor, base), group in groups.items():
        table = Table(title=f"{column}: {factor} against {base}", title_justify="left",
                      box=SIMPLE_HEAD)
        for name in ("level", "at", "change", "p", "effect", "n"):
            table.add_column(name, no_wrap=name != "at", overflow="fold")
        for one in group:
            table.add_row(one.level, ", ".join(one.others.values()) or "-",
                          change_text(one.contrast, one.column), p_text(one.corrected),
                          effect_text(one.contrast.effect), str(one.contrast.change.count))
        console.print(table)


def effect_text(effect: float | None) -> str:
    """Differences that hardly vary have an effect of thousands: its digits say nothing."""
    return "-" if effect is None else f"{effect:+.2f}" if abs(effect) < 100 else f"{effect:+.0e}"


def _verdicts(title: str, verdicts: Sequence[Verdict], console: Console) -> None:
    if not verdicts:
        return
    table = Table(title=title, title_justify="left")
    for name in ("what", "verdict", "figures"):
        table.add_column(name)
    for one in verdicts:
        colour = COLOURS.get(one.outcome)
        word = one.outcome.value
        table.add_row(one.says, f"[{colour}]{word}[/]" if colour else word, one.why)
    console.print(table)
