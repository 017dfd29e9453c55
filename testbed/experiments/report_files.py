"""A report as files: report.html, which needs nothing else, report.png, and tables as Parquet."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pcap_tools.look import LIGHT, Look, write_pictures
from pcap_tools.page import Cell, Column, Page
from testbed.experiments.findings import Findings
from testbed.experiments.kind import Column as Measured
from testbed.experiments.report import Figure, Report
from testbed.experiments.report_pictures import pictures
from testbed.experiments.report_text import count_text, effect_text, figure_text, heading
from testbed.experiments.results import write_parquet, write_whole
from testbed.experiments.statistics import Estimate
from testbed.experiments.verdicts import Verdict, change_text, p_text

NOTHING = Findings()
NO_HEADINGS: Mapping[str, str] = {}
VERDICT = (Column("what"), Column("verdict"), Column("figures"))


def write(report: Report, folder: Path, findings: Findings = NOTHING) -> None:
    """All of them."""
    drawn = [*pictures(report), *findings.pictures]
    write_whole(folder / "report.html", page_of(report, findings).html().encode())
    if drawn and report.rows:
        write_pictures(drawn, Look(LIGHT), folder / "report.png")
    if report.summaries:
        write_parquet(folder / "summary.parquet", summary_rows(report))
    if report.compared:
        write_parquet(folder / "contrasts.parquet", contrast_rows(report))


def page_of(report: Report, findings: Findings = NOTHING) -> Page:
    """The page."""
    scenario, done = report.scenario, sum(row.done for row in report.rows)
    page = Page(scenario.title or scenario.name, scenario.about)
    page.cells([("trials", f"{done} of {scenario.trials}"), ("failed", str(len(report.failures))),
                ("repetitions", str(scenario.repetitions)), ("kind", scenario.kind)])
    if notes := [*report.notes, *findings.notes]:
        page.note("Before you read the figures", notes)
    for title, verdicts in (("Answers", findings.answers), ("Targets", report.targets),
                            ("Controls", report.controls)):
        if verdicts:
            page.heading(title)
            page.table(VERDICT, [_verdict_row(one) for one in verdicts], wrap=True)
    if report.violations:
        page.note("A floor was violated", list(report.violations))
    if report.rows:
        page.heading("Figures")
        for title, draw in (*pictures(report), *findings.pictures):
            page.figure(draw, title, title)
    page.heading("Every combination")
    page.text("Means with intervals of 95 % by Student's t over trials.", soft=True)
    _summary_table(report, page, report.main, lambda figure: figure.mean)
    page.open("Medians, with intervals of 95 % by bootstrap")
    _summary_table(report, page, report.main, lambda figure: figure.median)
    page.close()
    for table in findings.tables:
        if columns := report.measured(table.columns):
            page.heading(table.title)
            page.text("Means with intervals of 95 %; what no trial measured has no column.",
                      soft=True)
            _summary_table(report, page, columns, lambda figure: figure.mean, table.headings)
            page.text("; ".join(f"{table.headings[one.name]}: {one.text}" for one in columns
                                if one.name in table.headings), soft=True)
    _contrast_table(report, page)
    _failures(report, page)
    _settings(report, page)
    return page


def _verdict_row(one: Verdict) -> list[Cell]:
    return [Cell(one.says), Cell(one.outcome.value), Cell(one.why)]


def _summary_table(report: Report, page: Page, shown: Sequence[Measured],
                   of: Callable[[Figure], Estimate | None],
                   headings: Mapping[str, str] = NO_HEADINGS) -> None:
    """Combinations with columns, under short headings where there are any."""
    columns = [Column(name) for name in report.scenario.factors] + [Column("n", True)] + [
        Column(headings.get(one.name, heading(one.text, one.unit)), True) for one in shown]
    page.table(columns, [
        [*(Cell(level) for level in one.levels.values()), Cell(count_text(one), one.done),
         *(_cell(figure, of(figure)) for figure in (
             one.figures[column.name] for column in shown))]
        for one in report.summaries])


def _cell(figure: Figure, estimate: Estimate | None) -> Cell:
    return Cell(figure_text(figure, estimate), None if estimate is None else estimate.value)


def _contrast_table(report: Report, page: Page) -> None:
    if not report.compared:
        return
    page.heading("What the levels change")
    page.text("By pairs of trials of one seed; p of paired t-tests, corrected by Holm over this "
              "table; the effect's size is Cohen's d of pairs with Hedges' correction.", soft=True)
    page.table(
        [Column("level"), Column("against"), Column("at"), Column("column"), Column("change", True),
         Column("p", True), Column("effect", True), Column("pairs", True)],
        [[Cell(one.level), Cell(one.base), Cell(", ".join(one.others.values()) or "-"),
          Cell(one.column.text), Cell(change_text(one.contrast, one.column),
                                      one.contrast.change.value),
          Cell(p_text(one.corrected), one.corrected),
          Cell(effect_text(one.contrast.effect), one.contrast.effect),
          Cell(str(one.contrast.change.count), one.contrast.change.count)]
         for one in report.compared])


def _failures(report: Report, page: Page) -> None:
    if report.failures:
        page.heading("Trials that failed")
        page.table([Column("trial"), Column("error")],
                   [[Cell(row.trial), Cell(row.error or "")] for row in report.failures], wrap=True)


def _settings(report: Report, page: Page) -> None:
    page.open("How it was run")
    page.text(json.dumps(dict(report.scenario.settings), default=str))
    for text in sorted({json.dumps(dict(row.machine)) for row in report.rows}):
        page.text(text)
    page.close()


def summary_rows(report: Report) -> list[dict[str, Any]]:
    """One for each combination and column."""
    return [{**one.levels, "done": one.done, "failed": one.failed, "column": name,
             "unit": figure.column.unit, **_estimate("mean", figure.mean),
             **_estimate("median", figure.median)}
            for one in report.summaries for name, figure in one.figures.items()]


def _estimate(name: str, one: Estimate | None) -> dict[str, Any]:
    return {name: one.value if one else None, f"{name}_low": one.low if one else None,
            f"{name}_high": one.high if one else None, f"{name}_n": one.count if one else 0,
            f"{name}_interval": one.method if one else None}


def contrast_rows(report: Report) -> list[dict[str, Any]]:
    return [{"factor": one.factor, "base": one.base, "level": one.level, **one.others,
             "column": one.column.name, **asdict(one.contrast.change),
             "ratio": one.contrast.ratio, "test": one.contrast.test, "p": one.contrast.p,
             "p_holm": one.corrected, "effect": one.contrast.effect} for one in report.compared]
