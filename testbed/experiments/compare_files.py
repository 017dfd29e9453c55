"""A comparison of two sets of results on a terminal, as a page, and as Parquet."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from pcap_tools.page import Cell, Column, Page
from testbed.experiments.compare import Comparison, Line
from testbed.experiments.report_text import effect_text, heading
from testbed.experiments.results import write_parquet, write_whole
from testbed.experiments.verdicts import change_text, p_text, said

NAMES = ("at", "column", "before", "after", "medians", "change", "p", "effect", "by")
ABOUT = ("Means with intervals of 95 % by Student's t; p corrected by Holm over all lines; the "
         "effect's size is Cohen's d with Hedges' correction.")


def show(found: Comparison, console: Console) -> None:
    table = Table(title=f"{found.before} (before) and {found.after} (after)", title_justify="left")
    for name in NAMES:
        table.add_column(name)
    for line in found.lines:
        table.add_row(*texts(line))
    console.print(table)
    for note in (ABOUT, *found.notes):
        console.print(note, markup=False, highlight=False)


def texts(line: Line) -> list[str]:
    digits = line.column.digits
    return [", ".join(line.levels.values()) or "-", heading(line.column.text, line.column.unit),
            said(line.before, digits), said(line.after, digits),
            " / ".join(f"{one:.{digits}f}" for one in line.medians),
            change_text(line.contrast, line.column), p_text(line.corrected),
            effect_text(line.contrast.effect),
            f"{line.contrast.change.count} {'pairs' if line.contrast.pairs else 'values, Welch'}"]


def write(found: Comparison, folder: Path) -> None:
    page = Page(f"{found.after} against {found.before}", ABOUT)
    if found.notes:
        page.note("Before you read the figures", list(found.notes))
    page.table([Column(name) for name in NAMES],
               [[Cell(text) for text in texts(line)] for line in found.lines])
    write_whole(folder / "comparison.html", page.html().encode())
    write_parquet(folder / "comparison.parquet", [
        {**line.levels, "column": line.column.name, "before": line.before.value,
         "after": line.after.value, "before_median": line.medians[0],
         "after_median": line.medians[1], **asdict(line.contrast.change),
         "ratio": line.contrast.ratio, "test": line.contrast.test, "p": line.contrast.p,
         "p_holm": line.corrected, "effect": line.contrast.effect} for line in found.lines])
